"""The regression that the training loop sees, and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from torch import Tensor

from models.arrays import Singles
from models.dual_branch.decoder import Decoded, combined_loss
from models.dual_branch.gradients import consistency_loss, decode_with_gradients
from models.dual_branch.network import Placement, StandardisedNetwork
from models.dual_branch.series import SeriesPanel
from models.training import DevicePanel, SampleBatch, batch_rand


class Explanation(NamedTuple):
    """What ``explain`` returns.

    Attributes:
        prediction: (sample,) ŷ in the target's unit.
        weights: (sample, feature + static_feature) importance weights w_j of Eq. 17, in target units per
            standard deviation of the variable in the training samples; climate features first.
        interpretable: (sample,) Σ_j w_j x_j in the target's unit, and the training mean where the target was
            standardised (``target.TargetScaling``).
    """

    prediction: Singles
    weights: Singles
    interpretable: Singles


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
        importance_share: part of a batch, drawn anew, in which L_interp and the consistency loss are taken.
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
    importance_share: float = 1.0
    gradient_consistency_weight: float = 0.0
    gradient_consistency_two_way: bool = True

    @property
    def n_samples(self) -> int:
        """Number of training samples."""
        return len(self.cells)

    @property
    def samples_each(self) -> float:
        """Samples that a position stands for: one."""
        return 1.0

    def loss(self, positions: Tensor) -> Tensor:
        """Mean combined loss of a batch; the conditions of its nodes are computed once for it.

        Args:
            positions: (batch,) samples.
        """
        batch, target = self._batch(positions)
        expected = self.samples_each * len(positions)
        conditions, placement = self.module.conditions_of(tuple(part[batch.cells] for part in self.placement))
        explained: Tensor | None = None
        if self.importance_share < 1:
            explained = (batch_rand(len(target), target.device) < self.importance_share).nonzero()[:, 0]
        n_explained = self.importance_share * expected
        if self.gradient_consistency_weight == 0:
            decoded = self.module(batch, placement, conditions, explained)
            return self._combined(decoded, target, explained, expected, n_explained)
        n_climate = batch.windows.shape[-1]
        if self.gradient_consistency_two_way:  # as long as the rest of the step
            decoded, slopes = decode_with_gradients(
                self.module, batch, placement, conditions, trainable=True, explained=explained
            )
            slopes = slopes if explained is None else slopes[explained]
        else:
            decoded = self.module(batch, placement, conditions, explained, slopes=True)
            assert decoded.slopes is not None
            slopes = decoded.slopes
        return self._combined(
            decoded, target, explained, expected, n_explained
        ) + self.gradient_consistency_weight * consistency_loss(decoded.weights, slopes, n_climate, n_explained)

    def _combined(
        self, decoded: Decoded, target: Tensor, explained: Tensor | None, expected: float, n_explained: float
    ) -> Tensor:
        return combined_loss(
            decoded,
            target,
            *self.loss_weights,
            explained=explained,
            expected=expected,
            expected_explained=n_explained,
        )

    def _batch(self, positions: Tensor) -> tuple[SampleBatch, Tensor]:
        """The samples at some positions, and their targets."""
        batch = self.data.gather(self.cells[positions].long(), self.times[positions].long())
        return batch, self.target[positions]


@dataclass(frozen=True)
class SeriesTask(RegressionTask):
    """The same on series: a position is a year of a cell.

    Attributes:
        cells: (series,) int32, on the device.
        times: (series,) int32, first step of each, on the device.
        target: (series, step) float32, NaN where nothing is to be learned, on the device.
    """

    @cached_property
    def samples_each(self) -> float:
        """Training samples of a series, in the mean."""
        return float(self.target.isfinite().sum()) / len(self.target)

    def _batch(self, positions: Tensor) -> tuple[SampleBatch, Tensor]:
        assert isinstance(self.data, SeriesPanel)
        table = self.target[positions].flatten()
        asked = table.isfinite().nonzero()[:, 0]
        batch = self.data.gather_series(self.cells[positions].long(), self.times[positions].long(), asked)
        return batch, table[asked]
