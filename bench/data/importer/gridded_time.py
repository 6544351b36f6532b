"""Times of a grid or of stations by the CF conventions: calendars and bounds."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.data.importer.zoned import zone_of
from bench.errors import BenchError

if TYPE_CHECKING:
    import xarray as xr


def is_time(dataset: xr.Dataset, name: str) -> bool:
    """Whether a variable is the time axis: CF says so, or it holds dates along a dimension of its own name."""
    array = dataset[name]
    if array.attrs.get("standard_name") == "time" or array.attrs.get("axis") == "T":
        return array.ndim <= 1
    return name.lower() == "time" and array.ndim <= 1 and (array.dtype.kind == "M" or _is_cftime(array))


def times_of(dataset: xr.Dataset, name: str, rhythm: str | None, what: str) -> npt.NDArray[np.datetime64]:
    """(time,) start of each step, by the clock of its units' zone: of its bounds where it has some, else the time.

    Args:
        dataset: holds them.
        name: of the time coordinate.
        rhythm: that was asked for; months and years may come from calendars with impossible days.
        what: the file, for the message.

    Raises:
        BenchError: they are no dates, or of a calendar that has days which no real year has.
    """
    array = dataset[name]
    ahead = zone_of(array.encoding.get("units", array.attrs.get("units")))
    bounds = array.attrs.get("bounds", array.encoding.get("bounds"))
    if bounds in dataset.variables and dataset[bounds].ndim == 2:
        array = dataset[bounds].isel({dataset[bounds].dims[1]: 0})
    if array.dtype.kind == "M":
        found: npt.NDArray[np.datetime64] = np.atleast_1d(array.values).astype("datetime64[s]")
        found += np.timedelta64(ahead, "s")
        return found
    if not _is_cftime(array):
        raise BenchError(
            f"The time {name!r} of {what} is {array.attrs.get('units', 'without units')!r}, no dates; write its units "
            "as 'days since 2001-01-01' or name another variable with --time."
        )
    return np.array(
        [_in_real_calendar(date + timedelta(seconds=ahead), rhythm, what) for date in np.atleast_1d(array.values)],
        "datetime64[s]",
    )


def _is_cftime(array: xr.DataArray) -> bool:
    return array.dtype.kind == "O" and array.size > 0 and hasattr(array.values.flat[0], "calendar")


def _in_real_calendar(date: Any, rhythm: str | None, what: str) -> np.datetime64:
    """A date of another calendar; one without 29 February has only days that real years have.

    Raises:
        BenchError: such a calendar, or this day of it, cannot be told by days.
    """
    month = f"{date.year:04d}-{date.month:02d}"
    if rhythm in ("month", "year"):
        return np.datetime64(f"{month}-01", "s")
    try:
        if date.calendar == "360_day":
            raise ValueError("all its months have 30 days")
        return np.datetime64(f"{month}-{date.day:02d}T{date.hour:02d}:{date.minute:02d}:{date.second:02d}", "s")
    except ValueError as error:
        raise BenchError(
            f"The times of {what} are of the calendar {date.calendar!r}, whose days no real year has; name --rhythm "
            "month or --rhythm year."
        ) from error
