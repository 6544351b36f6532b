"""First reading of a long table: its places, its dates, and where each row belongs in the rectangle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.data import rhythm as rhythms
from bench.data.array_pages import release_pages
from bench.data.cube import normalised_lon
from bench.data.importer import values
from bench.data.importer.columns import Columns
from bench.data.importer.sources import Batch, Source
from bench.data.rhythm import Rhythm
from bench.errors import BenchError

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

SECONDS_A_DAY = 86_400
CROSS_SECTION_DAY = np.datetime64("2000-01-01", "D")
"""The one step of data without time; no number depends on it."""
_SAME_PLACE = 1e-6
"""Coordinates of one place may differ by this share of themselves: they were written with other numbers of digits."""
_CHUNK = 1 << 20
_LONGEST_GAP = 400
"""Gaps between the dates of a place are counted up to so many days."""


@dataclass(frozen=True)
class Survey:
    """What the first reading found.

    Attributes:
        place: (row,) index of each row's place.
        seconds: (row,) time of each row since 1970, or None for a cross-section.
        lon: (place,) degrees east in [-180, 180), or the first planar coordinate.
        lat: (place,) degrees north, or the second one.
        names: one per place, or None where they have none.
        time: (time,) first day of each step in which some place has a row.
        rhythm: of the steps.
        gap_days: usual distance of two dates of a place in days; 0 where no place has two.
        rows_a_day: largest number of rows of one place on one day.
        is_finer: whether some step of a place has several rows, so that there is something to aggregate.
    """

    place: npt.NDArray[np.int32]
    seconds: Integers | None
    lon: Doubles
    lat: Doubles
    names: tuple[str, ...] | None
    time: npt.NDArray[np.datetime64]
    rhythm: Rhythm
    gap_days: int
    rows_a_day: int
    is_finer: bool

    @property
    def shape(self) -> tuple[int, int]:
        """(n_places, n_times)."""
        return len(self.lon), len(self.time)

    def positions(self, rows: slice) -> tuple[Integers, Integers]:
        """(row,) place and (row,) position in the flattened rectangle (place, time) of some rows."""
        place = self.place[rows].astype(np.int64)
        if self.seconds is None:
            return place, place
        day = (self.seconds[rows] // SECONDS_A_DAY).astype("datetime64[D]")
        return place, place * len(self.time) + np.searchsorted(self.time, self.rhythm.first_day(day))

    @cached_property
    def rows_in_step(self) -> npt.NDArray[np.int32]:
        """(place, time) number of rows."""
        count = np.zeros(self.shape[0] * self.shape[1], np.int32)
        for start in range(0, len(self.place), _CHUNK):
            np.add.at(count, self.positions(slice(start, start + _CHUNK))[1], 1)
        return count.reshape(self.shape)

    @property
    def days_in_step(self) -> Integers:
        """(time,) length of each step in days, by the calendar."""
        day = self.time.astype("datetime64[D]")
        year_end = (day.astype("datetime64[Y]") + 1).astype("datetime64[D]")
        if self.rhythm.name == "8-day":
            end = np.minimum(day + 8, year_end)
        elif self.rhythm.name == "month":
            end = (day.astype("datetime64[M]") + 1).astype("datetime64[D]")
        else:
            end = year_end if self.rhythm.name == "year" else day + 1
        return np.asarray((end - day).astype(np.int64))


def survey(source: Source, columns: Columns, scratch: Path) -> Survey:
    """Reads place and time of every row.

    Args:
        source: the table.
        columns: what its columns mean.
        scratch: folder for what would not fit into memory.

    Raises:
        BenchError: there is no row, a place or date is missing or out of range, a place lies at two positions, two rows
            are of one place and time, or the dates fit no rhythm.
    """
    places = _Places(columns, source.what)
    files = {name: (scratch / name).open("wb") for name in ("place", "seconds")}
    days: set[int] = set()
    n_rows = 0
    try:
        for batch in source.batches(columns.where):
            places.add(batch).tofile(files["place"])
            if columns.time is not None:
                seconds = values.times(batch, columns.time, source.what, columns.time_format).astype(np.int64)
                days.update(np.unique(seconds // SECONDS_A_DAY).tolist())
                seconds.tofile(files["seconds"])
            n_rows += len(batch)
    finally:
        for file in files.values():
            file.close()
    if n_rows == 0:
        raise BenchError(f"{source.what} has no rows below its column names.")
    place = np.memmap(scratch / "place", np.int32, "r+", shape=(n_rows,))
    lon, lat, names, rank = places.sorted()
    for start in range(0, n_rows, _CHUNK):
        place[start : start + _CHUNK] = rank[place[start : start + _CHUNK]]
    if columns.time is None:
        if columns.place is not None:
            _check_repeated(np.sort(place), place, lambda key: f"place {names[key] if names else key}", source.what)
        day = np.array([CROSS_SECTION_DAY])
        return Survey(place, None, lon, lat, names, day, rhythms.get("none"), 0, 1, False)
    seconds = np.memmap(scratch / "seconds", np.int64, "r", shape=(n_rows,))
    first = int(min(days)) * SECONDS_A_DAY
    span = (int(max(days)) + 1) * SECONDS_A_DAY - first
    key = place.astype(np.int64) * span + (seconds - first)
    release_pages(place)
    release_pages(seconds)

    def named(found: int) -> str:
        where, when = divmod(found, span)
        at = names[where] if names else f"at {lon[where]:g}, {lat[where]:g}"
        stamp = str(np.datetime64(when + first, "s")).removesuffix("T00:00:00")
        return f"place {at} and time {stamp}"

    ordered = np.sort(key)
    _check_repeated(ordered, key, named, source.what)
    del key
    gap_days, rows_a_day = _habits(ordered, span)
    distinct = np.array(sorted(days), np.int64).astype("datetime64[D]")
    rhythm = rhythms.get(columns.rhythm) if columns.rhythm else _rhythm_of(distinct, gap_days, source.what)
    time = np.unique(rhythm.first_day(distinct))
    is_finer = _has_several_rows_a_step(ordered, span, first, rhythm)
    return Survey(place, seconds, lon, lat, names, time, rhythm, gap_days, rows_a_day, is_finer)


class _Places:
    """Places in the order in which they appear."""

    def __init__(self, columns: Columns, what: str) -> None:
        self._columns, self._what = columns, what
        self._known: dict[object, int] = {}
        self._coordinates: list[Doubles] = []
        self._lon = self._lat = np.empty(0)
        self._n_rows = 0

    def add(self, batch: Batch) -> npt.NDArray[np.int32]:
        """(row,) provisional index of each row's place."""
        lon, lat = (values.numbers(batch, name, self._what) for name in (self._columns.lon, self._columns.lat))
        self._check_range(batch, lon, lat)
        if self._columns.crs is None:
            lon = normalised_lon(lon)
        if self._columns.place is None and self._columns.time is None:
            self._coordinates.append(np.stack([lon, lat]))
            self._n_rows += len(batch)
            return np.arange(self._n_rows - len(batch), self._n_rows, dtype=np.int32)
        if self._columns.place is not None:
            import pandas as pd

            written = values.texts(batch, self._columns.place)
            empty = np.flatnonzero(written == "")
            if len(empty):
                raise self._error(batch, int(empty[0]), f"the place {self._columns.place!r} is empty; name it")
            inverse, distinct = pd.factorize(written)
            keys: list[object] = list(distinct)
        else:
            found, inverse = np.unique(lon + 1j * lat, return_inverse=True)
            keys = list(found.tolist())
        _, first = np.unique(inverse, return_index=True)
        fresh = [index for index, key in enumerate(keys) if key not in self._known]
        for index in fresh:
            self._known[keys[index]] = len(self._known)
        self._lon = np.concatenate([self._lon, lon[first[fresh]]])
        self._lat = np.concatenate([self._lat, lat[first[fresh]]])
        code = np.array([self._known[key] for key in keys], np.int32)[inverse]
        for name, here, of_place in (
            (self._columns.lon, lon, self._lon[code]),
            (self._columns.lat, lat, self._lat[code]),
        ):
            moved = np.flatnonzero(~np.isclose(here, of_place, rtol=_SAME_PLACE, atol=_SAME_PLACE))
            if len(moved):
                raise self._error(
                    batch,
                    int(moved[0]),
                    f"{name!r} is {here[moved[0]]:g}, but {of_place[moved[0]]:g} in an earlier row of the same place; "
                    "give each place one position, or leave out --place so that positions name places",
                )
        return code

    def sorted(self) -> tuple[Doubles, Doubles, tuple[str, ...] | None, npt.NDArray[np.int32]]:
        """Coordinates and names of the places in their final order, and (provisional place,) index in it."""
        if self._coordinates:
            lon, lat = np.concatenate(self._coordinates, axis=1)
            return lon, lat, None, np.arange(len(lon), dtype=np.int32)
        keys = list(self._known)
        if self._columns.place is None:
            order = np.lexsort((self._lat, self._lon))
            names = None
        else:
            order = np.array(sorted(range(len(keys)), key=lambda index: str(keys[index])), np.int64)
            names = tuple(str(keys[index]) for index in order)
        rank = np.empty(len(keys), np.int32)
        rank[order] = np.arange(len(keys), dtype=np.int32)
        return self._lon[order], self._lat[order], names, rank

    def _check_range(self, batch: Batch, lon: Doubles, lat: Doubles) -> None:
        for name, coordinate in ((self._columns.lon, lon), (self._columns.lat, lat)):
            empty = np.flatnonzero(np.isnan(coordinate))
            if len(empty):
                raise self._error(batch, int(empty[0]), f"the coordinate {name!r} is empty; fill it or drop the row")
        if self._columns.crs is not None:
            return
        wrong = np.flatnonzero((np.abs(lat) > 90) | (lon < -180) | (lon > 360))
        if len(wrong):
            at = int(wrong[0])
            swapped = abs(lat[at]) <= 180 and abs(lon[at]) <= 90
            raise self._error(
                batch,
                at,
                f"longitude {lon[at]:g} and latitude {lat[at]:g} are no degrees; "
                + ("swap --lon and --lat" if swapped else "planar coordinates are named by --x, --y and --crs"),
            )

    def _error(self, batch: Batch, index: int, text: str) -> BenchError:
        return BenchError(f"Row {batch.first_row + index:,} of {self._what}: {text}.")


def _check_repeated(
    ordered: npt.NDArray[np.integer[Any]], key: npt.NDArray[np.integer[Any]], named: Callable[[int], str], what: str
) -> None:
    """Raises if two rows have one key; ``named`` puts a key in words."""
    for start in range(0, len(ordered), _CHUNK):
        chunk = ordered[start : start + _CHUNK + 1]
        same = np.flatnonzero(chunk[1:] == chunk[:-1])
        if not len(same):
            continue
        repeated = int(chunk[same[0]])
        rows = np.flatnonzero(key == repeated)[:2] + 1
        raise BenchError(
            f"Rows {rows[0]:,} and {rows[1]:,} of {what} are both of {named(repeated)}; keep one of them, or tell them "
            "apart by --place."
        )


def _habits(ordered: Integers, span: int) -> tuple[int, int]:
    """Usual gap between the dates of a place in days, and the largest number of rows of a place on one day.

    Args:
        ordered: ascending keys, place × span + seconds; a span is a whole number of days.
        span: seconds.
    """
    gaps = np.zeros(_LONGEST_GAP + 1, np.int64)
    most, run, last = 1, 0, -1
    days_a_span = span // SECONDS_A_DAY
    for start in range(0, len(ordered), _CHUNK):
        day = ordered[start : start + _CHUNK] // SECONDS_A_DAY
        distinct, counts = np.unique(day, return_counts=True)
        if distinct[0] == last:
            counts[0] += run
        most = max(most, int(counts.max()))
        joined = np.concatenate([[last], distinct]) if last >= 0 else distinct
        same_place = joined[1:] // days_a_span == joined[:-1] // days_a_span
        difference = np.diff(joined)[same_place]
        gaps += np.bincount(np.minimum(difference[difference > 0], _LONGEST_GAP), minlength=_LONGEST_GAP + 1)
        last, run = int(distinct[-1]), int(counts[-1])
    total = int(gaps.sum())
    return (int(np.searchsorted(np.cumsum(gaps), (total + 1) // 2)) if total else 0), most


def _has_several_rows_a_step(ordered: Integers, span: int, first: int, rhythm: Rhythm) -> bool:
    """Whether two rows of one place lie in one step; of ``ordered`` see `_habits`, ``first`` is its first second."""
    for start in range(0, len(ordered), _CHUNK):
        place, since = np.divmod(ordered[start : start + _CHUNK + 1], span)
        step = rhythm.first_day(((since + first) // SECONDS_A_DAY).astype("datetime64[D]"))
        if ((place[1:] == place[:-1]) & (step[1:] == step[:-1])).any():
            return True
    return False


def _rhythm_of(days: npt.NDArray[np.datetime64], gap_days: int, what: str) -> Rhythm:
    """The rhythm that dates have.

    Raises:
        BenchError: they have none of them.
    """
    if gap_days == 1:
        return rhythms.get("day")
    if gap_days == 8 and (rhythms.EIGHT_DAY.first_day(days) == days).all():
        return rhythms.EIGHT_DAY
    if 28 <= gap_days <= 31:
        return rhythms.get("month")
    if 365 <= gap_days <= 366:
        return rhythms.get("year")
    usual = f"are usually {gap_days} days apart" if gap_days else "are one a place"
    raise BenchError(f"The dates of {what} {usual}, no rhythm of a year; name one, such as --rhythm month.")
