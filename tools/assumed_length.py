"""Intervals as they were before the correlation length came from the data, for comparison in ``coverage.csv``.

Squared errors were taken to lose their correlation as exp(−distance ÷ `ASSUMED_DEGREES`) whatever the number: the
variance of the windows' draws was enlarged by what they miss of that, and known with the degrees of freedom of
independent blocks (Bell & McCaffrey 2002).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from bench.scoring.draws import WINDOW_BLOCKS
from bench.scoring.metrics import BLOCK_COLUMNS, BLOCK_DEGREES
from bench.scoring.samples import Sample
from bench.scoring.uncertainty import CONFIDENCE

ASSUMED_DEGREES = 1.1
Floats = npt.NDArray[np.float64]


def assumed_interval(
    function: Callable[..., Floats], samples: Sequence[Sequence[Sample]], correction: tuple[float, float]
) -> tuple[float, float]:
    """Ends of the interval of a function of several rows.

    Args:
        function: of one array per row.
        samples: per row and seed, under the same draws.
        correction: that of `small_sample` for the draws' blocks.
    """
    factor, freedom = correction
    drawn = [np.stack([seed.under_blocks for seed in row]) for row in samples]
    means = [row.mean(axis=0) for row in drawn]
    value = float(function(*[np.mean([seed.value for seed in row], keepdims=True) for row in samples])[0])
    base = function(*means)
    variances, freedoms = [float((base - value).var()) * factor], [freedom]
    for index, row in enumerate(drawn):
        n = len(row)
        if n > 1:
            parts = [np.delete(row, seed, axis=0).mean(axis=0) for seed in range(n)]
            without = [function(*[part if at == index else mean for at, mean in enumerate(means)]) for part in parts]
            variances.append(float((n - 1) * np.var([own.mean() for own in without])))
            freedoms.append(n - 1)
    total = sum(variances)
    welch = total**2 / sum(own**2 / known for own, known in zip(variances, freedoms, strict=True))
    half = float(student.ppf((1 + CONFIDENCE) / 2, welch)) * math.sqrt(total)
    return value - half, value + half


def small_sample(blocks: npt.NDArray[np.int64]) -> tuple[float, float]:
    """True ÷ expected variance of the draws of a mean over blocks, and the degrees of freedom of the latter.

    With the kernel K of the windows, the centring M = I − 11ᵀ ÷ n and the assumed correlation S the draws' variance is
    uᵀMKMu, its expectation tr(MKMS) instead of 1ᵀS1; Satterthwaite's degrees of freedom are tr(MKM)² ÷ tr(MKMMKM).
    """
    n = len(blocks)
    row, column = np.divmod(blocks, BLOCK_COLUMNS)
    north = row[:, None] - row
    east = (column[:, None] - column + BLOCK_COLUMNS // 2) % BLOCK_COLUMNS - BLOCK_COLUMNS // 2
    kernel = np.clip(1 - np.abs(north) / WINDOW_BLOCKS, 0, 1) * np.clip(1 - np.abs(east) / WINDOW_BLOCKS, 0, 1)
    shrunk = np.cos(np.radians((row + 0.5) * BLOCK_DEGREES - 90))
    degrees = BLOCK_DEGREES * np.hypot(north, east * np.sqrt(np.outer(shrunk, shrunk)))
    assumed = np.exp(-degrees / ASSUMED_DEGREES)
    centred = np.eye(n) - 1 / n
    middle = centred @ kernel @ centred
    return float(assumed.sum() / (middle * assumed).sum()), float(np.trace(middle) ** 2 / (middle**2).sum())
