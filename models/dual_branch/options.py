"""Settings of the two estimators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.dual_branch.attention import AttentionKind
from models.dual_branch.graph import SIGMA, Geometry
from models.training import TrainingOptions

Branches = Literal["both", "features", "conditions"]
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
        n_nodes: K-means nodes of the graph (Eq. 5).
        k: neighbours of a node, itself not counted (Eq. 7).
        geometry: neighbours on the ``sphere`` (the paper's) or the ``plane``.
        sigma: σ of Eq. 8.
        window: L, steps of climate and of conditions that a prediction sees, its own included.
        width: channels of a token and of a condition vector.
        heads: attention heads; ``width / heads`` must be even.
        blocks: dual-attention blocks.
        feed_forward_factor: hidden channels of a feed-forward network ÷ width.
        attention: ``linear`` (Eq. 2) or ``softmax``, in the dual-attention blocks.
        convolution_reach: k of Eq. 12, steps to either side.
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
    window: int = 8
    width: int = 64
    heads: int = 1
    blocks: int = 2
    feed_forward_factor: int = 2
    attention: AttentionKind = "linear"
    convolution_reach: int = 1
    learned_adjacency: bool = False
    branches: Branches = "both"
    prediction_loss_weight: float = 1.0
    importance_loss_weight: float = 1.0
    steps_per_year: int = STEPS_PER_YEAR

    def __post_init__(self) -> None:
        for name in ("n_nodes", "window", "width", "heads", "feed_forward_factor", "steps_per_year"):
            _require(getattr(self, name) >= 1, f"DualBranchOptions.{name} must be at least 1.")
        for name in ("blocks", "convolution_reach"):
            _require(getattr(self, name) >= 0, f"DualBranchOptions.{name} must not be negative.")
        _require(
            self.width % (2 * self.heads) == 0,
            f"width {self.width} must be an even multiple of heads {self.heads} (rotary pairs).",
        )
        _require(
            1 <= self.k < self.n_nodes,
            f"k is {self.k}; with {self.n_nodes} nodes it must lie in 1–{self.n_nodes - 1}.",
        )
        _require(self.sigma > 0, "DualBranchOptions.sigma must be positive.")
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
class DualBranchPlusOptions:
    """The better network; every number was chosen on blocks of cells and time cut from the training year.

    Attributes:
        harmonics: annual harmonics of a cell's condition; 3 resolve about two months.
        rank: numbers of a condition.
        hidden: units of a hidden layer.
        layers: hidden layers.
        lags: groups of earlier steps whose mean climate is an input, as (first, last) steps back; the step
            itself always is one.
        neighbours: training cells whose conditions stand in for a cell without its own.
        masked_share: part of each batch whose own condition is replaced by its neighbours' in training.
        prediction_loss_weight: factor of L_dep (Eq. 16).
        importance_loss_weight: factor of L_interp (Eq. 18).
        ensemble: networks of different seeds whose outputs are averaged.
        steps_per_year: period of the conditions.
        condition_groups: conditions shared by so many K-means groups of training cells, as the paper's by graph
            nodes; None for one per training cell.
        branches: ``both``; ``features`` puts the static features in the place of the condition; ``conditions``
            leaves the climate out, so that a climatology remains.
        gradient_consistency_weight: factor of the mean squared difference between the importance weights of the
            climate features and the network's own input gradients (``gradients``); 0 leaves it out.
        gradient_consistency_two_way: whether that loss also pulls the gradients, and so the prediction, towards the
            weights; if not, the weights follow the gradients.

    Raises:
        ValueError: a setting is out of range.
    """

    harmonics: int = 3
    rank: int = 16
    hidden: int = 256
    layers: int = 3
    lags: tuple[tuple[int, int], ...] = ((1, 2), (3, 7))
    neighbours: int = 8
    masked_share: float = 0.1
    prediction_loss_weight: float = 1.0
    importance_loss_weight: float = 1.0
    ensemble: int = 3
    steps_per_year: int = STEPS_PER_YEAR
    condition_groups: int | None = None
    branches: Branches = "both"
    gradient_consistency_weight: float = 0.0
    gradient_consistency_two_way: bool = True

    def __post_init__(self) -> None:
        for name in ("rank", "hidden", "layers", "neighbours", "ensemble", "steps_per_year"):
            _require(getattr(self, name) >= 1, f"DualBranchPlusOptions.{name} must be at least 1.")
        for name in ("harmonics", "gradient_consistency_weight"):
            _require(getattr(self, name) >= 0, f"DualBranchPlusOptions.{name} must not be negative.")
        _require(0 <= self.masked_share < 1, "DualBranchPlusOptions.masked_share must lie in [0, 1).")
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


PLUS_TRAINING = TrainingOptions(epochs=40, batch_size=512, learning_rate=3e-3, schedule="one_cycle")
"""Training of the better network, chosen with ``DualBranchPlusOptions``."""
