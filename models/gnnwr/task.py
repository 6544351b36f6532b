"""What the training loop sees of a geographically weighted network."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class WeightingTask:
    """Training task; a position is a row modulo the number of rows, so that a round may span several passes.

    Attributes:
        module: distances to weights, on the device.
        space: (place, landmark) scaled distances, and the place (n,) of each row.
        time: (moment, landmark) scaled distances, and the moment (n,) of each row; None without time.
        terms: (n, k) β_OLS,k · x_ik over the target's standard deviation, float32.
        target: (n,) over its standard deviation, float32.
        passes: over the rows in one round.
        identity: fingerprint of settings and data.
    """

    module: nn.Module
    space: tuple[Tensor, Tensor]
    time: tuple[Tensor, Tensor] | None
    terms: Tensor
    target: Tensor
    passes: int
    identity: str

    @property
    def n_samples(self) -> int:
        """Number of samples of a round."""
        return len(self.target) * self.passes

    def loss(self, positions: Tensor) -> Tensor:
        """Mean squared error of ŷᵢ = Σₖ wₖ(dᵢ) · β_OLS,k · xᵢₖ over a batch (Du et al. 2020).

        Args:
            positions: (batch,) positions in a round.
        """
        rows = positions % len(self.target)
        table, place = self.space
        moments = None if self.time is None else self.time[0][self.time[1][rows]]
        weights = self.module(table[place[rows]], moments)
        loss: Tensor = ((weights * self.terms[rows]).sum(dim=1) - self.target[rows]).square().mean()
        return loss
