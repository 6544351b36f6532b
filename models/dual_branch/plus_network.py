"""The better network: a condition per cell, smooth in the year and of low rank, into one shared network.

What it keeps of the paper: features that know no location, implicit conditions that know nothing else, both
trained together, and a second branch for interpretable weights (Eq. 16–18). What differs:

- the condition belongs to a cell, not to one of a few hundred nodes;
- over the year it is a short Fourier series with ``rank`` components, or constant with the season as an input, instead
  of convolution and LSTM;
- its first part is a linear function of the static features, its second the cell's own; where a cell has no
  own part, those of its nearest training cells stand in, which is what the graph does in the paper. A part of
  every batch is trained in that way, so that neighbours learn to stand in;
- a multi-layer perceptron sees the step's climate, means of earlier steps and the condition, instead of
  attention;
- the second branch reads the conditions and teaches them nothing, and its weights follow the derivatives of the
  prediction (``gradients``).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy.spatial import cKDTree
from torch import Tensor, nn

from models.dual_branch.decoder import Decoded, OutputLayer, weighted_sum
from models.dual_branch.graph import cluster_nodes
from models.dual_branch.network import NetworkInputs, Placement, StandardisedNetwork
from models.dual_branch.options import DualBranchPlusOptions, MemberOptions
from models.inputs import HELD_DEVIATIONS
from models.sphere import unit_sphere
from models.training import Panel, SampleBatch, Scaling, batch_rand

_SAME_PLACE = 1e-7
"""Chord length on the unit sphere (0.6 m on the Earth) under which two cells are one."""
_OWN_SPREAD = 0.02
_STATIC_SPREAD = 0.1
"""Standard deviations of the initial coefficients: a cell's own part departs from the static part."""


def seasonal_basis(steps_per_year: int, harmonics: int) -> Tensor:
    """1, cos and sin of the annual harmonics: (step of the year, 2·harmonics + 1).

    Args:
        steps_per_year: period.
        harmonics: highest harmonic.
    """
    angle = 2 * math.pi / steps_per_year * torch.arange(steps_per_year)[:, None]
    turns = torch.arange(1, harmonics + 1)
    return torch.cat((torch.ones(steps_per_year, 1), (angle * turns).cos(), (angle * turns).sin()), dim=1)


class DualBranchPlusNetwork(StandardisedNetwork):
    """Seasonal low-rank conditions per cell, decoded by two perceptrons."""

    basis: Tensor
    season: Tensor

    def __init__(self, options: DualBranchPlusOptions, member: MemberOptions, inputs: NetworkInputs) -> None:
        """Builds the network; random numbers come from torch's global generator.

        Args:
            options: what the members share.
            member: what this one has of its own.
            inputs: from ``prepare``, or from a saved estimator.
        """
        super().__init__(inputs.scaling)
        self.options = options
        self.cell_points = unit_sphere(inputs.location["lon"].numpy(), inputs.location["lat"].numpy())
        n_features, n_static = len(inputs.scaling.climate_mean), len(inputs.scaling.static_mean)
        self.register_buffer("basis", seasonal_basis(options.steps_per_year, member.harmonics), persistent=False)
        season = seasonal_basis(options.steps_per_year, member.season_harmonics)[:, 1:]
        self.register_buffer("season", season, persistent=False)
        size = self.basis.shape[1] * options.rank
        self.own: nn.Parameter | None = None
        self.from_static: nn.Linear | None = None
        if options.branches != "features":
            self.own = nn.Parameter(torch.randn(len(self.cell_points), size) * _OWN_SPREAD)
            self.from_static = nn.Linear(n_static, size) if n_static else None
        if self.from_static is not None:
            nn.init.normal_(self.from_static.weight, std=_STATIC_SPREAD)
        n_climate = 0 if options.branches == "conditions" else (1 + len(options.lags)) * n_features
        n_inputs = n_climate + (n_static if self.own is None else options.rank) + season.shape[1]
        self.predictor = self._perceptron(n_inputs, member.hidden, 1)
        self.explainer = self._perceptron(n_inputs, member.hidden, n_features + n_static)

    def _perceptron(self, n_inputs: int, hidden: int, n_outputs: int) -> nn.Sequential:
        sizes = [n_inputs] + [hidden] * self.options.layers
        layers: list[nn.Module] = []
        for before, after in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Linear(before, after), nn.SiLU()]
        return nn.Sequential(*layers, OutputLayer(sizes[-1], n_outputs))

    @staticmethod
    def prepare(
        options: DualBranchPlusOptions,
        panel: Panel,
        cells: npt.NDArray[np.int64],
        times: npt.NDArray[np.int64],
        seed: int,
    ) -> NetworkInputs:
        """Fits the scaling and remembers where the training cells, or the centres of their groups, are.

        Args:
            options: sizes.
            panel: the data.
            cells: (sample,) training cells.
            times: (sample,) training times.
            seed: of the clustering into groups; unused where every cell has its own condition.

        Raises:
            ValueError: there are fewer training cells than groups.
        """
        seen = np.unique(cells)
        lon, lat = panel.lon[seen].astype(np.float64), panel.lat[seen].astype(np.float64)
        if options.condition_groups is not None:
            lon, lat = cluster_nodes(lon, lat, options.condition_groups, seed)
        location = {"lon": torch.from_numpy(lon.copy()), "lat": torch.from_numpy(lat.copy())}
        return NetworkInputs(Scaling.of_samples(panel, cells, times), location)

    def place(self, lon: npt.NDArray[Any], lat: npt.NDArray[Any]) -> Placement:
        """Own slot (−1 where the cell is unseen), neighbours and their inverse-distance weights, per cell.

        Where groups share their conditions, each cell, seen or not, belongs to the group with the nearest centre.
        """
        count = min(self.options.neighbours, len(self.cell_points) - 1)
        found = cKDTree(self.cell_points).query(unit_sphere(lon, lat), k=np.arange(1, count + 2))
        distance, slot = np.asarray(found[0]), np.asarray(found[1])
        is_own = (distance[:, 0] < _SAME_PLACE) | (self.options.condition_groups is not None)
        own = np.where(is_own, slot[:, 0], -1)
        if count == 0:  # one training cell: it stands in for all others, and for itself
            distance, slot = distance.repeat(2, axis=1), slot.repeat(2, axis=1)
        # A seen cell is its own nearest: its neighbours start at the second.
        neighbours = np.where(is_own[:, None], slot[:, 1:], slot[:, :-1])
        nearness = 1 / np.maximum(np.where(is_own[:, None], distance[:, 1:], distance[:, :-1]), _SAME_PLACE)
        weights = nearness / nearness.sum(axis=1, keepdims=True)
        return (
            torch.from_numpy(own.astype(np.int64)),
            torch.from_numpy(neighbours.astype(np.int64)),
            torch.from_numpy(weights).float(),
        )

    def conditions(self) -> Tensor | None:
        """None: a condition is a few multiplications, cheaper than a table of all cells and steps."""
        return None

    def forward(
        self,
        batch: SampleBatch,
        placement: Placement,
        conditions: Tensor | None,
        explained: Tensor | None = None,
        *,
        slopes: bool = False,
    ) -> Decoded:
        """See ``StandardisedNetwork``; in training a part of the samples is masked.

        Only the perceptron stands between a climate feature and the prediction, so that slopes take one more pass
        through it, of the explained samples alone.
        """
        windows, static = self.standardise(batch)
        condition = static if self.own is None else self._condition(static, batch.steps[:, -1], *placement)
        groups = []
        if self.options.branches != "conditions":
            groups.append(windows[:, -1])
            for first, last in self.options.lags:
                end = windows.shape[1] - first
                groups.append(windows[:, end - (last - first) - 1 : end].mean(dim=1))
        inputs = torch.cat((*groups, condition, self.season[batch.steps[:, -1]]), dim=1)
        prediction = self.predictor(inputs)[:, 0]
        variables = torch.cat((windows[:, -1], static), dim=1)
        if explained is not None:
            inputs, variables = inputs[explained], variables[explained]
        weights = self.explainer(inputs.detach() if self.options.importance_detached else inputs)
        found = self._slopes(inputs, windows.shape[2]) if slopes else None
        return Decoded(prediction, weights, weighted_sum(weights, variables), found)

    def _slopes(self, inputs: Tensor, n_features: int) -> Tensor:
        """(sample, feature) ∂ŷ/∂x_j at the step, per standard deviation: 0 where x_j is held or never varied."""
        if self.options.branches == "conditions":
            return inputs.new_zeros(len(inputs), n_features)
        at = inputs.detach().requires_grad_()
        (by_input,) = torch.autograd.grad(self.predictor(at).sum(), at)
        moves = (at[:, :n_features].abs() < HELD_DEVIATIONS) & self.climate_varies
        return by_input[:, :n_features] * moves

    def _condition(self, static: Tensor, steps: Tensor, own: Tensor, neighbours: Tensor, weights: Tensor) -> Tensor:
        """(batch, rank) condition of each sample at its step."""
        assert self.own is not None
        unknown = own < 0
        if self.training and self.options.masked_share > 0:
            unknown = unknown | (batch_rand(len(own), own.device) < self.options.masked_share)
        # Each sample is a weighted sum over rows of the table: its own row, or those of its neighbours.
        # Padding the own row to that width would gather as many rows for every sample; two gathers of the
        # needed rows do less.
        known_at, unknown_at = (~unknown).nonzero()[:, 0], unknown.nonzero()[:, 0]
        stand_in = (F.embedding(neighbours[unknown_at], self.own) * weights[unknown_at, :, None]).sum(dim=1)
        rows = torch.cat((F.embedding(own[known_at], self.own), stand_in))
        coefficients = F.embedding(torch.cat((known_at, unknown_at)).argsort(), rows)
        if self.from_static is not None:
            coefficients = coefficients + self.from_static(static)
        series = coefficients.view(len(own), -1, self.options.rank)
        return (series * self.basis[steps][..., None]).sum(dim=1)
