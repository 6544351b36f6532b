"""Which cells lie at the border of the set of cells, where a graph over them ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

DATE_LINE_DEGREES = 10.0
"""Longitude to either side of the date line."""
HULL_DEGREES = 0.5
"""Distance to the convex hull, in degrees of latitude (56 km): about two cells, or two nodes, of a regional grid."""


def border_cells(lon: npt.NDArray[Any], lat: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which cells lie at the border of the set: at the date line where the set crosses it, at its hull elsewhere.

    Global data have no edge on the sphere, but have one on the plane, at the date line. The hull of regional data is
    taken in degrees of latitude, longitude scaled by the cosine of the mean latitude.

    Args:
        lon: (cell,) degrees east.
        lat: (cell,) degrees north.

    Returns:
        (cell,) whether a cell lies at the border.
    """
    from scipy.spatial import ConvexHull, QhullError

    east = (np.asarray(lon, np.float64) + 180) % 360 - 180
    at_date_line = np.abs(east) >= 180 - DATE_LINE_DEGREES
    if (at_date_line & (east > 0)).any() and (at_date_line & (east < 0)).any():
        return np.asarray(at_date_line)
    points = np.stack([east * np.cos(np.radians(np.mean(lat))), np.asarray(lat, np.float64)], axis=1)
    try:
        edges = ConvexHull(points).equations  # inside, normal · point + offset is minus the distance to an edge
    except QhullError:  # fewer than three cells, or all on one line: each is at the border
        return np.ones(len(points), bool)
    distance = -(points @ edges[:, :2].T + edges[:, 2]).max(axis=1)
    return np.asarray(distance <= HULL_DEGREES)
