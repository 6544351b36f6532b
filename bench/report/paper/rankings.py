"""Who is better than whom in the paper, and whether that holds here.

A ranking is decided as the tables decide what is bold (`bench.report.results.comparison`): by the interval of the
paired ratio of two errors, of gaps of their difference. Where that interval holds 1 (0), the two cannot be told apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, Literal

import numpy as np

from bench.arrays import Doubles
from bench.report import published
from bench.report.paper.scores import Scores
from bench.report.published import Heading, PublishedValue
from bench.report.results.comparison import Measure, interval_value
from bench.report.table import Value
from bench.report.tables.numbered import GAP_WEEK, TABLE2_DENOMINATOR
from bench.runners.entry import DUAL_BRANCH
from bench.scoring.interval import Interval

RANK_AGREEMENT = 0.5
"""Spearman's correlation from which on two orders of models count as the same in the large."""
FEWEST_RANKED = 4
"""Models below which a rank correlation says nothing."""
Outcome = Literal["reproduced", "not reproduced", "cannot say", "reached by our variant", "not reached by our variant"]
REACHED: Final = "reached by our variant"
NOT_REACHED: Final = "not reached by our variant"
"""Verdicts on rows of our variant of the paper's model: it is another model, which cannot reproduce anything."""


@dataclass(frozen=True)
class Claim:
    """A ranking that the paper prints.

    Attributes:
        heading: table that it stands under.
        label: what is ranked.
        published: the paper's answer.
        ours: ours; None where results are missing.
        decides: what the verdict is taken from: the ratio of the errors of two models, the better one in the paper
            first, the difference of their gaps, or the rank correlation; None where results are missing.
        verdict: whether it is reproduced; of our variant of the paper's model, whether it is reached.
        jobs: ids behind ours.
    """

    heading: Heading
    label: str
    published: str | float
    ours: str | float | None
    decides: Value | None
    verdict: Outcome
    jobs: tuple[str, ...]


def claims(suite: str, scores: Scores, sized: str = "") -> list[Claim]:
    """The rankings of a suite's tables; once with the paper's model, and once with each of our variants of it."""
    found: list[Claim] = []
    for proposed in stand_ins(scores, DUAL_BRANCH):
        ranked, own = f"rankings{_with(scores, proposed)}{sized}", len(found)
        if suite == "full":
            values = [item for item in published.load(1) if item.metric == "rmse"]
            found += _of_table(Heading(1, ranked), "", values, scores, proposed)
            found += _families(Heading(1, ranked), values, scores, proposed)
        else:
            values = [item for item in published.load(2) if item.metric == "rmse"]
            for week in dict.fromkeys(item.week for item in values):
                in_week = [item for item in values if item.week == week]
                found += _of_table(Heading(2, ranked), f", week {week}", in_week, scores, proposed)
            found.append(_gap(Heading(3, ranked), scores, proposed))
        if proposed != DUAL_BRANCH:
            found[own:] = map(_of_variant, found[own:])
    return found


def _of_variant(claim: Claim) -> Claim:
    words: dict[Outcome, Outcome] = {"reproduced": REACHED, "not reproduced": NOT_REACHED}
    return replace(claim, verdict=words.get(claim.verdict, claim.verdict))


def _of_table(
    heading: Heading, where: str, values: Sequence[PublishedValue], scores: Scores, proposed: str
) -> Iterator[Claim]:
    models = _models(values, scores, proposed)
    winner = min(values, key=lambda item: item.value)
    label, jobs = f"lowest RMSE{where}", _jobs(scores, models)
    first = next((model for model in models if model.item is winner), None)
    others = [model for model in models if model is not first]
    if first is None or not others:
        yield _unknown(heading, label, winner.method, jobs)
    else:
        runner_up = min(others, key=lambda model: model.error)
        best = min(models, key=lambda model: model.error)
        found = scores.ratio(first.runner, runner_up.runner, _measure(winner))
        answer = title(scores, best.runner, best.item)
        yield _decided(heading, label, winner.method, answer, found, best is first, jobs)
    yield _rank_correlation(heading, f"rank correlation{where}", models, scores)


def _rank_correlation(heading: Heading, label: str, models: Sequence[Model], scores: Scores) -> Claim:
    theirs, jobs = np.array([model.item.value for model in models]), _jobs(scores, models)
    found = None
    if len(models) >= FEWEST_RANKED:
        runners, measure = [model.runner for model in models], _measure(models[0].item)
        found = scores.infer(lambda *errors: spearman(theirs, np.stack(errors)), runners, measure)
    if found is None:
        return _unknown(heading, label, 1.0, jobs)
    found = found.within(-1, 1)
    verdict = _judged(found, RANK_AGREEMENT, found.value >= RANK_AGREEMENT)
    return Claim(heading, label, 1.0, found.value, interval_value(found), verdict, jobs)


def _families(heading: Heading, values: Sequence[PublishedValue], scores: Scores, proposed: str) -> Iterator[Claim]:
    """The order of the families, each by its best model: one claim for each two neighbours."""
    models = _models(values, scores, proposed)
    best = {family: min(item.value for item in values if item.family == family) for family in _families_of(values)}
    order = sorted(best, key=lambda family: best[family])
    for better, worse in pairwise(order):
        label = f"{better} before {worse}"
        sides = [[model for model in models if model.item.family == family] for family in (better, worse)]
        jobs = _jobs(scores, [model for side in sides for model in side])
        if not all(sides):
            yield _unknown(heading, label, "yes", jobs)
            continue
        first, second = (min(side, key=lambda model: model.error) for side in sides)
        holds = first.error < second.error
        found = scores.ratio(first.runner, second.runner, _measure(first.item))
        yield _decided(heading, label, "yes", "yes" if holds else "no", found, holds, jobs)


def _families_of(values: Sequence[PublishedValue]) -> list[str]:
    return list(dict.fromkeys(item.family for item in values))


def _gap(heading: Heading, scores: Scores, proposed: str) -> Claim:
    """Whose generalisation gap is smaller, with training errors on what each model was fitted on, as published."""
    label = f"smaller gap, week {GAP_WEEK}"
    names = {item.runner: item.method for item in published.load(3)}
    winner = names[DUAL_BRANCH]
    gap = Measure("rmse", f"week:{GAP_WEEK}", minus="fitted")
    found = scores.difference(proposed, TABLE2_DENOMINATOR, gap)
    if found is None:
        return _unknown(heading, label, winner, ())
    row = scores.row(proposed)
    name = winner if row is None or proposed == DUAL_BRANCH else row.title
    holds = found.value < 0
    jobs = jobs_of(scores, proposed, TABLE2_DENOMINATOR)
    return Claim(
        heading,
        label,
        winner,
        name if holds else names[TABLE2_DENOMINATOR],
        interval_value(found),
        _judged(found, 0.0, holds),
        jobs,
    )


@dataclass(frozen=True)
class Model:
    """A published model that this store has results of.

    Attributes:
        item: the printed error.
        runner: whose results stand for it.
        error: ours.
    """

    item: PublishedValue
    runner: str
    error: float


def _models(values: Sequence[PublishedValue], scores: Scores, proposed: str) -> list[Model]:
    """The published models that this store has results of, the paper's own in the form of `proposed`."""
    found = []
    for item in values:
        runner = proposed if item.runner == DUAL_BRANCH else item.runner
        number = scores.number(runner, _measure(item))
        if number is not None:
            found.append(Model(item, runner, number.value))
    return found


def _measure(item: PublishedValue) -> Measure:
    return Measure("rmse", "all" if item.week is None else f"week:{item.week}")


def _jobs(scores: Scores, models: Sequence[Model]) -> tuple[str, ...]:
    return jobs_of(scores, *(model.runner for model in models))


def _unknown(heading: Heading, label: str, answer: str | float, jobs: tuple[str, ...]) -> Claim:
    return Claim(heading, label, answer, None, None, "cannot say", jobs)


def _decided(
    heading: Heading, label: str, answer: str, ours: str, found: Interval | None, holds: bool, jobs: tuple[str, ...]
) -> Claim:
    """A claim that a ratio decides; two rows without a common sample of cells have none."""
    if found is None:
        return Claim(heading, label, answer, ours, None, "cannot say", jobs)
    return Claim(heading, label, answer, ours, interval_value(found), _judged(found, 1.0, holds), jobs)


def _judged(found: Interval, boundary: float, holds: bool) -> Outcome:
    """Cannot say where the interval holds the boundary between the paper's answer and another one."""
    if not found.excludes(boundary):
        return "cannot say"
    return "reproduced" if holds else "not reproduced"


def spearman(theirs: Doubles, ours: Doubles) -> Doubles:
    """(draws,) rank correlation of (model,) published with (model, draws) own errors; ties have their mean rank."""
    from scipy.stats import rankdata

    first, second = rankdata(theirs), rankdata(ours, axis=0)
    first = first - first.mean()
    second = second - second.mean(axis=0)
    scale = np.sqrt((first**2).sum() * (second**2).sum(axis=0))
    return np.asarray(first @ second / scale)


def _with(scores: Scores, proposed: str) -> str:
    row = scores.row(proposed)
    return "" if proposed == DUAL_BRANCH or row is None else f", with {row.title}"


def stand_ins(scores: Scores, runner: str) -> list[str]:
    """A published model's own runner, and those of our variants of it that have results."""
    return [name for name in published.variants(runner) if name == runner or scores.row(name) is not None]


def title(scores: Scores, runner: str, item: PublishedValue) -> str:
    """The paper's name of a model, or our title of a variant that stands in for it."""
    row = scores.row(runner)
    return item.method if runner == item.runner or row is None else row.title


def jobs_of(scores: Scores, *runners: str) -> tuple[str, ...]:
    """Ids of the jobs behind the scores of some runners."""
    rows = [scores.row(runner) for runner in runners]
    return tuple(record.job_id for row in rows if row is not None for record in row.records)
