"""Agreement of an explanation with the truth: five scores as functions of sums per spatial block.

Arrays are (cell, step, feature). Each score is a function of sums that add over blocks, as the metrics of
`bench.scoring.metrics` are, so that the block bootstrap is one matrix product. For the rank correlation over places the
ranks are those of the whole sample, and a draw is the correlation of these ranks over the drawn blocks: ranking every
draw anew would take a thousand times as long, and ranks of thousands of places hardly depend on which are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from bench.arrays import Doubles, Mask, Reals

SIGN, PLACES, STEPS, FEATURES, DOMINANT = "sign", "places", "steps", "features", "dominant"
SCORES = (SIGN, PLACES, STEPS, FEATURES, DOMINANT)
NEGLIGIBLE = 0.05
"""A true value is taken as 0 below this share of the root mean square of the feature that matters most."""
FEWEST_PLACES, FEWEST_STEPS = 10, 3
"""Cells (steps) of which a rank correlation over places (steps) is taken at least."""


class BlockwiseScore(Protocol):
    """A score as sums per spatial block."""

    def of(self, weights: Doubles) -> Doubles:
        """(draws,) the score where each block counts as often as ``weights`` (draws, block) says; NaN for nothing."""


@dataclass(frozen=True)
class MeanScore:
    """A mean over samples.

    Attributes:
        total: (block,) sum of the values.
        count: (block,) number of values.
    """

    total: Doubles
    count: Doubles

    def of(self, weights: Doubles) -> Doubles:
        """See `BlockwiseScore`."""
        count = weights @ self.count
        return np.where(count > 0, weights @ self.total / np.maximum(count, 1e-300), np.nan)


@dataclass(frozen=True)
class MeanCorrelation:
    """The mean of many correlations over cells.

    Attributes:
        moments: (6, block, pair) sums over cells of 1, a, b, a², b² and ab.
    """

    moments: Doubles

    def of(self, weights: Doubles) -> Doubles:
        """See `BlockwiseScore`; a pair whose explanation does not vary counts as 0."""
        if self.moments.shape[2] == 0:
            return np.full(len(weights), np.nan)
        n, a, b, aa, bb, ab = np.matmul(weights, self.moments)
        with np.errstate(divide="ignore", invalid="ignore"):
            # NaN where no cell was drawn
            covariance, of_a, of_b = ab - a * b / n, aa - a**2 / n, bb - b**2 / n
            correlation = covariance / np.sqrt(of_a * of_b)
        # Ranks are within ±0.5: less variation than this is rounding.
        varies = (of_a > 1e-9 * n) & (of_b > 1e-9 * n)
        drawn = n > 0
        mean: Doubles = np.where(varies, correlation, 0.0).sum(axis=1) / np.maximum(drawn.sum(axis=1), 1)
        return np.where(drawn.any(axis=1), mean, np.nan)


def negligible(truth: Reals, counted: Mask) -> float:
    """Below which a true value is taken as 0.

    Args:
        truth: (cell, step, feature), of the whole test year, so that all models and suites share it.
        counted: (cell, step) which samples count.
    """
    squares = np.square(truth[counted], dtype=np.float64)
    return NEGLIGIBLE * float(np.sqrt(squares.mean(axis=0)).max()) if len(squares) else 0.0


def agreement(
    weights: Reals,
    truth: Reals,
    counted: Mask,
    block: npt.NDArray[np.int64],
    n_blocks: int,
    threshold: float,
    *,
    signed: bool,
) -> Mapping[str, BlockwiseScore]:
    """The scores of one explanation; one that makes no sense or has no sample is left out.

    Args:
        weights: (cell, step, feature) importance weights of the climate features, finite where they count.
        truth: same shape.
        counted: (cell, step) which samples count.
        block: (cell,) index of each cell's spatial block, in 0 … n_blocks − 1.
        n_blocks: number of blocks, those without a cell included.
        threshold: from `negligible`.
        signed: False for shares, which are compared with |truth| and have no sign.

    Returns:
        score → sums: ``sign`` (share of equal signs where the truth is not negligible), ``places``, ``steps`` and
        ``features`` (mean Spearman correlation over cells, over steps, and of absolute values over features) and
        ``dominant`` (share of samples whose largest |weight| is at the feature of the largest |truth|).
    """
    size, true_size = np.abs(weights), np.abs(truth)
    if not signed:
        weights, truth = size, true_size
    member = np.zeros((n_blocks, len(block)))
    member[block, np.arange(len(block))] = 1.0

    def mean_score(values: Doubles, valid: Any) -> MeanScore:
        """Values and their validity, both (cell, …), summed per block."""
        axes = tuple(range(1, valid.ndim))
        return MeanScore(member @ np.where(valid, values, 0.0).sum(axis=axes), member @ valid.sum(axis=axes))

    matters = (true_size > threshold) & counted[:, :, None]
    relevant = matters.any(axis=2)
    scores: dict[str, BlockwiseScore] = {}
    if signed:
        scores[SIGN] = mean_score((np.sign(weights) == np.sign(truth)).astype(np.float64), matters)
    known, true = (np.where(counted[:, :, None], values, np.nan) for values in (weights, truth))
    # (step, feature): where there is something to rank
    pairs = (_spread(truth, counted, axis=0) > threshold) & (counted.sum(axis=0) >= FEWEST_PLACES)[:, None]
    within = np.broadcast_to(counted[:, :, None], truth.shape)[:, pairs].astype(np.float64)
    moments = [_ranks(values[:, pairs], axis=0) for values in (known, true)]
    scores[PLACES] = MeanCorrelation(_moments(member, within, *moments))
    if truth.shape[1] >= FEWEST_STEPS:
        over_steps = _correlation(_ranks(known, axis=1), _ranks(true, axis=1), axis=1)
        enough = (counted.sum(axis=1) >= FEWEST_STEPS)[:, None]
        scores[STEPS] = mean_score(over_steps, (_spread(truth, counted, axis=1) > threshold) & enough)
    if truth.shape[2] > 2:
        over_features = _correlation(_ranks(size, axis=2), _ranks(true_size, axis=2), axis=2)
        scores[FEATURES] = mean_score(over_features, relevant)
    named = np.argmax(size, axis=2) == np.argmax(true_size, axis=2)
    scores[DOMINANT] = mean_score(named.astype(np.float64), relevant)
    return scores


def _ranks(values: Reals, axis: int) -> Doubles:
    """Ranks along an axis, equal values sharing theirs, centred and within ±0.5; 0 for NaN, which has no rank."""
    from scipy.stats import rankdata  # takes a second to import, which most reports need not spend

    n = np.isfinite(values).sum(axis=axis, keepdims=True)
    ranks = (rankdata(values, axis=axis, nan_policy="omit") - (n + 1) / 2) / np.maximum(n, 1)
    return np.asarray(np.nan_to_num(ranks))


def _spread(values: Reals, counted: Mask, axis: int) -> Doubles:
    """Standard deviation along the axis of cells or steps over the samples that count; 0 without any."""
    weight = counted[:, :, None].astype(np.float64)
    n = np.maximum(weight.sum(axis=axis, keepdims=True), 1.0)
    mean = (values * weight).sum(axis=axis, keepdims=True) / n
    variance = ((values - mean) ** 2 * weight).sum(axis=axis, keepdims=True) / n
    return np.asarray(np.sqrt(variance).squeeze(axis))


def _correlation(a: Doubles, b: Doubles, axis: int) -> Doubles:
    """Correlation of centred ranks along an axis; 0 where one of them does not vary."""
    product = np.sqrt((a**2).sum(axis=axis) * (b**2).sum(axis=axis))
    return np.where(product > 0, (a * b).sum(axis=axis) / np.maximum(product, 1e-300), 0.0)


def _moments(member: Doubles, counted: Doubles, a: Doubles, b: Doubles) -> Doubles:
    """(6, block, pair) sums over cells, from which samples count and ranks (cell, pair)."""
    return np.stack([member @ values for values in (counted, a, b, a**2, b**2, a * b)])
