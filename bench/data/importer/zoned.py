"""Dates as they are written: year first or in a form of the user's, with or without a zone.

A time with a zone counts by the clock of its place: ``2001-03-01T00:00+08:00`` is 1 March, though it is still February
in UTC. Stamps of several zones may stand in one table, each by its own clock (summer and winter time are two). The zone
is kept only to tell apart what a clock shows twice when it is set back.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench.errors import BenchError

if TYPE_CHECKING:
    import pandas as pd

Seconds = npt.NDArray[np.datetime64]
Zones = npt.NDArray[np.int8]
"""Offsets from UTC in quarters of an hour."""
NO_ZONE = np.int8(-128)
_QUARTER = 900
"""Seconds: zones differ by multiples of it."""
_FORMATS: dict[str, str | None] = {
    r"\d{4}": "%Y",
    r"\d{6}": "%Y%m",
    r"\d{8}": "%Y%m%d",
    r"\d{4}[-/]\d{1,2}": None,
    r"\d{4}[-/]\d{1,2}[-/]\d{1,2}": None,
}
"""Dates that are written year first, and how pandas calls them; the others are left to ISO 8601."""
_ZONED = r"(\d{4}-?\d\d-?\d\d(?:[T ]\d\d(?::?\d\d(?::?\d\d(?:[.,]\d+)?)?)?)?) ?(Z|z|[+-]\d\d(?::?\d\d)?)"
"""A date or a time of ISO 8601 before its zone."""
_LOOKS_ZONED = r".*\d[T ]?\d.*(?:[A-Za-z]|[T :]\d.*[+-]\d[\d:]*)"
_LONGEST = 64
"""Characters of a date; patterns would take long to say that a longer text is none."""
_YEARS = ("%Y", "%y", "%G")


def parsed(written: npt.NDArray[np.object_], time_format: str | None) -> tuple[Seconds, Zones]:
    """(text,) times by the clock of their place, NaT for what is none, and their zones.

    Args:
        written: texts.
        time_format: see `require_format`; None for year first.
    """
    import pandas as pd

    found = np.full(len(written), np.datetime64("NaT"), "datetime64[s]")
    zones = np.full(len(written), NO_ZONE, np.int8)
    written = np.array([text if len(text) <= _LONGEST else "" for text in written], dtype=object)
    series = pd.Series(written, dtype=object)
    if time_format:
        if "%z" in time_format.lower():
            for index, text in enumerate(written):
                found[index], zones[index] = _one(text, time_format)
            return found, zones
        return _times(series, time_format), zones
    left = np.ones(len(written), bool)
    for pattern, form in _FORMATS.items():
        chosen = left & series.str.fullmatch(pattern).to_numpy(bool)
        if chosen.any():
            dates = series[chosen] if form else series[chosen].map(_iso)
            found[chosen] = _times(dates, form or "ISO8601")
            left &= ~chosen
    parts = series[left].str.extract(f"^{_ZONED}$") if left.any() else pd.DataFrame({0: [], 1: []})
    zoned = left.copy()
    zoned[left] = parts[1].notna().to_numpy()
    if zoned.any():
        of_zone = parts[1].dropna()
        found[zoned] = _times(parts[0].dropna(), "ISO8601")
        zones[zoned] = of_zone.map({text: _offset(text) for text in of_zone.unique()}).to_numpy(np.int8)
        left &= ~zoned
    left &= ~series.str.fullmatch(_LOOKS_ZONED).to_numpy(bool)  # what pandas would take for UTC
    if left.any():
        found[left] = _times(series[left], "ISO8601")
    return found, zones


def require_format(form: str) -> None:
    """Checks how dates are said to be written.

    Raises:
        BenchError: it is no form of a date, or one without a year.
    """
    import pandas as pd

    try:
        if "%" not in form:
            raise ValueError("it has no directive such as %Y")
        pd.to_datetime(pd.Series(["2001"]), format=form, errors="coerce")
        datetime.strptime(datetime(2001, 5, 17, tzinfo=UTC).strftime(form), form)
    except (ValueError, re.error) as error:
        said = str(error).partition(", see")[0]
        raise BenchError(
            f"--time-format {form!r} is no form of a date ({said}); write one such as '%d/%m/%Y'."
        ) from error
    if not any(year in form for year in _YEARS):
        raise BenchError(f"--time-format {form!r} has no year; write one such as '%d/%m/%Y'.")


def zones_of(ahead: npt.NDArray[np.timedelta64]) -> Zones:
    """(time,) zones of clocks that are ahead of UTC by so much."""
    quarters = ahead.astype("timedelta64[s]").astype(np.int64) // _QUARTER
    return np.where(np.isnat(ahead), NO_ZONE, quarters).astype(np.int8)


def zone_of(units: object) -> int:
    """Seconds that the zone in units such as ``days since 2001-01-01 00:00 +08:00`` is ahead of UTC; 0 without one."""
    found = re.fullmatch(r".* since \S+[ T]\d\d?(?::[\d:.]*)? ?([+-]\d\d?)(?::?(\d\d))?", str(units))
    if found is None:
        return 0
    seconds = abs(int(found[1])) * 3600 + int(found[2] or 0) * 60
    return -seconds if found[1].startswith("-") else seconds


def _one(text: str, form: str) -> tuple[np.datetime64, np.int8]:
    import pandas as pd

    stamps = pd.to_datetime([text], format=form, errors="coerce")
    if stamps.isna().any():
        return np.datetime64("NaT", "s"), NO_ZONE
    ahead = stamps[0].utcoffset()
    zone = NO_ZONE if ahead is None else np.int8(ahead // timedelta(seconds=_QUARTER))
    [clock] = stamps.tz_localize(None).to_numpy().astype("datetime64[s]")
    return clock, zone


def _offset(text: str) -> int:
    """Quarters of an hour of ``Z``, ``+08``, ``+0530`` or ``-03:30``."""
    if text in "Zz":
        return 0
    digits = re.sub(r"\D", "", text).ljust(4, "0")
    quarters = (int(digits[:2]) * 3600 + int(digits[2:]) * 60) // _QUARTER
    return -quarters if text.startswith("-") else quarters


def _iso(date: str) -> str:
    """``2001/5/7`` as ``2001-05-07``."""
    return "-".join(part.zfill(2) for part in re.split("[-/]", date))


def _times(written: pd.Series[str], form: str) -> Seconds:
    import pandas as pd

    instants = pd.to_datetime(written, format=form, errors="coerce")
    return np.asarray(instants.to_numpy()).astype("datetime64[s]")
