"""Intervals from sums per tower: a bootstrap over towers and repetitions.

Towers are the sample of a flux table: each of them is another place with another ecosystem, and whoever uses a model
uses it at a place that is none of them. So whole towers are drawn with replacement, all months of a tower together,
and a metric of a draw is the metric of the added sums. Towers that are near each other err alike, so they are drawn
together, as they are tested together (a bootstrap of clusters: Cameron, Gelbach & Miller 2008).

- The same draws serve all rows, so that ratios of two rows are paired.
- Drawing n of n groups of near towers leaves out a factor √(n ÷ (n − 1)) of the deviation; n groups know their own
  variance with n − 1 degrees of freedom.
- Repetitions (seeds) are drawn likewise, and the parts of the deviation are put together as in
  `bench.scoring.uncertainty`, which also makes the interval of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from bench.arrays import Doubles
from bench.scoring.draws import DRAWS, counts_of, stream
from bench.scoring.interval import Interval
from bench.scoring.metrics import METRICS, STATISTICS
from bench.scoring.uncertainty import interval_of, with_students_tails

Towers = npt.NDArray[np.int64]

FEWEST_GROUPS = 10
"""Groups of near towers below which they say too little about their own variance for an interval."""
MEDIAN_R2 = "median_r2"
"""Name of the median over towers of each tower's own R², as CarbonBench reports it."""


@dataclass(frozen=True)
class TowerSums:
    """Sums of one row over the months of each tower.

    Attributes:
        towers: (tower,) ids, ascending, of the towers with at least one month.
        values: (repetition, statistic, tower) in the order of `bench.scoring.metrics.STATISTICS`.
        near: (tower,) group of each tower: those of one group are drawn together; None for each tower alone.
        group: rows of one group share their repetitions, which are then the same; those of different groups have their
            own.
    """

    towers: Towers
    values: Doubles
    near: Towers | None = None
    group: str = ""

    def same_towers(self, other: TowerSums) -> bool:
        """Whether two rows have the same towers, and the same number of months at each of them."""
        months = STATISTICS.index("n")
        return np.array_equal(self.towers, other.towers) and np.array_equal(
            self.values[0, months], other.values[0, months]
        )


def group_draws(n_groups: int, draws: int = DRAWS) -> Doubles:
    """(draws, groups) how often each group of towers is drawn; the same for all who ask for as many."""
    return _group_draws(n_groups, draws)


@lru_cache(maxsize=16)
def _group_draws(n_groups: int, draws: int) -> Doubles:
    share = np.full(n_groups, 1 / n_groups)
    return stream("towers", n_groups).multinomial(n_groups, share, draws).astype(np.float64)


def infer_towers(
    function: Callable[..., Doubles], metric: str, terms: Sequence[TowerSums], *, positive: bool = False
) -> Interval | None:
    """A function of one metric of some rows, with its interval.

    Args:
        function: of one array per row, the mean of its metric over repetitions, such as a ratio of two.
        metric: name in `bench.scoring.metrics.METRICS`, or `MEDIAN_R2`.
        terms: the rows.
        positive: the number is positive and the interval is taken of its logarithm, the p-value for 1.

    Returns:
        The interval, unknown where there are fewer than `FEWEST_GROUPS` groups of near towers; None where rows have no
        tower, or not the same ones, so that nothing can be said of both.
    """
    first = terms[0]
    if not len(first.towers) or not all(first.same_towers(other) for other in terms[1:]):
        return None
    near = np.arange(len(first.towers)) if first.near is None else np.unique(first.near, return_inverse=True)[1]
    n_groups = int(near.max()) + 1
    with np.errstate(divide="ignore", invalid="ignore"):
        once = np.ones((1, len(first.towers)))
        number = float(function(*[_metric(metric, term.values, once).mean(axis=0) for term in terms])[0])
        if not math.isfinite(number) or (positive and number <= 0) or n_groups < FEWEST_GROUPS:
            return Interval(number)  # an error of exactly 0 has no logarithm

        def of(parts: Sequence[Doubles]) -> Doubles:
            result = np.asarray(function(*parts))
            return np.log(result) if positive else result

        counts = group_draws(n_groups)[:, near]
        drawn = [_metric(metric, term.values, counts) for term in terms]
        base = of([own.mean(axis=0) for own in drawn])
        value = math.log(number) if positive else number
        parts = [((base - value) * math.sqrt(n_groups / (n_groups - 1)), float(n_groups - 1))]
        for group in dict.fromkeys(term.group for term in terms):
            n = next(len(term.values) for term in terms if term.group == group)
            if n > 1:
                share = counts_of(n, len(counts), group) / n
                redrawn = [
                    (own * share).sum(axis=0) if term.group == group else own.mean(axis=0)
                    for own, term in zip(drawn, terms, strict=True)
                ]
                parts.append(((of(redrawn) - base) * math.sqrt(n / (n - 1)), float(n - 1)))
        deviation = with_students_tails(parts)
    return interval_of(number, deviation, positive=positive)


def _metric(name: str, values: Doubles, counts: Doubles) -> Doubles:
    """(repetition, draw) a metric where each tower counts as often as ``counts`` (draw, tower) says.

    Args:
        name: of the metric.
        values: (repetition, statistic, tower) sums.
        counts: (draw, tower).
    """
    if name == MEDIAN_R2:
        own = METRICS["r2"].of(dict(zip(STATISTICS, np.moveaxis(values, 1, 0), strict=True)))  # (repetition, tower)
        return np.stack([_weighted_median(row, counts) for row in own])
    sums = np.moveaxis(values @ counts.T, 1, 0)  # (statistic, repetition, draw)
    return METRICS[name].of(dict(zip(STATISTICS, sums, strict=True)))


def _weighted_median(values: Doubles, counts: Doubles) -> Doubles:
    """(draw,) median of (tower,) values, each as often as ``counts`` (draw, tower) says; NaN values are left out."""
    known = np.isfinite(values)
    order = np.argsort(values[known])
    ordered, upto = values[known][order], np.cumsum(counts[:, known][:, order], axis=1)
    if not len(ordered):
        return np.full(len(counts), np.nan)
    total = upto[:, -1:]
    low = (upto < np.floor((total + 1) / 2)).sum(axis=1)
    high = (upto < np.floor((total + 2) / 2)).sum(axis=1)
    last = len(ordered) - 1
    middle = (ordered[np.minimum(low, last)] + ordered[np.minimum(high, last)]) / 2
    return np.where(total[:, 0] > 0, middle, np.nan)


def sums_of_values(
    towers: Towers, count: Doubles, total: Doubles, near: Towers | None = None, group: str = ""
) -> TowerSums:
    """Sums whose metric ``mae`` is the mean of some values, such as a score of months or whether an interval held.

    Args:
        towers: (tower,) ids.
        count: (repetition, tower) values of each tower.
        total: (repetition, tower) sum of its values.
        near: as in `TowerSums`.
        group: as in `TowerSums`.
    """
    values = np.zeros((len(count), len(STATISTICS), len(towers)))
    for name, own in (("n", count), ("weight", count), ("absolute_error", total)):
        values[:, STATISTICS.index(name)] = own
    return TowerSums(towers, values, near, group)
