"""Published against reproduced: a verdict for every number and every ranking of the paper's Tables 1–3.

On the paper's own data set absolute numbers are compared. On any other only what carries over is: ratios to the best
baseline of a table, and who is better than whom. A published number is a range, since it is rounded; a tolerance widens
it. Ours is what the tables show, with their interval (`bench.report.results.comparison`); `verdict` decides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bench.report import published
from bench.report.paper.rankings import NOT_REACHED, RANK_AGREEMENT, REACHED, Claim, claims, jobs_of, stand_ins, title
from bench.report.paper.scores import Scores
from bench.report.published import Heading, PublishedValue
from bench.report.results.comparison import Measure, interval_value
from bench.report.results.marks import NOT_JUDGED
from bench.report.results.selection import Selection
from bench.report.results.statistics_reader import StatisticsReader
from bench.report.table import Column, Row, Table, Value, words
from bench.report.tables.numbered import GAP_WEEK, TABLE1_DENOMINATOR, TABLE2_DENOMINATOR
from bench.runners.entry import DUAL_BRANCH

Verdict = Literal[
    "reproduced",
    "not reproduced",
    "better",
    "worse",
    "cannot say",
    "reached by our variant",
    "not reached by our variant",
]
PAPER_DATASET = "climate2gpp"
TOLERANCE = 0.05
"""Relative, of errors and of ratios of errors: seeds and versions of packages alone move them by a few per cent. Of R²,
twice that of the unexplained share 1 − R², which goes with the square of the error."""
SECOND_DENOMINATOR = "tabnet"
"""The paper's best deep tabular model: the proposed model's ratio to it is compared as well."""


@dataclass(frozen=True)
class Comparison:
    """One published number beside ours.

    Attributes:
        heading: table and quantity that it stands under.
        label: which number.
        low: least value that the print and the tolerance allow.
        published: the number, or the ratio of the printed ones.
        high: the most.
        ours: with its interval; None where this store has no such result.
        lower_is_better: None where neither end is better.
        jobs: ids behind ours.
        of_variant: whether ours is of our variant of the paper's model, which can reach a number but reproduce none.
    """

    heading: Heading
    label: str
    low: float
    published: float
    high: float
    ours: Value | None
    lower_is_better: bool | None
    jobs: tuple[str, ...]
    of_variant: bool = False

    @property
    def verdict(self) -> Verdict:
        """Reproduced, better, worse, or cannot say, see `verdict`; of a variant reached (or better), or not."""
        if self.ours is None or math.isnan(self.ours.value):
            return "cannot say"
        interval = (self.ours.low, self.ours.high) if self.ours.known else None
        found = verdict((self.low, self.high), self.ours.value, interval, self.lower_is_better)
        if not self.of_variant or found == "cannot say":
            return found
        return REACHED if found in ("reproduced", "better") else NOT_REACHED


def verdict(
    allowed: tuple[float, float],
    value: float,
    interval: tuple[float, float] | None,
    lower_is_better: bool | None,
) -> Verdict:
    """The verdict on one number.

    Args:
        allowed: the published number's range, from its rounding and the tolerance.
        value: ours.
        interval: ours; None where there is none.
        lower_is_better: None where neither end is better.

    Returns:
        ``reproduced`` where our value lies in the range; ``cannot say`` where only our interval reaches it; otherwise
        ``better`` or ``worse``, or ``not reproduced`` where neither end is better.
    """
    low, high = allowed
    if low <= value <= high:
        return "reproduced"
    if interval is not None and interval[0] <= high and interval[1] >= low:
        return "cannot say"
    if lower_is_better is None:
        return "not reproduced"
    return "better" if (value < low) == lower_is_better else "worse"


def compare(selection: Selection, reader: StatisticsReader) -> tuple[list[Comparison], list[Claim]]:
    """All comparisons of a suite with the paper: Table 1 for the full suite, Tables 2 and 3 for the few-shot suite."""
    suite = selection.jobs[0].suite
    absolute = selection.jobs[0].dataset.partition(":")[0] == PAPER_DATASET
    sizes = sorted({record.job.split.get("train_cells") for record in selection.done}, key=lambda size: size or 0)
    comparisons: list[Comparison] = []
    rankings: list[Claim] = []
    for size in sizes:
        scores = Scores(selection, reader, size)
        sized = f", {size} training cells" if len(sizes) > 1 else ""
        for number in (1,) if suite == "full" else (2, 3):
            values = published.load(number)
            if absolute:
                comparisons += _absolute(number, values, scores, sized)
            comparisons += _ratios(number, values, scores, sized)
        rankings += claims(suite, scores, sized)
    return comparisons, rankings


def _absolute(number: int, values: Sequence[PublishedValue], scores: Scores, sized: str) -> Iterator[Comparison]:
    for item in values:
        lower = None if item.part == "train" else item.metric == "rmse"
        slack = TOLERANCE * abs(item.value) if item.metric == "rmse" else 2 * TOLERANCE * (1 - item.value)
        slack += item.rounding
        heading = Heading(number, f"{item.part} {'RMSE' if item.metric == 'rmse' else 'R²'}{sized}")
        for runner in stand_ins(scores, item.runner):
            ours = scores.number(runner, _measure(item))
            label = title(scores, runner, item) + _week(item)
            bounds = (item.value - slack, item.value, item.value + slack)
            of_variant = runner != item.runner
            yield Comparison(heading, label, *bounds, ours, lower, jobs_of(scores, runner), of_variant)


def _ratios(number: int, values: Sequence[PublishedValue], scores: Scores, sized: str) -> Iterator[Comparison]:
    denominator = TABLE1_DENOMINATOR if number == 1 else TABLE2_DENOMINATOR
    for item in values:
        if item.metric != "rmse":
            continue
        pairs = [denominator]
        if item.runner == DUAL_BRANCH and number == 1:
            pairs.append(SECOND_DENOMINATOR)
        for other in pairs:
            below = published.find(list(values), other, "rmse", week=item.week, part=item.part)
            if below is None or other == item.runner:
                continue
            low = (item.value - item.rounding) / (below.value + below.rounding) * (1 - TOLERANCE)
            high = (item.value + item.rounding) / (below.value - below.rounding) * (1 + TOLERANCE)
            for runner in stand_ins(scores, item.runner):
                found = scores.ratio(runner, other, _measure(item))
                yield Comparison(
                    Heading(number, f"ratio of {_quantity(item)}{sized}"),
                    f"{title(scores, runner, item)} ÷ {below.method}{_week(item)}",
                    low,
                    item.value / below.value,
                    high,
                    None if found is None else interval_value(found),
                    None if item.part == "train" else True,
                    (*jobs_of(scores, runner), *jobs_of(scores, other)),
                    runner != item.runner,
                )


def _measure(item: PublishedValue) -> Measure:
    """Our number of the same kind; the paper's training errors are on what a model was fitted on."""
    group = "all" if item.week is None else f"week:{item.week}"
    part = "fitted" if item.part == "train" else "test"
    return Measure(item.metric, group, part, "fitted" if item.part == "gap" else None)


def _quantity(item: PublishedValue) -> str:
    return {"test": "test RMSE", "train": "train RMSE", "gap": "gaps"}[item.part]


def _week(item: PublishedValue) -> str:
    return "" if item.week is None else f", week {item.week}"


def table(
    comparisons: Sequence[Comparison], rankings: Sequence[Claim], circumstances: str, *, judged: bool = True
) -> Table:
    """The comparison as a table, with a verdict in each row, unless the runs only test the program."""
    rows = [_row(item) for item in comparisons] + [_claim_row(item) for item in rankings]
    if not judged:
        unsaid = {"verdict": words(NOT_JUDGED)}
        rows = [replace(row, values=row.values | unsaid) for row in rows]
    columns = (
        Column("published", "Published"),
        Column("ours", "This store"),
        Column("decides", "Decided by"),
        Column("verdict", "Verdict"),
    )
    caption = (
        f"{circumstances} A number is reproduced where ours lies within {TOLERANCE:.0%} "
        "of the published one and its rounding; better or worse where our whole interval lies outside; otherwise: "
        f"cannot say. Rows of our variant of the paper's model say {REACHED} or {NOT_REACHED} instead. A ranking is "
        "decided by the ratio of two errors, the paper's better model first (below 1: the "
        "paper's order), that of gaps by their difference (below 0), and a rank correlation by itself "
        f"({RANK_AGREEMENT:g} or more); where the interval holds both answers: cannot say. Numbers, ratios and "
        "intervals are those of the tables (docs/uncertainty.md). Ratios are taken to the paper's best baseline of "
        f"each table, gaps on what a model was fitted on, in week {GAP_WEEK}."
    )
    return Table("check", "Published against reproduced", caption, "Row", columns, tuple(rows))


def by_published_table(found: Table) -> list[Table]:
    """The comparison as one table for each table of the paper, for readers of the page."""
    return [
        replace(
            found,
            name=f"{found.name}_{section.lower().replace(' ', '')}",
            title=f"{found.title}, {section}",
            rows=tuple(row for row in found.rows if row.section == section),
        )
        for section in sorted({row.section for row in found.rows})
    ]


def counts(comparisons: Sequence[Comparison], rankings: Sequence[Claim], *, judged: bool = True) -> str:
    """How many rows have which verdict: ``7 reproduced, 3 better, …``."""
    if not judged:
        return NOT_JUDGED
    found: list[str] = [*(item.verdict for item in comparisons), *(item.verdict for item in rankings)]
    return ", ".join(f"{found.count(name)} {name}" for name in dict.fromkeys(sorted(found)))


def _row(item: Comparison) -> Row:
    values = {"published": Value(item.published), "verdict": words(item.verdict)}
    if item.ours is not None:
        values["ours"] = item.ours
    return _placed(item, values)


def _claim_row(item: Claim) -> Row:
    values = {"verdict": words(item.verdict)}
    if isinstance(item.published, str):
        values["published"] = words(item.published)
        if item.ours is not None:
            values["ours"] = words(str(item.ours))
        if item.decides is not None:
            values["decides"] = item.decides
    else:  # a rank correlation decides itself
        values["published"] = Value(item.published)
        if item.decides is not None:
            values["ours"] = item.decides
    return _placed(item, values)


def _placed(item: Comparison | Claim, values: dict[str, Value]) -> Row:
    note = "no result" if item.ours is None else ""
    return Row(item.label, str(item.heading), values, False, note, item.jobs, section=item.heading.section)
