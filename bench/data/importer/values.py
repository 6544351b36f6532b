"""The values of a column as numbers, names, dates or split codes; what is none is shown with its row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.arrays import Doubles
from bench.data.importer.sources import MISSING_TEXTS, Batch
from bench.data.own_split import NEITHER, TESTS, TRAINS
from bench.errors import BenchError
from bench.system.text import plain

if TYPE_CHECKING:
    import pyarrow as pa

Seconds = npt.NDArray[np.datetime64]

_LARGEST = float(np.finfo(np.float32).max)
"""Of a cube's values."""
_SINGLE = 1e-6
"""A number that means *missing* may have been stored in 32 bits, with about this relative error."""
_CODES = {
    "train": TRAINS,
    "training": TRAINS,
    "1": TRAINS,
    "test": TESTS,
    "testing": TESTS,
    "2": TESTS,
    "neither": NEITHER,
    "none": NEITHER,
    "0": NEITHER,
    "": NEITHER,
}
"""What a split column may hold, in small letters."""
_FORMATS: dict[str, str | None] = {
    r"\d{4}": "%Y",
    r"\d{6}": "%Y%m",
    r"\d{8}": "%Y%m%d",
    r"\d{4}[-/]\d{1,2}": None,
    r"\d{4}[-/]\d{1,2}[-/]\d{1,2}": None,
}
"""Dates that are written year first, and how pandas calls them; the others are left to ISO 8601."""


_LONGEST = 100
"""Letters of a name; with that of its column it stands in tables, figures and the cube's description."""
_ZONE = r"(\d[T ]\d{2}(?::?\d{2})*(?:[.,]\d+)?) ?(?:Z|[+-]\d{2}(?::?\d{2})?)$"
"""A time of the day with the zone behind it."""


def numbers(batch: Batch, name: str, what: str, missing: Sequence[float] = ()) -> Doubles:
    """(row,) a column as float64, NaN where it is empty or one of the numbers that stand for it.

    Args:
        batch: rows.
        name: of the column.
        what: the table, for the message.
        missing: numbers that mean *not measured*.

    Raises:
        BenchError: a field is no number or is infinite; the message names the first one's row.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column = _plain(batch.columns[name])
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.utf8_trim_whitespace(column)
        try:
            column = pc.cast(column, pa.float64())
        except pa.ArrowInvalid:
            column = _numbers_of_texts(column, batch, name, what)
    elif pa.types.is_temporal(column.type):
        raise BenchError(f"Column {name!r} of {what} holds dates, not numbers; name it with --time, or another column.")
    else:
        try:
            column = pc.cast(column, pa.float64(), safe=False)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise BenchError(f"Column {name!r} of {what} is of type {column.type}, not a number.") from error
    values: Doubles = np.array(column.to_numpy(zero_copy_only=False), np.float64)
    for absent in missing:
        values[np.isclose(values, absent, rtol=_SINGLE, atol=0)] = np.nan
    too_large = np.flatnonzero(np.isfinite(values) & (np.abs(values) > _LARGEST))
    if len(too_large):
        row = too_large[0]
        raise BenchError(
            f"Row {batch.first_row + row:,} of {what}: {name!r} is {values[row]:g}, too large for a 32-bit number; "
            "correct it, or bring the column to a larger unit."
        )
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        raise BenchError(
            f"Row {batch.first_row + infinite[0]:,} of {what}: {name!r} is infinite; correct it, or leave it empty "
            "where it was not measured."
        )
    return values


def _numbers_of_texts(column: pa.Array, batch: Batch, name: str, what: str) -> pa.Array:
    """Texts one by one: the ones that mean *missing* behind blanks become so, the first that is no number is named."""
    import pyarrow as pa

    found: list[float | None] = []
    for index, text in enumerate(column.to_pylist()):
        try:
            found.append(None if text is None or text in MISSING_TEXTS else float(text.replace("_", "?")))
        except ValueError as error:
            is_comma = re.fullmatch(r"[-+]?[\d.]*,\d+", str(text)) is not None
            hint = "write a decimal point" if is_comma else "correct it, or name the column with --category"
            raise BenchError(
                f"Row {batch.first_row + index:,} of {what}: {name!r} is {text[:40]!r}, not a number; {hint}."
            ) from error
    return pa.array(found, pa.float64())


def texts(batch: Batch, name: str) -> npt.NDArray[np.object_]:
    """(row,) a column as texts, empty where it is missing; whole numbers are written without a decimal point."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = _plain(batch.columns[name])
    if pa.types.is_floating(column.type):
        as_numbers = column.to_numpy(zero_copy_only=False)
        written = [
            "" if np.isnan(number) else str(int(number)) if number.is_integer() else repr(float(number))
            for number in as_numbers.astype(np.float64)
        ]
        return np.array(written, dtype=object)
    if not pa.types.is_string(column.type):
        try:
            column = pc.cast(column, pa.string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise BenchError(f"Column {name!r} is of type {column.type}, neither names nor numbers.") from error
    column = pc.fill_null(pc.utf8_trim_whitespace(column), "")
    column = pc.if_else(pc.is_in(column, pa.array(MISSING_TEXTS)), "", column)
    suspect = pc.or_(pc.match_substring_regex(column, r"\pC"), pc.greater(pc.utf8_length(column), _LONGEST))
    for row in np.flatnonzero(suspect.to_numpy(zero_copy_only=False)):
        _require_name(column[int(row)].as_py(), f"Row {batch.first_row + row:,}: {name!r}")
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=object)


def _require_name(text: str, where: str) -> None:
    if plain(text) != text:
        raise BenchError(f"{where} holds control characters ({text[:40]!r}); remove them.")
    if len(text) > _LONGEST:
        raise BenchError(f"{where} has {len(text):,} letters, {text[:20]!r}…; shorten it to {_LONGEST} at most.")


def times(batch: Batch, name: str, what: str, time_format: str | None) -> Seconds:
    """(row,) a column as times to the second, as a clock in their own zone shows them: a month begins at its midnight.

    Args:
        batch: rows.
        name: of the column.
        what: the table, for the message.
        time_format: how its texts are written; None for year first (ISO 8601, ``2001``, ``200105``, ``20010517``).

    Raises:
        BenchError: a field is empty or no such date; the message names the first one's row.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column = _plain(batch.columns[name])
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        if getattr(column.type, "tz", None) is not None:
            column = pa.array(column.to_pandas().dt.tz_localize(None))
        days = pc.cast(column, pa.timestamp("s"), safe=False)
        found: Seconds = np.asarray(days.to_numpy(zero_copy_only=False)).astype("datetime64[s]")
        written = None
    else:
        written = texts(batch, name)
        distinct, place = _distinct(written)
        found = _parsed(distinct, time_format)[place]
    wrong = np.flatnonzero(np.isnat(found))
    if len(wrong):
        text = "empty" if written is None or not written[wrong[0]] else repr(written[wrong[0]][:40])
        year_first = "no date with the year first (else name its form with --time-format)"
        hint = "" if text == "empty" else f", not written as {time_format!r}" if time_format else f", {year_first}"
        raise BenchError(f"Row {batch.first_row + wrong[0]:,} of {what}: {name!r} is {text}{hint}; correct it.")
    return found


def _parsed(written: npt.NDArray[np.object_], time_format: str | None) -> Seconds:
    import pandas as pd

    found = np.full(len(written), np.datetime64("NaT"), "datetime64[s]")
    series = pd.Series(written, dtype=object)
    left = np.ones(len(written), bool)
    forms: dict[str, str | None] = {} if time_format else _FORMATS
    for pattern, form in forms.items():
        chosen = left & series.str.fullmatch(pattern).to_numpy(bool)
        if chosen.any():
            dates = series[chosen] if form else series[chosen].map(_iso)
            found[chosen] = _instants(dates, form or "ISO8601")
            left &= ~chosen
    if left.any() and time_format and "%z" in time_format:
        found[left] = [_in_its_zone(text, time_format) for text in series[left]]
    elif left.any():
        there = series[left] if time_format else series[left].str.replace(_ZONE, r"\1", regex=True)
        found[left] = _instants(there, time_format or "ISO8601")
    return found


def _in_its_zone(written: str, time_format: str) -> np.datetime64:
    """A time as it is written, its zone left out; not a time where it is none."""
    try:
        return np.datetime64(datetime.strptime(written, time_format).replace(tzinfo=None), "s")
    except ValueError:
        return np.datetime64("NaT")


def _iso(date: str) -> str:
    """``2001/5/7`` as ``2001-05-07``."""
    return "-".join(part.zfill(2) for part in re.split("[-/]", date))


def _instants(written: Any, form: str) -> Seconds:
    import pandas as pd

    instants = pd.to_datetime(written, format=form, errors="coerce", utc=True)
    return np.asarray(instants.dt.tz_localize(None).to_numpy()).astype("datetime64[s]")


def split_codes(batch: Batch, name: str, what: str) -> npt.NDArray[np.int8]:
    """(row,) a split column as the codes of a cube's split.

    Raises:
        BenchError: a field is none of those that a split column may hold; the message names the first one's row.
    """
    written = texts(batch, name)
    distinct, place = _distinct(written)
    codes = np.array([_CODES.get(text.lower(), -1) for text in distinct], np.int8)[place]
    wrong = np.flatnonzero(codes < 0)
    if len(wrong):
        raise BenchError(
            f"Row {batch.first_row + wrong[0]:,} of {what}: {name!r} is {written[wrong[0]][:40]!r}; a split column "
            "holds train, test, or nothing for neither."
        )
    return codes


def _distinct(written: npt.NDArray[np.object_]) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.int64]]:
    import pandas as pd

    place, distinct = pd.factorize(written)
    return np.asarray(distinct, dtype=object), place.astype(np.int64)


def _plain(column: pa.Array) -> pa.Array:
    """The values of a dictionary-encoded column, and all others as they are."""
    import pyarrow as pa

    return column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column
