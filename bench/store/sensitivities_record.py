"""The store's record of a data set's true sensitivities, against which explanations are scored.

`bench run` writes it once per data set, before the jobs; `bench report` reads it and needs no data set.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.data.cube import Cube
from bench.data.physics import physics_of, true_sensitivities
from bench.data.splits import Part
from bench.runners import registry
from bench.seeds import SENSITIVITY_SAMPLE_SEED
from bench.store.dataset_record import dataset_folder
from bench.store.names import CONTRIBUTIONS, PRODUCTIVITY, SENSITIVITIES
from bench.store.place import STORED_STAYS
from bench.store.store import Store
from bench.system.disk import disk_errors, write_atomically

TARGET, LAST_YEAR = "target", "last_year"
"""Columns of `PRODUCTIVITY`."""
MOST_VALUES = 10_000_000
"""Values (cells × steps × features) of one file; of a larger data set a sample of its cells is kept."""
_CELLS_AT_ONCE = 512  # bounds the memory of the derivatives


def record_sensitivities(store: Store, cube: Cube, runners: Iterable[str], say: Callable[[str], None]) -> bool:
    """Writes the true sensitivities of the test year, unless they are there, and says whether they are there now.

    Three files with one row per cell and step of the test year: ``sensitivities.parquet`` has the derivative of each
    climate feature per standard deviation of that feature in the training years (over the cells that are kept), and
    ``contributions.parquet`` the same times the standardised value of the feature. ``productivity.parquet`` has the
    target that they are the sensitivities of, and that of the same step a year before (NaN where there is none); stores
    of older versions lack it, and get it with the next run.

    Args:
        store: where to.
        cube: the data set.
        runners: names of the planned runners; nothing is written where none of them explains itself.
        say: is told where the truth is wanted and cannot be computed.

    Raises:
        BenchError: the disk is full or may not be written.
    """
    folder = dataset_folder(store, cube.fingerprint)
    if (folder / SENSITIVITIES).exists() and (folder / CONTRIBUTIONS).exists():
        if not (folder / PRODUCTIVITY).exists():
            with disk_errors(f"Store {store.root}", STORED_STAYS):
                write_atomically(folder / PRODUCTIVITY, _productivity(cube, _part(cube)))
        return True
    known = registry.entries()
    wanted = any(name in known and known[name].explains is not None for name in runners)
    if not wanted or physics_of(cube) is None:
        return False
    if importlib.util.find_spec("torch") is None:
        say("True sensitivities are left out: they need torch (pip install 'climate2gpp-bench[runners]').")
        return False
    part = _part(cube)
    sensitivity, contribution = _per_deviation(cube, part)
    with disk_errors(f"Store {store.root}", STORED_STAYS):
        folder.mkdir(parents=True, exist_ok=True)
        # The file that readers look for comes last, so that whoever finds it finds both.
        write_atomically(folder / PRODUCTIVITY, _productivity(cube, part))
        for name, values in ((CONTRIBUTIONS, contribution), (SENSITIVITIES, sensitivity)):
            columns = {feature: values[:, :, index] for index, feature in enumerate(cube.feature_names)}
            write_atomically(folder / name, _parquet(part, columns))
    return True


def _part(cube: Cube) -> Part:
    """The test year at the cells that are kept."""
    return Part(_kept_cells(cube), np.flatnonzero(cube.year == cube.year.max()))


def _productivity(cube: Cube, part: Part) -> bytes:
    before = np.flatnonzero(cube.year == cube.year.max() - 1)
    of_step = dict(zip(cube.step_of_year[before].tolist(), before.tolist(), strict=True))
    last = np.full((len(part.cells), len(part.times)), np.nan, np.float32)
    for index, step in enumerate(cube.step_of_year[part.times].tolist()):
        if step in of_step:
            last[:, index] = cube.target[part.cells, of_step[step]]
    return _parquet(part, {TARGET: part.of(cube.target), LAST_YEAR: last})


def _kept_cells(cube: Cube) -> npt.NDArray[np.int64]:
    most = max(1, MOST_VALUES // (cube.steps_per_year * len(cube.feature_names)))
    if cube.n_cells <= most:
        return np.arange(cube.n_cells)
    return np.sort(np.random.default_rng(SENSITIVITY_SAMPLE_SEED).permutation(cube.n_cells)[:most])


def _per_deviation(cube: Cube, part: Part) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """(n_cells, n_times, feature) sensitivities per training standard deviation, and contributions."""
    mean, deviation = _training_moments(cube, part.cells)
    shape = (len(part.cells), len(part.times), len(cube.feature_names))
    sensitivity, contribution = np.empty(shape, np.float32), np.empty(shape, np.float32)
    for start in range(0, len(part.cells), _CELLS_AT_ONCE):
        rows = slice(start, start + _CELLS_AT_ONCE)
        block = Part(part.cells[rows], part.times)
        scaled = true_sensitivities(cube, block) * deviation
        sensitivity[rows] = scaled
        contribution[rows] = scaled * ((block.of(cube.climate) - mean) / deviation)
    return sensitivity, contribution


def _training_moments(
    cube: Cube, cells: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(feature,) mean and standard deviation over the cells and the steps of the training years; 1 for no variation."""
    times = np.flatnonzero(cube.year < cube.year.max())
    blocks = [Part(cells[start : start + _CELLS_AT_ONCE], times) for start in range(0, len(cells), _CELLS_AT_ONCE)]
    count = len(cells) * len(times)
    mean = sum(block.of(cube.climate).sum(axis=(0, 1), dtype=np.float64) for block in blocks) / count
    squares = sum(((block.of(cube.climate) - mean) ** 2).sum(axis=(0, 1)) for block in blocks)
    deviation = np.sqrt(np.asarray(squares) / count)
    return np.asarray(mean), np.where(deviation > 0, deviation, 1.0)


def _parquet(part: Part, columns: Mapping[str, npt.NDArray[np.float32]]) -> bytes:
    """One row per cell and step, from (n_cells, n_times) arrays."""
    samples = {
        "cell": np.repeat(part.cells, len(part.times)).astype(np.int32),
        "time": np.tile(part.times, len(part.cells)).astype(np.int32),
    }
    stream = io.BytesIO()
    frame = pd.DataFrame(samples | {name: values.reshape(-1) for name, values in columns.items()})
    frame.to_parquet(stream, index=False, compression="zstd")
    return stream.getvalue()
