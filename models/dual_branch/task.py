"""The regression that the training engine sees, and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

from models.dual_branch.decoder import combined_loss
from models.dual_branch.gradients import consistency_loss, decode_with_gradients
from models.dual_branch.network import Placement, StandardisedNetwork
from models.training import DevicePanel

FloatArray = npt.NDArray[np.float32]


class Explanation(NamedTuple):
    """What ``explain`` returns.

    Attributes:
        prediction: (sample,) ŷ in the target's unit.
        weights: (sample, feature + static_feature) importance weights w_j of Eq. 17, in target units per
            standard deviation of the variable in the training samples; climate features first.
        interpretable: (sample,) Σ_j w_j x_j in the target's unit.
    """

    prediction: FloatArray
    weights: FloatArray
    interpretable: FloatArray


@dataclass(frozen=True)
class RegressionTask:
    """Training task: gathers windows, runs the network, combines the losses.

    Attributes:
        module: the network, on the device.
        data: the panel.
        placement: of every cell of the panel, on the device.
        cells: (sample,) int32, on the device.
        times: (sample,) int32, on the device.
        target: (sample,) float32, on the device.
        loss_weights: factors of L_dep and L_interp.
        identity: fingerprint of model and data.
        gradient_consistency_weight: factor of the consistency loss; 0 leaves it out.
        gradient_consistency_two_way: whether that loss pulls at the gradients too.
    """

    module: StandardisedNetwork
    data: DevicePanel
    placement: Placement
    cells: Tensor
    times: Tensor
    target: Tensor
    loss_weights: tuple[float, float]
    identity: str
    gradient_consistency_weight: float = 0.0
    gradient_consistency_two_way: bool = True

    @property
    def n_samples(self) -> int:
        """Number of training samples."""
        return len(self.cells)

    def loss(self, positions: Tensor) -> Tensor:
        """Mean combined loss of a batch; the conditions of its nodes are computed once for it.

        Args:
            positions: (batch,) samples.
        """
        batch = self.data.gather(self.cells[positions].long(), self.times[positions].long())
        conditions, placement = self.module.conditions_of(tuple(part[batch.cells] for part in self.placement))
        if self.gradient_consistency_weight == 0:  # a gradient costs about as much as the rest of the step
            decoded = self.module(batch, placement, conditions)
            return combined_loss(decoded, self.target[positions], *self.loss_weights)
        two_way = self.gradient_consistency_two_way
        decoded, gradients = decode_with_gradients(self.module, batch, placement, conditions, trainable=two_way)
        loss = combined_loss(decoded, self.target[positions], *self.loss_weights)
        n_climate = batch.windows.shape[-1]
        return loss + self.gradient_consistency_weight * consistency_loss(decoded.weights, gradients, n_climate)
