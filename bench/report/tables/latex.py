"""Rendering a table as LaTeX that fits a page without being shrunk: few columns, intervals below their numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import Template
from typing import Literal

from bench.report.table import Column, Row, Table, best_values, is_best
from bench.report.tables.latex_text import escape
from bench.report.tables.shown import MISSING, interval, plain_value, shown_columns
from bench.system import paths

MOST_COLUMNS = 7
"""With the first one, of names."""
_LINE_CHARACTERS = 92
"""Width of a page in characters of ``\\footnotesize``, two between columns; wider tables are set in parts."""
_LABEL_CHARACTERS = 38
"""Longer names are broken into lines."""
_PAGE_LINES = 42
"""Of a page, above which a table is continued on the next one."""
_HEADING_CHARACTERS = 8
Shows = Literal["numbers", "both", "intervals"]


@dataclass(frozen=True)
class PartLayout:
    """Which columns of a table are one part of it.

    Attributes:
        title: added to the caption.
        keys: pattern of the keys of its columns.
        shows: numbers alone, numbers with their intervals below them, or intervals alone.
        quantity: what all of its columns are of; their headings, which end with it, do not repeat it.
    """

    title: str
    keys: str
    shows: Shows = "both"
    quantity: str = ""


_WHOLE = PartLayout("", ".*")
LAYOUTS = {
    "table1": (PartLayout("", "rmse|r2"), PartLayout("training error, gap and ratios", "train_rmse|gap|.*ratio|runs")),
    "table2": (
        PartLayout("RMSE", r"rmse_\d+", "numbers", "RMSE"),
        PartLayout("R²", r"r2_\d+", "numbers", "R²"),
        PartLayout("intervals of RMSE", r"rmse_\d+|runs", "intervals", "RMSE"),
    ),
    "table3": (
        PartLayout("", "train_rmse|train_r2|test_rmse|test_r2|gap", "numbers"),
        PartLayout("intervals", "train_rmse|test_rmse|test_r2|runs", "intervals"),
        PartLayout("errors as published", "fitted_rmse|gap_published|paper_gap", quantity="as published"),
    ),
}
"""Table → its parts. The first one is what the paper prints, and fits one column of a journal; the others are
companions below the same number."""


@dataclass(frozen=True)
class TablePart:
    """Some columns of a table, which stand side by side.

    Attributes:
        layout: what they have in common.
        columns: at least one, at most `MOST_COLUMNS` − 1.
    """

    layout: PartLayout
    columns: tuple[Column, ...]


def latex(table: Table) -> str:
    r"""The table as LaTeX; it needs ``booktabs``.

    It is set in ``\footnotesize``, in several parts where it is wider than the page, and continued on further pages
    where it is longer.
    """
    notes: dict[str, list[str]] = {}
    for row in table.rows:
        if row.note:
            notes.setdefault(row.note, []).append(row.label)
    below = [f"{mark} {text}." for mark, text in table.footnotes()]
    below += [f"{note[:1].upper()}{note[1:]}: {', '.join(dict.fromkeys(labels))}." for note, labels in notes.items()]
    below += [f"Missing: {note}." for note in table.notes]
    written = " ".join(filter(None, [escape(table.whole_caption), *map(escape, below)]))
    caption = rf"\caption{{{written}}}" + "\n" + rf"\label{{tab:{table.name}}}"
    template = Template((paths.tables_dir() / "templates" / "table.tex").read_text())
    found: list[str] = []
    for at, part in enumerate(parts(table)):
        labels = (len(row.label) + len(row.marks) for row in table.rows)
        broken = max(labels, default=0) > _LABEL_CHARACTERS
        for body in _pages(list(_lines(table, part, broken))):
            title = f"Continued: {escape(part.layout.title)}." if part.layout.title and at else "Continued."
            head = caption if not found else rf"\addtocounter{{table}}{{-1}}\caption{{{title}}}"
            of_words = [any(_is_word(row, column) for row in table.rows) for column in part.columns]
            alignment = (r"p{5.2cm}" if broken else "l") + "".join("l" if word else "r" for word in of_words)
            headings = (_heading(column, part) for column in part.columns)
            header = " & ".join([escape(table.label_heading), *headings])
            found.append(template.substitute(caption=head, alignment=alignment, header=header, body="\n".join(body)))
    return "".join(found)


def parts(table: Table) -> list[TablePart]:
    """The parts of a table, each of columns that fit side by side."""
    columns = [column for column in shown_columns(table) if column.in_latex]
    found = []
    for layout in LAYOUTS.get(table.name, (_WHOLE,)):
        chosen = [column for column in columns if re.fullmatch(layout.keys, column.key)]
        if layout.shows == "intervals" and not any(_has_interval(table, column) for column in chosen):
            continue
        if layout.shows == "intervals":
            chosen = [column for column in chosen if _has_interval(table, column) or column.key == "runs"]
        found += [TablePart(layout, tuple(own)) for own in _side_by_side(table, chosen, layout.shows)]
    return found


def _side_by_side(table: Table, columns: Sequence[Column], shows: Shows) -> Iterator[list[Column]]:
    """Columns in their order, in groups that are as wide as a page at most."""
    labels = max((len(row.label) + len(row.marks) for row in table.rows), default=0)
    room = _LINE_CHARACTERS - min(labels, _LABEL_CHARACTERS)
    group: list[Column] = []
    used = 0
    for column in columns:
        texts = [text for row in table.rows for text in _texts(table, row, column, shows)]
        width = 2 + max(map(len, (*_heading_lines(column.label), *texts)))
        if group and (len(group) == MOST_COLUMNS - 1 or used + width > room):
            yield group
            group, used = [], 0
        group.append(column)
        used += width
    if group:
        yield group


def _texts(table: Table, row: Row, column: Column, shows: Shows) -> tuple[str, str]:
    """Number and interval of a row, as far as they are shown."""
    value = row.values.get(column.key)
    number = plain_value(value, column, table, with_interval=False)
    within = interval(value, column) if value is not None and column.interval and value.known else ""
    if shows == "intervals" and column.key != "runs":
        return within or plain_value(None, column), ""
    return number, within if shows == "both" else ""


def _has_interval(table: Table, column: Column) -> bool:
    values = (row.values.get(column.key) for row in table.rows)
    return column.interval and any(value is not None and value.known for value in values)


def _is_word(row: Row, column: Column) -> bool:
    value = row.values.get(column.key)
    return value is not None and value.text is not None


def _heading_lines(label: str) -> list[str]:
    """A heading in lines of about `_HEADING_CHARACTERS`; words are never broken."""
    lines: list[str] = []
    for word in label.split():
        if lines and len(lines[-1]) + 1 + len(word) <= _HEADING_CHARACTERS:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines or [""]


def _heading(column: Column, part: TablePart) -> str:
    said = part.layout.quantity
    lines = _heading_lines(column.label.removesuffix(f" {said}") if said else column.label)
    stacked = r"\\".join(map(escape, lines))
    return stacked if len(lines) == 1 else rf"\shortstack[r]{{{stacked}}}"


def _lines(table: Table, part: TablePart, broken: bool) -> Iterator[tuple[str, bool]]:
    """Lines of the table's body, and whether a page may begin with them."""
    best = best_values(table)
    raggedly = r"\raggedright " if broken else ""
    first = True
    for family, rows in table.families():
        if not first:
            yield r"\midrule", False
        first = False
        yield rf"\multicolumn{{{len(part.columns) + 1}}}{{l}}{{\textit{{{escape(family)}}}}} \\", True
        for index, row in enumerate(rows):
            numbers, intervals = [], []
            for column in part.columns:
                number, within = _texts(table, row, column, part.layout.shows)
                text = escape(number).replace("-", "$-$") if not _is_word(row, column) else escape(number)
                if number == MISSING:
                    text = "--"
                bold = part.layout.shows != "intervals" and is_best(row, column, best)
                numbers.append(rf"\textbf{{{text}}}" if bold else text)
                intervals.append(escape(within).replace("-", "$-$"))
            line = " & ".join([f"{raggedly}{escape(row.label + row.marks)}", *numbers]) + r" \\"
            if any(intervals):
                line += "\n" + " & ".join(["", *intervals]) + r" \\[1pt]"
            yield line, index > 0


def _pages(lines: Sequence[tuple[str, bool]]) -> list[list[str]]:
    """Lines in pages of about equal length, of which none begins with a rule or ends with a heading."""
    total = sum(_height(line) for line, _ in lines)
    length = math.ceil(total / math.ceil(total / _PAGE_LINES)) if total else _PAGE_LINES
    pages: list[list[str]] = [[]]
    height = 0
    for line, may_begin in lines:
        if height >= length and may_begin:
            if pages[-1][-1] == r"\midrule":
                pages[-1].pop()
            pages.append([])
            height = 0
        pages[-1].append(line)
        height += _height(line)
    return pages


def _height(line: str) -> int:
    return line.count("\n") + (0 if line == r"\midrule" else 1)
