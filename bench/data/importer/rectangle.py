"""Second reading of a long table: its rows become one value per place and step, NaN where there is none.

Nothing is in memory whole but what belongs to places: the values lie in memory-mapped files, whose pages are let go
after every batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.arrays import Doubles, Integers
from bench.data.array_pages import BLOCK_BYTES, release_pages
from bench.data.importer import values
from bench.data.importer.columns import Columns
from bench.data.importer.sources import MOST_LABEL, Batch, RowSource
from bench.data.importer.survey import Survey
from bench.errors import BenchError

UNKNOWN = -1
"""Code of a category or split that no row has named yet."""
_SAME_VALUE = 1e-6
"""Static numbers of one place may differ by this share: they were written with other numbers of digits."""


@dataclass(frozen=True)
class Rectangle:
    """Values by place and step.

    Attributes:
        survey: places and steps.
        columns: what was read.
        values: (place × time, feature and target) in the order of the columns: the one row's value, or the sum, least
            or largest of several; see `block`.
        counts: the same shape, number of rows that have the value; None where no step has several rows.
        static: (place, static column) NaN where no row has it.
        labels: category → (place,) index into its levels, `UNKNOWN` where no row has it.
        levels: category → names of its levels, sorted.
        split: (place × time,) codes, `UNKNOWN` where no row has one; None without a split column.
    """

    survey: Survey
    columns: Columns
    values: npt.NDArray[Any]
    counts: npt.NDArray[np.uint32] | None
    static: Doubles
    labels: dict[str, Integers] = field(default_factory=dict)
    levels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    split: npt.NDArray[np.int8] | None = None

    def blocks(self) -> Iterator[slice]:
        """Slices of places whose values fit into `BLOCK_BYTES`."""
        n_places, n_times = self.survey.shape
        rows = max(1, BLOCK_BYTES // (8 * n_times * self.values.shape[1]))
        for start in range(0, n_places, rows):
            yield slice(start, min(start + rows, n_places))

    def block(self, places: slice) -> Doubles:
        """(place, time, feature and target) values of some places, aggregated, NaN where there is none.

        A value needs the columns' ``least_days`` measured days where rows are finer than steps and steps longer than
        that. A sum counts missing
        rows by the mean of the others: it is the sum × expected rows ÷ measured rows.
        """
        n_times = self.survey.shape[1]
        rows = slice(places.start * n_times, places.stop * n_times)
        shape = (places.stop - places.start, n_times, self.values.shape[1])
        found = np.array(self.values[rows], np.float64).reshape(shape)
        release_pages(self.values)
        if self.counts is None:
            return found
        count = self.counts[rows].reshape(shape)
        gap, rows_a_day = (each[places, None, None] for each in (self.survey.gap_days, self.survey.rows_a_day))
        days = count * np.maximum(1, gap) / rows_a_day
        needed = np.where(self.survey.days_in_step > self.columns.least_days, self.columns.least_days, 0)
        found[(count == 0) | (days < needed[:, None])] = np.nan
        expected = self._expected_rows(places)
        with np.errstate(invalid="ignore", divide="ignore"):
            for column, how in enumerate(_aggregations(self.columns)):
                if how == "mean":
                    found[:, :, column] /= count[:, :, column]
                elif how == "sum":
                    found[:, :, column] *= np.maximum(1, expected / count[:, :, column])
        return found

    def _expected_rows(self, places: slice) -> Integers:
        """(place, time) rows of a step of which none is missing, by the place's own usual gap."""
        gap = self.survey.gap_days[places, None].astype(np.float64)
        for at_least, at_most, mean in _CALENDAR_GAPS:
            gap = np.where((gap >= at_least) & (gap <= at_most), mean, gap)
        steps = np.floor(self.survey.days_in_step / np.maximum(1, gap) + _LAST_STEP)
        return np.asarray(steps, np.int64) * self.survey.rows_a_day[places, None]


_CALENDAR_GAPS = ((28, 31, 365.2425 / 12), (365, 366, 365.2425))
"""Least and largest gap in days of months and years, and their mean length."""
_LAST_STEP = 0.05
"""A step that lacks this share of another row's length holds that row too: a year holds twelve months."""


def read_rectangle(source: RowSource, columns: Columns, survey: Survey, scratch: Path) -> Rectangle:
    """Reads every value.

    Args:
        source: the table.
        columns: what its columns mean.
        survey: of the first reading.
        scratch: folder for the values.

    Raises:
        BenchError: a field is no number or infinite, a static column or category differs in a place, or rows of one
            step name different parts of the split.
    """
    n_places, n_times = survey.shape
    names = (*columns.features, *columns.target)
    shape = (n_places * n_times, len(names))
    finer = survey.is_finer
    dtype = np.float64 if finer else np.float32
    stored = np.memmap(scratch / "values", dtype, "w+", shape=shape)
    starts = np.array([_START.get(how, 0.0) if finer else np.nan for how in _aggregations(columns)], dtype)
    if starts.any():
        for first in range(0, len(stored), BLOCK_BYTES // 8):
            stored[first : first + BLOCK_BYTES // 8] = starts
            release_pages(stored)
    rectangle = Rectangle(
        survey,
        columns,
        stored,
        np.memmap(scratch / "counts", np.uint32, "w+", shape=shape) if finer else None,
        np.full((n_places, len(columns.static)), np.nan),
        {name: np.full(n_places, UNKNOWN, np.int64) for name in columns.all_categories},
        {},
        np.full(n_places * n_times, UNKNOWN, np.int8) if columns.split is not None else None,
    )
    found_levels: dict[str, dict[str, int]] = {name: {} for name in columns.all_categories}
    further = (*columns.static, *columns.all_categories, *filter(None, (columns.split,)))
    wanted = list(dict.fromkeys((*names, *further)))
    for batch in source.batches(wanted):
        place, position = survey.positions(batch.rows)
        given = np.stack([values.numbers(batch, name, source.what, columns.missing) for name in names], axis=1)
        _add(rectangle, position, given)
        for column, name in enumerate(columns.static):
            here = values.numbers(batch, name, source.what, columns.missing)
            _set_static(rectangle.static[:, column], place, here, batch, f"Static column {name!r}", source.what)
        for name, levels in found_levels.items():
            texts = values.labels(batch, name, source.what, MOST_LABEL - len(name) - 1)
            codes = np.array([UNKNOWN if text == "" else levels.setdefault(text, len(levels)) for text in texts])
            _set_code(rectangle.labels[name], place, codes, batch, f"Category {name!r} differs in a place", source.what)
        if columns.split is not None and rectangle.split is not None:
            codes = values.split_codes(batch, columns.split, source.what)
            differs = f"Split column {columns.split!r} differs in a place's {survey.rhythm.step}"
            _set_code(rectangle.split, position, codes, batch, differs, source.what)
        for array in (rectangle.values, rectangle.counts):
            if array is not None:
                release_pages(array)
    for name, levels in found_levels.items():
        order = sorted(levels)
        rank = np.array([order.index(level) for level in levels] + [UNKNOWN], np.int64)  # the last one is UNKNOWN's
        rectangle.labels[name][:] = rank[rectangle.labels[name]]
        rectangle.levels[name] = tuple(order)
    return rectangle


_START = {"min": np.inf, "max": -np.inf}


def _aggregations(columns: Columns) -> list[str]:
    return [*(feature.aggregation for feature in columns.features.values()), *["mean"] * len(columns.target)]


def _add(rectangle: Rectangle, position: Integers, given: Doubles) -> None:
    """Adds the rows of a batch to the values."""
    if rectangle.counts is None:
        rectangle.values[position] = given
        return
    order = np.argsort(position, kind="stable")
    steps, first = np.unique(position[order], return_index=True)
    given = given[order]
    present = ~np.isnan(given)
    rectangle.counts[steps] += np.add.reduceat(present, first, axis=0, dtype=np.uint32)
    for column, how in enumerate(_aggregations(rectangle.columns)):
        start = _START.get(how, 0.0)
        function = {"min": np.minimum, "max": np.maximum}.get(how, np.add)
        of_step = function.reduceat(np.where(present[:, column], given[:, column], start), first)
        rectangle.values[steps, column] = function(rectangle.values[steps, column], of_step)


def _set_static(known: Doubles, place: Integers, here: Doubles, batch: Batch, label: str, what: str) -> None:
    """Takes a static column's values and raises where a place has two."""
    present = ~np.isnan(here)
    fresh = present & np.isnan(known[place])
    known[place[fresh]] = here[fresh]
    differs = np.flatnonzero(present & ~np.isclose(here, known[place], rtol=_SAME_VALUE, atol=0))
    if len(differs):
        row = differs[0]
        raise BenchError(
            f"{label} differs in a place: row {batch.first_row + row:,} of {what} has {here[row]:g}, another row of "
            f"that place {known[place[row]]:g}; name it with --features instead of --static, or correct it."
        )


def _set_code(known: Any, at: Integers, codes: npt.NDArray[Any], batch: Batch, label: str, what: str) -> None:
    """Takes codes and raises where two rows of one place or step have different ones."""
    present = codes != UNKNOWN
    fresh = present & (known[at] == UNKNOWN)
    known[at[fresh]] = codes[fresh]
    differs = np.flatnonzero(present & (codes != known[at]))
    if len(differs):
        raise BenchError(
            f"{label}: see row {batch.first_row + differs[0]:,} of {what}; make all its rows say the same."
        )
