"""The paper's network, assembled (Du et al. 2025, Figure 2)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy.spatial import cKDTree
from torch import Tensor, nn

from models.dual_branch.attention import TabularEncoder
from models.dual_branch.conditions import ConditionEncoder
from models.dual_branch.decoder import (
    ConditionedDecoder,
    Decoded,
    ImportanceHead,
    PredictionHead,
    weighted_sum,
)
from models.dual_branch.graph import build_graph, cluster_nodes, positions
from models.dual_branch.node2vec import embed_nodes
from models.dual_branch.options import DualBranchOptions
from models.training import Panel, SampleBatch, Scaling, standardise

Placement = tuple[Tensor, ...]
"""Where each cell of a panel stands in the conditions: tensors whose first dimension is the cell."""


@dataclass(frozen=True)
class NetworkInputs:
    """Everything fitted before training, as plain tensors, so that a saved estimator can be built again.

    Attributes:
        scaling: statistics of the training samples.
        location: named tensors that say where conditions live: nodes and edges, or cells.
    """

    scaling: Scaling
    location: dict[str, Tensor]


class StandardisedNetwork(nn.Module):
    """Common part of both networks: standardisation and the interface that the estimator drives."""

    climate_mean: Tensor
    climate_scale: Tensor
    climate_varies: Tensor
    static_mean: Tensor
    static_scale: Tensor
    static_varies: Tensor
    climate_low: Tensor
    static_low: Tensor

    def __init__(self, scaling: Scaling) -> None:
        """Keeps the statistics on the device.

        Args:
            scaling: statistics of the training samples.
        """
        super().__init__()
        for field in fields(scaling):
            self.register_buffer(field.name, getattr(scaling, field.name), persistent=False)

    def standardise(self, batch: SampleBatch) -> tuple[Tensor, Tensor]:
        """Standardised windows (batch, window, feature) and static features (batch, static_feature).

        They are held within a few deviations, and 0 where a variable is constant in training: ``models.inputs``.

        Args:
            batch: raw values.
        """
        windows = standardise(batch.windows, self.climate_mean, self.climate_scale, self.climate_varies)
        return windows, standardise(batch.static, self.static_mean, self.static_scale, self.static_varies)

    def used(self) -> Tensor:
        """(feature + static_feature,) booleans: which variables vary in training, and so have any say."""
        return torch.cat((self.climate_varies, self.static_varies))

    def place(self, lon: npt.NDArray[Any], lat: npt.NDArray[Any]) -> Placement:
        """Where cells stand in the conditions.

        Args:
            lon: (cell,) degrees east.
            lat: (cell,) degrees north.
        """
        raise NotImplementedError

    def conditions(self) -> Tensor | None:
        """The table of all conditions, computed once for a prediction; None if there is none."""
        raise NotImplementedError

    def conditions_of(self, placement: Placement) -> tuple[Tensor | None, Placement]:
        """The conditions that a batch needs, computed once for it, and where its samples stand in them.

        Args:
            placement: of the samples, from ``place``.
        """
        return self.conditions(), placement

    def forward(
        self,
        batch: SampleBatch,
        placement: Placement,
        conditions: Tensor | None,
        explained: Tensor | None = None,
        *,
        slopes: bool = False,
    ) -> Decoded:
        """Predictions, importance weights and their weighted sums.

        Args:
            batch: raw values of the samples.
            placement: of the rows of the batch, from ``place``.
            conditions: from ``conditions``.
            explained: (explained,) int64, the samples whose weights are wanted, ascending; None for all.
            slopes: also the derivatives of the explained predictions, for a loss that pulls at the weights alone.

        Raises:
            NotImplementedError: slopes are asked of a network that gives its derivatives in no such way
                (``gradients`` has those of any).
        """
        raise NotImplementedError


class DualBranchNetwork(StandardisedNetwork):
    """Dual-attention encoder and condition graph, joined in two decoders (Eq. 1–18)."""

    def __init__(self, options: DualBranchOptions, inputs: NetworkInputs) -> None:
        """Builds the network; random numbers come from torch's global generator.

        Args:
            options: sizes and ablations.
            inputs: from ``prepare``, or from a saved estimator.
        """
        super().__init__(inputs.scaling)
        self.options = options
        self.location = {name: inputs.location[name].cpu().numpy() for name in ("lon", "lat")}
        n_features, n_static = len(inputs.scaling.climate_mean), len(inputs.scaling.static_mean)
        width, heads, factor = options.width, options.heads, options.feed_forward_factor
        self.n_tokens = n_features + (n_static > 0)
        self.encoder: TabularEncoder | None = None
        self.constant_tokens: nn.Parameter | None = None
        if options.branches == "conditions":
            steps = options.window if options.reading == "window" else 1
            self.constant_tokens = nn.Parameter(torch.randn(self.n_tokens, steps, width))
        else:
            self.encoder = TabularEncoder(n_features, n_static, width, heads, options.blocks, options.attention, factor)
        self.condition_encoder: ConditionEncoder | None = None
        if options.branches != "features":
            edges = (inputs.location[name] for name in ("embedding", "row_start", "neighbour", "weight"))
            self.condition_encoder = ConditionEncoder(
                *edges,
                steps_per_year=options.steps_per_year,
                reach=options.convolution_reach,
                learned_adjacency=options.learned_adjacency,
                embedding_rate=options.embedding_rate,
            )
        norm, rotary = options.layer_norm, options.decoder_positions
        self.prediction_decoder = ConditionedDecoder(width, heads, factor, layer_norm=norm, rotary=rotary)
        self.importance_decoder = ConditionedDecoder(width, heads, factor, layer_norm=norm, rotary=rotary)
        self.prediction_head = PredictionHead(width)
        self.importance_head = ImportanceHead(width, n_features, n_static)

    @staticmethod
    def prepare(
        options: DualBranchOptions,
        panel: Panel,
        cells: npt.NDArray[np.int64],
        times: npt.NDArray[np.int64],
        seed: int,
    ) -> NetworkInputs:
        """Fits scaling, nodes, edges and initial embeddings to the training part.

        Args:
            options: sizes and ablations.
            panel: the data.
            cells: (sample,) training cells.
            times: (sample,) training times.
            seed: of clustering and walks.

        Where there are fewer training cells than nodes, each place is a node; where there are not more nodes than
        neighbours, each is joined with all.
        """
        seen = np.unique(cells)
        places = len(np.unique(np.stack((panel.lon[seen], panel.lat[seen])), axis=1).T)
        lon, lat = cluster_nodes(panel.lon[seen], panel.lat[seen], min(options.n_nodes, places), seed)
        k = min(options.k, len(lon) - 1)
        graph = build_graph(lon, lat, k, geometry=options.geometry, sigma=options.sigma)
        location = {
            "lon": torch.from_numpy(lon.copy()),
            "lat": torch.from_numpy(lat.copy()),
            "row_start": torch.from_numpy(graph.row_start),
            "neighbour": torch.from_numpy(graph.neighbour),
            "weight": torch.from_numpy(graph.normalised_weight()).float(),
            "embedding": embed_nodes(graph, options.width, seed=seed),
        }
        return NetworkInputs(Scaling.of_samples(panel, cells, times), location)

    def place(self, lon: npt.NDArray[Any], lat: npt.NDArray[Any]) -> Placement:
        """Index of the node nearest to each cell, seen or not, in the graph's geometry."""
        geometry = self.options.geometry
        nodes = positions(self.location["lon"], self.location["lat"], geometry)
        _, nearest = cKDTree(nodes).query(positions(lon, lat, geometry))
        return (torch.from_numpy(np.asarray(nearest, dtype=np.int64)),)

    def conditions(self) -> Tensor | None:
        """(node, step of the year, width) V_final."""
        return None if self.condition_encoder is None else self.condition_encoder()

    def conditions_of(self, placement: Placement) -> tuple[Tensor | None, Placement]:
        """See ``StandardisedNetwork``: V_final of the nodes of the batch."""
        if self.condition_encoder is None:
            return None, placement
        nodes, position = torch.unique(placement[0], return_inverse=True)
        return self.condition_encoder(nodes), (position,)

    def forward(
        self,
        batch: SampleBatch,
        placement: Placement,
        conditions: Tensor | None,
        explained: Tensor | None = None,
        *,
        slopes: bool = False,
    ) -> Decoded:
        """See ``StandardisedNetwork``; it has no slopes to give."""
        if slopes:
            raise NotImplementedError("The paper's network gives no slopes; gradients.decode_with_gradients does.")
        windows, static = self.standardise(batch)
        if self.encoder is not None:
            features = self.encoder(windows, static)
        else:
            assert self.constant_tokens is not None
            features = self.constant_tokens.expand(len(windows), -1, windows.shape[1], -1)
        if conditions is None:
            values = features.mean(dim=1)
        else:
            rows = placement[0][:, None] * conditions.shape[1] + batch.steps
            values = F.embedding(rows, conditions.flatten(0, 1))
        every_step, asked = batch.asked is not None, batch.asked
        prediction = self.prediction_head(self.prediction_decoder(features, values, every_step=every_step))
        if asked is not None:
            prediction = prediction[asked]
        if explained is not None and len(explained) == 0:  # nothing of the second branch is wanted
            return Decoded(prediction, prediction.new_zeros(0, windows.shape[-1] + static.shape[-1]), prediction[:0])
        weights = self.importance_head(self.importance_decoder(features, values, every_step=every_step))
        if asked is None:
            inputs = torch.cat((windows[:, -1], static), dim=1)
        else:
            weights, row = weights[asked], asked.div(windows.shape[1], rounding_mode="floor")
            inputs = torch.cat((windows.flatten(0, 1)[asked], static[row]), dim=1)
        if self.options.importance_origin == "minimum":
            inputs = inputs - torch.cat((self.climate_low, self.static_low))
        if explained is not None:
            weights, inputs = weights[explained], inputs[explained]
        return Decoded(prediction, weights, weighted_sum(weights, inputs))
