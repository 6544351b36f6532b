"""First reading of a long table: its places, its dates, and where each row belongs in the rectangle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.arrays import Doubles, Integers
from bench.data import rhythm as rhythms
from bench.data.array_pages import release_pages
from bench.data.importer import values
from bench.data.importer.columns import Columns
from bench.data.importer.places import PlaceIndex
from bench.data.importer.sources import RowSource
from bench.data.rhythm import Rhythm
from bench.errors import BenchError

SECONDS_A_DAY = 86_400
CROSS_SECTION_DAY = np.datetime64("2000-01-01", "D")
"""The one step of data without time; no number depends on it."""
_CHUNK = 1 << 20
_TICKS = 256
"""Of a second: one for each zone (`bench.data.importer.zoned.Zones`)."""


@dataclass(frozen=True)
class Survey:
    """What the first reading found.

    Attributes:
        place: (row,) index of each row's place.
        seconds: (row,) time of each row since 1970 by the clock of its place, or None for a cross-section.
        lon: (place,) degrees east in [-180, 180), or the first planar coordinate.
        lat: (place,) degrees north, or the second one.
        names: one per place, or None where they have none.
        time: (time,) first day of each step in which some place has a row.
        rhythm: of the steps.
        gap_days: (place,) usual distance of two dates in days; 0 where there is but one.
        rows_a_day: (place,) largest number of rows on one day.
        is_finer: whether some step of a place has several rows, so that there is something to aggregate.
    """

    place: npt.NDArray[np.int32]
    seconds: Integers | None
    lon: Doubles
    lat: Doubles
    names: tuple[str, ...] | None
    time: npt.NDArray[np.datetime64]
    rhythm: Rhythm
    gap_days: Integers
    rows_a_day: Integers
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


def survey(source: RowSource, columns: Columns, scratch: Path) -> Survey:
    """Reads place and time of every row.

    Args:
        source: the table.
        columns: what its columns mean.
        scratch: folder for what would not fit into memory.

    Raises:
        BenchError: there is no row, a place or date is missing or out of range, a place lies at two positions, two rows
            are of one place and time, or the dates fit no rhythm.
    """
    places = PlaceIndex(columns, source.what)
    files = {name: (scratch / name).open("wb") for name in ("place", "seconds", "zones")}
    days: set[int] = set()
    kinds: set[int] = set()
    n_rows = 0
    try:
        for batch in source.batches(columns.where):
            places.add(batch).tofile(files["place"])
            if columns.time is not None:
                stamps, zones = values.times(batch, columns.time, source.what, columns.time_format)
                seconds = stamps.astype(np.int64)
                kinds.update(np.unique(zones).tolist())
                zones.tofile(files["zones"])
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
        day, nothing = np.array([CROSS_SECTION_DAY]), np.zeros(len(lon), np.int64)
        return Survey(place, None, lon, lat, names, day, rhythms.get("none"), nothing, nothing, False)
    seconds = np.memmap(scratch / "seconds", np.int64, "r", shape=(n_rows,))
    first = int(min(days)) * SECONDS_A_DAY
    # A clock that is set back shows an hour twice; where there are several zones, they tell those times apart.
    ticks = _TICKS if len(kinds) > 1 else 1
    a_day = SECONDS_A_DAY * ticks
    span = (int(max(days)) + 1) * a_day - first * ticks
    key = place.astype(np.int64) * span + (seconds - first) * ticks
    if ticks > 1:
        key += np.memmap(scratch / "zones", np.int8, "r", shape=(n_rows,)).astype(np.int64) % _TICKS
    release_pages(place)
    release_pages(seconds)

    def named(found: int) -> str:
        where, when = divmod(found, span)
        at = names[where] if names else f"at {lon[where]:g}, {lat[where]:g}"
        stamp = str(np.datetime64(when // ticks + first, "s")).removesuffix("T00:00:00")
        return f"place {at} and time {stamp}"

    ordered = np.sort(key)
    _check_repeated(ordered, key, named, source.what)
    del key
    gap_days, rows_a_day = _habits(ordered, span, a_day, len(lon))
    distinct = np.array(sorted(days), np.int64).astype("datetime64[D]")
    rhythm = rhythms.get(columns.rhythm) if columns.rhythm else _rhythm_of(distinct, _usual(gap_days), source.what)
    time = np.unique(rhythm.first_day(distinct))
    is_finer = _has_several_rows_a_step(ordered, span, a_day, first // SECONDS_A_DAY, rhythm)
    return Survey(place, seconds, lon, lat, names, time, rhythm, gap_days, rows_a_day, is_finer)


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
            "apart by --place or --time."
        )


def _habits(ordered: Integers, span: int, a_day: int, n_places: int) -> tuple[Integers, Integers]:
    """(place,) usual gap between dates in days, and (place,) largest number of rows on one day.

    Args:
        ordered: ascending keys, place × span + time since the first day.
        span: all days together.
        a_day: one day, in the unit of the keys.
        n_places: how many.
    """
    first = np.searchsorted(ordered, np.arange(n_places + 1) * span)
    gaps, most = np.zeros(n_places, np.int64), np.ones(n_places, np.int64)
    start = 0
    while start < n_places:
        stop = max(start + 1, int(np.searchsorted(first, first[start] + _CHUNK, side="right")) - 1)
        day, rows = np.unique(ordered[first[start] : first[stop]] // a_day, return_counts=True)
        place = day // (span // a_day)
        np.maximum.at(most, place, rows)
        same = place[1:] == place[:-1]
        gap, of = np.diff(day)[same], place[1:][same]
        order = np.lexsort((gap, of))  # the middle one of each place is its median
        found, begin, count = np.unique(of[order], return_index=True, return_counts=True)
        gaps[found] = gap[order][begin + (count - 1) // 2]
        start = stop
    return gaps, most


def _usual(gap_days: Integers) -> int:
    """Gap that most places have at most; 0 where none has several dates."""
    several = np.sort(gap_days[gap_days > 0])
    return int(several[(len(several) - 1) // 2]) if len(several) else 0


def _has_several_rows_a_step(ordered: Integers, span: int, a_day: int, first_day: int, rhythm: Rhythm) -> bool:
    """Whether two rows of one place lie in one step; of the arguments see `_habits`, days count from 1970."""
    for start in range(0, len(ordered), _CHUNK):
        place, since = np.divmod(ordered[start : start + _CHUNK + 1], span)
        step = rhythm.first_day((since // a_day + first_day).astype("datetime64[D]"))
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
