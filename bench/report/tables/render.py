"""Rendering a table: LaTeX with booktabs, CSV with full precision, text for the terminal and for Markdown."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from string import Template

from bench.report.table import MARKS, Column, Row, Table, Value, best_values, is_best
from bench.report.tables.latex_text import escape
from bench.report.tables.markdown_text import escape as markdown_escape
from bench.system import paths
from bench.system.terminal import cell, console
from bench.system.text import one_line

MISSING = "–"
PORTRAIT_CHARACTERS = 145
"""Tables that are wider stand sideways in LaTeX: scaled to the width of an upright page they could not be read."""
PORTRAIT_LINES, SIDEWAYS_LINES = 42, 24
"""Lines of a page, above which a table is continued on the next one."""
TIED = "†"
"""Mark of values that cannot be told from the best of their column."""


def latex(table: Table) -> str:
    """The table as LaTeX; it needs ``booktabs``, ``graphicx`` and ``rotating``.

    It is scaled down where it is wider than the page, and continued on further pages where it is longer.
    """
    best = best_values(table)
    columns = [column for column in shown_columns(table) if column.in_latex]
    width = len(columns) + 1
    sideways = _characters(table, columns) > PORTRAIT_CHARACTERS
    lines: list[tuple[str, bool]] = []  # and whether a page may begin with it
    for family, family_rows in table.families():
        heading = rf"\multicolumn{{{width}}}{{l}}{{\textit{{{escape(family)}}}}} \\"
        for index, row in enumerate(family_rows):
            note = escape(row.marks) + (rf" {{\footnotesize ({escape(row.note)})}}" if row.note else "")
            values = [_latex_value(row, column, is_best(row, column, best)) for column in columns]
            line = " & ".join([escape(row.label) + note, *values]) + r" \\"
            if index == 0:
                lines += [(r"\midrule", False)] if lines else []
                lines.append((heading, True))
            lines.append((line, index > 0))
    below = [f"{escape(mark)} {escape(text)}." for mark, text in table.footnotes()]
    notes = " ".join([*below, *(f"Missing: {escape(note)}." for note in table.notes)])
    caption = rf"\caption{{{f'{escape(table.caption)} {notes}'.strip()}}}" + "\n" + rf"\label{{tab:{table.name}}}"
    template = Template((paths.tables_dir() / "templates" / "table.tex").read_text())
    return "".join(
        template.substitute(
            caption=r"\addtocounter{table}{-1}\caption{Continued.}" if number else caption,
            environment="sidewaystable" if sideways else "table",
            alignment="l" + "r" * len(columns),
            header=" & ".join(escape(text) for text in (table.label_heading, *(column.label for column in columns))),
            body="\n".join(body),
        )
        for number, body in enumerate(_pages(lines, SIDEWAYS_LINES if sideways else PORTRAIT_LINES))
    )


def _pages(lines: Sequence[tuple[str, bool]], most: int) -> list[list[str]]:
    """Lines in pages of about equal length, of which none begins with a rule or ends with a heading."""
    length = math.ceil(len(lines) / math.ceil(len(lines) / most)) if lines else most
    pages: list[list[str]] = [[]]
    for line, may_begin in lines:
        if len(pages[-1]) >= length and may_begin:
            if pages[-1][-1] == r"\midrule":
                pages[-1].pop()
            pages.append([])
        pages[-1].append(line)
    return pages


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
                note = "; ".join(filter(None, (row.note, *(MARKS[mark].partition(":")[0] for mark in row.marks))))
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
    return "\n".join([*lines, "", markdown_escape(table.caption), *below, ""])


def print_table(table: Table) -> None:
    """Prints the table to the terminal, the best in bold."""
    from rich.table import Table as RichTable

    best = best_values(table)
    columns = [column for column in shown_columns(table) if column.on_terminal]
    grid = RichTable(box=None, pad_edge=False, header_style="bold")
    grid.add_column(cell(table.label_heading))
    for column in columns:
        grid.add_column(cell(column.label), justify="right")
    for family, family_rows in table.families():
        grid.add_row(cell(family, style="italic"))
        for row in family_rows:
            note = f" ({row.note})" if row.note else ""
            cells = [
                cell(
                    plain_value(row.values.get(column.key), column),
                    style="bold" if is_best(row, column, best) else "",
                )
                for column in columns
            ]
            grid.add_row(cell(f"  {row.label}{note}"), *cells)
    out = console()
    out.print(grid)
    out.print(one_line(table.caption), markup=False, highlight=False)
    for problem in table.notes:
        out.print(f"missing: {one_line(problem)}", markup=False, highlight=False)


def shown_columns(table: Table) -> list[Column]:
    """Columns in which at least one row has a value."""
    return [column for column in table.columns if any(column.key in row.values for row in table.rows)]


def plain_value(value: Value | None, column: Column, table: Table | None = None) -> str:
    """``0.949 [0.91, 0.99]``, a word, or a dash; with the mark of its footnote, if the table is given."""
    if value is not None and value.text is not None:
        return value.text
    if value is None or math.isnan(value.value):
        return MISSING
    mark = table.mark_of(value) if table is not None else ""
    text = f"{value.value:.{column.digits}f}{TIED if value.tied else ''}{mark}"
    if column.interval and value.known:
        text += f" [{value.low:.{column.digits - 1}f}, {value.high:.{column.digits - 1}f}]"
    return text


def _characters(table: Table, columns: Sequence[Column]) -> int:
    """Width of a table in characters, with two between columns."""
    labels = (f"{row.label} ({row.note})" if row.note else row.label for row in table.rows)
    widths = [max(len(text) for text in (table.label_heading, *labels))]
    for column in columns:
        shown = (plain_value(row.values.get(column.key), column) for row in table.rows)
        widths.append(max(len(text) for text in (column.label, *shown)))
    return sum(widths) + 2 * len(columns)


def _latex_value(row: Row, column: Column, best: bool) -> str:
    value = row.values.get(column.key)
    if value is not None and value.text is not None:
        return escape(value.text)
    if value is None or math.isnan(value.value):
        return "--"
    number = f"{value.value:.{column.digits}f}".replace("-", "$-$")
    text = rf"\textbf{{{number}}}" if best else number + (escape(TIED) if value.tied else "")
    if column.interval and value.known:
        digits = column.digits - 1
        interval = f"[{value.low:.{digits}f}, {value.high:.{digits}f}]".replace("-", "$-$")
        text += rf" {{\scriptsize {interval}}}"
    return text


def _number(value: float) -> str:
    return "" if math.isnan(value) else repr(float(value))
