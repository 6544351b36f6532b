"""Splits: which (cell, time) pairs train and which test. They carry indices only, never values.

Only measured samples are in a part. A split is rebuilt from its parameters (`bench.data.split_names` makes them of a
name) and from what `Layout` knows of the data, so that a report can do it without the data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.arrays import Mask
from bench.data import split_names
from bench.data.coordinate_units import DEGREES, UNDESCRIBED
from bench.data.cube import Cube
from bench.data.folds import folds_of_blocks, folds_of_places
from bench.data.own_split import TESTS, TRAINS
from bench.data.parts import IndexArray as IndexArray
from bench.data.parts import Part as Part
from bench.data.parts import Split as Split
from bench.data.rhythm import EIGHT_DAY, RHYTHMS
from bench.data.tower_roles import (
    HIDDEN_SEED,
    HIDDEN_SHARE,
    LABELLED,
    LABELLED_SEED,
    VALIDATION_SHARE,
    with_roles,
)
from bench.errors import BenchError
from bench.seeds import CELL_SAMPLE_SEED

FEWSHOT_SMALL_GRID = 20_000
FEWSHOT_CELLS = 6_000
FEWSHOT_SHARE = 0.3
_LAST_YEAR = 9999
_MOST_STEPS = 366
_MOST_SHARE, _LONGEST_NAME = 0.5, 40
TARGETS = "targets"
"""Parameter of a split whose jobs predict several targets at once: their names."""
DESIGN = "design"
"""Parameter of a split that stands for one of a suite's questions: the name of that question, part of its label."""


@dataclass(frozen=True)
class Layout:
    """What a split depends on, beside its parameters.

    Attributes:
        places: (cell, 2) coordinates.
        is_planar: whether they are planar.
        year: (time,) calendar year of each step.
        step_of_year: (time,) position in the year, counted from 1.
        labels: (cell,) group of each cell, spread evenly over folds; None without groups.
        own: (cell, time) the data's own split; None without one.
        measured: (cell, time) where the target was measured; None where it was everywhere.
    """

    places: npt.NDArray[np.float64]
    is_planar: bool
    year: IndexArray
    step_of_year: IndexArray
    labels: npt.NDArray[np.str_] | None = None
    own: npt.NDArray[np.int8] | None = None
    measured: Mask | None = None

    @classmethod
    def of_cube(cls, cube: Cube) -> Layout:
        """The layout of a cube; of several targets, any that was measured counts."""
        labels = cube.labels_of(cube.groupings[0]) if cube.groupings else None
        return cls(cube.places, cube.is_planar, cube.year, cube.step_of_year, labels, cube.split, cube.measured)


def parse_weeks(text: str) -> tuple[int, ...]:
    """Reads ``1,10,20`` as steps of the year (of 8-day data: weeks).

    Raises:
        BenchError: something is no whole number, is no step of any rhythm, is repeated, or nothing is named.
    """
    most = max(rhythm.steps_per_year for rhythm in RHYTHMS.values())
    weeks: list[int] = []
    for item in filter(None, (item.strip() for item in text.split(","))):
        try:
            week = int(item)
        except ValueError as error:
            raise BenchError(f"Week {item!r} is no whole number; give weeks such as --weeks 1,10,20,30,40.") from error
        if not 1 <= week <= most:
            raise BenchError(f"Week {week} is outside 1–{most}, no step of a year; correct --weeks.")
        if week in weeks:
            raise BenchError(f"Week {week} is named twice; name each week once in --weeks.")
        weeks.append(week)
    if not weeks:
        raise BenchError("--weeks names no week; give weeks such as --weeks 1,10,20,30,40.")
    return tuple(sorted(weeks))


PAPER_WEEKS = (1, 10, 20, 30, 40)
"""The 8-day steps that the paper scores."""


def default_weeks(cube: Cube) -> tuple[int, ...]:
    """The paper's weeks, or the steps of the cube's rhythm in which they begin."""
    share = [(week - 1) / EIGHT_DAY.steps_per_year for week in PAPER_WEEKS]
    return tuple(dict.fromkeys(int(part * cube.steps_per_year) + 1 for part in share))


def full_parameters(cube: Cube, max_cells: int | None = None) -> dict[str, Any]:
    """Parameters of the `last-year` split: the last year tests, all earlier years train.

    Args:
        cube: the data.
        max_cells: keep only this many cells, evenly spaced in the cube's order (the smoke profile); None keeps all.

    Raises:
        BenchError: the cube holds a single year.
    """
    [parameters] = split_names.split_parameters(cube, split_names.parse_split("last-year"), max_cells)
    return parameters


def fewshot_parameters(
    cube: Cube, weeks: Sequence[int], train_cells: int | None, sample_seed: int, max_cells: int | None = None
) -> dict[str, Any]:
    """Parameters of the `fewshot` split: sampled cells train in all steps, all cells test in the named weeks.

    Args:
        cube: the data.
        weeks: steps of the test year that are scored.
        train_cells: sampled cells; None for 6,000, or 30 % of the cells where there are fewer than 20,000.
        sample_seed: seed of the sample; samples of different sizes with one seed are nested.
        max_cells: as in `full_parameters`.

    Raises:
        BenchError: more training cells than cells, or fewer than one; or the training years or the test year lack a
            named step.
    """
    base = full_parameters(cube, max_cells)
    _check_weeks(cube, weeks, base["test_year"])
    n_cells = base["max_cells"] or cube.n_cells
    if train_cells is None:
        train_cells = FEWSHOT_CELLS if n_cells >= FEWSHOT_SMALL_GRID else max(1, round(FEWSHOT_SHARE * n_cells))
    if not 1 <= train_cells <= n_cells:
        raise BenchError(
            f"--train-cells {train_cells} is outside 1–{n_cells}, the cells of {cube.name!r} in this profile; "
            "correct it."
        )
    return base | {"kind": "fewshot", "weeks": list(weeks), "train_cells": train_cells, "sample_seed": sample_seed}


def _check_weeks(cube: Cube, weeks: Sequence[int], test_year: int) -> None:
    """Raises unless every named step is in the test year and in an earlier one."""
    name, last = cube.rhythm.step, cube.steps_per_year
    for testing, what in ((True, f"its test year {test_year}"), (False, "its training years")):
        held = set(cube.step_of_year[(cube.year == test_year) == testing].tolist())
        missing = [week for week in weeks if week not in held]
        if missing:
            raise BenchError(
                f"Data set {cube.name!r} has no {name} {missing[0]} of the year in {what} (the rhythm has 1–{last}); "
                "correct --weeks."
            )


def ablation_parameters(
    cube: Cube,
    weeks: Sequence[int],
    train_cells: int | None,
    sample_seed: int,
    *,
    step_stride: int,
    train_years: int | None,
    max_cells: int | None = None,
) -> dict[str, Any]:
    """Parameters of the `ablation` split: sampled cells train in some steps, all cells test in the named weeks.

    Args:
        cube: the data.
        weeks: steps of the year that are scored; the same steps of the training years always train.
        train_cells: at most so many sampled cells; None for all.
        sample_seed: seed of the sample.
        step_stride: beside `weeks`, every so-manieth step of a year trains, from the first.
        train_years: only so many years before the test year train; None for all.
        max_cells: as in `full_parameters`.

    Raises:
        BenchError: fewer than one training cell.
    """
    n_cells = full_parameters(cube, max_cells)["max_cells"] or cube.n_cells
    size = n_cells if train_cells is None else min(train_cells, n_cells)
    sample = fewshot_parameters(cube, weeks, size, sample_seed, max_cells)
    return sample | {"kind": "ablation", "step_stride": step_stride, "train_years": train_years}


def require_parameters(parameters: Mapping[str, Any]) -> None:
    """Checks that parameters that were read from a file can make a split of some cube.

    Raises:
        ValueError: one is missing, or its value is of another kind, or no such split has it; the message names it.
    """
    kind = parameters.get("kind")
    needed = _PARAMETERS.get(kind) if isinstance(kind, str) else None
    if needed is None:
        raise ValueError(f"its split is of no known kind ({', '.join(_PARAMETERS)})")
    for name, fits in needed.items():
        if (name not in parameters and name != "target") or not fits(parameters.get(name)):
            raise ValueError(f"parameter {name!r} of its split is missing or makes no sense")
    foreign = sorted(set(parameters) - {"kind", *needed, *_OF_TOWERS})
    if foreign:
        raise ValueError(f"a split of kind {kind!r} has no parameter {foreign[0]!r}")
    for name, fits in _OF_TOWERS.items():
        if name in parameters and not fits(parameters[name]):
            raise ValueError(f"parameter {name!r} of its split makes no sense")
    if HIDDEN_SHARE in parameters and HIDDEN_SEED not in parameters:
        raise ValueError(f"parameter {HIDDEN_SEED!r} of its split is missing")
    if VALIDATION_SHARE not in parameters and any(name in parameters for name in (LABELLED, HIDDEN_SHARE)):
        raise ValueError(f"parameter {VALIDATION_SHARE!r} of its split is missing")


def _is_count(value: object, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 1 << 40


def _is_count_or_none(value: object) -> bool:
    return value is None or _is_count(value)


def _are_weeks(value: object) -> bool:
    return isinstance(value, list) and all(_is_count(week) and week <= _MOST_STEPS for week in value)


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


_ANY = {"max_cells": _is_count_or_none, "target": lambda value: value is None or isinstance(value, str)}
_FULL = {**_ANY, "test_year": lambda value: _is_count(value) and value in range(_LAST_YEAR + 1)}
_FEWSHOT = {
    **_FULL,
    "weeks": _are_weeks,
    "train_cells": _is_count,
    "sample_seed": lambda value: _is_count(value, 0),
}
_OF_TOWERS: Mapping[str, Callable[[object], bool]] = {
    DESIGN: lambda value: isinstance(value, str) and value.isidentifier() and len(value) <= _LONGEST_NAME,
    TARGETS: lambda value: isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value),
    VALIDATION_SHARE: lambda value: _is_positive(value) and _MOST_SHARE > value > 0,  # type: ignore[operator]
    LABELLED: _is_count,
    LABELLED_SEED: lambda value: _is_count(value, 0),
    HIDDEN_SHARE: lambda value: _is_positive(value) and 1 > value > 0,  # type: ignore[operator]
    HIDDEN_SEED: lambda value: _is_count(value, 0),
}
"""What a split of towers has beside the parameters of its kind, all or some of it."""
_FOLDS = {**_ANY, "fold": lambda value: _is_count(value, 0), "folds": _is_count}
_PARAMETERS: Mapping[str, Mapping[str, Callable[[object], bool]]] = {
    "full": _FULL,
    "fewshot": _FEWSHOT,
    "ablation": {**_FEWSHOT, "step_stride": _is_count, "train_years": _is_count_or_none},
    "last-year-of-each-place": _ANY,
    "column": _ANY,
    "published": _ANY,
    "cells": {**_ANY, "test_cells": lambda value: isinstance(value, list) and all(_is_count(row, 0) for row in value)},
    "share": {**_ANY, "share": _is_positive, "share_seed": lambda value: _is_count(value, 0)},
    "blocks": {**_FOLDS, "block_size": _is_positive},
    "places": {**_FOLDS, "near": lambda value: value is None or _is_positive(value)},
}
"""What each kind of split needs; a target is named only where there are several."""


def make_split(cube: Cube, parameters: Mapping[str, Any]) -> Split:
    """Rebuilds a split from its parameters; the same cube and parameters always give the same indices.

    Args:
        cube: the data; of several targets, the one or those that the parameters name are meant.
        parameters: of the split.

    Raises:
        BenchError: no sample is left to train or to test on.
    """
    return split_of_layout(Layout.of_cube(cube_of(cube, parameters)), parameters)


def cube_of(cube: Cube, parameters: Mapping[str, Any]) -> Cube:
    """The data as jobs with such a split see them: with one target, or with all of several.

    Args:
        cube: the data.
        parameters: of the split.

    Raises:
        BenchError: the data have no such target, or others than the split names.
    """
    if TARGETS not in parameters:
        return cube.for_target(parameters.get("target"))
    if list(cube.target_names) != parameters[TARGETS]:
        raise BenchError(
            f"Data set {cube.name!r} has the targets {', '.join(cube.target_names)}; the split is of "
            f"{', '.join(parameters[TARGETS])}."
        )
    return cube


def split_of_layout(layout: Layout, parameters: Mapping[str, Any]) -> Split:
    """Rebuilds a split where the cube itself is not at hand, as in a report.

    Raises:
        BenchError: no sample is left to train or to test on.
    """
    cells = np.arange(len(layout.places))
    if parameters["max_cells"] is not None:
        cells = np.linspace(0, len(cells) - 1, parameters["max_cells"]).round().astype(np.int64)
    if "test_year" in parameters:
        train, test, scored = _by_year(layout, cells, parameters)
    else:
        train, test = _by_mask(layout, cells, parameters)
        scored = train
    if layout.measured is not None:
        train, test, scored = (part.restricted(layout.measured) for part in (train, test, scored))
    roles = None
    if VALIDATION_SHARE in parameters:
        for part, what in ((train, "train"), (test, "test")):
            _require_samples(part, what, layout, parameters)
        train, test, roles = with_roles(train, test, parameters)
        scored = train
    for part, what in ((train, "train"), (test, "test"), (scored, "take a training error")):
        _require_samples(part, what, layout, parameters)
    return Split(train, test, scored, dict(parameters), roles)


def _require_samples(part: Part, what: str, layout: Layout, parameters: Mapping[str, Any]) -> None:
    if not len(part):
        units = UNDESCRIBED if layout.is_planar else DEGREES
        raise BenchError(
            f"The split ({split_names.describe(parameters, units)}) leaves no measured sample to {what} on; use "
            "another --split."
        )


def _by_year(layout: Layout, cells: IndexArray, parameters: Mapping[str, Any]) -> tuple[Part, Part, Part]:
    """Training, test and scored training part where the last year tests; few-shot and ablation reduce them."""
    year, step_of_year = layout.year, layout.step_of_year
    testing = year == parameters["test_year"]
    train_times, test_times = np.flatnonzero(~testing), np.flatnonzero(testing)
    train_cells, scored_times = cells, train_times
    if parameters["kind"] == "ablation":
        step, first = step_of_year[train_times], parameters["test_year"] - (parameters["train_years"] or math.inf)
        chosen = ((step - 1) % parameters["step_stride"] == 0) | np.isin(step, parameters["weeks"])
        train_times = train_times[chosen & (year[train_times] >= first)]
    if parameters["kind"] in ("fewshot", "ablation"):
        # A permutation cut at n gives nested samples: the first 300 cells are among the first 600.
        order = np.random.default_rng([parameters["sample_seed"], CELL_SAMPLE_SEED]).permutation(len(cells))
        train_cells = np.sort(cells[order[: parameters["train_cells"]]])
        test_times = test_times[np.isin(step_of_year[test_times], parameters["weeks"])]
        scored_times = train_times[np.isin(step_of_year[train_times], parameters["weeks"])]
    return Part(train_cells, train_times), Part(cells, test_times), Part(train_cells, scored_times)


def _by_mask(layout: Layout, cells: IndexArray, parameters: Mapping[str, Any]) -> tuple[Part, Part]:
    """Training and test part of the splits that are not the same for all places."""
    shape = (len(layout.places), len(layout.year))
    kind = parameters["kind"]
    if kind == "last-year-of-each-place":
        measured = np.ones(shape, bool) if layout.measured is None else layout.measured
        last = np.where(measured, layout.year, np.iinfo(np.int64).min).max(axis=1, keepdims=True)
        trains = layout.year < last
        # A place that was measured in one year only would be tested without having trained: it trains.
        single = ~(measured & trains).any(axis=1, keepdims=True)
        tests = (layout.year == last) & ~single
        trains = trains | single
    elif kind in ("column", "published"):
        if layout.own is None:
            raise BenchError("This data set's own split is not at hand; open the data set itself.")
        trains, tests = layout.own == TRAINS, layout.own == TESTS
    elif kind == "cells":
        outside = [row for row in parameters["test_cells"] if row >= shape[0]]
        if outside:
            raise BenchError(f"The split tests cell {outside[0]}, and the data have {shape[0]}; open the right data.")
        tests = np.broadcast_to(np.isin(np.arange(shape[0]), parameters["test_cells"])[:, None], shape)
        trains = ~tests
    elif kind == "share":
        pool = np.flatnonzero(np.ones(shape, bool) if layout.measured is None else layout.measured)
        order = np.random.default_rng([parameters["share_seed"], len(pool)]).permutation(len(pool))
        tests = np.zeros(shape, bool)
        tests.reshape(-1)[pool[order[: max(1, round(parameters["share"] * len(pool)))]]] = True
        trains = ~tests
    else:
        fold = (
            folds_of_blocks(layout.places, parameters["block_size"], parameters["folds"])
            if kind == "blocks"
            else folds_of_places(
                layout.places, layout.labels, parameters["near"], parameters["folds"], layout.is_planar
            )
        )
        tests = np.broadcast_to((fold == parameters["fold"])[:, None], shape)
        trains = ~tests
    everything = Part(cells, np.arange(shape[1]))
    return everything.restricted(trains), everything.restricted(tests)
