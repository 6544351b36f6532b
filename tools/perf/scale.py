"""`python -m tools.perf scale`: making, checking and learning from a simulated cube that need not fit into memory."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.data.rhythm import STEPS_PER_YEAR
from bench.errors import BenchError
from bench.system.disk import disk_errors
from tools.perf import machine
from tools.perf.fresh_process import in_fresh_process

_PACKAGES = ("torch", "numpy", "lightgbm", "autogluon.tabular")
_PIECES = "tools.perf.scale_pieces"
BYTES_PER_SAMPLE = 130
"""Of the simulated cube: 27 climate features, target and withheld arrays in float32, rounded up."""


@dataclass(frozen=True)
class ScaleOptions:
    """What to measure.

    Attributes:
        cells: of the simulated cube.
        years: of the simulated cube.
        work: folder for the cube, which is removed afterwards; None for the system's temporary folder.
        threads: numeric threads.
        train: whether to train one epoch from disk, and for a while from memory.
        memory_seconds: length of the training from memory.
        lightgbm_rows: training rows of LightGBM; 0 leaves it out.
        lightgbm_rounds: two numbers of boosting rounds; their difference gives the time of one.

    Raises:
        BenchError: an option is out of range.
    """

    cells: int = 12_000
    years: int = 20
    work: Path | None = None
    threads: int = 2
    train: bool = True
    memory_seconds: float = 30.0
    lightgbm_rows: int = 0
    lightgbm_rounds: tuple[int, int] = (10, 30)

    def __post_init__(self) -> None:
        if self.years < 2:
            raise BenchError("--years must be at least 2: all but the last train.")
        if self.threads < 1:
            raise BenchError(f"--threads is {self.threads}; it must be at least 1.")
        if self.lightgbm_rows < 0:
            raise BenchError("--lightgbm-rows must not be negative.")
        if not self.memory_seconds > 0:
            raise BenchError("--memory-seconds must be positive.")


def measure(options: ScaleOptions, say: Callable[[str], None]) -> dict[str, Any]:
    """Measures and returns the report that `docs/results-format.md` describes.

    Args:
        options: what to measure.
        say: called with a line now and then.

    Raises:
        BenchError: the disk is too small, or a measurement failed.
    """
    report = machine.header("python -m tools.perf scale", asdict(options) | {"work": None}, _PACKAGES)
    if options.work is not None and not options.work.is_dir():
        raise BenchError(f"--work {options.work} is no folder; make it or name another.")
    with disk_errors("The folder for the cube (--work)", "nothing is lost"):
        folder = Path(tempfile.mkdtemp(prefix="bench-scale-", dir=options.work))
    try:
        return report | _measure(folder, options, say)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(folder: Path, options: ScaleOptions, say: Callable[[str], None]) -> dict[str, Any]:
    samples = options.cells * options.years * STEPS_PER_YEAR
    free = shutil.disk_usage(folder).free
    if samples * BYTES_PER_SAMPLE > free:
        raise BenchError(
            f"The cube would take about {samples * BYTES_PER_SAMPLE / 1e9:.1f} GB, but {folder.parent} has "
            f"{free / 1e9:.1f} GB left; name another folder with --work or fewer --cells."
        )
    path = str(folder / "simulated.zarr")

    def job(name: str, **arguments: Any) -> dict[str, Any]:
        done = in_fresh_process(f"{_PIECES}:{name}", {"path": path, **arguments}, threads=options.threads)
        return done.answer | {"peak_memory_bytes": done.peak_memory_bytes}

    say(f"making {options.cells:,} cells × {options.years * STEPS_PER_YEAR} steps")
    made = {"build": job("build", cells=options.cells, years=options.years)}
    say(f"{made['build']['samples_per_second']:,.0f} samples/s; reading it back")
    made["verify"] = job("verify")
    if options.train:
        say("one epoch of dual_branch_plus from disk")
        made["train_disk"] = job("train", in_memory=False, seconds=None)
        say(f"{made['train_disk']['samples_per_second']:,.0f} samples/s; the same from memory for a while")
        made["train_memory"] = job("train", in_memory=True, seconds=options.memory_seconds)
        disk, memory = (made[name]["samples_per_second"] for name in ("train_disk", "train_memory"))
        made["train_disk"]["share_of_memory_rate"] = disk / memory
    lightgbm = []
    for rounds in options.lightgbm_rounds if options.lightgbm_rows else ():
        say(f"LightGBM, {options.lightgbm_rows:,} rows, {rounds} rounds")
        lightgbm.append(job("lightgbm", rows=options.lightgbm_rows, rounds=rounds))
    return made | {"lightgbm": lightgbm}
