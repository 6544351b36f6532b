"""Weighted sums over a full panel (every cell at every step) for weights that separate.

With W = Ws ⊗ Wt the sum over samples splits: first over cells, for every step, then over steps. That
costs cells² · steps + cells · steps² products instead of (cells · steps)², and is the same number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from models.gwr.kernels import Kernel
from models.gwr.weighting import (
    BLOCK_SHARE,
    ColumnTable,
    LocalSums,
    Neighbourhood,
    chunked_product,
    weights_within_reach,
)


@dataclass(frozen=True)
class SpaceSums:
    """Sums over cells, still apart by step, for one block of b cells.

    Attributes:
        index: (b,) which cells.
        sums: (b, steps, p).
        squared: (b, steps, p) with squared weights, or None.
        total: (b,) Σw over cells.
        total_squares: (b,) Σw² over cells.
    """

    index: Tensor
    sums: Tensor
    squared: Tensor | None
    total: Tensor
    total_squares: Tensor


def space_sums(
    cells: Neighbourhood, kernel: Kernel, columns: ColumnTable, steps: int, width: int, squared: bool = False
) -> Iterator[SpaceSums]:
    """Yield Ws @ Z block by block.

    Args:
        cells: the cells to fit at, and those of the data.
        kernel: the spatial kernel.
        columns: rows of the table to sum, samples ordered by cell, then by step.
        steps: number of steps T in the data.
        width: columns of the table, p.
        squared: also sum with squared weights.
    """
    row_bytes = 8 * steps * width
    chunk = max(int(cells.memory * BLOCK_SHARE // row_bytes), 1)
    # A cell's sums are wider than its distances where there are many steps: fewer cells at a time.
    length = max(int(cells.memory * BLOCK_SHARE // row_bytes), 1)

    def by_cell(rows: Tensor | slice) -> Tensor:
        if isinstance(rows, slice):
            return columns(slice(rows.start * steps, rows.stop * steps)).reshape(-1, steps * width)
        samples = rows[:, None] * steps + torch.arange(steps, device=rows.device)
        return columns(samples.flatten()).reshape(-1, steps * width)

    for block, distances in cells.blocks():
        for start in range(0, len(block), length):
            index = block[start : start + length]
            weights, rows = weights_within_reach(kernel, distances[start : start + length])
            squares = weights.square()
            total, total_squares = weights.sum(dim=1), squares.sum(dim=1)
            sums = chunked_product(weights, by_cell, rows, steps * width, chunk)
            second = chunked_product(squares, by_cell, rows, steps * width, chunk) if squared else None
            yield SpaceSums(
                index,
                sums.reshape(-1, steps, width),
                None if second is None else second.reshape(-1, steps, width),
                total,
                total_squares,
            )


def sum_over_time(block: SpaceSums, time_weights: Tensor) -> LocalSums:
    """Return the sums at every (cell, time) of a block.

    Args:
        block: sums over b cells, by step.
        time_weights: (t, steps) weights Wt of the data's steps at t times.

    Returns:
        Sums at b·t locations; location = cell · t + time.
    """
    times = len(time_weights)
    offsets = torch.arange(times, device=block.index.device)
    squares = time_weights.square()
    effective = (
        torch.outer(block.total, time_weights.sum(dim=1)).square_()
        / torch.outer(block.total_squares, squares.sum(dim=1))
    ).nan_to_num_(nan=0.0)
    width = block.sums.shape[2]
    squared = None if block.squared is None else (squares @ block.squared).reshape(-1, width)
    return LocalSums(
        index=(block.index[:, None] * times + offsets).flatten(),
        sums=(time_weights @ block.sums).reshape(-1, width),
        squared=squared,
        effective=effective.flatten(),
    )
