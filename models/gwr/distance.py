"""Distances between locations, in space and in space and time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.arrays import Doubles
from models.sphere import EARTH_RADIUS_KM, unit_sphere


@dataclass(frozen=True)
class Distance:
    """A distance between locations: d = sqrt(ds² + τ·dt²).

    ``ds`` is planar (in the unit of the coordinates) or great-circle (km), ``dt`` the time
    difference. With τ = 0 it is purely spatial. This is the space-time distance of Huang, Wu and
    Barry (2010, Int. J. Geogr. Inf. Sci. 24(3), eq. 9-10: λ·ds² + μ·dt² with τ = μ / λ).

    Attributes:
        great_circle: coordinates are (lon, lat) in degrees and ds is the length of the great-circle
            arc, exact across the date line and at the poles.
        time_scale: τ, squared distance unit per squared time unit.
        period: length of a cyclic time axis, such as 46 for 8-day steps of the year; None for linear time.
    """

    great_circle: bool = False
    time_scale: float = 0.0
    period: float | None = None

    def positions(self, coords: Doubles, times: Doubles | None, device: str) -> Tensor:
        """Return what distances are computed from.

        Args:
            coords: (n, 2) x, y, or lon, lat in degrees.
            times: (n,) or None for purely spatial distance.
            device: torch device.

        Returns:
            (n, d): x, y or a unit vector on the sphere; then the time where there is one.
        """
        columns = unit_sphere(coords[:, 0], coords[:, 1]) if self.great_circle else coords
        if times is not None:
            columns = np.column_stack([columns, times])
        return torch.as_tensor(columns, dtype=torch.float64, device=device)

    def between(self, points: Tensor, data: Tensor) -> Tensor:
        """Return the distances (m, n) between positions (m, d) and (n, d)."""
        space = 3 if self.great_circle else 2
        # Differences, not the expansion |a|² + |b|² - 2ab: that one loses half of the digits nearby.
        squared = _squared_differences(points, data, space)
        if self.great_circle:
            half_chord = squared.sqrt_().mul_(0.5).clamp_(max=1.0)
            arc = half_chord.asin_().mul_(2.0 * EARTH_RADIUS_KM)
            if self.time_scale == 0.0:
                return arc
            squared = arc.square_()
        if self.time_scale > 0.0:
            elapsed = time_differences(points[:, space], data[:, space], self.period)
            squared.add_(elapsed.square_(), alpha=self.time_scale)
        return squared.sqrt_()


def time_differences(points: Tensor, data: Tensor, period: float | None) -> Tensor:
    """Return |t - s| for times (m,) and (n,), on a circle of the given period where there is one."""
    elapsed = (points[:, None] - data[None, :]).abs_()
    if period is not None:
        elapsed = elapsed.remainder_(period)
        elapsed = torch.minimum(elapsed, period - elapsed)
    return elapsed


def _squared_differences(points: Tensor, data: Tensor, columns: int) -> Tensor:
    total = (points[:, 0, None] - data[None, :, 0]).square_()
    for column in range(1, columns):
        total.add_((points[:, column, None] - data[None, :, column]).square_())
    return total
