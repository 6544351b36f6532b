"""The networks: distances to weights, and distances in space and time to one proximity."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class WeightNetwork(nn.Module):
    """Spatially weighted neural network: proximities of a sample to the landmarks in, one weight per column out.

    Layers are Linear → BatchNorm → PReLU → dropout, each PReLU with a parameter of its own, then a Linear one
    (Du et al. 2020). The output is 1 plus that of a layer that starts at zero: at first all weights are 1,
    the model is ordinary least squares, and weight decay pulls towards it.

    Args:
        landmarks: number of proximities.
        columns: number of weights, the intercept's among them.
        hidden: widths of the hidden layers.
        dropout: share of hidden values dropped in training.
    """

    def __init__(self, landmarks: int, columns: int, hidden: Sequence[int], dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = landmarks
        for size in hidden:
            layers += [nn.Linear(width, size), nn.BatchNorm1d(size), nn.PReLU(), nn.Dropout(dropout)]
            width = size
        self.hidden = nn.Sequential(*layers)
        self.last = nn.Linear(width, columns)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, space: Tensor, time: Tensor | None) -> Tensor:
        """Return weights (b, columns) of proximities (b, landmarks); a purely spatial network knows no time."""
        assert time is None
        weights: Tensor = 1.0 + self.last(self.hidden(space))
        return weights


class SpaceTimeWeightNetwork(nn.Module):
    """Geographically and temporally weighted network: a proximity network per landmark, then a ``WeightNetwork``.

    The same small network turns the distance in space and the distance in time of a sample to a landmark into one
    proximity (STPNN, Wu et al. 2021), for every landmark.

    Args:
        landmarks: number of landmarks.
        columns: number of weights, the intercept's among them.
        hidden: widths of the weight network's hidden layers.
        dropout: share of hidden values dropped in training.
        proximity_width: hidden width of the proximity network.
    """

    def __init__(
        self, landmarks: int, columns: int, hidden: Sequence[int], dropout: float, proximity_width: int
    ) -> None:
        super().__init__()
        self.proximity = nn.Sequential(nn.Linear(2, proximity_width), nn.PReLU(), nn.Linear(proximity_width, 1))
        self.weights = WeightNetwork(landmarks, columns, hidden, dropout)

    def forward(self, space: Tensor, time: Tensor | None) -> Tensor:
        """Return weights (b, columns) of distances (b, landmarks) in space and in time."""
        assert time is not None
        proximity = self.proximity(torch.stack([space, time], dim=-1)).squeeze(-1)
        weights: Tensor = self.weights(proximity, None)
        return weights
