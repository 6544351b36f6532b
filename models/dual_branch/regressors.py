"""The two estimators: the paper's network, and the better one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from models.dual_branch.estimator import Estimator
from models.dual_branch.network import DualBranchNetwork, NetworkInputs, StandardisedNetwork
from models.dual_branch.options import PAPER_TRAINING, PLUS_TRAINING, DualBranchOptions, DualBranchPlusOptions
from models.dual_branch.plus_network import DualBranchPlusNetwork
from models.training import TrainingOptions


class DualBranchRegressor(Estimator[DualBranchOptions]):
    """The paper's model, equation by equation (Du et al. 2025, Sections 3.1–3.3)."""

    _kind = "dual_branch estimator"
    _options_type = DualBranchOptions
    _prepare = staticmethod(DualBranchNetwork.prepare)

    def __init__(self, options: DualBranchOptions | None = None, training: TrainingOptions | None = None) -> None:
        """Creates an unfitted estimator.

        Args:
            options: sizes and ablations.
            training: ``PAPER_TRAINING`` where None.
        """
        super().__init__(options or DualBranchOptions(), training or PAPER_TRAINING)

    def _build(self, inputs: NetworkInputs, number: int) -> StandardisedNetwork:
        return DualBranchNetwork(self.options, inputs)


class DualBranchPlusRegressor(Estimator[DualBranchPlusOptions]):
    """An ensemble with conditions of low rank at cell resolution; ``plus_network`` says what differs."""

    _kind = "dual_branch_plus estimator"
    _options_type = DualBranchPlusOptions
    _prepare = staticmethod(DualBranchPlusNetwork.prepare)
    _before: ClassVar[Mapping[str, Any]] = {"importance_detached": False}

    def __init__(self, options: DualBranchPlusOptions | None = None, training: TrainingOptions | None = None) -> None:
        """Creates an unfitted estimator.

        Args:
            options: sizes.
            training: ``PLUS_TRAINING`` where None.
        """
        super().__init__(options or DualBranchPlusOptions(), training or PLUS_TRAINING)

    @property
    def _ensemble(self) -> int:
        return len(self.options.members)

    def _build(self, inputs: NetworkInputs, number: int) -> StandardisedNetwork:
        return DualBranchPlusNetwork(self.options, self.options.members[number], inputs)

    def _training_of(self, number: int) -> TrainingOptions:
        training, decay = super()._training_of(number), self.options.members[number].weight_decay
        return training if decay is None else replace(training, weight_decay=decay)

    def _extra_losses(self) -> dict[str, Any]:
        return {
            "importance_share": self.options.importance_share,
            "gradient_consistency_weight": self.options.gradient_consistency_weight,
            "gradient_consistency_two_way": self.options.gradient_consistency_two_way,
        }
