r"""Single numbers as LaTeX macros, such as ``\benchRmseDualBranchWeekForty``, for a manuscript to cite.

The rule of the names: ``bench``, the column of the table, the row, and ``Week`` with its number where the value is one
week's. Of column and row each word gets a capital and every number is spelled out in English, since names in TeX
are of letters only: column ``rmse_40`` of row ``dual_branch`` is ``RmseDualBranchWeekForty``, ``r2`` is ``RTwo``. A row
is named by its runner, with view or sample size where a table has several: ``GwrSixHundredCells``. Each number comes
rounded as in its table; with ``Low``, ``High`` and ``Interval`` at the end stand its interval's ends and the interval.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from bench.errors import BenchError
from bench.report.table import Column, Row, Table, Value
from bench.report.tables.latex_text import escape

PREFIX = "bench"
# fmt: off
_ONES = (
    "Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve",
    "Thirteen", "Fourteen", "Fifteen", "Sixteen", "Seventeen", "Eighteen", "Nineteen",
)
_TENS = ("Twenty", "Thirty", "Forty", "Fifty", "Sixty", "Seventy", "Eighty", "Ninety")
# fmt: on
_SCALES = ((1_000_000, "Million"), (1_000, "Thousand"), (100, "Hundred"))


def spelled(number: int) -> str:
    """A whole number in English words with capitals: 620 is ``SixHundredTwenty``.

    Raises:
        BenchError: it is negative or a thousand million or more.
    """
    if not 0 <= number < 1_000_000_000:
        raise BenchError(f"{number} cannot be spelled in the name of a LaTeX macro; shorten the runner's name.")
    for size, word in _SCALES:
        if number >= size:
            rest = spelled(number % size) if number % size else ""
            return f"{spelled(number // size)}{word}{rest}"
    if number < len(_ONES):
        return _ONES[number]
    return _TENS[number // 10 - 2] + (_ONES[number % 10] if number % 10 else "")


def words(text: str) -> str:
    """Text as letters: words with a capital, numbers spelled; every other character ends a word."""
    found = re.findall(r"[A-Za-z]+|[0-9]+", text)
    return "".join(spelled(int(item)) if item.isdigit() else item[0].upper() + item[1:] for item in found)


def name_of(column: str, row: str, week: int | None = None) -> str:
    """Name of a macro without its backslash.

    Args:
        column: key of a table's column; a week at its end, as in ``rmse_40``, becomes the macro's week.
        row: name of a row.
        week: of a table that is about one week.
    """
    match = re.fullmatch(r"(.+)_(\d+)", column)
    if match is not None:
        column, week = match[1], int(match[2])
    return f"{PREFIX}{words(column)}{words(row)}" + (f"Week{spelled(week)}" if week is not None else "")


def numbers(tables: Sequence[tuple[Table, int | None]], facts: Mapping[str, str]) -> str:
    """The file of macros.

    Args:
        tables: tables, each with its week where it is about one.
        facts: name → text of what the numbers are about, such as the data set.

    Raises:
        BenchError: two numbers would get the same name.
    """
    lines = [r"% Written by `bench report`; the rule of the names stands in docs/results-format.md."]
    origin: dict[str, str] = {}

    def define(name: str, text: str, where: str) -> None:
        if name in origin:
            raise BenchError(
                f"LaTeX macro \\{name} would stand for two numbers, {origin[name]} and {where}; rename one of the "
                "runners."
            )
        origin[name] = where
        lines.append(rf"\newcommand{{\{name}}}{{{text}}}")

    for name, text in facts.items():
        define(PREFIX + words(name), escape(text), name)
    for table, week in tables:
        lines.append(f"% {table.name}")
        for row in table.rows:
            for column in table.columns:
                value = row.values.get(column.key)
                if row.name and value is not None and value.text is None and math.isfinite(value.value):
                    for end, text in _forms(row, column, value):
                        where = f"{table.name}, row {row.name}, column {column.key}{end and f' ({end})'}"
                        define(name_of(column.key, row.name, week) + end, text, where)
    return "\n".join([*lines, ""])


def _forms(row: Row, column: Column, value: Value) -> Iterator[tuple[str, str]]:
    yield "", _number(value.value, column.digits)
    if column.interval and value.known:
        low, high = (_number(end, column.digits - 1) for end in (value.low, value.high))
        yield "Low", low
        yield "High", high
        yield "Interval", f"[{low}, {high}]"


def _number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    # Right in text and in mathematics alike.
    return rf"\ensuremath{{{text}}}" if text.startswith("-") else text
