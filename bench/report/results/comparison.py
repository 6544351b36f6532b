"""Paired comparisons: the proposed model against each baseline, and which rows of a table cannot be told from its best.

Both rows of a comparison are scored under the same draws of places and years. Few-shot, repetition i of every row is
fitted to the same sample of cells, so repetitions are paired as well; on the full suite each row has seeds of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.report.results.selection import Estimate, RowResult, Selection, StatisticsReader, Term, rows
from bench.report.table import Column, Row, Table, Value
from bench.runners import registry
from bench.runners.entry import PROPOSED
from bench.scoring.metrics import METRICS
from bench.scoring.uncertainty import CONFIDENCE, DRAWS, Floats, Inference, holm
from bench.store.records import Record


@dataclass(frozen=True)
class Measure:
    """What a column of a table shows of a row.

    Attributes:
        metric: name in `METRICS`.
        group: such as ``all`` or ``week:40``.
        part: test, train, or fitted (what the model was fitted on: raw training samples, or means of them).
        minus: the part whose value is subtracted, of a gap; else None.
    """

    metric: str
    group: str = "all"
    part: str = "test"
    minus: str | None = None

    def terms(self, row: RowResult) -> list[Term]:
        """The terms of one row."""
        parts = [self.part] if self.minus is None else [self.part, self.minus]
        stored = [row.fitted_part if part == "fitted" else part for part in parts]
        return [Term(row.records, part, self.group) for part in stored]

    def of(self, error: Floats, *subtracted: Floats) -> Floats:
        """The number from the terms' values."""
        return error - subtracted[0] if subtracted else error

    def error_of(self, value: Floats, *subtracted: Floats) -> Floats:
        """The number as an error, 0 at best: 1 − R² instead of R²."""
        rest = METRICS[self.metric].lower_is_better is False and not subtracted
        return 1 - value if rest else self.of(value, *subtracted)


def number(
    reader: StatisticsReader, row: RowResult, measure: Measure, weighting: str = "plain"
) -> Estimate | Inference | None:
    """What one row of a table shows, with its interval, or None without results."""
    if not row.records:
        return None
    if measure.minus is not None:
        return reader.infer(measure.of, measure.metric, measure.terms(row), weighting=weighting)
    [term] = measure.terms(row)
    return reader.estimate(row.records, measure.metric, part=term.part, group=term.group, weighting=weighting)


def difference(
    reader: StatisticsReader, ours: RowResult, theirs: RowResult, measure: Measure, weighting: str = "plain"
) -> Inference | None:
    """Ours − theirs with its interval, or None where they have no results, or none from the same sample of cells."""
    own, other = paired(ours, theirs)
    if not own.records or not other.records:
        return None
    terms, others = measure.terms(own), measure.terms(other)
    n = len(terms)
    return reader.infer(
        lambda *values: measure.of(*values[:n]) - measure.of(*values[n:]),
        measure.metric,
        [*terms, *others],
        weighting=weighting,
    )


def ratio(
    reader: StatisticsReader, ours: RowResult, theirs: RowResult, measure: Measure, weighting: str = "plain"
) -> Inference | None:
    """The ratio of errors (of R²: of 1 − R²), ours ÷ theirs, as `difference`.

    A difference of logarithms: where one row is wrong by orders of magnitude now and then, it says more than a
    difference whose interval that row makes useless. A gap may be negative: its ratio has no logarithm, and no meaning
    (NaN) where the gap that it is taken to is not positive.
    """
    own, other = paired(ours, theirs)
    if not own.records or not other.records:
        return None
    terms, others = measure.terms(own), measure.terms(other)
    n = len(terms)

    def divided(*values: Floats) -> Floats:
        below = measure.error_of(*values[n:])
        if measure.minus is not None:
            below = np.where(below > 0, below, np.nan)
        return np.asarray(measure.error_of(*values[:n]) / below)

    return reader.infer(divided, measure.metric, [*terms, *others], weighting=weighting, positive=measure.minus is None)


def distinguishable(
    reader: StatisticsReader, first: RowResult, second: RowResult, measure: Measure, weighting: str = "plain"
) -> bool:
    """Whether the interval of their ratio excludes 1; of gaps, which may be negative, that of the difference 0."""
    if measure.minus is not None:
        found = difference(reader, first, second, measure, weighting)
        return found is not None and found.excludes(0)
    found = ratio(reader, first, second, measure, weighting)
    return found is not None and found.excludes(1)


def paired(*compared: RowResult) -> list[RowResult]:
    """Rows with the records to compare: few-shot those of the same samples of cells, in the same order; else all."""
    by_sample: list[dict[int | None, Record]] = [
        {record.job.split.get("sample_seed"): record for record in row.records} for row in compared
    ]
    if any(None in known for known in by_sample):
        return list(compared)
    common = set.intersection(*(set(known) for known in by_sample))
    seeds = sorted(seed for seed in common if seed is not None)
    return [
        replace(row, records=tuple(known[seed] for seed in seeds))
        for row, known in zip(compared, by_sample, strict=True)
    ]


def differences(selection: Selection, reader: StatisticsReader, weighting: str = "plain") -> Table:
    """Differences between each row of the proposed model and each baseline, with intervals, ratios and p-values."""
    found = rows(selection)
    suite = selection.jobs[0].suite
    weeks = list(selection.jobs[0].split.get("weeks", ()))
    groups = {str(week): f"week:{week}" for week in weeks} or {"": "all"}
    several_views = len({row.key.view for row in found if row.key.view}) > 1
    table_rows: list[Row] = []
    for ours in (row for row in found if row.family == PROPOSED and row.records):
        own = [
            _difference_row(reader, ours, theirs, groups, weighting, several_views)
            for theirs in found
            if theirs.family != PROPOSED and theirs.records and theirs.key.train_cells == ours.key.train_cells
        ]
        table_rows += _with_holm([row for row in own if row.values], groups)
    columns: list[Column] = []
    for name in groups:
        of_week, after = (f"W{name} ", f"_{name}") if name else ("", "")
        columns += [
            Column(f"rmse{after}", f"{of_week}Δ RMSE"),
            Column(f"ratio{after}", f"{of_week}÷ RMSE", in_latex=not name, on_terminal=not name),
            Column(f"p{after}", "p", 4, in_latex=False, on_terminal=False),
            Column(f"p_holm{after}", "p, Holm", on_terminal=True),
            Column(f"r2{after}", f"{of_week}Δ R²", in_latex=not name, on_terminal=not name),
            Column(f"mae{after}", f"{of_week}Δ MAE", in_latex=not name, on_terminal=not name),
        ]
    columns += [Column("own_runs", "Own runs", 0), Column("runs", "Runs", 0)]
    first = selection.jobs[0]
    caption = (
        f"Paired differences, proposed model − baseline, {'few-shot by week' if weeks else 'full suite'} (RMSE, MAE "
        f"below 0 and R² above 0: the proposed model is better) and ratios of RMSE. Data set {first.dataset} "
        f"({selection.manifest.dataset_title}); {selection.manifest.target_name} in {selection.manifest.target_units}; "
        f"test year {first.split['test_year']}; profile {first.profile}. In brackets: {CONFIDENCE:.0%} intervals over "
        f"{'samples of cells (and seeds), the same for both,' if weeks else 'seeds'} and places "
        f"({DRAWS} draws, docs/uncertainty.md); one run says nothing about other "
        f"{'samples' if weeks else 'seeds'}. p: two-sided, that the ratio is 1; Holm: corrected for the number of "
        f"baselines{' of a week' if weeks else ''}."
    )
    return Table(f"differences_{suite}", caption, "Proposed − baseline", tuple(columns), tuple(table_rows))


def _difference_row(
    reader: StatisticsReader,
    ours: RowResult,
    theirs: RowResult,
    groups: Mapping[str, str],
    weighting: str,
    several_views: bool,
) -> Row:
    values: dict[str, Value] = {}
    for name, group in groups.items():
        after = f"_{name}" if name else ""
        for metric in ("rmse", "r2", "mae"):
            found = difference(reader, ours, theirs, Measure(metric, group), weighting)
            if found is not None:
                values[metric + after] = interval_value(found)
        relative = ratio(reader, ours, theirs, Measure("rmse", group), weighting)
        if relative is not None:
            values["ratio" + after] = interval_value(relative)
            values["p" + after] = Value(relative.p)
    own, other = paired(ours, theirs)
    if values:
        values |= {"own_runs": Value(len(own.records)), "runs": Value(len(other.records))}
    size = f", {ours.key.train_cells} cells" if ours.key.train_cells else ""
    view = f" ({theirs.key.view})" if several_views and theirs.key.view else ""
    jobs = tuple(record.job_id for record in (*own.records, *other.records))
    return Row(theirs.title + view, f"{ours.title}{size}", values, False, _note(ours, theirs), jobs)


def _note(*compared: RowResult) -> str:
    """Says where variation between seeds is unknown, rather than absent."""
    entries = [registry.entries().get(row.key.runner) for row in compared]
    unknown = [
        row.title
        for row, entry in zip(compared, entries, strict=True)
        if len(row.records) == 1 and (row.key.train_cells or (entry is not None and entry.seeded))
    ]
    return f"one run of {', '.join(unknown)}" if unknown else ""


def _with_holm(own: Sequence[Row], groups: Mapping[str, str]) -> list[Row]:
    """Adds p-values corrected for the number of baselines, per week where there are weeks."""
    corrected = list(own)
    for after in [f"_{name}" if name else "" for name in groups]:
        compared = [index for index, row in enumerate(own) if f"p{after}" in row.values]
        p_values = holm([own[index].values[f"p{after}"].value for index in compared])
        for index, p in zip(compared, p_values, strict=True):
            values = corrected[index].values | {f"p_holm{after}": Value(p)}
            corrected[index] = replace(corrected[index], values=values)
    return corrected


def interval_value(found: Inference | Estimate) -> Value:
    """A number of a table, with its interval where there is one."""
    known = found.low <= found.high  # NaN: no interval
    return Value(found.value, found.low if known else None, found.high if known else None)


def mark_ties(
    table_rows: Sequence[Row],
    results: Sequence[RowResult],
    columns: Sequence[Column],
    measures: Mapping[str, Measure],
    reader: StatisticsReader,
    weighting: str,
) -> list[Row]:
    """Marks the values that cannot be told from the best of their column.

    Args:
        table_rows: rows of the table; the first ones are those of `results`, in the same order.
        results: what the rows come from.
        columns: of the table.
        measures: column key → what the column shows, for the columns that have a best value.
        reader: of the stored sums.
        weighting: plain or area.

    Returns:
        The rows. Where best and runner-up are not `distinguishable`, the best and all rows that cannot be told from it
        are marked; else nothing is.
    """
    marked = list(table_rows)
    for column in columns:
        measure = measures.get(column.key)
        if measure is None:
            continue
        numbers = {
            index: marked[index].values[column.key].value * (1 if column.best == "min" else -1)
            for index, result in enumerate(results)
            if result.records and marked[index].ranked and column.key in marked[index].values
        }
        order = sorted((index for index in numbers if numbers[index] == numbers[index]), key=numbers.__getitem__)
        if not order:
            continue
        best, *others = order
        tied = []
        for place, index in enumerate(others):
            apart = distinguishable(reader, results[best], results[index], measure, weighting)
            if apart and place == 0:
                break
            if not apart:
                tied.append(index)
        for index in [best, *tied] if tied else []:
            values = marked[index].values
            values = values | {column.key: replace(values[column.key], tied=True)}
            marked[index] = replace(marked[index], values=values)
    return marked
