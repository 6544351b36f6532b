"""Paired comparisons of two rows, and which rows of a table cannot be told from its best.

Both rows of a comparison are scored under the same draws of places and years. Few-shot, repetition i of every row is
fitted to the same sample of cells, so repetitions are paired as well; on the full suite each row has seeds of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.arrays import Doubles
from bench.report.results.rows import RowResult
from bench.report.results.statistics_reader import StatisticsReader, Term
from bench.report.table import Column, Row, Value
from bench.scoring.interval import Interval
from bench.scoring.metrics import METRICS
from bench.scoring.uncertainty import holm
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

    def of(self, error: Doubles, *subtracted: Doubles) -> Doubles:
        """The number from the terms' values."""
        return error - subtracted[0] if subtracted else error

    def error_of(self, value: Doubles, *subtracted: Doubles) -> Doubles:
        """The number as an error, 0 at best: 1 − R² instead of R²."""
        rest = METRICS[self.metric].lower_is_better is False and not subtracted
        return 1 - value if rest else self.of(value, *subtracted)


def number(reader: StatisticsReader, row: RowResult, measure: Measure, weighting: str = "plain") -> Interval | None:
    """What one row of a table shows, with its interval, or None without results."""
    if not row.records:
        return None
    if measure.minus is not None:
        return reader.infer(measure.of, measure.metric, measure.terms(row), weighting=weighting)
    [term] = measure.terms(row)
    return reader.estimate(row.records, measure.metric, part=term.part, group=term.group, weighting=weighting)


def difference(
    reader: StatisticsReader, ours: RowResult, theirs: RowResult, measure: Measure, weighting: str = "plain"
) -> Interval | None:
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
) -> Interval | None:
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

    def divided(*values: Doubles) -> Doubles:
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
    if any("sample_seed" not in record.job.split for row in compared for record in row.records):
        return list(compared)
    by_sample: list[dict[int, Record]] = [
        {record.job.split["sample_seed"]: record for record in row.records} for row in compared
    ]
    seeds = sorted(set.intersection(*(set(known) for known in by_sample)))
    return [
        replace(row, records=tuple(known[seed] for seed in seeds))
        for row, known in zip(compared, by_sample, strict=True)
    ]


def interval_value(found: Interval) -> Value:
    """A number of a table, with its interval where there is one."""
    return Value(found.value, found.low, found.high, found.p)


def with_holm(compared: Sequence[Row], suffixes: Iterable[str]) -> list[Row]:
    """Rows of comparisons with p-values corrected for how many there are, in the columns ``p_holm``.

    Args:
        compared: rows with values ``p`` + suffix, where they could be compared.
        suffixes: of the columns; each has a correction of its own.
    """
    corrected = list(compared)
    for suffix in suffixes:
        known = [index for index, row in enumerate(corrected) if f"p{suffix}" in row.values]
        p_values = holm([corrected[index].values[f"p{suffix}"].value for index in known])
        for index, p in zip(known, p_values, strict=True):
            values = corrected[index].values | {f"p_holm{suffix}": Value(p)}
            corrected[index] = replace(corrected[index], values=values)
    return corrected


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
        The rows. Where the best is `distinguishable` from every other row, none is marked; else the best and all rows
        that cannot be told from it are, however far behind: a row of few repetitions may be third and uncertain.
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
        tied = [
            index for index in others if not distinguishable(reader, results[best], results[index], measure, weighting)
        ]
        for index in [best, *tied] if tied else []:
            values = marked[index].values
            values = values | {column.key: replace(values[column.key], tied=True)}
            marked[index] = replace(marked[index], values=values)
    return marked
