"""Intervals and tests from sums per spatial block: a moving-window bootstrap over places, repetitions and test years.

`docs/uncertainty.md` argues the assumptions in plain words; `tools/coverage.py` measures how often the intervals hold.

- Places. Windows of `WINDOW_BLOCKS` × `WINDOW_BLOCKS` blocks, laid at every position where they touch a block, are
  drawn with replacement (moving blocks: Künsch 1989; in the plane: Hall 1985). The variance that this gives is
  Σ k(b, b') u_b u_b' with the Bartlett kernel k of the window (Conley 1999). It is too small by a factor that follows
  from the layout of the blocks and a correlation that falls off as exp(−distance ÷ `CORRELATION_DEGREES`), and it is
  itself known like a χ² variable of a few degrees of freedom, which also follow from the layout (Bell & McCaffrey
  2002). Deviations are corrected for both.
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
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from bench.errors import BenchError
from bench.scoring.metrics import BLOCK_COLUMNS, BLOCK_DEGREES, METRICS, STATISTICS
from bench.seeds import BOOTSTRAP_SEED

Floats = npt.NDArray[np.float64]
Blocks = npt.NDArray[np.int64]

DRAWS = 2000
"""Bootstrap draws: the smallest p-value is 1 ÷ 2001, which a correction for 50 comparisons leaves below 5 %."""
CONFIDENCE = 0.95
WINDOW_BLOCKS = 2
"""Edge of a window in blocks. Chosen, with the next number, by measured coverage (docs/uncertainty.md)."""
CORRELATION_DEGREES = 1.1
"""Assumed correlation length of squared errors; on `northchina` they fall to 1 ÷ e within about a degree."""
_LOST_DRAWS = 0.1
"""Share of draws that may be undefined (no variation in R²) before nothing is said."""


@dataclass(frozen=True)
class BlockDraws:
    """Draws of spatial blocks.

    Attributes:
        weights: (draws, blocks) how often each block is drawn.
        scale: small-sample correction, a factor of deviations.
        freedom: degrees of freedom of the variance between blocks; NaN for one block, which says nothing about others.
    """

    weights: Floats
    scale: float
    freedom: float


@dataclass(frozen=True)
class Sample:
    """A metric of one row: per repetition, over all samples and under the draws.

    Attributes:
        values: (repetitions,) over all samples.
        under_blocks: (repetitions, draws) under redrawn blocks.
        under_years: (repetitions, draws) under redrawn blocks and test years; None with a single test year.
        n_years: test years.
        group: samples of one group share their repetitions, those of different groups have their own.
    """

    values: Floats
    under_blocks: Floats
    under_years: Floats | None = None
    n_years: int = 1
    group: str = ""


@dataclass(frozen=True)
class Inference:
    """A number with its interval.

    Attributes:
        value: the number.
        low: lower end of its 95 % interval; NaN where nothing can be said.
        high: upper end.
        p: two-sided p-value of the hypothesis that the number is 0 (a ratio: 1).
    """

    value: float
    low: float
    high: float
    p: float

    def excludes(self, number: float) -> bool:
        """Whether the interval lies on one side of a number."""
        return self.low > number or self.high < number

    def within(self, least: float, most: float) -> Inference:
        """The same with the interval cut off where the number ends, such as −1 and 1 of a correlation."""
        return replace(self, low=float(np.clip(self.low, least, most)), high=float(np.clip(self.high, least, most)))


def block_draws(blocks: Blocks, draws: int = DRAWS, window: int = WINDOW_BLOCKS) -> BlockDraws:
    """Draws of the blocks of one layout; the same for everybody who asks for the same layout.

    Args:
        blocks: (blocks,) ids from `spatial_block`, ascending, each once.
        draws: number of draws.
        window: edge of a window in blocks.

    Raises:
        BenchError: there is no block.
    """
    if not len(blocks):
        raise BenchError("A bootstrap needs at least one spatial block; the selection is empty.")
    return _block_draws(np.ascontiguousarray(blocks, np.int64).tobytes(), draws, window)


@lru_cache(maxsize=16)
def _block_draws(layout: bytes, draws: int, window: int) -> BlockDraws:
    blocks = np.frombuffer(layout, np.int64)
    row, column = np.divmod(blocks, BLOCK_COLUMNS)
    steps = np.arange(window)
    anchor = (row - steps[:, None, None] + window) * BLOCK_COLUMNS + (column - steps[:, None]) % BLOCK_COLUMNS
    windows, position = np.unique(anchor.reshape(window**2, -1), return_inverse=True)
    position = position.reshape(window**2, -1)  # the windows that each block lies in
    n_windows, n_drawn = len(windows), max(1, round(len(windows) / window**2))
    generator = _stream("places")
    weights = np.zeros((draws, len(blocks)))
    for start in range(0, draws, 500):  # bounds the memory of the counts
        part = weights[start : start + 500]
        picked = generator.integers(0, n_windows, (len(part), n_drawn)) + n_windows * np.arange(len(part))[:, None]
        counts = np.bincount(picked.ravel(), minlength=len(part) * n_windows).reshape(len(part), n_windows)
        for inside in position:
            part += counts[:, inside]
    correction, freedom = _small_sample(blocks, window)
    drawn_share = n_drawn * window**2 / n_windows  # differs from 1 by rounding only
    return BlockDraws(weights, math.sqrt(correction * drawn_share), freedom)


def _small_sample(blocks: Blocks, window: int) -> tuple[float, float]:
    """True ÷ expected bootstrap variance of a mean over blocks, and the degrees of freedom of the latter.

    With the kernel K, the centring M = I − 11ᵀ ÷ n and the assumed correlation S the bootstrap variance is uᵀMKMu, its
    expectation tr(MKMS) instead of 1ᵀS1. The degrees of freedom are Satterthwaite's for independent blocks,
    tr(MKM)² ÷ tr(MKMMKM). K and S depend on the offset of two blocks only, so that sums over offsets stand in for n × n
    matrices.
    """
    n = len(blocks)
    if n == 1:
        return float("nan"), float("nan")  # one block says nothing about the others
    row, column = np.divmod(blocks, BLOCK_COLUMNS)
    eastward = np.cos(np.radians((row + 0.5) * BLOCK_DEGREES - 90))
    reach = max(window, int(np.ceil(7 * CORRELATION_DEGREES / BLOCK_DEGREES)))  # beyond, the correlation is below 0.001
    kernel_sums, correlation_sums = np.zeros(n), np.zeros(n)
    trace_both = trace_squared = 0.0
    for north in range(-reach, reach + 1):
        for east in range(-reach, reach + 1):
            other = (row + north) * BLOCK_COLUMNS + (column + east) % BLOCK_COLUMNS
            present = np.isin(other, blocks)
            kernel = max(0.0, 1 - abs(north) / window) * max(0.0, 1 - abs(east) / window)
            degrees = BLOCK_DEGREES * np.hypot(north, east * eastward)
            correlation = present * np.exp(-degrees / CORRELATION_DEGREES)
            kernel_sums += kernel * present
            correlation_sums += correlation
            trace_both += kernel * correlation.sum()
            trace_squared += kernel**2 * present.sum()
    total_kernel, total_correlation = kernel_sums.sum(), correlation_sums.sum()
    expected = trace_both - 2 * (kernel_sums @ correlation_sums) / n + total_kernel * total_correlation / n**2
    trace = n - total_kernel / n
    squared = trace_squared - 2 * (kernel_sums @ kernel_sums) / n + (total_kernel / n) ** 2
    freedom = max(1.0, trace**2 / max(squared, 1e-12)) if trace > 1e-9 * n else 1.0
    return total_correlation / max(expected, 1e-3 * total_correlation), freedom


def samples_of(sums: Sequence[Floats], blocks: BlockDraws, group: str = "") -> dict[str, Sample]:
    """Every metric of one row under the draws.

    Args:
        sums: per repetition, (statistics, years, blocks) sums in the order of `STATISTICS`; one year where years are
            not told apart.
        blocks: draws of these blocks.
        group: as in `Sample`.
    """
    n_years, draws = sums[0].shape[1], len(blocks.weights)
    years = _shares(n_years, draws, "years").T
    drawn = [own @ blocks.weights.T for own in sums]  # (statistics, years, draws) each
    tables = (
        [own.sum(axis=(1, 2)) for own in sums],
        [own.sum(axis=1) for own in drawn],
        [(own * years).sum(axis=1) for own in drawn] if n_years > 1 else [],
    )
    found = {}
    for name, metric in METRICS.items():
        with np.errstate(divide="ignore", invalid="ignore"):
            values, under_blocks, under_years = (
                np.array([metric.of(dict(zip(STATISTICS, own, strict=True))) for own in table]) for table in tables
            )
        found[name] = Sample(values, under_blocks, under_years if n_years > 1 else None, n_years, group)
    return found


def infer(
    function: Callable[..., Floats], samples: Sequence[Sample], blocks: BlockDraws, *, positive: bool = False
) -> Inference:
    """A function of the means of samples over their repetitions, with its interval.

    Args:
        function: of one array per sample, such as a difference or a ratio of two.
        samples: of the same blocks and years.
        blocks: the draws that the samples were taken under.
        positive: the number is positive and the interval is taken of its logarithm, the p-value for 1.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        number = float(function(*[item.values.mean(keepdims=True) for item in samples])[0])
        positive = positive and number > 0  # an error of exactly 0 has no logarithm

        def of(parts: Sequence[Floats]) -> Floats:
            result = np.asarray(function(*parts))
            return np.log(result) if positive else result

        value = np.log(number) if positive else number
        means = [item.under_blocks.mean(axis=0) for item in samples]
        base = of(means)
        parts = [((base - value) * blocks.scale, blocks.freedom)]
        n_years = max(item.n_years for item in samples)
        if n_years > 1:
            under = [item.under_blocks if item.under_years is None else item.under_years for item in samples]
            redrawn = of([item.mean(axis=0) for item in under])
            parts.append(((redrawn - base) * math.sqrt(n_years / (n_years - 1)), n_years - 1))
        for group in dict.fromkeys(item.group for item in samples):
            n = min(len(item.values) for item in samples if item.group == group)
            if n > 1:
                share = _shares(n, len(base), group)
                drawn = [
                    (item.under_blocks * share.T).sum(axis=0) if item.group == group else mean
                    for item, mean in zip(samples, means, strict=True)
                ]
                parts.append(((of(drawn) - base) * math.sqrt(n / (n - 1)), n - 1))
        deviation = _with_students_tails(parts)
    size = np.sort(np.abs(deviation[np.isfinite(deviation)]))
    if len(size) < (1 - _LOST_DRAWS) * len(deviation):
        return Inference(number, float("nan"), float("nan"), float("nan"))
    half = float(np.quantile(size, CONFIDENCE))
    p = (1 + int((size >= abs(value)).sum())) / (1 + len(size))
    low, high = value - half, value + half
    if positive:
        with np.errstate(over="ignore"):  # two repetitions far apart leave no upper end
            low, high = np.exp(low), np.exp(high)
    return Inference(number, float(low), float(high), p)


def _stream(*names: object) -> np.random.Generator:
    return np.random.default_rng([BOOTSTRAP_SEED, zlib.crc32("\0".join(map(str, names)).encode())])


def _with_students_tails(parts: Sequence[tuple[Floats, float]]) -> Floats:
    """(draws,) sum of the parts of a deviation, each with its degrees of freedom, spread like Student's t."""
    variances = np.array([part[np.isfinite(part)].var() if np.isfinite(part).any() else 0.0 for part, _ in parts])
    freedoms = np.array([freedom for _, freedom in parts])
    freedom = variances.sum() ** 2 / (variances**2 / freedoms).sum() if variances.sum() > 0 else freedoms[0]
    deviation = np.sum([part for part, _ in parts], axis=0)
    if not freedom > 0:
        return np.full_like(deviation, np.nan)
    return np.asarray(deviation * np.sqrt(freedom / _stream("tails").chisquare(freedom, len(deviation))))


@lru_cache(maxsize=64)
def _shares(n: int, draws: int, name: str) -> Floats:
    """(draws, n) share of each repetition or year in a draw with replacement."""
    return np.asarray(_stream("drawn", name, n).multinomial(n, np.full(n, 1 / n), draws) / n)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number (Holm 1979, Scandinavian Journal of Statistics 6, 65–70); NaN stays NaN."""
    known = [index for index, p in enumerate(p_values) if p == p]
    corrected = [float("nan")] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(known, key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, (len(known) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected
