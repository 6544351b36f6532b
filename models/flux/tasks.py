"""What the training engine sees in each stage: sequences of towers, and losses of their fluxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.flux.balance import TARGET_FLUXES
from models.flux.imputation import Imputed
from models.flux.networks import FluxNetwork, ImputedWeight
from models.training import batch_rand

OBSERVED_WEIGHT = 10.0
"""Of the observed months where imputed ones count too (DERE, step 6)."""


class Mixtures(NamedTuple):
    """Simulated ground, several sorts of it at each tower.

    Attributes:
        shares: (tower, mixture, 3).
        fluxes: (tower, mixture, month, 6) gC m⁻² d⁻¹.
    """

    shares: Tensor
    fluxes: Tensor


@dataclass(frozen=True)
class BranchTask:
    """Step 1: every branch learns the fluxes of its own plant type, in one joint step.

    Attributes:
        module: the network; its encoder and decoders are trained.
        inputs: (tower, month, input).
        shares: (tower, 3).
        simulated: (tower, branch, month, 6) gC m⁻² d⁻¹.
        scale: (6,) gC m⁻² d⁻¹.
        training: (sample,) towers.
        validation: (tower,) towers.
        identity: of the stage.
    """

    module: FluxNetwork
    inputs: Tensor
    shares: Tensor
    simulated: Tensor
    scale: Tensor
    training: Tensor
    validation: Tensor
    identity: str

    @property
    def n_samples(self) -> int:
        """Number of towers."""
        return len(self.training)

    def loss(self, positions: Tensor) -> Tensor:
        """Standardised error of all six fluxes and the balance terms, mean over the branches.

        Args:
            positions: (batch,) samples.
        """
        return self._loss(self.training[positions])

    def validation_loss(self) -> float:
        """The same at the validation towers."""
        return float(self._loss(self.validation).detach())

    def _loss(self, towers: Tensor) -> Tensor:
        balance = self.module.balance
        fluxes = balance.fluxes(self.module.branches(self.inputs[towers], self.shares[towers]))
        error = ((fluxes - self.simulated[towers]) / self.scale).square().mean()
        return error + balance.penalty(fluxes)


@dataclass(frozen=True)
class MixtureTask:
    """The fluxes of whole towers as the process model simulates them: steps 1 and 2 for the competition network.

    Also the pretraining of a network without branches of plant types.

    Attributes:
        module: the network.
        inputs: (tower, month, input).
        branches: (tower, branch, month, component) where the branches are frozen.
        mixtures: of the same towers.
        scale: (6,) gC m⁻² d⁻¹.
        training: (sample,) towers; one of its mixtures is drawn each time a tower is seen.
        validation: (tower,) towers.
        identity: of the stage.
    """

    module: FluxNetwork
    inputs: Tensor
    branches: Tensor | None
    mixtures: Mixtures
    scale: Tensor
    training: Tensor
    validation: Tensor
    identity: str

    @property
    def n_samples(self) -> int:
        """Number of towers."""
        return len(self.training)

    def loss(self, positions: Tensor) -> Tensor:
        """Standardised error of all six fluxes and the balance terms.

        Args:
            positions: (batch,) samples.
        """
        drawn = batch_rand(len(positions), positions.device) * self.mixtures.shares.shape[1]
        return self._loss(self.training[positions], drawn.long())

    def validation_loss(self) -> float:
        """The same at the validation towers, mean over all their mixtures."""
        n = self.mixtures.shares.shape[1]
        losses = [self._loss(self.validation, torch.full_like(self.validation, number)) for number in range(n)]
        return float(torch.stack(losses).mean().detach())

    def _loss(self, towers: Tensor, mixture: Tensor) -> Tensor:
        branches = None if self.branches is None else self.branches[towers]
        fluxes = self.module(self.inputs[towers], self.mixtures.shares[towers, mixture], branches)
        error: Tensor = ((fluxes - self.mixtures.fluxes[towers, mixture]) / self.scale).square().mean()
        return error + self.module.balance.penalty(fluxes)


@dataclass(frozen=True)
class ShareTask:
    """Step 3: the mean of the monthly shares learns the label of the tower.

    Attributes:
        module: the network; its share model is trained.
        inputs: (tower, month, input).
        shares: (tower, 3) labels.
        training: (sample,) towers.
        validation: (tower,) towers.
        identity: of the stage.
    """

    module: FluxNetwork
    inputs: Tensor
    shares: Tensor
    training: Tensor
    validation: Tensor
    identity: str

    @property
    def n_samples(self) -> int:
        """Number of towers."""
        return len(self.training)

    def loss(self, positions: Tensor) -> Tensor:
        """Mean squared error of the shares.

        Args:
            positions: (batch,) samples.
        """
        return self._loss(self.training[positions])

    def validation_loss(self) -> float:
        """The same at the validation towers."""
        return float(self._loss(self.validation).detach())

    def _loss(self, towers: Tensor) -> Tensor:
        predicted = self.module.shares_of(self.inputs[towers], self.shares[towers])
        return (predicted - self.shares[towers]).square().mean()


class TunedNetwork(nn.Module):
    """A network with the weight of imputed months, which is trained beside it and not needed afterwards.

    Args:
        network: of the estimator.
        weight: None where no month is imputed.
    """

    def __init__(self, network: FluxNetwork, weight: ImputedWeight | None) -> None:
        super().__init__()
        self.network, self.weight = network, weight


@dataclass(frozen=True)
class TowerTask:
    """Steps 4 and 6, and the only step of a baseline: measured fluxes, and imputed ones where there are.

    Attributes:
        module: the network and the weight of imputed months.
        inputs: (tower, month, input).
        shares: (tower, 3).
        branches: (tower, branch, month, component) where the branches are frozen.
        targets: (tower, month, 3) gC m⁻² d⁻¹, 0 where missing.
        observed: (tower, month, 3) 1 where observed.
        scale: (3,) gC m⁻² d⁻¹, the spread of the measured fluxes.
        imputed: (tower, month, 3) of the training towers; None without.
        masked: whether a missing month is left out of the mean, or counts as no error.
        training: (sample,) towers.
        validation: (tower,) towers.
        identity: of the stage.
    """

    module: TunedNetwork
    inputs: Tensor
    shares: Tensor
    branches: Tensor | None
    targets: Tensor
    observed: Tensor
    scale: Tensor
    imputed: Imputed | None
    masked: bool
    training: Tensor
    validation: Tensor
    identity: str

    @property
    def n_samples(self) -> int:
        """Number of training towers."""
        return len(self.training)

    def loss(self, positions: Tensor) -> Tensor:
        """Standardised error of the measured fluxes, with that of imputed ones where there are.

        Args:
            positions: (batch,) samples.
        """
        towers = self.training[positions]
        predicted = self._predicted(towers)
        error = self._error(predicted, towers, self.masked)
        if self.imputed is None or self.module.weight is None:
            return error
        median, spread = (part[towers] / self.scale for part in self.imputed)
        missing = 1 - self.observed[towers]
        expanded: Tensor = self.module.weight(predicted, median, spread, missing)
        return OBSERVED_WEIGHT * error + expanded

    def validation_loss(self) -> float:
        """Standardised error of the observed months of the validation towers, masked in any case."""
        return float(self._error(self._predicted(self.validation), self.validation, masked=True).detach())

    def _predicted(self, towers: Tensor) -> Tensor:
        inputs, network = self.inputs[towers], self.module.network
        branches = None if self.branches is None else self.branches[towers]
        fluxes: Tensor = network(inputs, network.shares_of(inputs, self.shares[towers]), branches)
        return fluxes[..., list(TARGET_FLUXES)] / self.scale

    def _error(self, predicted: Tensor, towers: Tensor, masked: bool) -> Tensor:
        observed = self.observed[towers]
        squares = (predicted - self.targets[towers] / self.scale).square() * observed
        return squares.sum() / observed.sum().clamp(min=1) if masked else squares.mean()
