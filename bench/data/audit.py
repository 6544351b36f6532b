"""The split audit: evidence that a split and a runner do not leak.

Three questions, each answered by a computation and not by intent: do training and test share a (cell, time); how far is
each test cell from the nearest training cell; and does a fitted runner depend on anything outside its training part.
The last is answered by a counterfactual: everything outside the training part is replaced by other values, the runner
is fitted again, and its predictions of the training part must be the same to the bit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.data.cube import Cube, FloatArray
from bench.data.splits import Part, Split

EARTH_RADIUS_KM = 6371.0088
"""Mean Earth radius (IUGG)."""


@dataclass(frozen=True)
class SplitAudit:
    """What was found about a split.

    Attributes:
        n_train: training samples.
        n_test: test samples.
        shared_samples: (cell, time) pairs in both parts; anything but 0 is a leak.
        shared_cells: test cells that also train (at other times).
        unseen_cells: test cells that never train.
        distance_km: (min, median, 95th percentile, max) great-circle distance from a test cell to the nearest training
            cell; 0 for cells that train themselves.
        unseen_distance_km: the same over unseen cells only, or None where there are none.
        days_between: days from the last training step to the first test step; negative if they interleave.
    """

    n_train: int
    n_test: int
    shared_samples: int
    shared_cells: int
    unseen_cells: int
    distance_km: tuple[float, float, float, float]
    unseen_distance_km: tuple[float, float, float, float] | None
    days_between: int

    @property
    def passed(self) -> bool:
        """Whether no (cell, time) is in both parts."""
        return self.shared_samples == 0


def audit_split(cube: Cube, split: Split) -> SplitAudit:
    """Measures overlap and distance between the two parts of a split."""
    return audit_places(cube.lon, cube.lat, cube.time, split)


def audit_places(lon: np.ndarray, lat: np.ndarray, time: np.ndarray, split: Split) -> SplitAudit:
    """The same where only places and times are at hand, as in a report.

    Args:
        lon: (cell,) degrees east.
        lat: (cell,) degrees north.
        time: (time,) datetime64 of each step.
        split: the split.
    """
    from scipy.spatial import cKDTree

    train_cells, test_cells = split.train.cells, split.test.cells
    shared_cells = np.intersect1d(train_cells, test_cells)
    shared_times = np.intersect1d(split.train.times, split.test.times)
    tree = cKDTree(unit_sphere(lon[train_cells], lat[train_cells]))
    chord, _ = tree.query(unit_sphere(lon[test_cells], lat[test_cells]))
    distance = 2 * EARTH_RADIUS_KM * np.arcsin(np.clip(chord / 2, 0, 1))
    unseen = ~np.isin(test_cells, train_cells)
    gap = time[split.test.times].min() - time[split.train.times].max()
    return SplitAudit(
        n_train=len(split.train),
        n_test=len(split.test),
        shared_samples=len(shared_cells) * len(shared_times),
        shared_cells=len(shared_cells),
        unseen_cells=int(unseen.sum()),
        distance_km=_spread(distance),
        unseen_distance_km=_spread(distance[unseen]) if unseen.any() else None,
        days_between=int(gap.astype("timedelta64[D]").astype(int)),
    )


def saw_training_only(fit_predict: Callable[[Cube, Part], FloatArray], cube: Cube, split: Split) -> bool:
    """Whether a runner's fit depends on its training part alone.

    Args:
        fit_predict: fits a fresh runner on the given cube (training part of `split`, fixed seed) and predicts a part.
        cube: the data.
        split: the split.

    Returns:
        True if predictions of the training part are identical, to the bit, after all climate, static features and
        targets outside the training part have been replaced.
    """
    original = fit_predict(cube, split.train)
    counterfactual = fit_predict(scramble_outside(cube, split.train), split.train)
    return bool(np.array_equal(original, counterfactual))


def scramble_outside(cube: Cube, part: Part) -> Cube:
    """A cube with the same values inside a part and wildly different (finite) ones outside."""
    inside = np.zeros((cube.n_cells, cube.n_times), bool)
    inside[np.ix_(part.cells, part.times)] = True
    static_inside = np.zeros(cube.n_cells, bool)
    static_inside[part.cells] = True
    land_cover = np.arange(len(cube.static_names)) < cube.n_land_cover
    static = np.where(
        static_inside[:, None], cube.static, np.where(land_cover, cube.static[:, ::-1], -cube.static * 7 + 3)
    )
    scrambled = dataclasses.replace(
        cube,
        climate=np.where(inside[:, :, None], cube.climate, -13 * cube.climate + 101).astype(np.float32),
        static=static.astype(np.float32),
        target=np.where(inside, cube.target, 1e3).astype(np.float32),
        withheld={
            name: np.where(inside, values, 17 - 3 * values).astype(np.float32) for name, values in cube.withheld.items()
        },
    )
    return scrambled


def unit_sphere(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """(n, 3) Cartesian coordinates on the unit sphere of degrees east and north (Eq. 6 of the paper)."""
    longitude, latitude = np.radians(lon), np.radians(lat)
    return np.stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=-1
    )


def _spread(distance: np.ndarray) -> tuple[float, float, float, float]:
    low, middle, high, top = np.quantile(distance, [0, 0.5, 0.95, 1])
    return float(low), float(middle), float(high), float(top)
