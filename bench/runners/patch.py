"""Planar coordinates for methods that know the sphere only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.data.cube import Cube

PATCH_DEGREES = 2.0
"""Extent of planar data on the sphere, which is plane there to 2 in 10,000."""


def on_sphere(cube: Cube) -> npt.NDArray[np.float64]:
    """(cell, 2) degrees east and north; planar coordinates are laid as a small patch around (0°, 0°).

    It is for methods that ask which places are near and how their distances compare, never for a length.
    """
    places = cube.places
    if not cube.is_planar:
        return places
    middle = (places.max(axis=0) + places.min(axis=0)) / 2
    extent = float(np.ptp(places, axis=0).max())
    return np.asarray((places - middle) * (PATCH_DEGREES / extent if extent > 0 else 0.0))
