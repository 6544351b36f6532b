"""Days, hours and 8-day steps of a year."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.data.rhythm import STEPS_PER_YEAR

Hours = npt.NDArray[np.datetime64]
HOURS_PER_DAY = 24


def step_starts(year: int) -> npt.NDArray[np.datetime64]:
    """Returns the 46 first days of a year's steps: 1 January and every eighth day after it."""
    first = np.datetime64(f"{year}-01-01", "D")
    starts: npt.NDArray[np.datetime64] = first + 8 * np.arange(STEPS_PER_YEAR)
    return starts


def days(year: int) -> npt.NDArray[np.datetime64]:
    """Returns all days of a year."""
    return np.arange(np.datetime64(f"{year}-01-01", "D"), np.datetime64(f"{year + 1}-01-01", "D"))


def step_of(dates: npt.NDArray[np.datetime64]) -> npt.NDArray[np.int64]:
    """Returns the step of the year, from 0, that each date lies in."""
    elapsed = dates.astype("datetime64[D]") - dates.astype("datetime64[Y]").astype("datetime64[D]")
    step: npt.NDArray[np.int64] = elapsed.astype(np.int64) // 8
    return step


def step_lengths(year: int) -> npt.NDArray[np.int64]:
    """Returns the number of days of each of the 46 steps: 8, and 5 or 6 for the last."""
    return np.bincount(step_of(days(year)), minlength=STEPS_PER_YEAR).astype(np.int64)


def ranges(times: Hours, spacing_hours: int) -> list[str]:
    """Returns sorted times as text, runs of neighbours as ``2019-05-01 to 2019-05-31``.

    Args:
        times: (time,) sorted datetime64[h].
        spacing_hours: between neighbours.
    """
    if not len(times):
        return []
    breaks = np.flatnonzero(np.diff(times) > np.timedelta64(spacing_hours, "h")) + 1
    unit = "h" if spacing_hours < HOURS_PER_DAY else "D"
    found = []
    for run in np.split(times, breaks):
        first, last = (str(run[index].astype(f"datetime64[{unit}]")) for index in (0, -1))
        found.append(first if len(run) == 1 else f"{first} to {last}")
    return found
