"""Splits: which (cell, time) pairs train and which test. They carry indices only, never values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.data.cube import STEPS_PER_YEAR, Cube
from bench.errors import BenchError

IndexArray = npt.NDArray[np.int64]

FEWSHOT_SMALL_GRID = 20_000
FEWSHOT_CELLS = 6_000
FEWSHOT_SHARE = 0.3
_LAST_YEAR = 9999


@dataclass(frozen=True)
class Part:
    """A rectangle of samples: every listed cell at every listed time.

    Samples are ordered by cell, then by time: sample ``i * len(times) + j`` is (cells[i], times[j]).

    Attributes:
        cells: (n_cells,) rows of the cube, ascending.
        times: (n_times,) columns of the cube, ascending.
    """

    cells: IndexArray
    times: IndexArray

    def __len__(self) -> int:
        return len(self.cells) * len(self.times)

    def of(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Copies this part of a (cell, time, …) array, as (n_cells, n_times, …)."""
        return np.ascontiguousarray(array[self.cells[:, None], self.times[None, :]])


@dataclass(frozen=True)
class Split:
    """A training part, a test part, and the parameters that rebuild both from a cube.

    Attributes:
        train: samples that a runner may learn from.
        test: samples that it is scored on.
        scored_train: training samples on which its training error is taken: all of them, or, few-shot, those of the
            scored weeks, so that train and test error are about the same time of the year.
        parameters: JSON values that, with the cube, determine the two parts (they enter the cell's fingerprint).
    """

    train: Part
    test: Part
    scored_train: Part
    parameters: Mapping[str, Any]


def parse_weeks(text: str) -> tuple[int, ...]:
    """Reads ``1,10,20`` as 8-day steps of the year.

    Raises:
        BenchError: something is no whole number, lies outside 1–46, is repeated, or nothing is named.
    """
    weeks: list[int] = []
    for item in filter(None, (item.strip() for item in text.split(","))):
        try:
            week = int(item)
        except ValueError as error:
            raise BenchError(f"Week {item!r} is no whole number; give weeks such as --weeks 1,10,20,30,40.") from error
        if not 1 <= week <= STEPS_PER_YEAR:
            raise BenchError(f"Week {week} is outside 1–{STEPS_PER_YEAR} (8-day steps of the year); correct --weeks.")
        if week in weeks:
            raise BenchError(f"Week {week} is named twice; name each week once in --weeks.")
        weeks.append(week)
    if not weeks:
        raise BenchError("--weeks names no week; give weeks such as --weeks 1,10,20,30,40.")
    return tuple(sorted(weeks))


def full_parameters(cube: Cube, max_cells: int | None = None) -> dict[str, Any]:
    """Parameters of the `full` split: the last year tests, all earlier years train.

    Args:
        cube: the data.
        max_cells: keep only this many cells, evenly spaced in the cube's order (the smoke profile); None keeps all.

    Raises:
        BenchError: the cube holds a single year.
    """
    years = sorted({int(year) for year in cube.year})
    if len(years) < 2:
        raise BenchError(
            f"Data set {cube.name!r} holds the single year {years[0]}; the full suite needs at least two, the last "
            "one to test on."
        )
    thinned = max_cells if max_cells is not None and max_cells < cube.n_cells else None
    return {"kind": "full", "test_year": years[-1], "max_cells": thinned}


def fewshot_parameters(
    cube: Cube, weeks: Sequence[int], train_cells: int | None, sample_seed: int, max_cells: int | None = None
) -> dict[str, Any]:
    """Parameters of the `fewshot` split: sampled cells train in all steps, all cells test in the named weeks.

    Args:
        cube: the data.
        weeks: 8-day steps of the test year that are scored.
        train_cells: sampled cells; None for 6,000, or 30 % of the cells where there are fewer than 20,000.
        sample_seed: seed of the sample; samples of different sizes with one seed are nested.
        max_cells: as in `full_parameters`.

    Raises:
        BenchError: more training cells than cells, or fewer than one.
    """
    base = full_parameters(cube, max_cells)
    n_cells = base["max_cells"] or cube.n_cells
    if train_cells is None:
        train_cells = FEWSHOT_CELLS if n_cells >= FEWSHOT_SMALL_GRID else max(1, round(FEWSHOT_SHARE * n_cells))
    if not 1 <= train_cells <= n_cells:
        raise BenchError(
            f"--train-cells {train_cells} is outside 1–{n_cells}, the land cells of {cube.name!r} in this profile; "
            "correct it."
        )
    return base | {"kind": "fewshot", "weeks": list(weeks), "train_cells": train_cells, "sample_seed": sample_seed}


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
        weeks: 8-day steps that are scored; the same steps of the training years always train.
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
        ValueError: one is missing, or its value is of another kind; the message names it.
    """
    kind = parameters.get("kind")
    needed = _PARAMETERS.get(kind) if isinstance(kind, str) else None
    if needed is None:
        raise ValueError(f"its split is of no known kind ({', '.join(_PARAMETERS)})")
    for name, fits in needed.items():
        if name not in parameters or not fits(parameters[name]):
            raise ValueError(f"parameter {name!r} of its split is missing or makes no sense")


def _is_count(value: object, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 1 << 40


def _is_count_or_none(value: object) -> bool:
    return value is None or _is_count(value)


def _are_weeks(value: object) -> bool:
    return isinstance(value, list) and all(_is_count(week) and week <= STEPS_PER_YEAR for week in value)


_FULL: Mapping[str, Callable[[object], bool]] = {
    "test_year": lambda value: _is_count(value) and value in range(_LAST_YEAR + 1),
    "max_cells": _is_count_or_none,
}
_FEWSHOT = {
    **_FULL,
    "weeks": _are_weeks,
    "train_cells": _is_count,
    "sample_seed": lambda value: _is_count(value, 0),
}
_PARAMETERS: Mapping[str, Mapping[str, Callable[[object], bool]]] = {
    "full": _FULL,
    "fewshot": _FEWSHOT,
    "ablation": {**_FEWSHOT, "step_stride": _is_count, "train_years": _is_count_or_none},
}


def make_split(cube: Cube, parameters: Mapping[str, Any]) -> Split:
    """Rebuilds a split from its parameters; the same cube and parameters always give the same indices."""
    return split_of_grid(cube.n_cells, cube.year, cube.step_of_year, parameters)


def split_of_grid(n_cells: int, year: IndexArray, step_of_year: IndexArray, parameters: Mapping[str, Any]) -> Split:
    """Rebuilds a split where the cube itself is not at hand, as in a report.

    Args:
        n_cells: number of land cells.
        year: (time,) calendar year of each step.
        step_of_year: (time,) 8-day step of the year, 1–46.
        parameters: of the split.
    """
    cells = np.arange(n_cells)
    if parameters["max_cells"] is not None:
        cells = np.linspace(0, n_cells - 1, parameters["max_cells"]).round().astype(np.int64)
    testing = year == parameters["test_year"]
    train_times, test_times = np.flatnonzero(~testing), np.flatnonzero(testing)
    train_cells, scored_times = cells, train_times
    if parameters["kind"] == "ablation":
        step, first = step_of_year[train_times], parameters["test_year"] - (parameters["train_years"] or math.inf)
        chosen = ((step - 1) % parameters["step_stride"] == 0) | np.isin(step, parameters["weeks"])
        train_times = train_times[chosen & (year[train_times] >= first)]
    if parameters["kind"] in ("fewshot", "ablation"):
        # A permutation cut at n gives nested samples: the first 300 cells are among the first 600.
        order = np.random.default_rng([parameters["sample_seed"], 46]).permutation(len(cells))
        train_cells = np.sort(cells[order[: parameters["train_cells"]]])
        test_times = test_times[np.isin(step_of_year[test_times], parameters["weeks"])]
        scored_times = train_times[np.isin(step_of_year[train_times], parameters["weeks"])]
    train, test = Part(train_cells, train_times), Part(cells, test_times)
    return Split(train, test, Part(train_cells, scored_times), dict(parameters))
