"""Predicts the shares of the plant types from the inputs, supervised by coarse labels."""

from __future__ import annotations

from torch import Tensor, nn


class ShareModel(nn.Module):
    """Predicts the three shares of each month from the inputs: sigmoids, normalised to 1.

    Supervised by coarse labels through its mean over the months, as DERE supervises the shares per age and year by
    those of a satellite.

    Args:
        encoder: (batch, time, input) → (batch, time, width).
        decoder: (batch, time, width) → (batch, time, 3).
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, inputs: Tensor) -> Tensor:
        """Shares of each sequence.

        Args:
            inputs: (batch, time, input), standardised.

        Returns:
            (batch, 3), summing to 1: the mean over the months of the shares of each month.
        """
        raw = self.decoder(self.encoder(inputs)).sigmoid()
        monthly: Tensor = raw / raw.sum(dim=-1, keepdim=True)
        return monthly.mean(dim=1)
