"""The rate at which this machine multiplies matrices, and what every report of `python -m tools.perf` begins with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.runners.entry import installed_version
from bench.system import clock
from bench.system.host import this_host
from bench.version import __version__
from tools.perf.fresh_process import in_fresh_process

SCHEMA_VERSION = 1
_ORDER = {"cpu": 1536, "cuda": 8192}
"""Rows of the square matrices: large enough for the full rate, small enough for seconds."""
_REPEATS = 6


@dataclass(frozen=True)
class MatrixRates:
    """Measured rates of large square matrix products; the best of several.

    Attributes:
        device: ``cpu`` or ``cuda``, never ``auto``.
        device_name: of the GPU; None on a CPU.
        threads: numeric threads.
        per_second: dtype → floating-point operations per second, an addition and a multiplication counted as two.
    """

    device: str
    device_name: str | None
    threads: int
    per_second: dict[str, float]

    def best_with(self, other: MatrixRates) -> MatrixRates:
        """The larger of two measurements of one machine: other work can only slow a product down."""
        best = {name: max(rate, other.per_second[name]) for name, rate in self.per_second.items()}
        return MatrixRates(self.device, self.device_name, self.threads, best)


def matrix_rates(dtypes: Sequence[str], *, threads: int, device: str = "cpu") -> MatrixRates:
    """Measures the matrix rates in a process of its own.

    Args:
        dtypes: names of torch types; on a GPU bfloat16 is added.
        threads: numeric threads.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        BenchError: torch is not installed, or sees no GPU where one is asked for.
    """
    answer = in_fresh_process(
        "tools.perf.machine:measure_rates", {"dtypes": list(dtypes), "device": device}, threads=threads
    ).answer
    return MatrixRates(answer["device"], answer["device_name"], threads, answer["per_second"])


def measure_rates(dtypes: list[str], device: str) -> dict[str, Any]:
    """The job of `matrix_rates`."""
    import torch

    from models.training import TrainingOptions

    where = TrainingOptions(device=device).resolve_device()
    gpu = where.type == "cuda"
    names = [*dtypes, "bfloat16"] if gpu else dtypes
    return {
        "device": str(where),
        "device_name": torch.cuda.get_device_name(where) if gpu else None,
        "per_second": {name: _rate(name, str(where)) for name in names},
    }


def _rate(dtype: str, device: str) -> float:
    import torch

    gpu = device.startswith("cuda")
    order = _ORDER["cuda" if gpu else "cpu"]
    left, right = torch.randn(2, order, order, device=device).to(getattr(torch, dtype))
    product = left @ right
    best = float("inf")
    for _ in range(_REPEATS):
        if gpu:
            torch.cuda.synchronize()
        watch = clock.Stopwatch()
        torch.matmul(left, right, out=product)
        if gpu:
            torch.cuda.synchronize()
        best = min(best, watch.seconds)
    return 2.0 * order**3 / best


def header(command: str, options: dict[str, Any], packages: Sequence[str]) -> dict[str, Any]:
    """What every report begins with.

    Args:
        command: what was called.
        options: what it was asked for.
        packages: distributions whose versions matter; those that are not installed have None.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "command": command,
        "date": clock.now(),
        "bench_version": __version__,
        "host": this_host().model_dump(),
        "packages": {name: installed_version(name) for name in packages},
        "options": options,
    }
