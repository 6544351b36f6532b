"""Rows of two places of results, set against each other: two stores, two references, or a store and a reference.

A number may only be subtracted from another of the same data, split and evaluation. Where these differ, the rows stand
side by side without a difference, and a sentence says what does not agree.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from bench.arrays import Doubles
from bench.report.results.rows import RowResult, rows
from bench.report.results.selection import RowKey, Selection, fixed_split
from bench.report.results.statistics_reader import StatisticsReader, Term, infer_across
from bench.scoring.interval import Interval
from bench.scoring.metrics import METRICS
from bench.store.jobs import differences
from bench.store.records import Record

State = Literal["new", "gone", "same", "changed", "repeated", "other data", "no result"]
STATES: dict[State, str] = {
    "new": "only in the second",
    "gone": "only in the first",
    "same": "the same jobs, and the same numbers",
    "changed": "other jobs: `why` names what differs between them",
    "repeated": "the same jobs with other numbers: `why` names what differs of machine and version",
    "other data": "data, split or evaluation do not agree, so that nothing is subtracted",
    "no result": "neither has a finished job, or none of the same repetition",
}
_UNSAID = ("override", "dataset", "suite", "profile")
"""Fields of a job that say what it is called, or are compared once for the whole suite."""


ALL = "all"
"""Group of all samples."""


@dataclass(frozen=True)
class Side:
    """One of the two places.

    Attributes:
        selection: the jobs of a suite.
        reader: of their sums.
        group: of test samples that numbers are of.
    """

    selection: Selection
    reader: StatisticsReader
    group: str = ALL


@dataclass(frozen=True)
class Compared:
    """One row in both places.

    Attributes:
        key: which row.
        title: as printed.
        target: of rows that predict several at once, the one that the numbers are of; else None.
        state: see `STATES`.
        before: the metric in the first place, over the runs that both have, or over all where one has none.
        after: the same in the second.
        difference: after − before, under the same draws of places and of what the runs repeat.
        runs: number of runs that both have.
        why: what differs, as ``name: first → second``.
    """

    key: RowKey
    title: str
    target: str | None
    state: State
    before: Interval | None
    after: Interval | None
    difference: Interval | None
    runs: int
    why: tuple[str, ...]

    @property
    def label(self) -> str:
        """Title with what tells apart rows of one runner."""
        detail = self.key.detail
        named = f"{self.title} [{detail}]" if detail else self.title
        return f"{named}, {self.target}" if self.target else named


def disagreements(first: Selection, second: Selection, design: str | None = None) -> list[str]:
    """What forbids to subtract numbers of two selections, as ``name: first → second``; empty where nothing does.

    Args:
        first: the jobs before the arrow.
        second: the jobs behind it.
        design: only what concerns this design of a suite with several; None for the first that both have.
    """
    designs = [{job.split.get("design"): job for job in reversed(chosen.jobs)} for chosen in (first, second)]
    both = [name for name in designs[0] if name in designs[1]]
    chosen = design if design in both else both[-1] if both else None
    one, other = designs[0].get(chosen, first.jobs[0]), designs[1].get(chosen, second.jobs[0])
    compared: list[tuple[str, Any, Any]] = [
        ("data set's fingerprint", one.dataset_fingerprint[:12], other.dataset_fingerprint[:12]),
        ("target", one.target or first.manifest.target_name, other.target or second.manifest.target_name),
        ("evaluation", one.evaluation, other.evaluation),
    ]
    splits = [json.loads(fixed_split(job.split)) for job in (one, other)]
    compared += [(f"split, {key}", *(split.get(key) for split in splits)) for key in sorted({*splits[0], *splits[1]})]
    return [f"{name}: {before} → {after}" for name, before, after in compared if before != after]


def compare(first: Side, second: Side, metric: str = "rmse", weighting: str = "plain") -> list[Compared]:
    """Every row that one of two places has, in the order of the registry.

    Args:
        first: what is subtracted.
        second: what it is subtracted from.
        metric: name in `METRICS`; over all test samples.
        weighting: plain or area.
    """
    mine, theirs = ({row.key: row for row in rows(side.selection)} for side in (first, second))
    clashes = {key.design: disagreements(first.selection, second.selection, key.design) for key in (*theirs, *mine)}
    found = []
    for key in dict.fromkeys((*theirs, *mine)):
        old, new = mine.get(key), theirs.get(key)
        for target in _targets(old, new):
            one, other = replace(first, group=target or ALL), replace(second, group=target or ALL)
            if old is None or not old.records or new is None or not new.records:
                line = _one_sided(one, other, old, new, metric, weighting)
            elif clash := clashes[key.design]:
                before, after = _value(one, old, metric, weighting), _value(other, new, metric, weighting)
                line = Compared(key, new.title, None, "other data", before, after, None, 0, tuple(clash))
            else:
                line = _both(one, other, old, new, metric, weighting)
            found.append(replace(line, target=target))
    return found


def _targets(*versions: RowResult | None) -> tuple[str | None, ...]:
    """The targets that a row predicts at once, whose sums are groups of their names; (None,) of one target."""
    for row in versions:
        if row is not None and row.records:
            return tuple(row.records[0].job.split.get("targets", (None,)))
    return (None,)


def difference_across(
    first: Side, second: Side, old: RowResult, new: RowResult, metric: str, weighting: str, group: str = "all"
) -> tuple[Interval | None, Interval | None]:
    """Difference new − old and, of errors, new ÷ old (of R² that of 1 − R²), or None where one has no such group."""
    terms = [(second.reader, Term(new.records, "test", group)), (first.reader, Term(old.records, "test", group))]
    rest = METRICS[metric].lower_is_better is False

    def divided(after: Doubles, before: Doubles) -> Doubles:
        return (1 - after) / (1 - before) if rest else after / before

    return (
        infer_across(lambda after, before: after - before, metric, terms, weighting=weighting),
        infer_across(divided, metric, terms, weighting=weighting, positive=True),
    )


def common_runs(old: RowResult, new: RowResult) -> tuple[RowResult, RowResult]:
    """Two versions of one row with the runs that both have, in the same order."""
    known = [{_run(record): record for record in row.records} for row in (old, new)]
    shared = sorted(set(known[0]) & set(known[1]))
    return tuple(  # type: ignore[return-value]
        replace(row, records=tuple(own[run] for run in shared)) for row, own in zip((old, new), known, strict=True)
    )


def _run(record: Record) -> tuple[int, int, int]:
    split = record.job.split
    return record.job.repetition, split.get("sample_seed", -1), split.get("fold", -1)


def _both(first: Side, second: Side, old: RowResult, new: RowResult, metric: str, weighting: str) -> Compared:
    earlier, later = common_runs(old, new)
    if not earlier.records:
        return Compared(new.key, new.title, None, "no result", None, None, None, 0, ("no repetition is in both",))
    difference, _ = difference_across(first, second, earlier, later, metric, weighting, second.group)
    pairs = list(zip(earlier.records, later.records, strict=True))
    old_value, new_value = _value(first, earlier, metric, weighting), _value(second, later, metric, weighting)
    why = list(dict.fromkeys(sentence for before, after in pairs for sentence in _why(before, after)))
    state: State = "changed"
    if all(before.job_id == after.job_id for before, after in pairs):
        unchanged = difference is not None and difference.value == 0
        unchanged = unchanged and all(before.metrics == after.metrics for before, after in pairs)
        state = "same" if unchanged else "repeated"
    return Compared(
        new.key,
        new.title,
        None,
        state,
        old_value,
        new_value,
        difference,
        later.runs,
        () if state == "same" else tuple(why),
    )


def _why(before: Record, after: Record) -> list[str]:
    """What differs between two jobs; of one job that ran twice, what differs of machine and version."""
    if before.job_id != after.job_id:
        changed = differences(before.job, after.job)
        return [f"{key}: {old} → {new}" for key, (old, new) in changed.items() if key.split(".")[0] not in _UNSAID]
    told: list[tuple[str, Callable[[Record], Any]]] = [
        ("bench_version", lambda record: record.bench_version),
        ("device", lambda record: record.device),
        ("precision", lambda record: record.precision),
        ("threads", lambda record: record.threads),
        ("processes", lambda record: record.processes),
        ("processor", lambda record: record.host.processor),
        ("platform", lambda record: record.host.platform),
        ("python", lambda record: record.host.python),
    ]
    return [f"{name}: {of(before)} → {of(after)}" for name, of in told if of(before) != of(after)]


def _one_sided(
    first: Side, second: Side, old: RowResult | None, new: RowResult | None, metric: str, weighting: str
) -> Compared:
    present = new or old
    assert present is not None
    has_old, has_new = (row is not None and bool(row.records) for row in (old, new))
    state: State = "new" if has_new else "gone" if has_old else "no result"
    before = _value(first, old, metric, weighting) if old is not None and has_old else None
    after = _value(second, new, metric, weighting) if new is not None and has_new else None
    problems: Sequence[str] = [
        text for row in (old, new) if row is not None and not row.records for text in row.problems
    ]
    return Compared(present.key, present.title, None, state, before, after, None, 0, tuple(problems[:1]))


def _value(side: Side, row: RowResult, metric: str, weighting: str) -> Interval | None:
    return side.reader.estimate(row.records, metric, group=side.group, weighting=weighting)
