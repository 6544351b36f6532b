"""Reading arrays larger than memory once, block by block."""

from __future__ import annotations

import mmap
from typing import Any

import numpy.typing as npt

BLOCK_BYTES = 1 << 24
"""Bytes read at once, so that a memory-mapped array is never in memory whole."""


def release_pages(array: npt.NDArray[Any]) -> None:
    """Lets go of the resident pages of a memory map, so that reading a large cube once costs no memory."""
    mapping = getattr(array, "_mmap", None)
    if isinstance(mapping, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)  # the file keeps the values: nothing is lost
