"""`python -m tools.perf gwr`: the whole bandwidth search and fit of this project and of the mgwr package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from bench.errors import BenchError
from bench.runners.entry import installed_version
from bench.system.clock import human_seconds
from tools.perf import machine
from tools.perf.fresh_process import in_fresh_process

_PACKAGES = ("torch", "numpy", "scipy", "mgwr")
_PIECES = "tools.perf.gwr_pieces"
SEARCH_FLOOR = 40
"""Both searches start at this many neighbours and two per column (mgwr's rule)."""


@dataclass(frozen=True)
class GwrOptions:
    """What to measure.

    Attributes:
        sizes: numbers of points.
        columns: columns of the design, the intercept among them.
        threads: numeric threads of the own engine; mgwr always has one, at which it is fastest.
        skip_mgwr_above: largest number of points at which mgwr is measured too.
        repeat: how often each is measured; the fastest counts.

    Raises:
        BenchError: an option is out of range.
    """

    sizes: tuple[int, ...]
    columns: int = 26
    threads: int = 1
    skip_mgwr_above: int = 6000
    repeat: int = 1

    def __post_init__(self) -> None:
        if self.columns < 2:
            raise BenchError(f"--columns is {self.columns}; it must be at least 2 (the intercept and one feature).")
        for name in ("threads", "repeat"):
            if getattr(self, name) < 1:
                raise BenchError(f"--{name} is {getattr(self, name)}; it must be at least 1.")
        if not self.sizes:
            raise BenchError("--sizes is empty; give numbers of points such as --sizes 500,1000.")
        fewest = self.search_start + 1
        for size in self.sizes:
            if size < fewest:
                raise BenchError(
                    f"--sizes: {size} points are too few for a bandwidth search with {self.columns} columns; give at "
                    f"least {fewest}."
                )

    @property
    def search_start(self) -> int:
        """Neighbours at which both searches start."""
        return SEARCH_FLOOR + 2 * self.columns


def measure(options: GwrOptions, say: Callable[[str], None]) -> dict[str, Any]:
    """Measures every size and returns the report that `docs/results-format.md` describes.

    Args:
        options: what to measure.
        say: called with a line now and then.

    Raises:
        BenchError: a measurement failed.
    """
    report = machine.header("python -m tools.perf gwr", asdict(options), _PACKAGES)
    say(f"matrix rate, float64, {options.threads} thread(s)")
    rates = machine.matrix_rates(["float64"], threads=options.threads)
    sizes = [_measure_size(size, options, say) for size in options.sizes]
    rates = rates.best_with(machine.matrix_rates(["float64"], threads=options.threads))
    for row in sizes:
        own = row["own"]
        own["matrix_rate_share"] = own["matrix_operations"] / own["seconds"] / rates.per_second["float64"]
    return report | {"matrix_rate": asdict(rates), "sizes": sizes}


def _measure_size(size: int, options: GwrOptions, say: Callable[[str], None]) -> dict[str, Any]:
    design = {"n": size, "columns": options.columns}
    timed = design | {"repeat": options.repeat, "warm_up_n": 2 * options.search_start}
    say(f"n = {size}: own engine")
    job = in_fresh_process(f"{_PIECES}:own_engine", timed, threads=options.threads)
    counted = in_fresh_process(f"{_PIECES}:own_operations", design, threads=options.threads)
    own = job.answer | counted.answer | {"threads": options.threads, "peak_memory_bytes": job.peak_memory_bytes}
    say(f"n = {size}: own engine {human_seconds(own['seconds'])}")
    row = {
        "n": size,
        "own": own,
        "mgwr": None,
        "mgwr_skipped": _reason_to_skip(size, options),
        "speed_ratio": None,
        "same_bandwidth": None,
        "aicc_difference": None,
    }
    if row["mgwr_skipped"] is not None:
        say(f"n = {size}: mgwr skipped: {row['mgwr_skipped']}")
        return row
    say(f"n = {size}: mgwr; it prints each bandwidth that it tries, first those of a small warm-up")
    job = in_fresh_process(f"{_PIECES}:mgwr_package", timed, threads=1)
    other = job.answer | {"threads": 1, "peak_memory_bytes": job.peak_memory_bytes}
    say(f"n = {size}: mgwr {human_seconds(other['seconds'])}")
    return row | {
        "mgwr": other,
        "speed_ratio": other["seconds"] / own["seconds"],
        "same_bandwidth": other["bandwidth"] == own["bandwidth"],
        "aicc_difference": own["aicc"] - other["aicc"],
    }


def _reason_to_skip(size: int, options: GwrOptions) -> str | None:
    if size > options.skip_mgwr_above:
        return f"more than {options.skip_mgwr_above} points (--skip-mgwr-above)"
    if installed_version("mgwr") is None:
        return "mgwr is not installed"
    return None
