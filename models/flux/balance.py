"""How the raw outputs of a network become six fluxes that keep, or are asked to keep, the carbon balance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

FLUXES = ("gpp", "npp", "ra", "rh", "reco", "nee")
"""The order of the last axis of every simulated or predicted set of fluxes."""
GPP, NPP, RA, RH, RECO, NEE = range(len(FLUXES))
TARGET_FLUXES = (GPP, RECO, NEE)
"""Those that towers measure."""
PENALTY_WEIGHT = 0.1
"""Of each balance term in the published loss."""


class Balance(nn.Module, ABC):
    """Between raw outputs, components (the quantities that add up over plant types) and fluxes.

    Attributes:
        n_outputs: raw outputs, and components, of one step.
    """

    n_outputs: int

    @abstractmethod
    def components(self, raw: Tensor) -> Tensor:
        """Components of one plant type from the raw outputs of its decoder.

        Args:
            raw: (…, output).

        Returns:
            (…, output) gC m⁻² d⁻¹.
        """

    @abstractmethod
    def resemble(self, total: Tensor, raw: Tensor) -> Tensor:
        """Components of a mixture: the weighted sum of its types' and what that sum cannot give.

        Args:
            total: (…, output) gC m⁻² d⁻¹.
            raw: (…, output) of the competition network.

        Returns:
            (…, output) gC m⁻² d⁻¹.
        """

    @abstractmethod
    def fluxes(self, components: Tensor) -> Tensor:
        """The six fluxes.

        Args:
            components: (…, output).

        Returns:
            (…, 6) gC m⁻² d⁻¹ in the order of ``FLUXES``.
        """

    @abstractmethod
    def penalty(self, fluxes: Tensor) -> Tensor:
        """What the loss adds for a balance that does not close; a scalar.

        Args:
            fluxes: (…, 6).
        """


class ConstructedBalance(Balance):
    """Predicts GPP ≥ 0, Ra ÷ GPP ≥ 0 and Rh ≥ 0; NPP, RECO and NEE follow, so that every identity holds.

    Components are GPP, Ra and Rh. A month without photosynthesis has no Ra: what respires is then Rh.

    Args:
        scale: (6,) gC m⁻² d⁻¹, the spread of each flux.
    """

    n_outputs = 3
    scale: Tensor

    def __init__(self, scale: npt.NDArray[np.floating[Any]]) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(scale[[GPP, RA, RH]], dtype=torch.float32))

    def components(self, raw: Tensor) -> Tensor:
        """See ``Balance``."""
        gpp = self.scale[0] * softplus(raw[..., 0])
        return torch.stack([gpp, gpp * softplus(raw[..., 1]), self.scale[2] * softplus(raw[..., 2])], dim=-1)

    def resemble(self, total: Tensor, raw: Tensor) -> Tensor:
        """See ``Balance``."""
        return torch.relu(total + self.scale * raw)

    def fluxes(self, components: Tensor) -> Tensor:
        """See ``Balance``."""
        gpp, ra, rh = components.unbind(dim=-1)
        reco = ra + rh
        return torch.stack([gpp, gpp - ra, ra, rh, reco, reco - gpp], dim=-1)

    def penalty(self, fluxes: Tensor) -> Tensor:
        """Zero: there is nothing to punish."""
        return fluxes.new_zeros(())


class PenalisedBalance(Balance):
    """The published form: six free outputs, all but NEE cut at 0, and a penalty on what does not close.

    Args:
        mean: (6,) gC m⁻² d⁻¹ of each flux.
        scale: (6,) gC m⁻² d⁻¹, the spread of each flux.
    """

    n_outputs = len(FLUXES)
    mean: Tensor
    scale: Tensor

    def __init__(self, mean: npt.NDArray[np.floating[Any]], scale: npt.NDArray[np.floating[Any]]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))

    def components(self, raw: Tensor) -> Tensor:
        """See ``Balance``."""
        return _cut(self.mean + self.scale * raw)

    def resemble(self, total: Tensor, raw: Tensor) -> Tensor:
        """See ``Balance``."""
        return _cut(total + self.scale * raw)

    def fluxes(self, components: Tensor) -> Tensor:
        """See ``Balance``; the components are the fluxes."""
        return components

    def penalty(self, fluxes: Tensor) -> Tensor:
        """Weighted mean squares of the three residuals, in (gC m⁻² d⁻¹)²."""
        gpp, npp, ra, rh, reco, nee = fluxes.unbind(dim=-1)
        residuals = torch.stack([nee - rh + npp, ra - gpp + npp, reco - gpp - nee])
        return PENALTY_WEIGHT * residuals.square().flatten(1).mean(dim=1).sum()


def _cut(fluxes: Tensor) -> Tensor:
    return torch.cat([torch.relu(fluxes[..., :NEE]), fluxes[..., NEE:]], dim=-1)
