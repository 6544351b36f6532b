"""Whether hourly totals accumulate from midnight, as ERA5-Land's do, or are the amount of each hour, as ERA5's are.

Of accumulations the hours from 01 to 24 never fall, and fall back at 01 of the next day; amounts of single hours fall
as often as they rise. No attribute tells them apart, so some days are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from bench.data.climate2gpp.calendar import HOURS_PER_DAY, Hours
from bench.data.climate2gpp.fills import without_fills
from bench.data.climate2gpp.source import VariableSource
from bench.errors import BenchError

HourlyTotals = Literal["accumulated", "per-hour"]
OPTION = "--hourly-totals"
DAYS_LOOKED_AT = 12
_DAYS_TRIED = 96
"""Days without an amount anywhere, such as dry ones of a small region, say nothing: others are looked at."""
_MOST_FALLING = 0.12
"""Share of all change from 01 to 24 h that may be a fall of accumulations: dew takes from evaporation, packing into 16
bits rounds."""
_LEAST_FALLING = 0.3
"""Share that falls of amounts of hours: half, less what the day begins lower than it ends."""
_STARTS_AGAIN = 0.5
"""Share of the day's total that must be gone by 01 of the next day, if it was accumulated since midnight."""


def hourly_totals(source: VariableSource, rows: slice, fills: tuple[float, ...]) -> HourlyTotals | None:
    """Says what hourly values are, from some days of the series.

    Args:
        source: hourly, of amounts.
        rows: of the grid to look at.
        fills: stored values that mean missing.

    Returns:
        None if no whole day with any amount is there.

    Raises:
        BenchError: they are neither: they accumulate from another hour, or fall sometimes.
    """
    rise, fall = np.zeros(HOURS_PER_DAY - 1), np.zeros(HOURS_PER_DAY - 1)
    total, gone, seen = 0.0, 0.0, 0
    for day in _whole_days(source.times):
        first = day.astype("datetime64[h]") + 1
        values = _sizes(source, first + np.arange(HOURS_PER_DAY).astype("timedelta64[h]"), rows, fills)
        if not np.nan_to_num(values).any():
            continue
        change = np.nan_to_num(np.diff(values, axis=0)).reshape(HOURS_PER_DAY - 1, -1)
        rise += np.where(change > 0, change, 0.0).sum(axis=1)
        fall -= np.where(change < 0, change, 0.0).sum(axis=1)
        after = first + np.timedelta64(HOURS_PER_DAY, "h")
        if after in source.times:
            next_first = _sizes(source, np.array([after]), rows, fills)[0]
            total += float(np.nansum(values[-1]))
            gone += float(np.nansum(values[-1] - next_first))
        seen += 1
        if seen == DAYS_LOOKED_AT:
            break
    if not seen or not (rise + fall).any():
        return None
    share = float(fall.sum() / (rise + fall).sum())
    if share <= _MOST_FALLING and not (total > 0 and gone < _STARTS_AGAIN * total):
        return "accumulated"
    if share >= _LEAST_FALLING and not _falls_at_single_hours(rise, fall):
        return "per-hour"
    problem = "do not start again at midnight" if share <= _MOST_FALLING else f"fall by {share:.0%} of all their change"
    raise BenchError(
        f"{source.layers[0].where} has hours that are neither accumulations since midnight UTC nor amounts of single "
        f"hours (from 01 to 24 h they {problem}); make daily totals of them, or say what they are by {OPTION} "
        f"accumulated or {OPTION} per-hour."
    )


def _falls_at_single_hours(rise: npt.NDArray[np.float64], fall: npt.NDArray[np.float64]) -> bool:
    """Whether values fall at single hours only, as accumulations do that start again every 3, 6 or 12 hours."""
    falling = fall > 0.5 * (rise + fall)
    alone = falling & ~np.append(falling[1:], False) & ~np.insert(falling[:-1], 0, False)
    others = float(fall[~falling].sum()) <= _MOST_FALLING * float((rise + fall)[~falling].sum())
    return bool(falling.any() and (alone == falling).all() and others)


def settled_hours(
    source: VariableSource, given: HourlyTotals | None, named_per_hour: bool, rows: slice, fills: tuple[float, ...]
) -> tuple[bool, str | None]:
    """Decides whether hourly values of a total are the amount of each hour.

    Args:
        source: hourly, of amounts.
        given: the user's word.
        named_per_hour: the names in the files say that they are.
        rows: of the grid to look at.
        fills: stored values that mean missing.

    Returns:
        whether they are, and what the report should say.

    Raises:
        BenchError: they look like it and nobody says so, or the other way round.
    """
    if given is not None:
        return given == "per-hour", f"hours taken as {_words(given)} ({OPTION})"
    found = hourly_totals(source, rows, fills)
    if named_per_hour and found != "accumulated":
        return True, f"hours taken as {_words('per-hour')} (by their name)"
    if found == "per-hour" or named_per_hour:
        looks = _words("per-hour" if found == "per-hour" else "accumulated")
        raise BenchError(
            f"{source.layers[0].where} holds hours that look like {looks}, where "
            f"{'its name says amounts' if named_per_hour else 'ERA5-Land has accumulations since midnight UTC'}; say "
            f"what they are by {OPTION} per-hour (24 of them make a day) or {OPTION} accumulated."
        )
    return False, None


def _words(what: HourlyTotals) -> str:
    return "amounts of single hours" if what == "per-hour" else "accumulations since midnight UTC"


def _whole_days(times: Hours) -> Sequence[np.datetime64]:
    """Days whose hours 01 to 24 are all there, those evenly spread over the series first."""
    days = np.unique((times - np.timedelta64(1, "h")).astype("datetime64[D]"))
    hours = days.astype("datetime64[h]")[:, None] + np.arange(1, HOURS_PER_DAY + 1).astype("timedelta64[h]")
    whole = days[np.isin(hours, times).all(axis=1)]
    if not len(whole):
        return []
    # Every n-th day, then those between them.
    order = [number for offset in range(8) for number in range(offset, _DAYS_TRIED, 8)]
    even = np.linspace(0, len(whole) - 1, _DAYS_TRIED).round().astype(np.int64)[order]
    return list(whole[list(dict.fromkeys(even.tolist()))])


def _sizes(source: VariableSource, times: Hours, rows: slice, fills: tuple[float, ...]) -> npt.NDArray[np.float64]:
    """(hour, row, column) values without their sign: evaporation accumulates downwards."""
    layer_of, frame_of = source.place(times)
    parts = []
    for start, stop in _runs(layer_of):
        layer = source.layers[layer_of[start]]
        stored = without_fills(layer.read(frame_of[start:stop], rows), source.variable.lowest, fills)
        parts.append(np.abs(stored))
    return np.concatenate(parts)


def _runs(numbers: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    bounds = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
    return list(zip(bounds[:-1], bounds[1:], strict=True))
