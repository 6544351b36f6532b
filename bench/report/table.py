"""A table as typed values: numbers stay numbers until they are rendered, so nothing is ever parsed back from text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from bench.scoring.interval import Interval

Best = Literal["min", "max"]


@dataclass(frozen=True)
class Meaning:
    """What a mark behind a row's label says.

    Attributes:
        short: in a few words, for files that are read by programs.
        why: what it comes from, and what it means for the number.
        compared: added below tables, whose rows may be comparisons of two.
    """

    short: str
    why: str
    compared: str = ""

    @property
    def of_one_row(self) -> str:
        """The whole, where rows are models and no comparisons."""
        return f"{self.short}: {self.why}"

    @property
    def text(self) -> str:
        """The whole, as it stands below a table."""
        return self.of_one_row + (f" ({self.compared})" if self.compared else "")


OWN, UNTRAINED, FEWER_RUNS = "←", "‡", "§"
MARKS = {
    OWN: Meaning("own row", "of this store, among the rows of a committed reference"),
    UNTRAINED: Meaning(
        "not trained to the end",
        "the training ended with its budget of epochs while its error on held-out samples was still falling, so the "
        "row could be better than it is",
        "a comparison: one of its two rows",
    ),
    FEWER_RUNS: Meaning("fewer runs than other rows of this table", "its number varies more with the seed than theirs"),
}
"""Mark behind a row's label → what it means."""
_LETTERS = str.maketrans("abcdefghijklmnoprstuvwxyz", "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ")


@dataclass(frozen=True)
class Column:
    """A column of numbers.

    Attributes:
        key: name in the CSV.
        label: heading; ``²``, ``÷``, ``−`` and ``×`` are understood by the LaTeX renderer.
        digits: decimals.
        best: which end is best, or None where bold makes no sense.
        in_latex: whether it is also in the LaTeX form, which has to fit a page.
        on_terminal: whether it is also on the terminal.
        interval: whether its interval is shown outside the CSV.
    """

    key: str
    label: str
    digits: int = 3
    best: Best | None = None
    in_latex: bool = True
    on_terminal: bool = True
    interval: bool = True


@dataclass(frozen=True)
class Value(Interval):
    """A number of a table, with its interval where it has one.

    Attributes:
        text: shown instead of the number, for columns of words such as a verdict; the number is then NaN.
        tied: whether it cannot be told from the best of its column, or is the best and cannot be told from the next.
        footnote: a sentence that a reader needs where the number stands; "" for none.
    """

    tied: bool = False
    text: str | None = None
    footnote: str = ""


def words(text: str) -> Value:
    """Words in place of a number."""
    return Value(float("nan"), text=text)


@dataclass(frozen=True)
class Row:
    """A row.

    Attributes:
        label: first column.
        family: heading that it stands under.
        values: column key → value; absent where there is none.
        ranked: whether it may be the best (reference rows may not).
        note: shown after the label, such as ``2/3 seeds``.
        jobs: ids of the jobs that the numbers come from.
        name: name of its runner, with view and sample size where the label has them; "" where a row is no model.
        complete: whether all repetitions that were planned are done.
        marks: keys of `MARKS`, shown behind the label.
        runner: name of its runner alone; "" where a row is no model.
        section: of a comparison with the paper, which of its tables the row belongs to; "" of other rows.
    """

    label: str
    family: str
    values: dict[str, Value]
    ranked: bool = True
    note: str = ""
    jobs: tuple[str, ...] = ()
    name: str = ""
    complete: bool = True
    marks: str = ""
    runner: str = ""
    section: str = ""

    @property
    def shown_label(self) -> str:
        """The label with its marks and its note, as printed."""
        return f"{self.label}{self.marks}" + (f" ({self.note})" if self.note else "")


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: file name without extension.
        title: what it shows, as a heading, without a stop.
        caption: sentences on data set, view, profile, seeds and coverage.
        label_heading: heading of the first column.
        columns: of numbers.
        rows: grouped by family, in order.
        notes: lines below it: what is missing and why.
        judged: whether a best row may be marked; not of runs that only test the program.
    """

    name: str
    title: str
    caption: str
    label_heading: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default_factory=tuple)
    judged: bool = True

    @property
    def whole_caption(self) -> str:
        """Title and caption, for where a table has no heading."""
        return ". ".join(filter(None, (self.title, self.caption)))

    def families(self) -> list[tuple[str, list[Row]]]:
        """Rows under their family headings, in order of first appearance."""
        grouped: dict[str, list[Row]] = {}
        for row in self.rows:
            grouped.setdefault(row.family, []).append(row)
        return list(grouped.items())

    def footnotes(self) -> list[tuple[str, str]]:
        """Marks that stand in the table and what they mean: those of rows, then those of single numbers."""
        used = "".join(row.marks for row in self.rows)
        return [(mark, meaning.text) for mark, meaning in MARKS.items() if mark in used] + [
            (mark, text) for text, mark in self._letters.items()
        ]

    def mark_of(self, value: Value) -> str:
        """The mark of a number's footnote, or nothing."""
        return self._letters[value.footnote] if value.footnote else ""

    @cached_property
    def _letters(self) -> dict[str, str]:
        """Footnote → its mark, lettered in the order of the rows; after z they begin again with two letters."""
        found = dict.fromkeys(
            value.footnote
            for row in self.rows
            for column in self.columns
            if (value := row.values.get(column.key)) is not None and value.footnote
        )
        letters = "abcdefghijklmnoprstuvwxyz".translate(_LETTERS)
        return {text: letters[at % len(letters)] * (1 + at // len(letters)) for at, text in enumerate(found)}


def best_values(table: Table) -> dict[str, float]:
    """Column key → best value among ranked rows, compared after rounding; columns whose best is tied have none."""
    best: dict[str, float] = {}
    for column in table.columns if table.judged else ():
        printed = _printed(table.rows, column)
        tied = any(row.values[column.key].tied for row in table.rows if column.key in row.values)
        if column.best and printed and not tied:
            best[column.key] = min(printed) if column.best == "min" else max(printed)
    return best


def is_best(row: Row, column: Column, best: dict[str, float]) -> bool:
    """Whether a row's value is the best of its column; ties are all best."""
    value = row.values.get(column.key)
    return (
        row.ranked
        and value is not None
        and column.key in best
        and round(value.value, column.digits) == best[column.key]
    )


def _printed(rows: Sequence[Row], column: Column) -> list[float]:
    values = [row.values[column.key].value for row in rows if row.ranked and column.key in row.values]
    return [round(value, column.digits) for value in values if value == value]
