"""The Earth as a sphere: places as unit vectors, whose chords grow with great-circle distances."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.arrays import Doubles

EARTH_RADIUS_KM = 6371.0
"""Mean radius; the value mgwr and GWR4 use, so that fixed bandwidths mean the same."""


def unit_sphere(lon: NDArray[Any], lat: NDArray[Any]) -> Doubles:
    """Returns (point, 3) coordinates on the unit sphere, exact across the date line and at the poles.

    Args:
        lon: (point,) degrees east.
        lat: (point,) degrees north.
    """
    longitude, latitude = np.radians(lon.astype(np.float64)), np.radians(lat.astype(np.float64))
    parallel = np.cos(latitude)
    return np.stack((parallel * np.cos(longitude), parallel * np.sin(longitude), np.sin(latitude)), axis=1)
