"""Landmarks: the few places, or places at moments, to which distances are measured instead of to all samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from models.arrays import Doubles
from models.gwr.distance import Distance, time_differences

_PLACES_AT_ONCE = 8192  # bounds the temporaries of the distances to some tens of megabytes


@dataclass(frozen=True)
class Landmarks:
    """Places, and moments where there is time, with what scales the distances to them.

    Attributes:
        distance: between places; its period is that of the moments.
        positions: (landmark, d) as ``Distance.positions`` gives them.
        moments: (landmark,), or None for purely spatial models.
        mean: mean distance of the training samples' places to the landmarks; then that in time.
        deviation: standard deviation of the same.
    """

    distance: Distance
    positions: Tensor
    moments: Tensor | None
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def choose(cls, coords: Doubles, times: Doubles | None, distance: Distance, number: int) -> Self:
        """Choose places spread evenly over those of the samples, with moments spread evenly over theirs.

        Places are chosen by farthest-point sampling, the 2-approximation of the k-centre problem
        (Gonzalez 1985, Theor. Comput. Sci. 38), from the most central place on: no draw is involved and the
        order of the samples does not matter. With moments, each place takes one; the golden ratio's
        multiples spread them over the range, so that neighbouring landmarks differ in time.

        Args:
            coords: (n, 2) of the training samples.
            times: (n,) of the training samples, or None.
            distance: how far places are apart.
            number: wanted; fewer where the samples have fewer places (or rows, with moments).
        """
        places = np.unique(coords, axis=0)
        positions = distance.positions(places, None, "cpu")
        chosen = _farthest_points(positions, min(number, len(places)))
        moments = None
        if times is not None:
            chosen = chosen[np.arange(min(number, len(coords))) % len(chosen)]
            share = (np.arange(len(chosen)) * ((np.sqrt(5) - 1) / 2)) % 1.0
            moments = torch.as_tensor(np.quantile(times, share), dtype=torch.float64)
        unscaled = cls(distance, positions[torch.from_numpy(chosen)], moments, (0.0, 0.0), (1.0, 1.0))
        tables = [unscaled.to_places(coords)[0]]
        if times is not None:
            tables.append(unscaled.to_moments(times)[0])
        deviations = tuple(float(table.std(correction=0)) or 1.0 for table in tables)
        return cls(distance, unscaled.positions, moments, tuple(float(table.mean()) for table in tables), deviations)

    def __len__(self) -> int:
        return len(self.positions)

    def to_places(self, coords: Doubles) -> tuple[Tensor, Tensor]:
        """Return scaled distances (place, landmark) float32 of the distinct places, and each sample's place (n,)."""
        places, index = np.unique(coords, axis=0, return_inverse=True)
        positions = self.distance.positions(places, None, "cpu")
        table = torch.empty(len(places), len(self), dtype=torch.float32)
        for start in range(0, len(places), _PLACES_AT_ONCE):
            part = slice(start, start + _PLACES_AT_ONCE)
            table[part] = (self.distance.between(positions[part], self.positions) - self.mean[0]) / self.deviation[0]
        return table, torch.from_numpy(index.reshape(-1))

    def to_moments(self, times: Doubles) -> tuple[Tensor, Tensor]:
        """Return scaled distances in time (moment, landmark) float32, and each sample's moment (n,)."""
        assert self.moments is not None  # asked for only by models with time
        moments, index = np.unique(times, return_inverse=True)
        apart = time_differences(torch.from_numpy(moments), self.moments, self.distance.period)
        return ((apart - self.mean[1]) / self.deviation[1]).float(), torch.from_numpy(index)


def _farthest_points(positions: Tensor, number: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the indices of places of which each is the farthest from all before it.

    Chords order places as great circles do, so positions are enough.
    """
    nearest = (positions - positions.mean(dim=0)).square().sum(dim=1)
    chosen = [int(nearest.argmin())]
    nearest = (positions - positions[chosen[0]]).square().sum(dim=1)
    while len(chosen) < number:
        chosen.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, (positions - positions[chosen[-1]]).square().sum(dim=1))
    return np.array(chosen)
