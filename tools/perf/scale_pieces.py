"""The measured pieces of `python -m tools.perf scale`, each called in a process of its own."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from bench.system.clock import Stopwatch
from tools.perf.training_tasks import Enough

_REPORT_SECONDS = 0.5


def build(path: str, cells: int, years: int) -> dict[str, Any]:
    """Makes the simulated cube on disk.

    Args:
        path: folder of the cube.
        cells: land cells.
        years: whole years of 46 steps.
    """
    from bench.data.simulated import SimulatedOptions, build_simulated

    watch = Stopwatch()
    cube = build_simulated(Path(path), SimulatedOptions(n_cells=cells, n_years=years, seed=0))
    seconds = watch.seconds
    samples = cube.n_cells * cube.n_times
    size = sum(file.stat().st_size for file in Path(path).rglob("*") if file.is_file())
    return {"samples": samples, "seconds": seconds, "samples_per_second": samples / seconds, "disk_bytes": size}


def verify(path: str) -> dict[str, Any]:
    """Reads the whole cube back and compares its fingerprint with the one stored when it was made.

    Args:
        path: folder of the cube.
    """
    from bench.data.cube_zarr import verify_cube

    watch = Stopwatch()
    return {"fingerprint": verify_cube(Path(path)), "seconds": watch.seconds}


def train(path: str, in_memory: bool, seconds: float | None) -> dict[str, Any]:
    """Trains `dual_branch_plus` (one network) on all years but the last.

    Args:
        path: folder of the cube.
        in_memory: copy the climate into memory first; else it stays a memory map whose pages were dropped before.
        seconds: stop after so many; None for one whole epoch.
    """
    from dataclasses import replace

    from bench.data.cube_zarr import open_cube
    from bench.data.simulated.build import LAST_YEAR
    from models.dual_branch import PLUS_TRAINING, SEASONAL, DualBranchPlusOptions, DualBranchPlusRegressor
    from models.training import Panel, Progress

    if not in_memory:
        drop_pages(Path(path))
    cube = open_cube(Path(path))
    watch = Stopwatch()
    climate = np.array(cube.climate) if in_memory else cube.climate
    panel = Panel(climate, np.asarray(cube.static), cube.lon, cube.lat, cube.step_of_year)
    train_times = np.flatnonzero(cube.year != LAST_YEAR)
    cells = np.repeat(np.arange(cube.n_cells, dtype=np.int32), len(train_times))
    times = np.tile(train_times.astype(np.int32), cube.n_cells)
    marks: list[tuple[float, int]] = []
    rates: list[float] = []
    batch_size = PLUS_TRAINING.batch_size

    def note(report: Progress) -> None:
        marks.append((watch.seconds, min(report.step * batch_size, len(cells))))
        rates.append(report.samples_per_second)
        if seconds is not None and marks[-1][0] - marks[0][0] >= seconds:
            raise Enough

    training = replace(PLUS_TRAINING, epochs=1, progress_seconds=_REPORT_SECONDS)
    estimator = DualBranchPlusRegressor(DualBranchPlusOptions(members=(SEASONAL,)), training)
    with suppress(Enough):
        estimator.fit(panel, np.asarray(cube.target), cells, times, on_progress=note)
    return {
        "train_samples": len(cells),
        "trained_samples": marks[-1][1],
        "climate_bytes": climate.nbytes,
        "preparation_seconds": watch.seconds - marks[-1][1] / rates[-1],
        "samples_per_second": rates[-1],
    }


def lightgbm(path: str, rows: int, rounds: int) -> dict[str, Any]:
    """Fits AutoGluon's LightGBM on a sample of training rows for a fixed number of boosting rounds.

    Args:
        path: folder of the cube.
        rows: training rows.
        rounds: boosting rounds; AutoGluon's default is up to 10,000 with early stopping.
    """
    from bench.data.cube_zarr import open_cube
    from bench.data.splits import full_parameters, make_split
    from bench.execution.inprocess import build_runner
    from bench.runners.entry import TRAINING_ROWS

    cube = open_cube(Path(path))
    split = make_split(cube, full_parameters(cube, None))
    parameters = {"model": "GBM", "hyperparameters": {"num_boost_round": rounds}, TRAINING_ROWS: rows}
    with tempfile.TemporaryDirectory() as scratch:
        runner = build_runner(
            "lightgbm",
            cube,
            split,
            view="located",
            seed=0,
            threads=int(os.environ.get("OMP_NUM_THREADS", "1")),
            parameters=parameters,
            scratch=Path(scratch),
        )
        watch = Stopwatch()
        runner.fit()
        return {"rows": min(rows, len(split.train)), "rounds": rounds, "seconds": watch.seconds}


def drop_pages(path: Path) -> None:
    """Asks the system to forget what it holds of a folder's files in memory, so that reading means reading from disk.

    Args:
        path: folder.
    """
    if not hasattr(os, "posix_fadvise"):
        return
    for file in path.rglob("*"):
        if file.is_file():
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.fsync(descriptor)  # pages that are not on disk yet cannot be dropped
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
