"""Settings of the flux estimator: the published forms and those that repair them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from models.flux.backbones import BACKBONES, BackboneOptions
from models.training import TrainingOptions

Variant = Literal["baseline", "baseline_shares", "kgml", "kgml_shares", "dere"]
Tuned = Literal["all", "frozen"]
BalanceKind = Literal["construction", "penalty"]
Imputation = Literal["none", "median", "weighted"]
Omega = Literal["likelihood", "published"]
Shares = Literal["given", "predicted", "none"]
BranchKind = Literal["types", "one"]
TowerSchedule = Literal["converged", "published"]
Missing = Literal["masked", "zero"]
_CHOICES = {
    "variant": Variant,
    "tuned": Tuned,
    "balance": BalanceKind,
    "imputation": Imputation,
    "omega": Omega,
    "shares": Shares,
    "branches": BranchKind,
    "schedule": TowerSchedule,
    "missing": Missing,
}
FLUX_PRETRAINING = TrainingOptions(
    epochs=30,
    batch_size=8,
    learning_rate=2e-3,
    schedule="one_cycle",
    patience=30,
    gradient_clip=1.0,
    precision="float32",
)
"""Of the stages that learn from the process model: a fixed number of epochs, since nothing but compute limits them."""
FLUX_TRAINING = TrainingOptions(
    epochs=150,
    batch_size=8,
    learning_rate=2e-3,
    decay_after=150,
    patience=40,
    gradient_clip=1.0,
    precision="float32",
)
"""Of the stages that see towers: a constant rate until the validation towers have not improved for 40 epochs.

Rate and patience were chosen on the validation towers of one split with a baseline.
"""
PUBLISHED_SCHEDULE = {"learning_rate": 1e-4, "batch_size": 8, "schedule": "halving", "weight_decay": 0.0}
"""Adam at 1e-4, halved after each epoch, batches of 8."""


@dataclass(frozen=True)
class CsdiOptions:
    """Sizes of the imputation model; those of Tashiro et al. (2021) unless it is said.

    Attributes:
        channels: of a hidden vector (64 in the paper).
        layers: residual layers (4 in the paper).
        heads: attention heads (8 in the paper).
        steps: of the diffusion.
        first_noise: β of the first step.
        last_noise: β of the last step; between them β grows as a square.
        draw_steps: of the solver that draws (``csdi.draw``); the paper's algorithm with all steps where None. A draw
            costs as much as this number.
        samples: drawn for each missing month.
        epochs: at most.
        batch_size: towers.
        learning_rate: constant.
        patience: epochs without a lower validation loss after which training ends.
        clip_noise: cut the predicted noise at the flux value zero in training, as the published scripts do; the
            samples are cut there in any case.

    Raises:
        ValueError: a setting is out of range.
    """

    channels: int = 32
    layers: int = 2
    heads: int = 4
    steps: int = 50
    first_noise: float = 1e-4
    last_noise: float = 0.5
    draw_steps: int | None = 15
    samples: int = 100
    epochs: int = 400
    batch_size: int = 8
    learning_rate: float = 1e-3
    patience: int = 40
    clip_noise: bool = False

    def __post_init__(self) -> None:
        for name in ("channels", "layers", "heads", "samples", "epochs", "batch_size", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"CsdiOptions.{name} is {getattr(self, name)}; it must be at least 1.")
        if self.steps < 2 or not 0 < self.first_noise <= self.last_noise < 1:
            raise ValueError("CsdiOptions needs at least 2 steps and 0 < first_noise ≤ last_noise < 1.")
        if self.draw_steps is not None and self.draw_steps < 2:
            raise ValueError(f"CsdiOptions.draw_steps is {self.draw_steps}; it must be at least 2, or None.")
        if self.channels % self.heads or self.channels % 2:
            raise ValueError(f"CsdiOptions.channels is {self.channels}; give an even multiple of {self.heads} heads.")


@dataclass(frozen=True)
class FluxOptions:
    """What the estimator is made of; the defaults repair what does not add up in the published scripts.

    Attributes:
        backbone: one of ``backbones.BACKBONES``.
        sizes: of the backbone.
        variant: ``baseline`` learns from towers only; ``kgml`` is first trained on the process model; ``…_shares`` sees
            the shares of the plant types too; ``dere`` is built of plant types.
        tuned: of ``dere``, what is trained on towers: ``all`` layers, or everything but the ``frozen`` branches of the
            plant types, as published.
        balance: ``construction`` derives NPP, RECO and NEE; ``penalty`` predicts them too and punishes residuals.
        imputation: ``none``; ``median`` trains on imputed months too, all with one weight; ``weighted`` by their
            uncertainty.
        omega: the weight of an imputed month: by a Gaussian ``likelihood`` with the imputation's variance and a learned
            floor, or the ``published`` network, which nothing keeps from falling to 0.
        competition: whether ``dere`` adds what the sum of its types cannot give.
        branches: of ``dere``: one decoder per plant ``types`` or ``one`` for all.
        shares: of ``dere``: ``given`` with the panel, ``predicted`` from the inputs, or ``none``: thirds.
        schedule: of the stages that see towers: ``converged`` trains until the validation towers no longer improve;
            ``published`` halves a rate of 1e-4 after every epoch.
        missing: whether a missing month is ``masked`` or counts as ``zero`` error, as published, so that a tower's
            weight falls with its gaps.
        mixtures: random mixtures that the process model is run for at each tower, besides its own shares.
        calibrated: whether the process model's four factors are first fitted to the training towers.
        csdi: sizes of the imputation model.

    Raises:
        ValueError: a setting is none of its choices.
    """

    backbone: str = "transformer"
    sizes: BackboneOptions = field(default_factory=BackboneOptions)
    variant: Variant = "dere"
    tuned: Tuned = "all"
    balance: BalanceKind = "construction"
    imputation: Imputation = "none"
    omega: Omega = "likelihood"
    competition: bool = True
    branches: BranchKind = "types"
    shares: Shares = "given"
    schedule: TowerSchedule = "converged"
    missing: Missing = "masked"
    mixtures: int = 2
    calibrated: bool = False
    csdi: CsdiOptions = field(default_factory=CsdiOptions)

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise ValueError(f"FluxOptions.backbone is {self.backbone!r}; choose one of {', '.join(BACKBONES)}.")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in get_args(choices):
                known = ", ".join(get_args(choices))
                raise ValueError(f"FluxOptions.{name} is {getattr(self, name)!r}; choose one of {known}.")
        if self.mixtures < 0:
            raise ValueError(f"FluxOptions.mixtures is {self.mixtures}; it must not be negative.")
        trains = self.competition or self.shares == "predicted" or self.variant != "dere"
        if self.tuned == "frozen" and not trains:
            raise ValueError(
                "With frozen branches, given shares and no competition nothing is left to train on towers."
            )

    @property
    def sees_shares(self) -> bool:
        """Whether shares are inputs of the backbone itself."""
        return self.variant in ("baseline_shares", "kgml_shares")

    @property
    def simulated(self) -> bool:
        """Whether the process model is learned from."""
        return self.variant not in ("baseline", "baseline_shares")
