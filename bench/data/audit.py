"""The split audit: evidence that a split and a runner do not leak.

Four questions, each answered by a computation and not by intent: do training and test share a (cell, time); does a test
sample stand in training under another place or time; how far is each test cell from the nearest training cell; and does
a fitted runner depend on anything outside its training part.
The last is answered by a counterfactual: everything outside the training part is replaced by other values, the runner
is fitted again, and its predictions of the training part must be the same to the bit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.arrays import Doubles
from bench.data.cube import Cube, FloatArray
from bench.data.folds import IUGG_RADIUS_KM
from bench.data.parts import IndexArray, Part, Split
from bench.errors import BenchError
from bench.seeds import ROW_HASH_SEED
from models.sphere import unit_sphere

_TWIN_BITS = 10
"""Bits of a float32's 23 that are rounded away before rows are compared: values within about 1 in 8,000 are equal."""
_ROWS_AT_ONCE = 20_000
COPIES_TOLERATED = 0.01
"""Share of the test samples that may stand in training at the same place: more make every number of a split false."""


@dataclass(frozen=True)
class SplitAudit:
    """What was found about a split.

    Attributes:
        n_train: training samples.
        n_test: test samples.
        shared_samples: (cell, time) pairs in both parts; anything but 0 is a leak.
        shared_cells: test cells that also train (at other times).
        unseen_cells: test cells that never train.
        distance: (min, median, 95th percentile, max) distance from a test cell to the nearest training cell; 0 for
            cells that train themselves. Great circles in km, or Euclidean in the unit of the CRS.
        unseen_distance: the same over unseen cells only, or None where there are none.
        days_between: days from the last training step to the first test step; negative if they interleave.
        twins: test samples whose features and target are, to about four digits, those of a training sample; anything
            but 0 is a leak. None where the values were not at hand.
    """

    n_train: int
    n_test: int
    shared_samples: int
    shared_cells: int
    unseen_cells: int
    distance: tuple[float, float, float, float]
    unseen_distance: tuple[float, float, float, float] | None
    days_between: int
    twins: int | None = None

    @property
    def passed(self) -> bool:
        """Whether no (cell, time) is in both parts, and no test sample has a twin in training."""
        return self.shared_samples == 0 and not self.twins


def audit_split(cube: Cube, split: Split) -> SplitAudit:
    """Measures overlap and distance between the two parts of a split, and looks for samples that stand in both.

    Args:
        cube: the data; of several targets, the one that the split's parameters name is meant, else the first.
        split: the split.
    """
    layout = audit_places(cube.places, cube.is_planar, cube.time, split)
    one = split.parameters.get("target") or cube.target_names[0]
    return dataclasses.replace(layout, twins=count_twins(cube.for_target(one), split))


def audit_places(places: Doubles, is_planar: bool, time: npt.NDArray[np.datetime64], split: Split) -> SplitAudit:
    """The same where only places and times are at hand, as in a report.

    Args:
        places: (cell, 2) degrees east and north, or planar coordinates.
        is_planar: whether they are planar.
        time: (time,) datetime64 of each step.
        split: the split.
    """
    from scipy.spatial import cKDTree

    train_cells, test_cells = split.train.cells, split.test.cells
    points = places if is_planar else unit_sphere(places[:, 0], places[:, 1])
    distance, _ = cKDTree(points[train_cells]).query(points[test_cells])
    if not is_planar:
        distance = 2 * IUGG_RADIUS_KM * np.arcsin(np.clip(distance / 2, 0, 1))
    unseen = ~np.isin(test_cells, train_cells)
    gap = time[split.test.times].min() - time[split.train.times].max()
    return SplitAudit(
        n_train=len(split.train),
        n_test=len(split.test),
        shared_samples=_shared(split.train, split.test),
        shared_cells=int((~unseen).sum()),
        unseen_cells=int(unseen.sum()),
        distance=_spread(distance),
        unseen_distance=_spread(distance[unseen]) if unseen.any() else None,
        days_between=int(gap.astype("timedelta64[D]").astype(int)),
    )


def count_twins(cube: Cube, split: Split, *, same_place: bool = False) -> int:
    """Test samples that are a training sample over again: features and target are equal after rounding.

    Times do not count: the same measurement entered twice, or a cross-section copied into a second year, is a leak
    whenever it is said to be.

    Args:
        cube: the data with one target.
        split: the split.
        same_place: count only those of which the twin is said to be of the same cell, which no coincidence explains;
            else of any cell.
    """
    tested = np.concatenate(list(_row_hashes(cube, split.test, same_place)))
    wanted, found = np.unique(tested), np.zeros(0, np.uint64)
    for hashes in _row_hashes(cube, split.train, same_place):
        found = np.union1d(found, np.intersect1d(hashes, wanted))
    return int(np.isin(tested, found).sum())


def require_no_copies(cube: Cube, split: Split) -> None:
    """Raises where test samples are copies of training samples of the same place.

    Args:
        cube: the data with one target.
        split: the split.

    Raises:
        BenchError: more than `COPIES_TOLERATED` of them are.
    """
    copies = count_twins(cube, split, same_place=True)
    if copies > COPIES_TOLERATED * len(split.test):
        raise BenchError(
            f"{copies:,} of {len(split.test):,} test samples stand in the training part too, with the same features "
            "and target at the same place, so that a model need only remember them; use another --split (data without "
            "time have one step, not copies of it)."
        )


def _row_hashes(cube: Cube, part: Part, of_place: bool) -> Iterator[npt.NDArray[np.uint64]]:
    """64-bit hashes of the rounded rows (features, target, and the cell if asked) of a part, some cells at a time.

    Two different rows collide with a probability of 2⁻⁶⁴: among 10⁸ × 10⁸ pairs once in 2,000 audits.
    """
    columns = len(cube.feature_names) + len(cube.static_names) + 1
    random = np.random.default_rng(ROW_HASH_SEED)
    factors = random.integers(1, 2**63, columns + 1, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    cells = max(1, _ROWS_AT_ONCE // max(1, len(part.times)))
    for start in range(0, len(part.cells), cells):
        block = part.rows(slice(start, start + cells))
        cell, time = block.samples()
        values = np.concatenate([cube.climate[cell, time], cube.static[cell], cube.target[cell, time, None]], axis=1)
        rounded = (values.astype(np.float32) + np.float32(0)).view(np.uint32).astype(np.uint64)  # −0 becomes 0
        rounded = (rounded + np.uint64(1 << (_TWIN_BITS - 1))) >> np.uint64(_TWIN_BITS)
        mixed = (rounded + np.uint64(1)) * factors[:columns]
        hashes: npt.NDArray[np.uint64] = (mixed ^ (mixed >> np.uint64(29))).sum(axis=1, dtype=np.uint64)
        yield hashes ^ (cell.astype(np.uint64) * factors[columns]) if of_place else hashes


def _shared(train: Part, test: Part) -> int:
    """Samples that are in both parts."""
    if train.mask is None and test.mask is None:
        return len(np.intersect1d(train.cells, test.cells)) * len(np.intersect1d(train.times, test.times))
    width = 1 + max(int(train.times.max()), int(test.times.max()))
    trains, tests = (cell * width + time for cell, time in (train.samples(), test.samples()))
    return len(np.intersect1d(trains, tests, assume_unique=True))


def saw_training_only(fit_predict: Callable[[Cube, Part], FloatArray], cube: Cube, split: Split) -> bool:
    """Whether a runner's fit depends on its training part alone.

    Args:
        fit_predict: fits a fresh runner on the given cube (training part of `split`, fixed seed) and predicts the
            samples of a part.
        cube: the data.
        split: the split.

    Returns:
        True if predictions of the training part are identical, to the bit, after all climate, static features and
        targets outside the training part have been replaced.
    """
    original = fit_predict(cube, split.train)
    counterfactual = fit_predict(scramble_outside(cube, split.train, _weather_known(split)), split.train)
    return bool(np.array_equal(original, counterfactual))


def _weather_known(split: Split) -> IndexArray | None:
    """Cells whose inputs a split of towers lets a model learn from at all times: also those that nobody measured."""
    roles = split.roles
    if roles is None:
        return None
    return np.unique(np.concatenate([roles.simulated, roles.pretraining_validation, roles.known]))


def scramble_outside(cube: Cube, part: Part, whole: IndexArray | None = None) -> Cube:
    """A cube with the same values inside a part and wildly different (finite) ones outside.

    Climate of a part's cell before its last sample is an input of that sample (windows look back, over gaps too), so
    it stays; targets do not.

    Args:
        cube: the data.
        part: what stays.
        whole: cells whose inputs stay at all times, too.
    """
    inside = np.zeros((cube.n_cells, cube.n_times), bool)
    inside[part.samples()] = True
    looked_back_at = np.logical_or.accumulate(inside[:, ::-1], axis=1)[:, ::-1]
    if whole is not None:
        looked_back_at[whole] = True
    of_target = inside[:, :, None] if cube.several_targets else inside
    static_inside = np.zeros(cube.n_cells, bool)
    static_inside[part.cells] = True
    if whole is not None:
        static_inside[whole] = True
    land_cover = np.arange(len(cube.static_names)) < cube.n_land_cover
    static = np.where(
        static_inside[:, None], cube.static, np.where(land_cover, cube.static[:, ::-1], -cube.static * 7 + 3)
    )
    scrambled = dataclasses.replace(
        cube,
        climate=np.where(looked_back_at[:, :, None], cube.climate, -13 * cube.climate + 101).astype(np.float32),
        static=static.astype(np.float32),
        target=np.where(of_target, cube.target, 1e3).astype(np.float32),
        withheld={
            name: np.where(inside, values, 17 - 3 * values).astype(np.float32) for name, values in cube.withheld.items()
        },
    )
    return scrambled


def _spread(distance: np.ndarray) -> tuple[float, float, float, float]:
    low, middle, high, top = np.quantile(distance, [0, 0.5, 0.95, 1])
    return float(low), float(middle), float(high), float(top)
