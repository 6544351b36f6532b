"""How far the deviations of neighbouring places go together, and how uncertain their sum is for it.

The deviation of a number is a sum over spatial blocks: each block has an influence on it, in proportion to its share of
the samples and to how much better or worse things went there. Influences of neighbouring blocks are alike, over a
distance that differs from number to number: errors of one model over several degrees, ratios of two models' errors, in
which hard and easy places drop out, over much less. So the distance is taken from the influences themselves.

- The covariance of two blocks' influences is σ² m m' ρ(h), m their shares, h the distance of their middles and
  ρ(h) = exp(−(√(h² + `WITHIN`²) − `WITHIN`) ÷ length), an exponential correlation of places averaged over blocks.
- The length is not known. Each of `LENGTHS` gets a weight: its restricted likelihood (Patterson & Thompson 1971), that
  of what is left of the influences when their mean is removed. This accounts for the finite region, in which a field
  that hardly varies looks like its own mean. Before the data all lengths have the same weight (on the scale of the
  logarithm).
- Given a length, σ² follows from the same remainder, and with it the variance of the sum of all influences, which are
  taken as a sample of infinitely many such blocks. Intervals average over the lengths with their weights.

Everything is a function of influences, shares and places of blocks. Many blocks are taken in tiles: covariances between
tiles are left out of the likelihood (never of the variance).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from bench.arrays import Doubles
from bench.scoring.metrics import BLOCK_COLUMNS, BLOCK_DEGREES

Blocks = npt.NDArray[np.int64]

LENGTHS = np.geomspace(0.125, 4.0, 11)
"""Correlation lengths that are considered, in edges of a block: on blocks of 2° from a quarter of a degree to 8°."""
WITHIN = 0.5214
"""Mean distance of two points of a block, in edges ((2 + √2 + 5 asinh 1) ÷ 15 of a square)."""
FEWEST_BLOCKS = 10
"""Blocks below which influences say too little about how they go together for an interval."""
_MOST_TOGETHER = 300
"""Blocks whose covariances are taken as one matrix; of more, tiles are made."""
_TILE_BLOCKS = 8
_ROWS_AT_ONCE = 256  # bounds the memory of distances


@dataclass(frozen=True)
class Deviation:
    """How uncertain a sum of influences is, for every length of `LENGTHS`.

    Attributes:
        weights: (lengths,) how likely each is, 1 in all.
        sizes: (lengths,) standard deviation of the sum given that length.
    """

    weights: Doubles
    sizes: Doubles

    @property
    def length(self) -> float:
        """The mean length in edges of a block."""
        return float(self.weights @ LENGTHS)

    def drawn(self, draws: int) -> Doubles:
        """(draws,) sizes in the proportion of their weights, in the order of the lengths."""
        at = (np.arange(draws) + 0.5) / draws
        chosen = np.searchsorted(np.cumsum(self.weights), at)
        return np.asarray(self.sizes[np.minimum(chosen, len(self.sizes) - 1)])


@dataclass(frozen=True)
class _Tile:
    """Blocks whose covariances are taken together.

    Attributes:
        members: (tile,) positions of the blocks.
        inverses: (lengths, tile, tile) of their covariance matrices.
    """

    members: Blocks
    inverses: Doubles


@dataclass(frozen=True)
class PlaceModel:
    """What the influences of one layout of blocks are judged by.

    Attributes:
        shares: (blocks,) of the samples, above 0 and 1 in all.
        tiles: of the blocks.
        evidence: (lengths,) the part of the logarithm of the likelihood that does not depend on influences.
        totals: (lengths,) variance of the sum of all influences ÷ σ².
    """

    shares: Doubles
    tiles: tuple[_Tile, ...]
    evidence: Doubles
    totals: Doubles

    def deviation(self, influences: Doubles) -> Deviation | None:
        """How uncertain the sum of (blocks,) influences is; None if they are all 0 or one of them is not finite."""
        size = float(np.abs(influences).max())
        if not 0 < size < math.inf:
            return None
        scaled = influences / size
        squares, slopes, masses = np.zeros(len(LENGTHS)), np.zeros(len(LENGTHS)), np.zeros(len(LENGTHS))
        for tile in self.tiles:
            own, share = scaled[tile.members], self.shares[tile.members]
            solved = tile.inverses @ np.stack([own, share], axis=1)  # (lengths, tile, 2)
            squares += solved[:, :, 0] @ own
            slopes += solved[:, :, 0] @ share
            masses += solved[:, :, 1] @ share
        freedom = len(self.shares) - 1
        variance = np.maximum(squares - slopes**2 / masses, 1e-300) / freedom
        evidence = self.evidence - freedom / 2 * np.log(variance)
        weights = np.exp(evidence - evidence.max())
        return Deviation(weights / weights.sum(), size * np.sqrt(variance * self.totals))


def place_model(blocks: Blocks, shares: Doubles) -> PlaceModel | None:
    """The model of a layout; None where fewer than `FEWEST_BLOCKS` blocks have a share.

    Args:
        blocks: (blocks,) ids as `bench.scoring.metrics.spatial_block` gives them, each once, those without a share left
            out.
        shares: (blocks,) of the samples, above 0.
    """
    if len(blocks) < FEWEST_BLOCKS:
        return None
    # Shares that differ by rounding are the same.
    rounded = np.maximum(np.round(shares / shares.sum(), 9), 1e-9)
    return _place_model(np.ascontiguousarray(blocks, np.int64).tobytes(), rounded.tobytes())


def distances(blocks: Blocks, others: Blocks) -> Doubles:
    """(blocks, others) distances between the middles of blocks in edges, the shorter way round the globe."""
    (row, column), (other_row, other_column) = (np.divmod(ids, BLOCK_COLUMNS) for ids in (blocks, others))
    north = row[:, None] - other_row
    half = BLOCK_COLUMNS // 2
    east = (column[:, None] - other_column + half) % BLOCK_COLUMNS - half
    shrunk = [np.cos(np.radians((own + 0.5) * BLOCK_DEGREES - 90)) for own in (row, other_row)]
    return np.asarray(np.hypot(north, east * np.sqrt(np.outer(*shrunk))))


def correlation(apart: Doubles, length: float) -> Doubles:
    """Correlation of blocks that are (…) `apart`, in edges."""
    return np.asarray(np.exp((WITHIN - np.hypot(apart, WITHIN)) / length))


@lru_cache(maxsize=32)
def _place_model(layout: bytes, rounded: bytes) -> PlaceModel:
    blocks, shares = np.frombuffer(layout, np.int64), np.frombuffer(rounded, np.float64)
    tiles, masses = [], np.zeros(len(LENGTHS))
    evidence = np.zeros(len(LENGTHS))
    for members in _tiles(blocks):
        apart, share = distances(blocks[members], blocks[members]), shares[members]
        covariances = np.stack([correlation(apart, length) for length in LENGTHS]) * np.outer(share, share)
        inverses = np.asarray(np.linalg.inv(covariances), np.float64)
        evidence -= 0.5 * np.linalg.slogdet(covariances)[1]
        masses += np.einsum("i,kij,j->k", share, inverses, share)
        tiles.append(_Tile(members, inverses))
    totals = np.zeros(len(LENGTHS))
    for start in range(0, len(blocks), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        apart = distances(blocks[rows], blocks)
        totals += [shares[rows] @ correlation(apart, length) @ shares for length in LENGTHS]
    return PlaceModel(shares, tuple(tiles), evidence - 0.5 * np.log(masses), totals)


def _tiles(blocks: Blocks) -> list[Blocks]:
    """Positions of the blocks of each tile."""
    if len(blocks) <= _MOST_TOGETHER:
        return [np.arange(len(blocks))]
    row, column = np.divmod(blocks, BLOCK_COLUMNS)
    _, tile = np.unique(np.stack([row // _TILE_BLOCKS, column // _TILE_BLOCKS]), axis=1, return_inverse=True)
    return [np.flatnonzero(tile == number) for number in range(int(tile.max()) + 1)]
