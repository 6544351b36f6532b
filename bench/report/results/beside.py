"""The table of `bench report --with-reference`: own rows beside the committed ones, with paired differences."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from bench.report.results.across import Side, common_runs, difference_across, disagreements
from bench.report.results.comparison import Measure, interval_value, number, with_holm
from bench.report.results.data_words import in_units, words_of
from bench.report.results.rows import RowResult, rows
from bench.report.results.selection import RowKey
from bench.report.table import OWN, Column, Row, Table, Value
from bench.scoring.uncertainty import CONFIDENCE
from bench.store.reference import Reference

_METRICS = ("rmse", "r2", "mae")


@dataclass(frozen=True)
class Beside:
    """What came of it for one suite.

    Attributes:
        table: own rows against those of the reference; None where they cannot be compared.
        notes: what made the reference, or why there is no table.
    """

    table: Table | None
    notes: tuple[str, ...]


def beside(own: Side, reference: Side, committed: Reference, weighting: str = "plain") -> Beside:
    """Own − reference for each own row that the reference has not, and each row of the reference.

    Where the reference has all own rows in the same jobs, all of them are compared.

    Args:
        own: the user's jobs of a suite.
        reference: the committed ones of the same suite.
        committed: where these come from.
        weighting: plain or area.
    """
    suite, name = own.selection.jobs[0].suite, committed.root.name
    made = tuple(f"Reference {name} was made by: {command}" for command in committed.commands_of(suite))
    designs = {key.design: None for key in (RowKey.of(job) for job in own.selection.jobs)}
    clash = list(
        dict.fromkeys(text for design in designs for text in disagreements(reference.selection, own.selection, design))
    )
    if clash:
        return Beside(
            None,
            (
                f"Suite {suite} cannot be set beside reference {name}, because these do not agree (reference → here): "
                f"{'; '.join(clash)}.",
                *made,
            ),
        )
    theirs = [row for row in rows(reference.selection) if row.records]
    known = {record.job_id for row in theirs for record in row.records}
    mine = [row for row in rows(own.selection) if row.records]
    fresh = [row for row in mine if not {record.job_id for record in row.records} <= known]
    weeks = list(own.selection.jobs[0].split.get("weeks", ()))
    targets = own.selection.jobs[0].split.get("targets", ())
    of_weeks = {f"_{week}": (f"week:{week}", week) for week in weeks}
    of_targets = {f"_{name}": (name, name) for name in targets}
    group_of: dict[str, tuple[str, int | str | None]] = {**of_weeks, **of_targets} or {"": ("all", None)}
    groups = {after: group for after, (group, _) in group_of.items()}
    blocks = [_rows(own, reference, ours, theirs, groups, weighting) for ours in fresh or mine]
    lines = [row for block in sorted(filter(None, blocks), key=_error_of_own) for row in block]
    if not lines:
        return Beside(None, (f"Suite {suite} has no row of the sample sizes and folds of reference {name}.", *made))
    words, first = words_of(own.reader.store, own.selection), own.selection.jobs[0]
    columns = [Column("mean", "Mean RMSE")] if len(groups) > 1 else []
    for after, (_, said) in group_of.items():
        week = "" if said is None else f"{said if isinstance(said, str) else words.short_step(said)} "
        columns += [
            Column(f"value{after}", f"{week}RMSE", in_latex=not after, on_terminal=not after),
            Column(f"rmse{after}", f"{week}Δ RMSE"),
            Column(f"ratio{after}", f"{week}÷ RMSE", in_latex=False, on_terminal=not after),
            Column(f"p{after}", "p", 4, in_latex=False, on_terminal=False),
            Column(f"p_holm{after}", "p, Holm", in_latex=not after, on_terminal=not after),
            Column(f"r2{after}", f"{week}Δ R²", in_latex=not after, on_terminal=not after),
            Column(f"mae{after}", f"{week}Δ MAE", in_latex=False, on_terminal=False),
        ]
    columns.append(Column("runs", "Runs", 0))
    of_what = "the mean of the RMSE of all steps" if weeks else "the mean of the RMSE of all targets"
    caption = (
        "Own − reference, under the same draws of places; below 0 (R²: above 0) the own row is better. RMSE is that of "
        f"the row that the line names; lines are in order of {of_what if len(groups) > 1 else 'it'}. Data set "
        f"{first.dataset} ({own.selection.manifest.dataset_title}); "
        f"{in_units(', '.join(targets) or words.target, words.units)}; "
        f"{', '.join(map(str, filter(None, designs))) or words.split}; profile {first.profile}. In brackets: "
        f"{CONFIDENCE:.0%} intervals (docs/uncertainty.md). p: two-sided, that the ratio is 1; Holm: "
        "corrected for the number of rows of the reference."
    )
    title = f"Own rows beside the committed reference {name}, suite {suite}: {words.measured('RMSE', 'MAE')}"
    return Beside(Table(f"reference_{suite}", title, caption, "Row", tuple(columns), tuple(lines)), made)


def _rows(
    own: Side,
    reference: Side,
    ours: RowResult,
    theirs: list[RowResult],
    groups: dict[str, str],
    weighting: str,
) -> list[Row]:
    """The block of one own row: itself and every row of the reference with the same size of the sample, by error.

    Where one of the two has folds that the other has not, both are compared on those that they share.
    """
    family = f"{_label(ours)} − reference"
    compared = ours.key.train_cells, ours.key.design
    others = [row for row in theirs if (row.key.train_cells, row.key.design) == compared]
    lines = [Row(_label(ours), family, _values(own, ours, groups, weighting), False, jobs=_jobs(ours), marks=OWN)]
    for whole in others:
        shared = _folds(whole) & _folds(ours)
        row, same = _on_folds(whole, shared), _on_folds(ours, shared)
        if not shared:
            continue
        values = _values(reference, row, groups, weighting)
        before, after = common_runs(row, same) if _is_paired(row, same) else (row, same)
        for suffix, group in groups.items() if before.records and after.records else ():
            for metric in _METRICS:
                difference, ratio = difference_across(reference, own, before, after, metric, weighting, group)
                if difference is not None:
                    values[metric + suffix] = interval_value(difference)
                if ratio is not None and metric == "rmse":
                    values[f"ratio{suffix}"] = interval_value(ratio)
                    values[f"p{suffix}"] = Value(ratio.p)
        note = (
            ""
            if shared == _folds(ours)
            else f"fold{'s' * (len(shared) > 1)} {', '.join(map(str, sorted(shared)))} only"
        )
        lines.append(Row(_label(row), family, values, False, note, (*_jobs(same), *_jobs(row))))
    return sorted(with_holm(lines, groups), key=_error) if len(lines) > 1 else []


def _error(row: Row) -> float:
    """What lines are in order of; those without a number come last."""
    return next((row.values[key].value for key in ("mean", "value") if key in row.values), math.inf)


def _error_of_own(block: list[Row]) -> float:
    return next(_error(row) for row in block if OWN in row.marks)


def _folds(row: RowResult) -> frozenset[int]:
    """The folds that a row's results are of; {0} where its split has none: folds count from 1."""
    return frozenset(record.job.split.get("fold", 0) for record in row.records)


def _on_folds(row: RowResult, folds: frozenset[int]) -> RowResult:
    """A row with its results of some folds only."""
    kept = tuple(record for record in row.records if record.job.split.get("fold", 0) in folds)
    return row if len(kept) == len(row.records) else replace(row, records=kept)


def _is_paired(row: RowResult, ours: RowResult) -> bool:
    """Whether a repetition of one is the same as that of the other: a sample of cells, or a seed of the same runner."""
    same_runner = (row.key.runner, row.key.view) == (ours.key.runner, ours.key.view)
    return same_runner or "sample_seed" in row.records[0].job.split


def _values(side: Side, row: RowResult, groups: dict[str, str], weighting: str) -> dict[str, Value]:
    found = {
        f"value{suffix}": number(side.reader, row, Measure("rmse", group), weighting)
        for suffix, group in groups.items()
    }
    values = {name: interval_value(value) for name, value in found.items() if value is not None}
    if 1 < len(groups) == len(values):  # of fewer groups a mean would be another quantity
        values["mean"] = Value(sum(value.value for value in values.values()) / len(values))
    return values | {"runs": Value(row.runs)}


def _label(row: RowResult) -> str:
    return f"{row.title} ({row.key.detail})" if row.key.detail else row.title


def _jobs(row: RowResult) -> tuple[str, ...]:
    return tuple(record.job_id for record in row.records)
