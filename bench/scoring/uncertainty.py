"""Intervals and tests from sums per spatial block: a moving-window bootstrap over places, repetitions and test years.

`docs/uncertainty.md` argues the assumptions in plain words; `tools/coverage.py` measures how often the intervals hold.

- Places. Windows of `WINDOW_BLOCKS` × `WINDOW_BLOCKS` blocks, laid at every position where they touch a block, are
  drawn with replacement (moving blocks: Künsch 1989; in the plane: Hall 1985). They give the shape of the deviations.
  How large deviations are follows from the influence of each block on the number and from how far influences go
  together (`bench.scoring.places`); each draw has one of the correlation lengths that the data allow. n blocks know
  the variance of their influences with n − 1 degrees of freedom.
- Repetitions (seeds, and few-shot the samples of cells) and test years are few: they are drawn with replacement, and
  the deviation is widened by √(n ÷ (n − 1)), which drawing from n leaves out.
- The parts of a deviation (places, repetitions, years) add up. n repetitions know their own variance with n − 1
  degrees of freedom only; the degrees of freedom of the sum are Welch's (1947), and dividing every deviation by
  √(χ²_df ÷ df), drawn anew, turns a normal distribution into Student's t.
- An interval is the number ± the 95 % quantile of the absolute deviation (symmetric: Hall 1988), of the logarithm where
  the number is positive; the p-value is the share of deviations that are at least as large as the number.

All draws come from fixed seeds and are shared by all models, so that differences are paired.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from bench.arrays import Doubles
from bench.scoring.draws import NUDGE, BlockDraws, stream
from bench.scoring.interval import Interval
from bench.scoring.places import LENGTHS, Deviation, correlation, distances, place_model
from bench.scoring.samples import Sample

CONFIDENCE = 0.95
_LOST_DRAWS = 0.1
"""Share of draws that may be undefined (no variation in R²) before nothing is said."""


def infer(
    function: Callable[..., Doubles], samples: Sequence[Sample], blocks: BlockDraws, *, positive: bool = False
) -> Interval:
    """A function of the means of samples over their repetitions, with its interval.

    Args:
        function: of one array per sample, such as a difference or a ratio of two.
        samples: of the same blocks and years.
        blocks: the draws that the samples were taken under.
        positive: the number is positive and the interval is taken of its logarithm, the p-value for 1.

    Returns:
        The interval; unknown where there are fewer than `bench.scoring.places.FEWEST_BLOCKS` blocks.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        number = float(function(*[np.array([item.value]) for item in samples])[0])
        positive = positive and number > 0  # an error of exactly 0 has no logarithm

        def of(parts: Sequence[Doubles]) -> Doubles:
            result = np.asarray(function(*parts))
            return np.log(result) if positive else result

        value = np.log(number) if positive else number
        means = [item.under_blocks for item in samples]
        base = of(means)
        influences = (of([item.nudged for item in samples]) - value) / NUDGE
        shares = np.mean([item.shares for item in samples], axis=0)
        spread = _places(base - value, influences, shares, blocks)
        if spread is None:
            return Interval(number)
        parts = [(spread, float((shares > 0).sum() - 1))]
        n_years = max(item.n_years for item in samples)
        if n_years > 1:
            under = [item.under_blocks if item.under_years is None else item.under_years for item in samples]
            redrawn = of(under)
            parts.append(((redrawn - base) * math.sqrt(n_years / (n_years - 1)), n_years - 1))
        for group in dict.fromkeys(item.group for item in samples):
            n = _repetitions(samples, group)
            if n > 1:
                drawn = [item.redrawn if item.group == group else item.under_blocks for item in samples]
                parts.append(((of(drawn) - base) * math.sqrt(n / (n - 1)), n - 1))
        deviation = with_students_tails(parts)
    return interval_of(number, deviation, positive=positive)


def interval_of(number: float, deviation: Doubles, *, positive: bool = False) -> Interval:
    """The interval of a number with its p-value.

    Args:
        number: the number.
        deviation: (draws,) of the number, or of its logarithm; NaN where a draw is undefined.
        positive: deviations are of the logarithm, and the p-value is for 1.

    Returns:
        The interval; unknown where more than a tenth of the draws are undefined.
    """
    value = math.log(number) if positive else number
    size = np.sort(np.abs(deviation[np.isfinite(deviation)]))
    if len(size) < (1 - _LOST_DRAWS) * len(deviation):
        return Interval(number)
    half = float(np.quantile(size, CONFIDENCE))
    p = (1 + int((size >= abs(value)).sum())) / (1 + len(size))
    low, high = value - half, value + half
    if positive:
        with np.errstate(over="ignore"):  # two repetitions far apart leave no upper end
            low, high = np.exp(low), np.exp(high)
    return Interval(number, float(low), float(high), p)


def _repetitions(samples: Sequence[Sample], group: str) -> int:
    """Number of repetitions of a group that can be drawn together; 1 where one of its samples has a single one.

    Raises:
        ValueError: samples of the group have several, but not the same number.
    """
    numbers = {item.n for item in samples if item.group == group}
    if min(numbers) > 1 and len(numbers) > 1:
        raise ValueError(f"Samples of group {group!r} have {sorted(numbers)} repetitions; only common ones are paired.")
    return min(numbers)


def _places(deviation: Doubles, influences: Doubles, shares: Doubles, blocks: BlockDraws) -> Doubles | None:
    """(draws,) deviations as large as the influences of the blocks say; None for too few blocks.

    Args:
        deviation: (draws,) under redrawn blocks.
        influences: (blocks,) of the blocks on the number.
        shares: (blocks,) of the samples.
        blocks: the draws.
    """
    here = shares > 0
    model = place_model(blocks.blocks[here], shares[here])
    if model is None:
        return None
    finite = deviation[np.isfinite(deviation)]
    low, middle, high = np.quantile(finite, [0.1587, 0.5, 0.8413]) if len(finite) else np.zeros(3)
    # Of a normal distribution the standard deviation; a few draws far off shall not make all others look small.
    spread = float(high - low) / 2 or (float(finite.std()) if len(finite) else 0.0)
    if spread == 0:
        return deviation
    found = model.deviation(influences[here])
    sizes = spread * _widening(blocks, shares) if found is None else found.drawn(len(deviation))
    return np.asarray((deviation - middle) / spread * sizes)


def _widening(blocks: BlockDraws, shares: Doubles) -> Doubles:
    """(draws,) by how much the draws' deviations are too small, every correlation length as likely as another.

    For numbers that blocks have no small influence on, such as a rank correlation of models: it jumps or stays.
    """
    apart = distances(blocks.blocks, blocks.blocks)
    counted = blocks.weights - blocks.weights.mean(axis=0)
    counted = (counted - (counted @ shares)[:, None]) * shares  # influences of blocks add up to 0
    together = counted.T @ counted / len(counted)
    factors = []
    for length in LENGTHS:
        covariance = correlation(apart, length)
        factors.append(math.sqrt(float(shares @ covariance @ shares) / float((together * covariance).sum())))
    return Deviation(np.full(len(LENGTHS), 1 / len(LENGTHS)), np.array(factors)).drawn(len(blocks.weights))


def with_students_tails(parts: Sequence[tuple[Doubles, float]]) -> Doubles:
    """(draws,) sum of the parts of a deviation, each with its degrees of freedom, spread like Student's t."""
    variances = np.array([part[np.isfinite(part)].var() if np.isfinite(part).any() else 0.0 for part, _ in parts])
    freedoms = np.array([freedom for _, freedom in parts])
    freedom = variances.sum() ** 2 / (variances**2 / freedoms).sum() if variances.sum() > 0 else freedoms[0]
    deviation = np.sum([part for part, _ in parts], axis=0)
    return np.asarray(deviation * np.sqrt(freedom / stream("tails").chisquare(freedom, len(deviation))))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number (Holm 1979, Scandinavian Journal of Statistics 6, 65–70); NaN stays NaN."""
    known = [index for index, p in enumerate(p_values) if p == p]
    corrected = [float("nan")] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(known, key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, (len(known) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected
