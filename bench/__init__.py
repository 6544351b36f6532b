"""climate2gpp-bench: a benchmark of models that predict gross primary productivity from climate.

The names below are imported when they are first used, so that `import bench` and `bench --help` stay quick.
"""

from __future__ import annotations

from bench.version import __version__

TYPE_CHECKING = False  # as type checkers know it: `typing` takes longer to import than all else here
if TYPE_CHECKING:
    from typing import Any

    from bench.api import (
        BenchError,
        Cost,
        Cube,
        Report,
        ReportOptions,
        Runner,
        RunnerEntry,
        RunOptions,
        export,
        importance,
        open_dataset,
        plan,
        predictions,
        register,
        report,
        results,
        run,
    )

__all__ = [
    "BenchError",
    "Cost",
    "Cube",
    "Report",
    "ReportOptions",
    "RunOptions",
    "Runner",
    "RunnerEntry",
    "__version__",
    "export",
    "importance",
    "open_dataset",
    "plan",
    "predictions",
    "register",
    "report",
    "results",
    "run",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from bench import api

        return getattr(api, name)
    raise AttributeError(f"module 'bench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
