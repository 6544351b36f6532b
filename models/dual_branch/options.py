"""Settings of the two estimators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from models.dual_branch.attention import AttentionKind
from models.dual_branch.graph import SIGMA, Geometry
from models.training import TrainingOptions

Branches = Literal["both", "features", "conditions"]
Reading = Literal["series", "window"]
Origin = Literal["mean", "minimum"]
STEPS_PER_YEAR = 46
"""8-day steps in a year."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _require_branches(branches: str) -> None:
    _require(
        branches in ("both", "features", "conditions"),
        f"branches is {branches!r}; choose 'both', 'features' or 'conditions'.",
    )


@dataclass(frozen=True)
class DualBranchOptions:
    """The paper's network; where the paper is silent, the default is this project's decision.

    Attributes:
        n_nodes: K-means nodes of the graph (Eq. 5), at most one for each training cell.
        k: neighbours of a node, itself not counted (Eq. 7), at most all others.
        geometry: neighbours on the ``sphere`` (the paper's) or the ``plane``.
        sigma: σ of Eq. 8.
        reading: what X ∈ ℝ^(L×D) is. ``series``: all steps of a year of a cell, with a prediction at each; ``window``:
            the steps up to the predicted one.
        window: L of the reading ``window``, its own step included.
        width: channels of a token and of a condition vector.
        heads: attention heads; ``width / heads`` must be even.
        blocks: dual-attention blocks.
        feed_forward_factor: hidden channels of a feed-forward network ÷ width.
        attention: ``linear`` (Eq. 2) or ``softmax``, in the dual-attention blocks.
        convolution_reach: k of Eq. 12, steps to either side.
        layer_norm: normalise in the decoders, as the "standard Transformer decoder" does.
        decoder_positions: rotate the decoders' queries and keys by their steps, as the encoder's (RoFormer).
        embedding_rate: how many times as fast as other parameters the node embeddings learn.
        importance_origin: where the x_j of Eq. 17 are 0: at the training ``mean`` or ``minimum``. Both are in standard
            deviations. Min–max scaling has the latter origin, and differs by a factor that w_j takes up.
        learned_adjacency: add a learned matrix to the adjacency.
        branches: ``both``; ``features`` puts the data features in the place of the conditions; ``conditions``
            puts learned constants in the place of the data features, which leaves a climatology of each node.
        prediction_loss_weight: factor of L_dep (Eq. 16).
        importance_loss_weight: factor of L_interp (Eq. 18).
        steps_per_year: period of the conditions.

    Raises:
        ValueError: a setting is out of range.
    """

    n_nodes: int = 256
    k: int = 8
    geometry: Geometry = "sphere"
    sigma: float = SIGMA
    reading: Reading = "series"
    window: int = 8
    width: int = 64
    heads: int = 1
    blocks: int = 2
    feed_forward_factor: int = 2
    attention: AttentionKind = "linear"
    convolution_reach: int = 1
    layer_norm: bool = True
    decoder_positions: bool = False
    embedding_rate: float = 30.0
    importance_origin: Origin = "mean"
    learned_adjacency: bool = False
    branches: Branches = "both"
    prediction_loss_weight: float = 1.0
    importance_loss_weight: float = 1.0
    steps_per_year: int = STEPS_PER_YEAR

    def __post_init__(self) -> None:
        for name in ("n_nodes", "k", "window", "width", "heads", "feed_forward_factor", "steps_per_year"):
            _require(getattr(self, name) >= 1, f"DualBranchOptions.{name} must be at least 1.")
        for name in ("blocks", "convolution_reach"):
            _require(getattr(self, name) >= 0, f"DualBranchOptions.{name} must not be negative.")
        _require(
            self.width % (2 * self.heads) == 0,
            f"width {self.width} must be an even multiple of heads {self.heads} (rotary pairs).",
        )
        for name in ("sigma", "embedding_rate"):
            _require(getattr(self, name) > 0, f"DualBranchOptions.{name} must be positive.")
        _require(
            self.reading in ("series", "window"),
            f"reading is {self.reading!r}; choose 'series' or 'window'.",
        )
        _require(
            self.importance_origin in ("mean", "minimum"),
            f"importance_origin is {self.importance_origin!r}; choose 'mean' or 'minimum'.",
        )
        _require(
            self.geometry in ("sphere", "plane"),
            f"geometry is {self.geometry!r}; choose 'sphere' or 'plane'.",
        )
        _require(
            self.attention in ("linear", "softmax"),
            f"attention is {self.attention!r}; choose 'linear' or 'softmax'.",
        )
        _require_branches(self.branches)


@dataclass(frozen=True)
class MemberOptions:
    """What one network of the ensemble has of its own.

    A condition that follows the year (``harmonics``) knows a cell's season and takes the anomalies of few years for it;
    a constant one (0 harmonics) cannot, and needs to be told the season (``season_harmonics``). Their errors differ,
    which is what a mean of both gains from.

    Attributes:
        harmonics: annual harmonics of a cell's condition; 3 resolve about two months, 0 makes it constant.
        season_harmonics: annual harmonics of the season as an input of the shared network.
        hidden: units of a hidden layer.
        weight_decay: of AdamW; None for that of the training.

    Raises:
        ValueError: a setting is out of range.
    """

    harmonics: int = 3
    season_harmonics: int = 0
    hidden: int = 256
    weight_decay: float | None = None

    def __post_init__(self) -> None:
        for name in ("harmonics", "season_harmonics"):
            _require(getattr(self, name) >= 0, f"MemberOptions.{name} must not be negative.")
        _require(self.hidden >= 1, "MemberOptions.hidden must be at least 1.")
        _require(
            self.weight_decay is None or self.weight_decay >= 0, "MemberOptions.weight_decay must not be negative."
        )


SEASONAL = MemberOptions()
"""A member whose conditions follow the year."""
CONSTANT = MemberOptions(harmonics=0, season_harmonics=2, hidden=384, weight_decay=0.3)
"""A member whose conditions are constant."""


@dataclass(frozen=True)
class DualBranchPlusOptions:
    """The better network; numbers were chosen on other years of simulated worlds and on parts of a training year.

    Attributes:
        members: the networks whose outputs are averaged, each with a seed of its own; mappings of their settings will
            do.
        rank: numbers of a condition.
        layers: hidden layers.
        lags: groups of earlier steps whose mean climate is an input, as (first, last) steps back; the step
            itself always is one.
        neighbours: training cells whose conditions stand in for a cell without its own.
        masked_share: part of each batch whose own condition is replaced by its neighbours' in training.
        prediction_loss_weight: factor of L_dep (Eq. 16).
        importance_loss_weight: factor of L_interp (Eq. 18).
        importance_share: part of each batch, drawn anew, whose importance weights are trained; a share costs that share
            of the time of all.
        importance_detached: whether the importance branch reads the conditions without teaching them: its losses then
            leave every prediction as it is, to the bit; but for ``gradient_consistency_two_way``, and for a
            ``TrainingOptions.gradient_clip``, whose norm is over both branches.
        steps_per_year: period of the conditions.
        condition_groups: conditions shared by so many K-means groups of training cells, as the paper's by graph
            nodes; None for one per training cell.
        branches: ``both``; ``features`` puts the static features in the place of the condition; ``conditions``
            leaves the climate out, so that a climatology remains.
        gradient_consistency_weight: factor of the mean squared difference between the importance weights of the
            climate features and the network's own input gradients (``gradients``); 0 leaves it out, and the time for
            the gradients with it.
        gradient_consistency_two_way: whether that loss also pulls the gradients, and so the prediction, towards the
            weights; if not, the weights follow the gradients.

    Raises:
        ValueError: a setting is out of range.
    """

    members: tuple[MemberOptions, ...] = (SEASONAL, CONSTANT, CONSTANT)
    rank: int = 16
    layers: int = 3
    lags: tuple[tuple[int, int], ...] = ((1, 2), (3, 7))
    neighbours: int = 8
    masked_share: float = 0.1
    prediction_loss_weight: float = 1.0
    importance_loss_weight: float = 1.0
    importance_share: float = 0.25
    importance_detached: bool = True
    steps_per_year: int = STEPS_PER_YEAR
    condition_groups: int | None = None
    branches: Branches = "both"
    gradient_consistency_weight: float = 10.0
    gradient_consistency_two_way: bool = False

    def __post_init__(self) -> None:
        members: tuple[MemberOptions | Mapping[str, Any], ...] = tuple(self.members)
        object.__setattr__(
            self, "members", tuple(MemberOptions(**one) if isinstance(one, Mapping) else one for one in members)
        )
        _require(len(members) >= 1, "DualBranchPlusOptions.members is empty; name one network at least.")
        for name in ("rank", "layers", "neighbours", "steps_per_year"):
            _require(getattr(self, name) >= 1, f"DualBranchPlusOptions.{name} must be at least 1.")
        _require(
            self.gradient_consistency_weight >= 0,
            "DualBranchPlusOptions.gradient_consistency_weight must not be negative.",
        )
        _require(0 <= self.masked_share < 1, "DualBranchPlusOptions.masked_share must lie in [0, 1).")
        _require(0 < self.importance_share <= 1, "DualBranchPlusOptions.importance_share must lie in (0, 1].")
        for first, last in self.lags:
            _require(1 <= first <= last, f"The lag group ({first}, {last}) must satisfy 1 ≤ first ≤ last.")
        _require(
            self.condition_groups is None or self.condition_groups > self.neighbours,
            f"condition_groups is {self.condition_groups}; it must be above the {self.neighbours} neighbours that "
            "stand in for a group.",
        )
        _require_branches(self.branches)

    @property
    def window(self) -> int:
        """Steps of climate that a prediction sees, its own included."""
        return 1 + max((last for _, last in self.lags), default=0)


PAPER_TRAINING = TrainingOptions(least_steps=500)
"""Training of the paper's network: the paper's own settings, and steps enough where samples are few: 20 epochs of 256
are as many from 6,400 samples on."""
PLUS_TRAINING = TrainingOptions(epochs=40, batch_size=512, learning_rate=3e-3, schedule="one_cycle", least_steps=2000)
"""Training of the better network, chosen with ``DualBranchPlusOptions``."""
