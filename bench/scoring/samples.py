"""Metrics of one row under the draws, summed over repetitions as they come: memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.arrays import Doubles
from bench.scoring.draws import NUDGE, BlockDraws, counts_of
from bench.scoring.metrics import METRICS, STATISTICS

_NUMBERS_AT_ONCE = 1_000_000
"""Sums under draws that are in memory together (8 MB), however many repetitions there are."""


_TOGETHER_FROM = 32
"""Repetitions from which on all are multiplied at once: some times as fast, and rounded otherwise in the twelfth digit,
which no table of a usual number of seeds shall depend on."""
_Found = tuple[Doubles, Doubles, Doubles, Doubles | None]


@dataclass(frozen=True)
class Sample:
    """A metric of one row: the mean over its repetitions, over all samples and under the draws.

    Attributes:
        value: over all samples.
        under_blocks: (draws,) under redrawn blocks.
        nudged: (blocks,) with one block after the other counted a little more (`BlockDraws.nudged`).
        shares: (blocks,) weight of each block in the number, 0 where it has no sample.
        redrawn: (draws,) under redrawn blocks and repetitions.
        n: repetitions.
        under_years: (draws,) under redrawn blocks and test years; None with a single test year.
        n_years: test years.
        group: samples of one group share their repetitions, those of different groups have their own.
    """

    value: float
    under_blocks: Doubles
    nudged: Doubles
    shares: Doubles
    redrawn: Doubles
    n: int = 1
    under_years: Doubles | None = None
    n_years: int = 1
    group: str = ""


def sample_of(values: Doubles, under_blocks: Doubles, nudged: Doubles, shares: Doubles, group: str = "") -> Sample:
    """The sample of a number that is no metric of `METRICS`.

    Args:
        values: (repetitions,) over all samples.
        under_blocks: (repetitions, draws) under redrawn blocks.
        nudged: (repetitions, blocks) with one block after the other counted a little more.
        shares: (blocks,) as in `Sample`.
        group: as in `Sample`.
    """
    means = _Means(len(values), under_blocks.shape[1], group)
    means.add(values, under_blocks, nudged)
    return means.sample(shares)


def samples_of(
    sums: Sequence[Doubles], blocks: BlockDraws, group: str = "", metrics: Iterable[str] = METRICS
) -> dict[str, Sample]:
    """Metrics of one row under the draws.

    Args:
        sums: per repetition, (statistics, years, blocks) sums in the order of `STATISTICS`; one year where years are
            not told apart.
        blocks: draws of these blocks.
        group: as in `Sample`.
        metrics: names in `METRICS`; each has the same sample whatever others are asked for.
    """
    n_years, draws = sums[0].shape[1], len(blocks.weights)
    means = {name: _Means(len(sums), draws, group, n_years) for name in metrics}
    size = max(1, _NUMBERS_AT_ONCE // (len(STATISTICS) * n_years * draws))
    for start in range(0, len(sums), size):
        some = np.stack(sums[start : start + size])
        for name, (values, under_blocks, nudged, under_years) in _metrics(some, blocks, means):
            means[name].add(values, under_blocks, nudged, under_years)
    weight = sums[0][STATISTICS.index("weight")].sum(axis=0)
    return {name: own.sample(weight / weight.sum()) for name, own in means.items()}


class _OnDemand(dict[str, Doubles]):
    """Sums by name, of which each is made when a metric first needs it.

    Args:
        add: adds the sum of a name.
    """

    def __init__(self, add: Callable[[str], None]) -> None:
        super().__init__()
        self._add = add

    def __missing__(self, name: str) -> Doubles:
        self._add(name)
        return self[name]


def _metrics(sums: Doubles, blocks: BlockDraws, names: Iterable[str]) -> Iterator[tuple[str, _Found]]:
    """Metrics of some repetitions: over all samples, under redrawn blocks, nudged blocks, and redrawn years.

    Args:
        sums: (repetitions, statistics, years, blocks).
        blocks: draws of these blocks.
        names: of the metrics.
    """
    n, _, n_years, n_blocks = sums.shape
    draws = len(blocks.weights)
    years = counts_of(n_years, draws, "years") / n_years

    def add(name: str) -> None:
        own = sums[:, STATISTICS.index(name)]
        if (own == own[:1]).all():  # of the targets, which repetitions have in common: multiplied once
            own = own[:1]
        whole, of_blocks = own.sum(axis=(1, 2)), own.sum(axis=1)
        if n < _TOGETHER_FROM:
            drawn = own @ blocks.weights.T
        else:
            drawn = (own.reshape(-1, n_blocks) @ blocks.weights.T).reshape(len(own), n_years, draws)
        for table, values in zip(
            tables,
            (
                whole,
                drawn.sum(axis=1) if n_years > 1 else drawn[:, 0],
                whole[:, None] + NUDGE * of_blocks,
                (drawn * years).sum(axis=1) if n_years > 1 else np.zeros(0),
            ),
            strict=True,
        ):
            table[name] = values

    tables = [_OnDemand(add) for _ in range(4)]
    for name in names:
        metric = METRICS[name]
        with np.errstate(divide="ignore", invalid="ignore"):
            values, under_blocks, nudged = (
                np.broadcast_to(metric.of(table), (n, *size))
                for table, size in zip(tables, ((), (draws,), (n_blocks,)), strict=False)
            )
            under_years = np.broadcast_to(metric.of(tables[3]), (n, draws)) if n_years > 1 else None
        yield name, (values, under_blocks, nudged, under_years)


class _Means:
    """Means over repetitions that are added some at a time, each in its turn.

    Args:
        n: number of repetitions.
        draws: number of draws.
        group: as in `Sample`.
        n_years: test years.
    """

    def __init__(self, n: int, draws: int, group: str, n_years: int = 1) -> None:
        self._n, self._group, self._n_years = n, group, n_years
        self._values: list[npt.NDArray[np.float64]] = []
        self._counts = counts_of(n, draws, group)
        self._added = 0
        self._under_blocks, self._redrawn, self._under_years = np.zeros((3, draws))
        self._nudged: Doubles = np.zeros(())

    def add(self, values: Doubles, under_blocks: Doubles, nudged: Doubles, under_years: Doubles | None = None) -> None:
        """Adds some repetitions; arrays as in `sample_of`, those under years (repetitions, draws)."""
        self._values.append(values)
        for drawn in under_blocks:
            self._under_blocks += drawn
            self._redrawn += drawn * (self._counts[self._added] / self._n)
            self._added += 1
        self._nudged = self._nudged + nudged.sum(axis=0)
        if under_years is not None:
            self._under_years += under_years.sum(axis=0)

    def sample(self, shares: Doubles) -> Sample:
        """The sample, once all repetitions are added."""
        n = self._n
        return Sample(
            float(np.concatenate(self._values).mean()),
            self._under_blocks / n,
            self._nudged / n,
            shares,
            self._redrawn,
            n,
            self._under_years / n if self._n_years > 1 else None,
            self._n_years,
            self._group,
        )
