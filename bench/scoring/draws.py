"""Draws of spatial blocks, repetitions and test years: from fixed seeds, and the same for every model."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from bench.arrays import Doubles
from bench.errors import BenchError
from bench.scoring.metrics import BLOCK_COLUMNS
from bench.scoring.places import Blocks
from bench.seeds import BOOTSTRAP_SEED

DRAWS = 2000
"""Bootstrap draws: the smallest p-value is 1 ÷ 2001, which a correction for 50 comparisons leaves below 5 %."""
WINDOW_BLOCKS = 2
"""Edge of a window in blocks."""
NUDGE = 1e-3
"""By how much a block counts more when its influence is taken; far above rounding, far below what bends a metric."""


@dataclass(frozen=True)
class BlockDraws:
    """Draws of spatial blocks.

    Attributes:
        blocks: (blocks,) ids.
        weights: (draws, blocks) how often each block is drawn.
    """

    blocks: Blocks
    weights: Doubles

    @property
    def nudged(self) -> Doubles:
        """(blocks, blocks) weights under which one block after the other counts a little more."""
        return np.asarray(1.0 + NUDGE * np.eye(len(self.blocks)))


def block_draws(blocks: Blocks, draws: int = DRAWS) -> BlockDraws:
    """Draws of the blocks of one layout; the same for everybody who asks for the same layout.

    Args:
        blocks: (blocks,) ids from `spatial_block`, ascending, each once.
        draws: number of draws.

    Raises:
        BenchError: there is no block.
    """
    if not len(blocks):
        raise BenchError("A bootstrap needs at least one spatial block; the selection is empty.")
    return _block_draws(np.ascontiguousarray(blocks, np.int64).tobytes(), draws)


@lru_cache(maxsize=16)
def _block_draws(layout: bytes, draws: int) -> BlockDraws:
    blocks = np.frombuffer(layout, np.int64)
    row, column = np.divmod(blocks, BLOCK_COLUMNS)
    window = WINDOW_BLOCKS
    steps = np.arange(window)
    anchor = (row - steps[:, None, None] + window) * BLOCK_COLUMNS + (column - steps[:, None]) % BLOCK_COLUMNS
    windows, position = np.unique(anchor.reshape(window**2, -1), return_inverse=True)
    position = position.reshape(window**2, -1)  # the windows that each block lies in
    n_windows, n_drawn = len(windows), max(1, round(len(windows) / window**2))
    generator = stream("places")
    weights = np.zeros((draws, len(blocks)))
    for start in range(0, draws, 500):  # bounds the memory of the counts
        part = weights[start : start + 500]
        picked = generator.integers(0, n_windows, (len(part), n_drawn)) + n_windows * np.arange(len(part))[:, None]
        counts = np.bincount(picked.ravel(), minlength=len(part) * n_windows).reshape(len(part), n_windows)
        for inside in position:
            part += counts[:, inside]
    return BlockDraws(blocks, weights)


def stream(*names: object) -> np.random.Generator:
    """Random numbers that belong to some names, and to nothing else."""
    return np.random.default_rng([BOOTSTRAP_SEED, zlib.crc32("\0".join(map(str, names)).encode())])


@lru_cache(maxsize=32)
def counts_of(n: int, draws: int, name: str) -> npt.NDArray[np.int32]:
    """(n, draws) how often each repetition or year is in a draw of n with replacement."""
    counts = stream("drawn", name, n).multinomial(n, np.full(n, 1 / n), draws)
    return np.ascontiguousarray(counts.T, np.int32)
