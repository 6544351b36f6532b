"""What a new user should know of the cube before anything runs: useless columns, repeated samples, crowded places."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from bench.data.array_pages import release_pages
from bench.data.coordinate_units import units_of
from bench.data.cube import Cube
from bench.system.text import counted

MAX_SAMPLES = 200_000
"""Columns are compared over at most so many measured samples, evenly spaced."""
COLLINEAR = 0.999
"""Two columns whose absolute correlation reaches this carry the same information."""
CROWDING_DEGREES = 3.0
"""Edge of the blocks in which places are counted, about the distance over which climate is alike."""
BLOCKS_ACROSS = 10
"""Blocks along the longer side of planar data."""
_SHOWN = 5


def findings(cube: Cube) -> list[str]:
    """Lines on a cube's columns, samples and places.

    Args:
        cube: new data; what is missing is NaN in its target only.
    """
    samples, target = _measured_samples(cube)
    names = [*cube.feature_names, *cube.static_names]
    lines = []
    known = [values[~np.isnan(values)] for values in target.T]
    unchanging = [
        name for name, values in zip(cube.target_names, known, strict=True) if len(values) and np.ptp(values) == 0
    ]
    if unchanging:
        lines.append(f"constant: target {_listed(unchanging)}; there is nothing to predict.")
    constant = np.ptp(samples, axis=0) == 0
    if constant.any():
        which = [name for name, flat in zip(names, constant, strict=True) if flat]
        lines.append(f"constant: {_listed(which)}; they say nothing.")
    numbers = [i for i, name in enumerate(names) if not constant[i] and "=" not in name]
    pairs = _collinear(samples[:, numbers], [names[i] for i in numbers])
    if pairs:
        lines.append(f"collinear: {_listed(pairs)}; geographically weighted models may fail with both.")
    repeated = len(samples) - len(np.unique(np.concatenate([samples, target], axis=1), axis=0))
    if repeated:
        lines.append(
            f"duplicates: {repeated:,} of {len(samples):,} compared samples have the features and target of another; "
            "they must not be split between training and test."
        )
    shared = cube.n_cells - len(np.unique(cube.places, axis=0))
    if shared:
        lines.append(f"duplicates: {shared:,} of {cube.n_cells:,} places lie where another one lies.")
    lines.append(_per_block(cube))
    if gap := _longest_gap(cube):
        lines.append(gap)
    return lines


def block_size(cube: Cube) -> float:
    """Edge of the blocks that suit the data, in the unit of the coordinates."""
    if not cube.is_planar:
        return CROWDING_DEGREES
    extent = float(np.ptp(cube.places, axis=0).max()) / BLOCKS_ACROSS
    if extent == 0:
        return 1.0
    scale = 10.0 ** math.floor(math.log10(extent))
    return max(1, round(extent / scale)) * scale


def _measured_samples(cube: Cube) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """(sample, column) features with static features, and (sample, target), of measured samples, evenly spaced."""
    stride = max(1, cube.n_cells * cube.n_times // MAX_SAMPLES)
    cells, times = np.divmod(np.arange(0, cube.n_cells * cube.n_times, stride), cube.n_times)
    target = np.asarray(cube.target[cells, times]).reshape(len(cells), -1)
    measured = ~np.isnan(target).all(axis=1)
    if not measured.any():  # few among many: all of them then
        cells, times = np.nonzero(
            ~np.isnan(np.asarray(cube.target)).reshape(cube.n_cells, cube.n_times, -1).all(axis=2)
        )
        target = np.asarray(cube.target[cells, times]).reshape(len(cells), -1)
        measured = np.ones(len(cells), bool)
    cells, times = cells[measured], times[measured]
    samples = np.concatenate([cube.climate[cells, times], cube.static[cells]], axis=1)
    release_pages(cube.climate)
    release_pages(cube.target)
    return samples, target[measured]


def _collinear(samples: npt.NDArray[np.float32], names: list[str]) -> list[str]:
    """Pairs of columns that say the same, and columns that are a sum of others."""
    if len(names) < 2 or len(samples) <= len(names):
        return []
    doubles = samples.astype(np.float64)
    standard = (doubles - doubles.mean(axis=0)) / doubles.std(axis=0)
    correlation = standard.T @ standard / len(standard)
    first, second = np.nonzero(np.triu(np.abs(correlation) >= COLLINEAR, k=1))
    found = [f"{names[i]} and {names[j]} (r = {correlation[i, j]:.4f})" for i, j in zip(first, second, strict=True)]
    alone = [i for i in range(len(names)) if i not in set(second.tolist())]
    values, vectors = np.linalg.eigh(correlation[np.ix_(alone, alone)])
    for value, vector in zip(values, vectors.T, strict=True):
        if value < _DEPENDENT * len(alone):
            members = [names[alone[i]] for i in np.flatnonzero(np.abs(vector) > _TAKES_PART)]
            found.append(f"{' + '.join(members)} (each is a sum of the others)")
    return found


_DEPENDENT = 1e-6
"""Eigenvalues of the correlation matrix below this, a column's share: float32 knows no smaller ones."""
_TAKES_PART = 0.05
"""Columns with at least this weight in an eigenvector belong to the sum."""


def _per_block(cube: Cube) -> str:
    size = block_size(cube)
    _, counts = np.unique(np.floor(cube.places / size), axis=0, return_counts=True)
    edge = units_of(cube.crs).size(size)
    return (
        f"places per block of {edge}: {counts.min()}-{counts.max()}, median {np.median(counts):g}, in "
        f"{counted(len(counts), 'block')}."
    )


def _longest_gap(cube: Cube) -> str | None:
    """Says where steps between the first and the last one are in no row at all."""
    if not cube.rhythm.has_seasons or cube.n_times < 2:
        return None
    usual = cube.rhythm.days or 1.0
    days = np.diff(cube.time).astype(np.int64)
    at = int(days.argmax())
    if days[at] < 1.5 * usual + 1:
        return None
    return (
        f"gap: no place has a row between {cube.time[at]} and {cube.time[at + 1]}; windows of earlier steps go across."
    )


def _listed(items: list[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more
