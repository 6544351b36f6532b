"""The rows of a table: the jobs of a selection, grouped over repetitions and folds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.data.views import DEFAULT_VIEW
from bench.report.results.selection import RowKey, Selection
from bench.report.table import UNTRAINED
from bench.runners import registry
from bench.store.jobs import Job
from bench.store.records import Record


@dataclass(frozen=True)
class RowResult:
    """All that a table needs of one row.

    Attributes:
        key: which row.
        title: as printed.
        family: as printed.
        step_means: whether the model is fitted on means over the training years.
        planned: number of jobs that should be there: repetitions, times folds where the split has some.
        records: those that are done; of repetitions that lack a fold which another row of the table has, none.
        problems: status and reason of the others.
    """

    key: RowKey
    title: str
    family: str
    step_means: bool
    planned: int
    records: tuple[Record, ...]
    problems: tuple[str, ...]

    @property
    def marked_title(self) -> str:
        """The title, with the mark of a training that its budget ended, as figures show it."""
        return self.title + (UNTRAINED if any(item.training_ended == "budget" for item in self.records) else "")

    @property
    def runs(self) -> int:
        """Number of whole repetitions: the folds of one make one run."""
        return len({record.job.repetition for record in self.records})

    @property
    def fitted_part(self) -> str:
        """The part that holds errors on what the model was fitted on: raw training samples, or means of them."""
        return "fitted" if self.step_means else "train"


def rows(selection: Selection) -> list[RowResult]:
    """Rows of a table: jobs grouped over repetitions, in registry order."""
    grouped: dict[RowKey, list[Job]] = {}
    for job in selection.jobs:
        grouped.setdefault(RowKey.of(job), []).append(job)
    every_fold = {job.split["fold"] for job in selection.jobs if "fold" in job.split}
    found = []
    for key, jobs in grouped.items():
        entry = registry.entries().get(key.runner)
        done: list[Record] = []
        problems: list[str] = []
        for job in jobs:
            record = selection.records.get(job.id)
            if job.id in selection.stale:
                problems.append(
                    f"{job.label}: stale (an older version of the runner; `bench why {job.id}`), run it again"
                )
            elif job.id in selection.damaged:
                problems.append(f"{job.label}: damaged: {selection.damaged[job.id]}")
            elif record is None:
                problems.append(f"{job.label}: missing (planned, never ended)")
            elif record.status != "done":
                problems.append(f"{job.label}: {record.ended}: {record.reason}")
            else:
                done.append(record)
        # Tables of fluxes say of which folds a row is, and compare rows on those that they share.
        own_folds = {job.split["fold"] for job in jobs if "fold" in job.split}
        done, broken = _whole_repetitions(key.runner, done, own_folds if key.design is not None else every_fold)
        problems += broken
        row = entry or selection.titles.get(key.runner)
        title, family = (row.title, row.family) if row else (key.runner, "Tabular Machine Learning")
        step_means = row is not None and row.step_means
        found.append(RowResult(key, title, family, step_means, len(jobs), tuple(done), tuple(problems)))
    return found


def usual_view(found: Iterable[RowResult]) -> str | None:
    """The view of the rows that stand for their models where several were run: `DEFAULT_VIEW` if it is among them."""
    views = {row.key.view for row in found if row.key.view}
    return DEFAULT_VIEW if DEFAULT_VIEW in views else min(views, default=None)


def standing_rows(found: Iterable[RowResult]) -> dict[str, RowResult]:
    """Runner → the row with results that stands for it where it has several.

    It is as registered rather than changed by ``--set``, of the usual view, and of the most training cells.
    """
    with_results = [row for row in found if row.records]
    view = usual_view(with_results)

    def rank(row: RowResult) -> tuple[bool, bool, int]:
        return row.key.variant is None, row.key.view in (view, None), row.key.train_cells or 0

    standing: dict[str, RowResult] = {}
    for row in with_results:
        kept = standing.get(row.key.runner)
        if kept is None or rank(row) > rank(kept):
            standing[row.key.runner] = row
    return standing


def _whole_repetitions(runner: str, done: Sequence[Record], folds: set[int]) -> tuple[list[Record], list[str]]:
    """The records of repetitions of which every fold is done, and a sentence for each of the others.

    A number over some of the folds is a number over other samples than its neighbours' in the table.

    Args:
        runner: whose repetitions they are.
        done: its records.
        folds: that a repetition has; empty where nothing is tested in folds.
    """
    if not folds:
        return list(done), []
    have: dict[int, set[int]] = {}
    for record in done:
        have.setdefault(record.job.repetition, set()).add(record.job.split["fold"])
    partial = {repetition for repetition, known in have.items() if known != folds}
    sentences = [
        f"repetition {repetition} of {runner}: folds {', '.join(map(str, sorted(folds - have[repetition])))} are not "
        "done, so that it is left out"
        for repetition in sorted(partial)
    ]
    return [record for record in done if record.job.repetition not in partial], sentences
