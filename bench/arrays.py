"""Names of the arrays that modules hand to each other: one for each type of number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.arrays import Doubles, Mask, Reals

__all__ = ["Doubles", "Integers", "Mask", "Reals"]

Integers = npt.NDArray[np.int64]
"""Counts, positions and numbers of steps."""
