"""Rhythms: how the steps of a data set divide the year.

Everything that depends on the length of a step (steps of the year, seasons, cyclic time axes, captions) asks the
cube's rhythm, and nothing else knows a number of steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.errors import BenchError, unknown

Days = npt.NDArray[np.datetime64]
_LEAP_YEAR = np.datetime64("2000-01-01")
"""A year with 29 February: days are numbered by its calendar."""


@dataclass(frozen=True)
class Rhythm:
    """How the steps of a data set divide the year.

    Attributes:
        name: as a cube stores it.
        steps_per_year: how many positions in the year there are.
        step: what people call one step, such as ``8-day step``.
        days: length of a step in days, or None where it has none.
    """

    name: str
    steps_per_year: int
    step: str
    days: float | None

    @property
    def has_seasons(self) -> bool:
        """Whether a step has a place in the year."""
        return self.steps_per_year > 1

    @property
    def steps(self) -> str:
        """What people call several steps."""
        return self.step + "s"

    def step_of_year(self, time: Days) -> npt.NDArray[np.int64]:
        """(time,) position of each step in its year, counted from 1.

        8-day steps: 1–46 from 1 January, the last one shorter. Months: the calendar month. Days: 1–366 by the calendar
        of a leap year, so that 29 February is 60, 1 March is 61 in every year, and other years have no 60. Years and
        data without time: always 1.
        """
        if not self.has_seasons:
            return np.ones(len(time), np.int64)
        year, month = time.astype("datetime64[Y]"), time.astype("datetime64[M]")
        if self.name == "month":
            return np.asarray((month - year.astype("datetime64[M]")).astype(np.int64) + 1)
        if self.name == "day":
            first_in_leap_year = _LEAP_YEAR.astype("datetime64[M]") + (month - year.astype("datetime64[M]"))
            months_before = (first_in_leap_year.astype("datetime64[D]") - _LEAP_YEAR).astype(np.int64)
            return np.asarray(months_before + (time - month.astype("datetime64[D]")).astype(np.int64) + 1)
        return np.asarray((time - year.astype("datetime64[D]")).astype(np.int64) // _EIGHT_DAYS + 1)

    def first_day(self, time: Days) -> Days:
        """(time,) first day of the step that each day lies in; without a rhythm, every day is the one step's."""
        time = time.astype("datetime64[D]")
        if self.name == "8-day":
            year = time.astype("datetime64[Y]").astype("datetime64[D]")
            return np.asarray(year + (time - year) // _EIGHT_DAYS * _EIGHT_DAYS)
        unit = {"month": "datetime64[M]", "year": "datetime64[Y]"}.get(self.name, "datetime64[D]")
        return time.astype(unit).astype("datetime64[D]")


_EIGHT_DAYS = 8
STEPS_PER_YEAR = 46
"""8-day steps in a year, for data sets that are built in that rhythm; all else asks the cube's rhythm."""
EIGHT_DAY = Rhythm("8-day", STEPS_PER_YEAR, "8-day step", float(_EIGHT_DAYS))
"""MODIS's rhythm and the paper's *week*: steps from 1 January, the last one 5 or 6 days."""
RHYTHMS = {
    rhythm.name: rhythm
    for rhythm in (
        EIGHT_DAY,
        Rhythm("day", 366, "day", 1.0),
        Rhythm("month", 12, "month", 365.2425 / 12),
        Rhythm("year", 1, "year", 365.2425),
        Rhythm("none", 1, "step", None),
    )
}
"""All rhythms by name; ``none`` is a cross-section, whose one step has no length."""


def get(name: str) -> Rhythm:
    """The rhythm of that name.

    Raises:
        BenchError: there is none.
    """
    if name not in RHYTHMS:
        raise unknown("rhythm", name, list(RHYTHMS), "the cube or --rhythm must name one of these")
    return RHYTHMS[name]


def check_time(time: Days, rhythm: Rhythm, where: str) -> None:
    """Raises unless the time axis increases and holds first days of steps of the rhythm.

    Args:
        time: (time,) first day of each step.
        rhythm: that it should have.
        where: the data set, as the start of a sentence.

    Raises:
        BenchError: it does not; the message names the first offending day.
    """
    if len(time) > 1 and not np.all(np.diff(time) > np.timedelta64(0, "D")):
        raise BenchError(f"{where}: the time axis does not increase.")
    if rhythm.name == "none":
        if len(time) > 1:
            raise BenchError(
                f"{where}: rhythm 'none' means a single step, but there are {len(time)}; name the rhythm they have."
            )
        return
    wrong = np.flatnonzero(rhythm.first_day(time) != time)
    if len(wrong):
        raise BenchError(
            f"{where}: {time[wrong[0]]} is not the first day of a step of rhythm {rhythm.name!r} (that is "
            f"{rhythm.first_day(time[wrong[:1]])[0]}); correct the rhythm or the time axis."
        )
