"""One thread for small work: on short operations threads wait for each other longer than they compute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

#: Multiply-adds of a matrix product from which several threads pay: some milliseconds of one core.
PARALLEL_WORK = 100_000_000


@contextmanager
def threads_for(work: int = 0) -> Iterator[None]:
    """Run what follows on one thread unless it is a large matrix product; then restore the setting.

    On a loaded machine two threads made the batched local solves ten times slower than one.

    Args:
        work: multiply-adds of the product.
    """
    before = torch.get_num_threads()
    if before == 1 or work >= PARALLEL_WORK:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
