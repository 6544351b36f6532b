"""Weighted sums over samples for blocks of locations, with memory bounded by the block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from scipy.spatial import cKDTree
from torch import Tensor

from models.gwr.distance import Distance
from models.gwr.kernels import Kernel
from models.gwr.threads import threads_for

#: Share of the memory budget for one array of a block; about four such arrays live at once.
BLOCK_SHARE = 1 / 64
#: Share of the budget in which distances, and Z, are kept between passes.
CACHE_SHARE = 1 / 2
#: More locations than this in a block gain no speed: the matrix product is at its full rate, and the
#: local systems of a block no longer fit into the processor's cache.
LARGEST_BLOCK = 128

#: Gathered columns, bytes: they are used once, straight from the processor's cache.
GATHER_BYTES = 2**20

#: Rows of a table of columns to sum: Z, or the few columns of the local R².
ColumnTable = Callable[[Tensor | slice], Tensor]


@dataclass(frozen=True)
class Neighbourhood:
    """Locations, samples and the distances between them, walked through in blocks.

    Attributes:
        points: (m, d) positions of the locations to fit at.
        data: (n, d) positions of the samples.
        distance: how far they are from each other.
        memory: bytes; a block takes a fixed share of it, whatever m and n.
        order: (m,) locations in the order of a kd-tree, so that a block is a compact region and only
            few samples are within the reach of a compact kernel.
    """

    points: Tensor
    data: Tensor
    distance: Distance
    memory: int
    order: Tensor = field(init=False)
    _cache: dict[int, Tensor] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        tree = cKDTree(self.points.cpu().numpy())
        order = torch.as_tensor(tree.indices, dtype=torch.int64, device=self.points.device)
        object.__setattr__(self, "order", order)

    @property
    def block_length(self) -> int:
        """Number of locations per block."""
        return int(min(max(self.memory * BLOCK_SHARE // (8 * len(self.data)), 1), LARGEST_BLOCK))

    def blocks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield indices of locations (b,) and their distances to all samples (b, n), not to be changed."""
        keep = 8 * len(self.points) * len(self.data) <= self.memory * CACHE_SHARE
        for start in range(0, len(self.points), self.block_length):
            index = self.order[start : start + self.block_length]
            distances = self._cache.get(start)
            if distances is None:
                with threads_for():
                    distances = self.distance.between(self.points[index], self.data)
                if keep:
                    self._cache[start] = distances
            yield index, distances

    def extent(self) -> tuple[float, float]:
        """Return the smallest positive and the largest distance; both infinite if there is none."""
        low, high = float("inf"), 0.0
        for _, distances in self.blocks():
            positive = distances[distances > 0]
            if len(positive):
                low = min(low, float(positive.min()))
                high = max(high, float(positive.max()))
        return low, high if high > 0 else float("inf")


@dataclass(frozen=True)
class LocalSums:
    """Sums of one block of b locations.

    Attributes:
        index: (b,) which locations.
        sums: (b, p) weighted sums of the columns.
        squared: (b, p) the same with squared weights, or None.
        effective: (b,) effective number of neighbours, (Σw)² / Σw² (Kish).
    """

    index: Tensor
    sums: Tensor
    squared: Tensor | None
    effective: Tensor


def dense_sums(
    neighbourhood: Neighbourhood, kernel: Kernel, columns: ColumnTable, width: int, squared: bool = False
) -> Iterator[LocalSums]:
    """Yield W @ Z block by block for weights W = K(distances).

    Args:
        neighbourhood: the m locations and n samples.
        kernel: from distance to weight.
        columns: rows of the (n, p) table to sum.
        width: p.
        squared: also sum with squared weights.

    Yields:
        The sums of each block of locations.
    """
    whole = max(int(neighbourhood.memory * BLOCK_SHARE // (8 * width)), 1)
    gathered = max(min(whole, GATHER_BYTES // (8 * width)), 1)
    for index, distances in neighbourhood.blocks():
        with threads_for():
            weights, rows = weights_within_reach(kernel, distances)
            chunk = whole if rows is None else gathered
            squares = weights.square()
            total, total_squares = weights.sum(dim=1), squares.sum(dim=1)
        sums = chunked_product(weights, columns, rows, width, chunk)
        second = chunked_product(squares, columns, rows, width, chunk) if squared else None
        effective = torch.where(total_squares > 0, total.square() / total_squares, 0.0)
        yield LocalSums(index, sums, second, effective)


def weights_within_reach(kernel: Kernel, distances: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return the weights of the samples that have one anywhere in the block.

    Args:
        kernel: from distance to weight.
        distances: (b, n).

    Returns:
        Weights (b, r), and which samples (r,) they are for; None for all n in order.
    """
    reach = kernel.reach(distances)
    if kernel.compact:
        # At distance zero a sample is within a reach of zero too.
        used = (distances <= reach).any(dim=0).nonzero().squeeze(1)
        # Gathering columns costs about as much as multiplying a tenth of them.
        if len(used) < 0.9 * distances.shape[1]:
            return kernel.weights(distances.gather(1, used.expand(len(distances), -1)), reach), used
    return kernel.weights(distances, reach), None


def chunked_product(weights: Tensor, columns: ColumnTable, rows: Tensor | None, width: int, chunk: int) -> Tensor:
    """Return weights (b, n) @ columns (n, p), a chunk of samples at a time.

    Args:
        weights: (b, n) over the samples, or over ``rows`` of them.
        columns: rows of the table.
        rows: (n,) which samples the weights are for; None for all in order.
        width: p.
        chunk: number of samples per product.

    Returns:
        (b, p).
    """
    total = weights.new_zeros(len(weights), width)
    with threads_for(len(weights) * min(chunk, weights.shape[1]) * width):
        for start in range(0, weights.shape[1], chunk):
            part = slice(start, min(start + chunk, weights.shape[1]))
            total.addmm_(weights[:, part], columns(part if rows is None else rows[part]))
    return total
