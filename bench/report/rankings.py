"""Who is better than whom in the paper, and whether that holds here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from bench.report import published
from bench.report.published import PublishedValue
from bench.report.scores import Draws, Score, Scores, difference
from bench.report.selection import CONFIDENCE
from bench.report.tables import GAP_WEEK, TABLE2_DENOMINATOR

RANK_AGREEMENT = 0.5
"""Spearman's correlation from which on two orders of models count as the same in the large."""
FEWEST_RANKED = 4
"""Models below which a rank correlation says nothing."""


@dataclass(frozen=True)
class Claim:
    """A ranking that the paper prints.

    Attributes:
        heading: table that it stands under.
        label: what is ranked.
        published: the paper's answer.
        ours: ours; None where results are missing.
        interval: of a rank correlation.
        share: share of the bootstrap draws in which the paper's answer holds.
        verdict: whether it is reproduced.
        cells: ids behind ours.
    """

    heading: str
    label: str
    published: str | float
    ours: str | float | None
    interval: tuple[float, float] | None
    share: float | None
    verdict: Literal["reproduced", "not reproduced", "cannot say"]
    cells: tuple[str, ...]


def claims(suite: str, scores: Scores, sized: str = "") -> list[Claim]:
    """The rankings of a suite's tables; once with the paper's model, and once with each of our variants of it."""
    found: list[Claim] = []
    for proposed in stand_ins(scores, published.PROPOSED):
        with_variant = f"{_with(scores, proposed)}{sized}"
        if suite == "full":
            values = [item for item in published.load(1) if item.metric == "rmse"]
            found += _of_table(f"Table 1, rankings{with_variant}", "", values, scores, proposed)
            found += _families(f"Table 1, rankings{with_variant}", values, scores, proposed)
        else:
            values = [item for item in published.load(2) if item.metric == "rmse"]
            for week in dict.fromkeys(item.week for item in values):
                in_week = [item for item in values if item.week == week]
                found += _of_table(f"Table 2, rankings{with_variant}", f", week {week}", in_week, scores, proposed)
            found.append(_gap(f"Table 3, rankings{with_variant}", scores, proposed))
    return found


def _of_table(
    heading: str, where: str, values: Sequence[PublishedValue], scores: Scores, proposed: str
) -> Iterator[Claim]:
    models = _models(values, scores, proposed)
    winner = min(values, key=lambda item: item.value)
    cells = cells_of(scores, *(runner for _, runner, _ in models))
    if not any(item is winner for item, _, _ in models) or len(models) < 2:
        yield Claim(heading, f"lowest RMSE{where}", winner.method, None, None, None, "cannot say", cells)
    else:
        names = [title(scores, runner, item) for item, runner, _ in models]
        first = next(index for index, (item, _, _) in enumerate(models) if item is winner)
        errors = np.array([score.value for _, _, score in models])
        share = float(np.mean(np.stack([score.draws for _, _, score in models]).argmin(axis=0) == first))
        best = int(errors.argmin())
        yield Claim(
            heading,
            f"lowest RMSE{where}",
            winner.method,
            names[best],
            None,
            share,
            _judged(best == first, share),
            cells,
        )
    yield _rank_correlation(heading, f"rank correlation{where}", models, cells)


def _rank_correlation(
    heading: str, label: str, models: Sequence[tuple[PublishedValue, str, Score]], cells: tuple[str, ...]
) -> Claim:
    if len(models) < FEWEST_RANKED:
        return Claim(heading, label, 1.0, None, None, None, "cannot say", cells)
    theirs = np.array([item.value for item, _, _ in models])
    own = [score for _, _, score in models]
    draws = _spearman(theirs, np.stack([score.draws for score in own]))
    score = Score(float(_spearman(theirs, np.array([[item.value] for item in own]))[0]), draws)
    share = float(np.mean(draws >= RANK_AGREEMENT))
    verdict = _judged(score.value >= RANK_AGREEMENT, share)
    return Claim(heading, label, 1.0, score.value, score.interval(), share, verdict, cells)


def _families(heading: str, values: Sequence[PublishedValue], scores: Scores, proposed: str) -> Iterator[Claim]:
    """The order of the families, each by its best model: one claim for each two neighbours."""
    models = _models(values, scores, proposed)
    best = {family: min(item.value for item in values if item.family == family) for family in _families_of(values)}
    order = sorted(best, key=lambda family: best[family])
    for better, worse in pairwise(order):
        label = f"{better} before {worse}"
        sides = [[model for model in models if model[0].family == family] for family in (better, worse)]
        cells = cells_of(scores, *(runner for side in sides for _, runner, _ in side))
        if not all(sides):
            yield Claim(heading, label, "yes", None, None, None, "cannot say", cells)
            continue
        values_of = [min(score.value for _, _, score in side) for side in sides]
        draws_of = [np.min([score.draws for _, _, score in side], axis=0) for side in sides]
        holds, share = values_of[0] < values_of[1], float(np.mean(draws_of[0] < draws_of[1]))
        yield Claim(heading, label, "yes", "yes" if holds else "no", None, share, _judged(holds, share), cells)


def _families_of(values: Sequence[PublishedValue]) -> list[str]:
    return list(dict.fromkeys(item.family for item in values))


def _gap(heading: str, scores: Scores, proposed: str) -> Claim:
    """Whose generalisation gap is smaller, with training errors on what each model was fitted on, as published."""
    label = f"smaller gap, week {GAP_WEEK}"
    gaps = []
    for runner in (proposed, TABLE2_DENOMINATOR):
        test = scores.score(runner, group=f"week:{GAP_WEEK}")
        fitted = scores.score(runner, part="fitted", group=f"week:{GAP_WEEK}")
        gaps.append(None if test is None or fitted is None else difference(test, fitted))
    values = published.load(3)
    names = {item.runner: item.method for item in values}
    winner = names[published.PROPOSED]
    own, other = gaps
    if own is None or other is None:
        return Claim(heading, label, winner, None, None, None, "cannot say", ())
    apart = difference(own, other)
    share = float(np.mean(apart.draws < 0))
    row = scores.row(proposed)
    name = winner if row is None or proposed == published.PROPOSED else row.title
    ours = name if apart.value < 0 else names[TABLE2_DENOMINATOR]
    cells = cells_of(scores, proposed, TABLE2_DENOMINATOR)
    return Claim(heading, label, winner, ours, None, share, _judged(apart.value < 0, share), cells)


def _models(values: Sequence[PublishedValue], scores: Scores, proposed: str) -> list[tuple[PublishedValue, str, Score]]:
    """The published models that this store has results of, the paper's own in the form of `proposed`."""
    found = []
    for item in values:
        runner = proposed if item.runner == published.PROPOSED else item.runner
        score = scores.score(runner, group="all" if item.week is None else f"week:{item.week}")
        if score is not None:
            found.append((item, runner, score))
    return found


def _judged(holds: bool, share: float) -> Literal["reproduced", "not reproduced", "cannot say"]:
    """Reproduced where it holds and nearly all draws agree; not reproduced where it fails and nearly none does."""
    if holds and share >= (1 + CONFIDENCE) / 2:
        return "reproduced"
    if not holds and share <= (1 - CONFIDENCE) / 2:
        return "not reproduced"
    return "cannot say"


def _spearman(theirs: Draws, ours: Draws) -> Draws:
    """(draws,) rank correlation of (model,) published with (model, draws) own errors; ties have their mean rank."""
    from scipy.stats import rankdata

    first, second = rankdata(theirs), rankdata(ours, axis=0)
    first = first - first.mean()
    second = second - second.mean(axis=0)
    scale = np.sqrt((first**2).sum() * (second**2).sum(axis=0))
    return np.asarray(first @ second / scale)


def _with(scores: Scores, proposed: str) -> str:
    row = scores.row(proposed)
    return "" if proposed == published.PROPOSED or row is None else f", with {row.title}"


def stand_ins(scores: Scores, runner: str) -> list[str]:
    """A published model's own runner, and those of our variants of it that have results."""
    return [name for name in published.variants(runner) if name == runner or scores.row(name) is not None]


def title(scores: Scores, runner: str, item: PublishedValue) -> str:
    """The paper's name of a model, or our title of a variant that stands in for it."""
    row = scores.row(runner)
    return item.method if runner == item.runner or row is None else row.title


def cells_of(scores: Scores, *runners: str) -> tuple[str, ...]:
    """Ids of the cells behind the scores of some runners."""
    rows = [scores.row(runner) for runner in runners]
    return tuple(record.cell_id for row in rows if row is not None for record in row.records)
