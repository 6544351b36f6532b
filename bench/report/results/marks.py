"""Marks behind the names of rows: what a reader has to know of a row before comparing it with another.

A mark stands wherever the row stands: in every table, in legends of figures and on the page; its meaning stands below.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from bench.report.results.selection import Selection
from bench.report.table import FEWER_RUNS, UNTRAINED, Row, Table
from bench.store.records import Record
from bench.suites.profiles import SMOKE

NOT_JUDGED = "not judged (smoke)"
WHY_NOT_JUDGED = "this profile tests the program with tiny models; its numbers say nothing about methods."
BANNER = f"{NOT_JUDGED.capitalize()}: {WHY_NOT_JUDGED}"
ENDED = {
    "converged": "when the error on held-out samples had stopped falling",
    "budget": "with its budget, before the error on held-out samples had stopped falling",
    "schedule": "at the end of its schedule; nothing was held out to say whether more would help",
}
"""`Record.training_ended` in words."""


def untrained(records: Iterable[Record]) -> bool:
    """Whether the training of a job ended with its budget, so that more of it could have made it better."""
    return any(record.training_ended == "budget" for record in records)


def of(records: Iterable[Record]) -> str:
    """The mark behind a model's name in a figure, or nothing."""
    return UNTRAINED if untrained(records) else ""


def marked(table: Table, selections: Iterable[Selection]) -> Table:
    """A table whose rows carry the marks that the records of their jobs ask for; of the smoke profile without a best.

    Args:
        table: any; a row of several models is marked where one of them is. Marks that its rows have already stay.
        selections: that hold the jobs of its rows.
    """
    selections = list(selections)
    records: Mapping[str, Record] = {
        key: record for selection in selections for key, record in selection.records.items()
    }
    of_row = [[records[job] for job in row.jobs if job in records] for row in table.rows]
    runs = [
        row.values["runs"].value if "runs" in row.values and any(map(_varies, _of_last(own))) else None
        for row, own in zip(table.rows, of_row, strict=True)
    ]
    most = max((number for number in runs if number is not None), default=0)
    rows = [
        replace(row, marks=row.marks + of(own) + (FEWER_RUNS if number is not None and number < most else ""))
        for row, own, number in zip(table.rows, of_row, runs, strict=True)
    ]
    judged = all(selection.jobs[0].profile != SMOKE for selection in selections)
    return replace(table if judged else _unjudged(table), rows=tuple(rows if judged else map(_without_ties, rows)))


def _unjudged(table: Table) -> Table:
    return replace(table, caption=f"{BANNER} {table.caption}".strip(), judged=False)


def _without_ties(row: Row) -> Row:
    return replace(row, values={key: replace(value, tied=False) for key, value in row.values.items()})


def _of_last(own: Sequence[Record]) -> list[Record]:
    """The records of the row's own runner: in a comparison of two rows, that of the second, which the label names."""
    return [record for record in own if record.job.runner == own[-1].job.runner]


def _varies(record: Record) -> bool:
    """Whether another repetition would give another number: by the seed, or by the sample of cells that trains."""
    return record.job.seed is not None or not {"sample_seed", "labelled_seed"}.isdisjoint(record.job.split)
