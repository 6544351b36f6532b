"""Rendering a table: LaTeX with booktabs, CSV with full precision, text for the terminal and for Markdown."""

from __future__ import annotations

import csv
import io
import math
from string import Template

from bench import paths
from bench.report.model import Column, Row, Table, Value, best_values, is_best
from bench.terminal import console

_LATEX_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "²": "$^2$",
    "°": r"$^\circ$",
    "÷": r"$\div$",
    "×": r"$\times$",
    "−": "$-$",
    "–": "--",
    "Δ": r"$\Delta$",
    "†": r"$^\dagger$",
}
MISSING = "–"
TIED = "†"
"""Mark of values that cannot be told from the best of their column."""


def latex(table: Table) -> str:
    """The table as LaTeX; it needs ``booktabs`` and nothing else."""
    best = best_values(table)
    columns = [column for column in shown_columns(table) if column.in_latex]
    width = len(columns) + 1
    body: list[str] = []
    for index, (family, family_rows) in enumerate(table.families()):
        if index:
            body.append(r"\midrule")
        body.append(rf"\multicolumn{{{width}}}{{l}}{{\textit{{{escape(family)}}}}} \\")
        for row in family_rows:
            note = rf" {{\footnotesize ({escape(row.note)})}}" if row.note else ""
            values = [_latex_value(row, column, is_best(row, column, best)) for column in columns]
            body.append(" & ".join([escape(row.label) + note, *values]) + r" \\")
    notes = " ".join(f"Missing: {escape(note)}." for note in table.notes)
    return Template((paths.tables_dir() / "templates" / "table.tex").read_text()).substitute(
        caption=f"{escape(table.caption)} {notes}".strip(),
        label=f"tab:{table.name}",
        alignment="l" + "r" * len(columns),
        header=" & ".join(escape(text) for text in (table.label_heading, *(column.label for column in columns))),
        body="\n".join(body),
    )


def escape(text: str) -> str:
    """Text that LaTeX prints as it stands."""
    return "".join(_LATEX_ESCAPES.get(character, character) for character in text)


def as_csv(table: Table) -> str:
    """Every number at full precision with its interval and the ids of the cells that it comes from."""
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
                line = [row.family, row.label, column.key, _number(value.value), low, high, marked, row.note]
                writer.writerow([*line, " ".join(row.cells)])
    return stream.getvalue()


def markdown(table: Table) -> str:
    """The table in Markdown, with intervals, for READMEs."""
    best = best_values(table)
    columns = shown_columns(table)
    lines = ["| " + " | ".join([table.label_heading, *(column.label for column in columns)]) + " |"]
    lines.append("| --- |" + " ---: |" * len(columns))
    for family, family_rows in table.families():
        lines.append(f"| *{family}* |" + " |" * len(columns))
        for row in family_rows:
            cells = []
            for column in columns:
                text = plain_value(row.values.get(column.key), column)
                cells.append(f"**{text}**" if is_best(row, column, best) else text)
            note = f" ({row.note})" if row.note else ""
            lines.append("| " + " | ".join([row.label + note, *cells]) + " |")
    return "\n".join([*lines, "", table.caption, *(f"- missing: {note}" for note in table.notes), ""])


def print_table(table: Table) -> None:
    """Prints the table to the terminal, the best in bold."""
    from rich.table import Table as RichTable
    from rich.text import Text

    best = best_values(table)
    columns = [column for column in shown_columns(table) if column.on_terminal]
    grid = RichTable(box=None, pad_edge=False, header_style="bold")
    grid.add_column(table.label_heading)
    for column in columns:
        grid.add_column(column.label, justify="right")
    for family, family_rows in table.families():
        grid.add_row(Text(family, style="italic"))
        for row in family_rows:
            note = f" ({row.note})" if row.note else ""
            cells = [
                Text(
                    plain_value(row.values.get(column.key), column),
                    style="bold" if is_best(row, column, best) else "",
                )
                for column in columns
            ]
            grid.add_row(Text(f"  {row.label}{note}"), *cells)
    out = console()
    out.print(grid)
    out.print(table.caption, markup=False, highlight=False)
    for problem in table.notes:
        out.print(f"missing: {problem}", markup=False, highlight=False)


def shown_columns(table: Table) -> list[Column]:
    """Columns in which at least one row has a value."""
    return [column for column in table.columns if any(column.key in row.values for row in table.rows)]


def plain_value(value: Value | None, column: Column) -> str:
    """``0.949 [0.91, 0.99]``, or a dash."""
    if value is None or math.isnan(value.value):
        return MISSING
    text = f"{value.value:.{column.digits}f}{TIED if value.tied else ''}"
    if column.interval and value.low is not None and value.high is not None:
        text += f" [{value.low:.{column.digits - 1}f}, {value.high:.{column.digits - 1}f}]"
    return text


def _latex_value(row: Row, column: Column, best: bool) -> str:
    value = row.values.get(column.key)
    if value is None or math.isnan(value.value):
        return "--"
    number = f"{value.value:.{column.digits}f}".replace("-", "$-$")
    text = rf"\textbf{{{number}}}" if best else number + (escape(TIED) if value.tied else "")
    if column.interval and value.low is not None and value.high is not None:
        digits = column.digits - 1
        interval = f"[{value.low:.{digits}f}, {value.high:.{digits}f}]".replace("-", "$-$")
        text += rf" {{\scriptsize {interval}}}"
    return text


def _number(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else repr(float(value))
