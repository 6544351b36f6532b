"""Rendering a table: CSV with full precision, text for the terminal and for Markdown; LaTeX stands in `latex`."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence

from bench.report.table import MARKS, Column, Table, best_values, is_best
from bench.report.tables.latex import latex
from bench.report.tables.markdown_text import escape as markdown_escape
from bench.report.tables.shown import plain_value, shown_columns
from bench.system.terminal import cell, console
from bench.system.text import one_line

_GAP = 2
"""Blanks between two columns on a terminal."""


def files(table: Table) -> dict[str, str]:
    """File extension → content, of every form that a table is written in."""
    return {"tex": latex(table), "csv": as_csv(table), "md": markdown(table)}


def as_csv(table: Table) -> str:
    """Every number at full precision with its interval and the ids of the jobs that it comes from."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["family", "method", "column", "value", "low", "high", "best", "note", "cells"])
    best = best_values(table)
    for row in table.rows:
        for column in table.columns:
            value = row.values.get(column.key)
            if value is not None:
                marked = "tied" if value.tied else "yes" if is_best(row, column, best) else ""
                low, high = _number(value.low), _number(value.high)
                text = _number(value.value) if value.text is None else value.text
                note = "; ".join(filter(None, (row.note, *(MARKS[mark].short for mark in row.marks))))
                line = [row.family, row.label, column.key, text, low, high, marked, note]
                writer.writerow([*line, " ".join(row.jobs)])
    return stream.getvalue()


def markdown(table: Table) -> str:
    """The table in Markdown, with intervals, for READMEs."""
    best = best_values(table)
    columns = shown_columns(table)
    heading = (markdown_escape(text) for text in (table.label_heading, *(column.label for column in columns)))
    lines = ["| " + " | ".join(heading) + " |"]
    lines.append("| --- |" + " ---: |" * len(columns))
    for family, family_rows in table.families():
        lines.append(f"| *{markdown_escape(family)}* |" + " |" * len(columns))
        for row in family_rows:
            cells = []
            for column in columns:
                text = markdown_escape(plain_value(row.values.get(column.key), column, table))
                cells.append(f"**{text}**" if is_best(row, column, best) else text)
            lines.append("| " + " | ".join([markdown_escape(row.shown_label), *cells]) + " |")
    below = (
        *(f"- {mark}: {markdown_escape(text)}" for mark, text in table.footnotes()),
        *(f"- missing: {markdown_escape(note)}" for note in table.notes),
    )
    return "\n".join([*lines, "", markdown_escape(table.whole_caption), *below, ""])


def print_table(table: Table) -> None:
    """Prints the table to the terminal, the best in bold.

    On a terminal that is too narrow intervals give way first, then the last columns; names stay whole.
    """
    from rich.table import Table as RichTable

    out = console()
    best = best_values(table)
    every = [column for column in shown_columns(table) if column.on_terminal]
    with_interval = _width(table, every, with_interval=True) <= out.width
    columns = list(every)
    while len(columns) > 1 and _width(table, columns, with_interval=with_interval) > out.width:
        columns.pop()
    grid = RichTable(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    grid.add_column(cell(table.label_heading), no_wrap=True)
    for column in columns:
        grid.add_column(cell(column.label), justify="right")
    for family, family_rows in table.families():
        grid.add_row(cell(family, style="italic"))
        for row in family_rows:
            cells = [
                cell(
                    plain_value(row.values.get(column.key), column, table, with_interval=with_interval),
                    style="bold" if is_best(row, column, best) else "",
                )
                for column in columns
            ]
            grid.add_row(cell(f"  {row.shown_label}"), *cells)
    out.print(grid)
    out.print(one_line(table.whole_caption), markup=False, highlight=False)
    for mark, text in table.footnotes():
        out.print(f"{mark}: {one_line(text)}", markup=False, highlight=False)
    for problem in table.notes:
        out.print(f"missing: {one_line(problem)}", markup=False, highlight=False)
    left = [column.label for column in every if column not in columns]
    if left or not with_interval:
        gone = ["the intervals"] * (not with_interval) + left
        out.print(f"Too narrow here for {', '.join(gone)}: {table.name}.md has them.", markup=False, highlight=False)


def _width(table: Table, columns: Sequence[Column], *, with_interval: bool) -> int:
    """Characters of a table on the terminal, where headings break between words and nothing else does."""
    width = max((len(row.shown_label) + 2 for row in table.rows), default=0)
    for column in columns:
        values = (row.values.get(column.key) for row in table.rows)
        shown = [plain_value(value, column, table, with_interval=with_interval) for value in values]
        width += _GAP + max(map(len, (*shown, *column.label.split())))
    return width


def _number(value: float) -> str:
    return "" if math.isnan(value) else repr(float(value))
