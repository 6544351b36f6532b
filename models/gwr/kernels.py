"""Kernels: from distance to weight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.gwr.settings import one_of, positive_bandwidth

KERNELS = ("bisquare", "gaussian", "exponential")

#: An adaptive bandwidth reaches just past the q-th neighbour, so that this one keeps a weight (as in mgwr).
ADAPTIVE_REACH = 1.0000001


@dataclass(frozen=True)
class Kernel:
    """A weight that falls with distance d: K(d / b), K(0) = 1.

    Bisquare (1 - z²)² for z < 1, else 0; Gaussian exp(-z²/2); exponential exp(-z)
    (Fotheringham, Brunsdon and Charlton 2002, pp. 56-59).

    Attributes:
        shape: ``bisquare``, ``gaussian`` or ``exponential``.
        bandwidth: a distance; for an adaptive kernel a number of neighbours q, and b is the distance
            to the q-th nearest sample, the location's own sample counted.
        adaptive: the bandwidth is a number of neighbours.

    Raises:
        ValueError: an unknown shape, or a bandwidth that is not positive or, adaptive, not whole.
    """

    shape: str
    bandwidth: float
    adaptive: bool

    def __post_init__(self) -> None:
        one_of(self.shape, "kernel", KERNELS)
        positive_bandwidth(self.bandwidth, self.adaptive)

    @property
    def compact(self) -> bool:
        """Whether the weight is exactly zero beyond the bandwidth."""
        return self.shape == "bisquare"

    def reach(self, distances: Tensor) -> Tensor:
        """Return the bandwidth as a distance for each row (m, 1) of distances (m, n).

        Raises:
            ValueError: an adaptive bandwidth larger than the number of samples n.
        """
        if self.adaptive:
            return nearest_distance(distances, int(self.bandwidth)).mul_(ADAPTIVE_REACH)[:, None]
        return distances.new_full((len(distances), 1), self.bandwidth)

    def weights(self, distances: Tensor, reach: Tensor | None = None) -> Tensor:
        """Return the weights (m, n) for distances (m, n); the distances are left as they are.

        Args:
            distances: (m, n), or some of the columns if the reach is given.
            reach: (m, 1) from the distances to all samples; None to find it here.

        Raises:
            ValueError: an adaptive bandwidth larger than the number of samples n.
        """
        reach = self.reach(distances) if reach is None else reach
        scaled = distances / reach
        if bool((reach == 0).any()):
            # q samples at one place: they share the weight 1, all others have none.
            scaled = scaled.nan_to_num_(nan=0.0)
        if self.shape == "bisquare":
            return scaled.square_().neg_().add_(1.0).clamp_(min=0.0).square_()
        if self.shape == "gaussian":
            return scaled.square_().mul_(-0.5).exp_()
        return scaled.neg_().exp_()


def nearest_distance(distances: Tensor, neighbours: int) -> Tensor:
    """Return the distance to the q-th nearest sample of each row.

    Args:
        distances: (m, n).
        neighbours: q, from 1.

    Returns:
        (m,) a new tensor.

    Raises:
        ValueError: q is larger than n.
    """
    if neighbours > distances.shape[1]:
        raise ValueError(f"The bandwidth {neighbours} exceeds the {distances.shape[1]} samples.")
    if distances.device.type == "cpu":
        # numpy's vectorised partition is many times faster than torch.kthvalue on a CPU.
        ordered = np.partition(distances.numpy(), neighbours - 1, axis=1)
        return torch.from_numpy(ordered[:, neighbours - 1].copy())
    return distances.kthvalue(neighbours, dim=1).values
