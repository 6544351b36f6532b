"""The variance that RMSE and R² imply: whether rows of one table can have been scored on the same values.

R² = 1 − Σe² ÷ Σ(y − ȳ)² and RMSE² = Σe² ÷ n, so RMSE² ÷ (1 − R²) = Σ(y − ȳ)² ÷ n: the variance of the target that a
model was scored on, whatever the model predicted. Rows of one table, scored on one set of values, share it. Published
numbers are rounded, so each row allows a range; our own rows have the sums themselves, which must be equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.arrays import Doubles
from bench.report import published
from bench.report.results.selection import Selection
from bench.report.results.statistics_reader import BlockSums, StatisticsReader
from bench.report.table import Column, Row, Table, Value, words
from bench.scoring.metrics import STATISTICS
from bench.store.records import Record

SUMMATION_ROUNDING = 1e-12
"""Relative difference of two sums of the same float64 values: processors may add them in another order."""
_TARGET_SUMS = ("n", "target", "squared_target")


@dataclass(frozen=True)
class ImpliedVariance:
    """What one published row says of the values it was scored on.

    Attributes:
        group: rows that stand for the same values, such as ``Table 1, test``.
        family: the paper's heading.
        method: the paper's name.
        runner: our name of the same model.
        rmse: as printed.
        r2: as printed.
        value: RMSE² ÷ (1 − R²), in the target's units squared.
        low: the least that rounds to the printed numbers.
        high: the most.
    """

    group: str
    family: str
    method: str
    runner: str
    rmse: float
    r2: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class OwnTargets:
    """What the rows of one of our own tables were scored on.

    Attributes:
        group: rows of which tables, such as ``Tables 2 and 3, week 40``.
        part: test or train, and of a training part which sample.
        jobs: number of stored jobs that were compared.
        n: samples.
        variance: of the target over them.
        problems: one sentence for each job that was scored on other values than most.
    """

    group: str
    part: str
    jobs: int
    n: int
    variance: float
    problems: tuple[str, ...]


def implied_variances() -> list[ImpliedVariance]:
    """Every pair of RMSE and R² in the paper's Tables 1–3, in their order."""
    found = []
    for number in (1, 2, 3):
        values = published.load(number)
        for rmse in values:
            r2 = published.find(values, rmse.runner, "r2", week=rmse.week, part=rmse.part)
            if rmse.metric != "rmse" or r2 is None:
                continue
            week = "" if rmse.week is None else f", week {rmse.week}"
            found.append(
                ImpliedVariance(
                    f"Table {number}{week}, {rmse.part}",
                    rmse.family,
                    rmse.method,
                    rmse.runner,
                    rmse.value,
                    r2.value,
                    _variance(rmse.value, r2.value),
                    _variance(rmse.value - rmse.rounding, r2.value - r2.rounding),
                    _variance(rmse.value + rmse.rounding, r2.value + r2.rounding),
                )
            )
    return found


def _variance(rmse: float, r2: float) -> float:
    return rmse**2 / (1 - r2) if r2 < 1 else float("inf")


def common_range(rows: Iterable[ImpliedVariance]) -> tuple[float, float] | None:
    """The variances that all rows allow, or None where there is none: then they were not scored on the same values."""
    listed = list(rows)
    low, high = max(row.low for row in listed), min(row.high for row in listed)
    return (low, high) if low <= high else None


def compatible(row: ImpliedVariance, others: Iterable[ImpliedVariance]) -> int:
    """How many of the other rows can have been scored on the same values as this one."""
    return sum(common_range((row, other)) is not None for other in others if other is not row)


def own_targets(selection: Selection, reader: StatisticsReader) -> list[OwnTargets]:
    """Whether all jobs of a suite's tables were scored on the same test values, and trained alike: from their sums."""
    suite = selection.jobs[0].suite
    if suite == "full":
        places = [("Table 1", "all")]
    else:
        weeks = selection.jobs[0].split["weeks"]
        places = [(f"Tables 2 and 3, week {week}", f"week:{week}") for week in weeks]
    found = []
    for name, group in places:
        for part in ("test", "train"):
            sampled: dict[str, list[Record]] = {}
            for record in selection.done:
                sampled.setdefault(_sample(record, part), []).append(record)
            for sample, records in sampled.items():
                got = _compare(name, f"{part}{sample}", [(r, reader.sums(r, part, group)) for r in records])
                if got is not None:
                    found.append(got)
    return found


def _sample(record: Record, part: str) -> str:
    """Which samples a job had of a part: those of its fold and, where few places train, of its draw of them."""
    split = record.job.split
    fold = f", fold {split['fold']} of {split['folds']}" if "fold" in split else ""
    if part == "test" or "train_cells" not in split:
        return fold
    return f"{fold}, {split['train_cells']} cells, sample {split.get('sample_seed', 0)}"


def _compare(name: str, part: str, read: Sequence[tuple[Record, BlockSums | None]]) -> OwnTargets | None:
    scored = [(record, sums) for record, sums in read if sums is not None]
    if not scored:
        return None
    alike: list[list[tuple[Record, BlockSums]]] = []
    for item in scored:
        same = next((group for group in alike if _equal(group[0][1], item[1])), None)
        if same is None:
            alike.append([item])
        else:
            same.append(item)
    most = max(alike, key=len)
    n, total, squared = _totals(most[0][1])
    problems = tuple(
        f"{name}, {part}: {record.job.label} ({record.job_id}) was scored on other values than "
        f"{most[0][0].job.label} ({most[0][0].job_id}): n {_totals(sums)[0]:.0f} and {n:.0f}, "
        f"Σy {_totals(sums)[1]:.15g} and {total:.15g}, Σy² {_totals(sums)[2]:.15g} and {squared:.15g}"
        for others in alike
        if others is not most
        for record, sums in others
    )
    return OwnTargets(name, part, len(scored), int(n), squared / n - (total / n) ** 2, problems)


def _equal(first: BlockSums, second: BlockSums) -> bool:
    """The same blocks with the same number of samples, and sums that differ by no more than the order of addition."""
    if not np.array_equal(first.blocks, second.blocks):
        return False
    (n, total, squared), (other_n, other_total, other_squared) = (_of_target(sums) for sums in (first, second))
    # Σy may nearly cancel; what its rounding is relative to is √(n Σy²), which bounds Σ|y|.
    return (
        np.array_equal(n, other_n)
        and bool((np.abs(total - other_total) <= SUMMATION_ROUNDING * np.sqrt(n * squared)).all())
        and bool((np.abs(squared - other_squared) <= SUMMATION_ROUNDING * squared).all())
    )


def _of_target(sums: BlockSums) -> Doubles:
    """(3, blocks) n, Σy and Σy², over all years."""
    over_years: Doubles = sums.values.sum(axis=1)[[STATISTICS.index(name) for name in _TARGET_SUMS]]
    return over_years


def _totals(sums: BlockSums) -> tuple[float, float, float]:
    n, total, squared = _of_target(sums).sum(axis=1)
    return float(n), float(total), float(squared)


def table(own: Sequence[OwnTargets], *, of_paper: bool = True) -> Table:
    """The audit as a table: every published row with its range, then what our own tables were scored on.

    Args:
        own: what jobs were scored on.
        of_paper: whether the data are of the paper's kind, so that its rows may stand beside ours.
    """
    rows = []
    variances = implied_variances() if of_paper else []
    for group in dict.fromkeys(row.group for row in variances):
        members = [row for row in variances if row.group == group]
        for row in members:
            values = {
                "rmse": Value(row.rmse),
                "r2": Value(row.r2),
                "variance": Value(row.value, row.low, row.high),
                "same": words(f"{compatible(row, members)} of {len(members) - 1}"),
            }
            rows.append(Row(row.method, f"{group}, as published", values, ranked=False))
    for targets in own:
        values = {
            "n": Value(targets.n),
            "variance": Value(targets.variance),
            "same": words(f"{len(targets.problems)} differ" if targets.problems else "all equal"),
        }
        label = f"{targets.part}, {targets.jobs} stored results"
        rows.append(Row(label, f"{targets.group}, this store", values, ranked=False))
    published = (Column("rmse", "RMSE"), Column("r2", "R²")) if of_paper else ()
    columns = (
        Column("n", "Samples", digits=0),
        *published,
        Column("variance", "Variance of the scored target"),
        Column("same", "Rows with the same values"),
    )
    caption = (
        "RMSE² ÷ (1 − R²) is the variance of the values that a row was scored on; rows of one table must share it. "
        "Published rows: in brackets, what the printed digits allow, and with how many of the other rows that can "
        f"be the same; this store: from the sums of every job, which must be equal. {families_of_table_1()}"
    )
    if not of_paper:
        caption = (
            "Rows of one table must be scored on the same values: from the sums of every job, which must be equal."
        )
    problems = "".join(f" Not the same values: {text}." for item in own for text in item.problems)
    return Table("audit", "Audit of what rows were scored on", caption + problems, "Row", columns, tuple(rows))


def families_of_table_1() -> str:
    """Sentences that say which variance each family of the paper's Table 1 implies, and whether one fits all."""
    rows = [row for row in implied_variances() if row.group == "Table 1, test"]
    ranges = []
    for family in dict.fromkeys(row.family for row in rows):
        values = [row.value for row in rows if row.family == family]
        ends = dict.fromkeys((f"{min(values):.2f}", f"{max(values):.2f}"))
        ranges.append(f"{family} {'–'.join(ends)}")
    verdict = "one variance fits all rows" if common_range(rows) else "no one variance fits all rows"
    return f"The paper's Table 1 implies {', '.join(ranges)}; within the printed digits, {verdict}."
