"""What every form of a table shows alike: which columns, and a value as text."""

from __future__ import annotations

import math

from bench.report.table import Column, Table, Value

MISSING = "–"
TIED = "†"
"""Mark of values that cannot be told from the best of their column."""


def shown_columns(table: Table) -> list[Column]:
    """Columns in which at least one row has a value."""
    return [column for column in table.columns if any(column.key in row.values for row in table.rows)]


def plain_value(value: Value | None, column: Column, table: Table | None = None, *, with_interval: bool = True) -> str:
    """``0.949 [0.91, 0.99]``, a word, or a dash; with the mark of its footnote, if the table is given."""
    if value is not None and value.text is not None:
        return value.text
    if value is None or math.isnan(value.value):
        return MISSING
    mark = table.mark_of(value) if table is not None else ""
    text = f"{value.value:.{column.digits}f}{TIED if value.tied else ''}{mark}"
    if with_interval and column.interval and value.known:
        text += f" {interval(value, column)}"
    return text


def interval(value: Value, column: Column) -> str:
    """``[0.91, 0.99]``: an interval's ends have one decimal less than the number."""
    return f"[{value.low:.{column.digits - 1}f}, {value.high:.{column.digits - 1}f}]"
