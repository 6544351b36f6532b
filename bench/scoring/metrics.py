"""Metrics as functions of sums, so that parts, groups, blocks and chunks aggregate exactly.

A metric is a function of a few named statistics (sums over samples). Sums of disjoint sets of samples add, so the
metric of a union is the function of the added sums: no mean of RMSEs is ever taken. Every sum is kept per spatial
block, and where the test has several years per year as well: `bench/scoring/uncertainty.py` makes intervals of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.arrays import Mask
from bench.data.borders import border_cells
from bench.data.cube import Cube, FloatArray
from bench.data.splits import IndexArray, Part, Split
from bench.errors import BenchError
from bench.runners.base import Fitted

STATISTICS = ("n", "weight", "error", "absolute_error", "squared_error", "target", "squared_target")
"""Columns of a statistics table: sums over samples of 1, w, w·e, w·|e|, w·e², w·y, w·y², where e = prediction −
target."""
KEYS = ("part", "group", "weighting", "block", "year")
"""Index columns: train/test/fitted; all, season, land_cover, category, week, border or seen/unseen groups; plain/area;
block id; year of the test where it has several, else 0."""
BLOCK_DEGREES = 2.0
BLOCK_COLUMNS = int(360 / BLOCK_DEGREES)
"""Blocks round the globe: the id of a block is its row from the south pole × this + its column from 180° W."""
PLANAR_BLOCKS = 10
"""Blocks along the longer side of planar data; the extent, not a length, says what is near."""
SEASONS = ("DJF", "MAM", "JJA", "SON")
WEIGHTINGS = ("plain", "area")
_OF_PLACES = ("last-year-of-each-place", "share", "blocks", "places")
"""Kinds of splits that hold out no whole year: of these, years are no sample of other years, and are not told apart."""
_SAMPLES_AT_ONCE = 50_000
"""Samples whose statistics are in memory together, some 120 bytes each; sums are per cell, so it changes no bit."""

Sums = Mapping[str, npt.NDArray[np.float64]]
Masks = tuple[Mask, Mask]
"""Which cells and which times of a part are in a group."""


@dataclass(frozen=True)
class Metric:
    """A named function of sums.

    Attributes:
        name: column name.
        label: as printed.
        of: from arrays of sums (any common shape) to the metric.
        lower_is_better: None where neither end is better (bias).
    """

    name: str
    label: str
    of: Callable[[Sums], npt.NDArray[np.float64]]
    lower_is_better: bool | None


def _rmse(sums: Sums) -> npt.NDArray[np.float64]:
    return np.sqrt(sums["squared_error"] / sums["weight"])


def _r2(sums: Sums) -> npt.NDArray[np.float64]:
    """1 − Σw e² / Σw (y − ȳ)²; NaN where the target does not vary."""
    variation = sums["squared_target"] - sums["target"] ** 2 / sums["weight"]
    floor = 1e-12 * np.maximum(sums["squared_target"], 1e-300)
    return np.where(variation > floor, 1 - sums["squared_error"] / np.where(variation > floor, variation, 1.0), np.nan)


def _mae(sums: Sums) -> npt.NDArray[np.float64]:
    return np.asarray(sums["absolute_error"] / sums["weight"])


def _bias(sums: Sums) -> npt.NDArray[np.float64]:
    return np.asarray(sums["error"] / sums["weight"])


METRICS = {
    metric.name: metric
    for metric in (
        Metric("rmse", "RMSE", _rmse, True),
        Metric("r2", "R²", _r2, False),
        Metric("mae", "MAE", _mae, True),
        Metric("bias", "bias", _bias, None),
    )
}


def season_of(time: npt.NDArray[np.datetime64]) -> npt.NDArray[np.str_]:
    """(time,) meteorological season of each step by its first day: DJF, MAM, JJA or SON."""
    month = time.astype("datetime64[M]").astype(np.int64) % 12
    return np.asarray(SEASONS)[((month + 1) % 12) // 3]


def area_weight(cube: Cube) -> npt.NDArray[np.float64]:
    """(cell,) weight of each cell's area: cos φ on the sphere; 1 where coordinates are planar."""
    return np.ones(cube.n_cells) if cube.is_planar else np.cos(np.radians(cube.lat))


def block_of(cube: Cube) -> npt.NDArray[np.int64]:
    """(cell,) id of the spatial block of each cell; of planar ones at their `planar_degrees`."""
    return spatial_block(*(planar_degrees(cube.lon, cube.lat) if cube.is_planar else (cube.lon, cube.lat)))


def planar_degrees(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Planar coordinates, which have no degrees, as longitude and latitude for `spatial_block`.

    The longer side of their extent is laid over `PLANAR_BLOCKS` blocks near the equator and Greenwich, where ids do not
    wrap, so that intervals resample windows of the same share of the area.
    """
    extent = max(np.ptp(x), np.ptp(y))
    scale = PLANAR_BLOCKS * BLOCK_DEGREES / extent if extent > 0 else 0.0
    return (x - x.min()) * scale, (y - y.min()) * scale


def spatial_block(lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """(cell,) id of the `BLOCK_DEGREES` block that a cell lies in."""
    column = np.floor((lon + 180) / BLOCK_DEGREES).astype(np.int64)
    row = np.floor((lat + 90) / BLOCK_DEGREES).astype(np.int64)
    return row * BLOCK_COLUMNS + column


def statistics_of(
    cube: Cube,
    split: Split,
    predictions: Mapping[str, FloatArray],
    more_groups: Mapping[str, Mapping[str, Masks]] | None = None,
) -> pd.DataFrame:
    """Sums per part, group, weighting and spatial block.

    Args:
        cube: the data, with its target.
        split: the split.
        predictions: `train` and `test` to (n_cells, n_times) arrays in the target's units; where a part's rectangle has
            no sample, neither target nor prediction counts.
        more_groups: part → name → which of its cells and times, beside the groups that every suite has.

    Returns:
        One row per key of `KEYS`, columns `STATISTICS`.
    """
    tables = []
    for name, prediction in predictions.items():
        part = split.scored_train if name == "train" else split.test
        years = cube.year[part.times]
        several = name == "test" and len(np.unique(years)) > 1 and split.parameters["kind"] not in _OF_PLACES
        time_sets, cell_sets = _groups(cube, split, part)
        cell_sets |= (more_groups or {}).get(name, {})
        for year in np.unique(years) if several else (0,):
            inside = years == year if several else np.ones(len(years), bool)
            groups = {group: (cells, times & inside) for group, (cells, times) in (cell_sets | time_sets).items()}
            sums = _sums(cube, part.cells, part.of(cube.target), prediction, groups, part.mask)
            tables.append(sums.assign(part=name, year=int(year)))
    table = pd.concat(tables, ignore_index=True)
    return table[[*KEYS, *STATISTICS]]


def fitted_statistics(cube: Cube, cells: IndexArray, fitted: Fitted) -> pd.DataFrame:
    """Sums of a model's errors on what it was fitted on, as part ``fitted``: groups ``all`` and one per step.

    Args:
        cube: the data.
        cells: (n_train_cells,) rows of the cube.
        fitted: targets and predictions of these cells.

    Returns:
        A table as that of `statistics_of`.

    Raises:
        BenchError: targets and predictions are not (cells, steps), or not finite.
    """
    measured = ~np.isnan(fitted.target)
    expected = (len(cells), len(fitted.steps))
    for name, values in (("targets", fitted.target), ("predictions", fitted.prediction)):
        if values.shape != expected:
            raise BenchError(f"A runner's fitted() returned {values.shape} {name} instead of {expected}; correct it.")
    every_cell, steps = np.ones(len(cells), bool), np.array(fitted.steps)
    groups = {"all": (every_cell, np.ones(len(steps), bool))}
    groups |= {f"week:{step}": (every_cell, steps == step) for step in fitted.steps}
    samples = None if measured.all() else measured
    table = _sums(cube, cells, fitted.target, fitted.prediction, groups, samples).assign(part="fitted", year=0)
    return table[[*KEYS, *STATISTICS]]


def _sums(
    cube: Cube,
    cells: IndexArray,
    target: FloatArray,
    prediction: FloatArray,
    groups: Mapping[str, Masks],
    samples: Mask | None = None,
) -> pd.DataFrame:
    area = area_weight(cube)[cells]
    block_ids, block = np.unique(block_of(cube)[cells], return_inverse=True)
    time_masks = {mask.tobytes(): mask for _, mask in groups.values()}
    cell_sums = _cell_sums(target, prediction, list(time_masks.values()), samples)
    sums_over = dict(zip(time_masks, cell_sums, strict=True))
    rows = []
    for group, (cell_mask, time_mask) in groups.items():
        per_cell = sums_over[time_mask.tobytes()]
        # The first sum is that of w = 1 over the samples: their number, exact in float64.
        n = np.bincount(block[cell_mask], weights=per_cell[0, cell_mask], minlength=len(block_ids)).astype(np.int64)
        for weighting in WEIGHTINGS:
            weight = np.ones_like(area) if weighting == "plain" else area
            weighted = (per_cell * weight)[:, cell_mask]
            sums = np.stack([np.bincount(block[cell_mask], weights=row, minlength=len(block_ids)) for row in weighted])
            frame = pd.DataFrame(sums.T, columns=list(STATISTICS[1:]))
            frame.insert(0, "n", n)
            rows.append(frame.assign(group=group, weighting=weighting, block=block_ids)[n > 0])
    return pd.concat(rows, ignore_index=True)


def _cell_sums(
    target: FloatArray,
    prediction: FloatArray,
    time_masks: Sequence[Mask],
    samples: Mask | None,
) -> list[npt.NDArray[np.float64]]:
    """Per mask of times the sums of `STATISTICS` after n over them, (statistic, cell); a few cells at a time.

    Args:
        target: (n_cells, n_times).
        prediction: (n_cells, n_times).
        time_masks: (n_times,) each.
        samples: (n_cells, n_times) what counts; None for everything.
    """
    n_cells, n_times = target.shape
    size = max(1, _SAMPLES_AT_ONCE // max(1, n_times))
    sums = [np.empty((len(STATISTICS) - 1, n_cells)) for _ in time_masks]
    for start in range(0, n_cells, size):
        cells = slice(start, start + size)
        observed = target[cells].astype(np.float64)
        error = prediction[cells].astype(np.float64) - observed
        one = np.ones_like(error)
        if samples is not None:
            one = samples[cells].astype(np.float64)
            observed, error = np.where(samples[cells], observed, 0.0), np.where(samples[cells], error, 0.0)
        if not np.isfinite(error).all():
            raise BenchError(
                "Targets or predictions are NaN or infinite; `bench data verify` names the place in the data."
            )
        base = np.stack([one, error, np.abs(error), error**2, observed, observed**2])
        for total, mask in zip(sums, time_masks, strict=True):
            total[:, cells] = base[:, :, mask].sum(axis=2)
    return sums


def _groups(cube: Cube, split: Split, part: Part) -> tuple[dict[str, Masks], dict[str, Masks]]:
    all_cells, all_times = np.ones(len(part.cells), bool), np.ones(len(part.times), bool)
    times: dict[str, Masks] = {}
    if cube.rhythm.has_seasons:
        season = season_of(cube.time[part.times])
        times |= {f"season:{name}": (all_cells, season == name) for name in SEASONS if (season == name).any()}
    step = cube.step_of_year[part.times]
    for week in split.parameters.get("weeks", ()):
        times[f"week:{week}"] = (all_cells, step == week)
    cells = {"all": (all_cells, all_times)}
    if cube.n_land_cover:
        dominant = cube.land_cover_class[part.cells]
        for index in np.unique(dominant):
            cells[f"land_cover:{cube.static_names[index].removeprefix('land_cover_')}"] = (dominant == index, all_times)
    for category in cube.groupings:
        label = cube.labels_of(category)[part.cells]
        cells |= {f"{category}:{level}": (label == level, all_times) for level in np.unique(label).tolist()}
    if split.parameters["kind"] == "ablation" and not cube.is_planar:
        at_border = border_cells(cube.lon[split.test.cells], cube.lat[split.test.cells])
        outer = np.isin(part.cells, split.test.cells[at_border])
        cells |= {"border:outer": (outer, all_times), "border:inner": (~outer, all_times)}
    seen = np.isin(part.cells, split.train.cells)
    if not seen.all():
        cells["cells:seen"] = (seen, all_times)
        cells["cells:unseen"] = (~seen, all_times)
        for week in split.parameters.get("weeks", ()):
            cells[f"week:{week}/seen"] = (seen, step == week)
            cells[f"week:{week}/unseen"] = (~seen, step == week)
    return times, {group: masks for group, masks in cells.items() if masks[0].any() and masks[1].any()}


def evaluate(statistics: pd.DataFrame) -> pd.DataFrame:
    """Every metric of every (part, group, weighting) in a statistics table, exactly, from the added sums."""
    keys = [key for key in KEYS if key not in ("block", "year")]
    total = statistics.groupby(keys, sort=True)[list(STATISTICS)].sum()
    sums = {name: total[name].to_numpy(np.float64) for name in STATISTICS}
    for metric in METRICS.values():
        total[metric.name] = metric.of(sums)
    return total.reset_index()
