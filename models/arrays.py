"""Names of the arrays that the estimators take and give back: one for each type of number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
"""What the geographically weighted methods compute in."""
Singles = NDArray[np.float32]
"""What the networks compute in."""
Reals = NDArray[np.floating[Any]]
"""Either."""
Indices = NDArray[np.integer[Any]]
"""Positions of cells, steps or rows."""
Mask = NDArray[np.bool_]
"""Which of several."""
