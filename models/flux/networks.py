"""The networks of the estimator: one backbone, or branches of plant types with a competition network."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from models.flux.backbones.network import Decoder
from models.flux.balance import TARGET_FLUXES, Balance
from models.flux.parameters import PURE_TYPES
from models.flux.share_model import ShareModel

EncoderFactory = Callable[[int], nn.Module]
"""Number of inputs → encoder (batch, time, input) → (batch, time, width) with an attribute ``width``."""
N_TYPES = len(PURE_TYPES)
N_TARGETS = len(TARGET_FLUXES)


class FluxNetwork(nn.Module):
    """Fluxes of sequences of months; which parts there are depends on the variant.

    Args:
        encoder: how an encoder is made.
        n_inputs: standardised inputs of a month.
        balance: from raw outputs to fluxes.
        branches: decoders on the shared encoder: 1, or one per plant type.
        sees_shares: whether the encoder sees the shares.

    Attributes:
        competition: see ``add_competition``; None without.
        share_model: see ``add_share_model``; None without.
    """

    def __init__(
        self, encoder: EncoderFactory, n_inputs: int, balance: Balance, branches: int = 1, sees_shares: bool = False
    ) -> None:
        super().__init__()
        self.balance, self.n_inputs, self.sees_shares = balance, n_inputs, sees_shares
        self.encoder = encoder(n_inputs + N_TYPES * sees_shares)
        self.decoders = nn.ModuleList(_decoder(self.encoder, balance.n_outputs) for _ in range(branches))
        self.competition: nn.Module | None = None
        self.share_model: nn.Module | None = None
        self._trained: tuple[nn.Module, ...] = (self,)

    def add_competition(self, encoder: EncoderFactory) -> None:
        """Adds the network of what the sum of the branches cannot give; it starts at nothing.

        Args:
            encoder: how an encoder is made.
        """
        competing = encoder(self.n_inputs + N_TYPES)
        decoder = _decoder(competing, self.balance.n_outputs)
        nn.init.zeros_(decoder.out.weight)
        nn.init.zeros_(decoder.out.bias)
        self.competition = nn.Sequential(competing, decoder)

    def add_share_model(self, encoder: EncoderFactory) -> None:
        """Adds a model of the shares.

        Args:
            encoder: how an encoder is made.
        """
        sharing = encoder(self.n_inputs)
        self.share_model = ShareModel(sharing, _decoder(sharing, N_TYPES))

    def train_only(self, parts: Iterable[str]) -> None:
        """Leaves only some parts trainable; the others also keep still in evaluation mode.

        Args:
            parts: among ``encoder``, ``decoders``, ``competition`` and ``share_model``; parts that this network lacks
                are passed over.
        """
        trained = [getattr(self, part) for part in parts]
        self.requires_grad_(False)
        self._trained = tuple(part for part in trained if part is not None)
        for part in self._trained:
            part.requires_grad_(True)
        self.train(self.training)

    def train(self, mode: bool = True) -> FluxNetwork:
        """As of any module, but parts that are not trained stay in evaluation mode, without dropout."""
        super().train(mode)
        if mode and self not in self._trained:
            for child in self.children():
                child.train(any(child is part for part in self._trained))
        return self

    def branches(self, inputs: Tensor, shares: Tensor) -> Tensor:
        """Components of each branch, as if the whole ground were of its type.

        Args:
            inputs: (batch, time, input).
            shares: (batch, 3).

        Returns:
            (batch, branch, time, component) gC m⁻² d⁻¹.
        """
        hidden = self.encoder(_with_shares(inputs, shares) if self.sees_shares else inputs)
        return torch.stack([self.balance.components(decoder(hidden)) for decoder in self.decoders], dim=1)

    def shares_of(self, inputs: Tensor, shares: Tensor) -> Tensor:
        """The shares that the fluxes are made with: predicted, where there is a model of them, else those given.

        Args:
            inputs: (batch, time, input).
            shares: (batch, 3).
        """
        if self.share_model is None:
            return shares
        predicted: Tensor = self.share_model(inputs)
        return predicted

    def forward(self, inputs: Tensor, shares: Tensor, branches: Tensor | None = None) -> Tensor:
        """Fluxes of the whole ground.

        Args:
            inputs: (batch, time, input).
            shares: (batch, 3).
            branches: what ``branches`` returns for these inputs, where it is known already.

        Returns:
            (batch, time, 6) gC m⁻² d⁻¹ in the order of ``balance.FLUXES``.
        """
        parts = self.branches(inputs, shares) if branches is None else branches
        total = (shares[:, :, None, None] * parts).sum(dim=1) if parts.shape[1] > 1 else parts[:, 0]
        if self.competition is not None:
            total = self.balance.resemble(total, self.competition(_with_shares(inputs, shares)))
        return self.balance.fluxes(total)


class ImputedWeight(nn.Module):
    """How much an imputed month counts: the learned part of the two weightings.

    Args:
        kind: ``likelihood``: one floor of the variance per flux; ``published``: a network with a sigmoid; ``equal``: 1.
    """

    HIDDEN = 16
    """Units of the published form's network."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.floor = nn.Parameter(torch.zeros(N_TARGETS)) if kind == "likelihood" else None
        self.network = (
            nn.Sequential(nn.Linear(2, self.HIDDEN), nn.ReLU(), nn.Linear(self.HIDDEN, 1), nn.Sigmoid())
            if kind == "published"
            else None
        )

    def forward(self, predicted: Tensor, imputed: Tensor, spread: Tensor, mask: Tensor) -> Tensor:
        """Mean loss of the imputed values; a scalar.

        Args:
            predicted: (batch, time, 3) in standard deviations of the measured flux.
            imputed: likewise, the median of the samples.
            spread: likewise, their standard deviation.
            mask: (batch, time, 3) 1 where a value is imputed.
        """
        error = (predicted - imputed).square()
        if self.floor is not None:
            variance = spread.square() + self.floor.exp()
            error = 0.5 * (error / variance + variance.log())
        elif self.network is not None:
            error = self.network(torch.stack([predicted, spread], dim=-1))[..., 0] * error
        return (error * mask).sum() / mask.sum().clamp(min=1)


def _decoder(encoder: nn.Module, n_outputs: int) -> Decoder:
    width = encoder.width
    assert isinstance(width, int)
    return Decoder(width, n_outputs)


def _with_shares(inputs: Tensor, shares: Tensor) -> Tensor:
    return torch.cat([inputs, shares[:, None].expand(-1, inputs.shape[1], -1)], dim=-1)
