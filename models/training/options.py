"""How a torch model is trained: the paper's optimiser settings are the defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch

from models.training.group import own_gpu

Schedule = Literal["step", "one_cycle", "halving"]
Precision = Literal["auto", "float32", "bfloat16"]
WARM_UP_SHARE = 0.1
"""Part of a one-cycle training in which the learning rate rises."""
START_SHARE = 0.04
"""Learning rate at the start of a one-cycle training, relative to its peak, 1/25 as in fastai."""


@dataclass(frozen=True)
class TrainingOptions:
    """Settings of one training; the defaults are those of Du et al. (2025), Section 4.1.

    Attributes:
        epochs: passes over the training samples.
        batch_size: samples per optimiser step.
        learning_rate: of AdamW; the peak where ``schedule`` is ``one_cycle``.
        late_learning_rate: of the ``step`` schedule, from epoch ``decay_after`` on.
        decay_after: number of epochs at ``learning_rate`` in the ``step`` schedule.
        schedule: ``step`` (the paper's), ``one_cycle`` (linear warm-up, then a cosine to zero) or ``halving`` (halved
            after each epoch).
        weight_decay: of AdamW, decoupled; PyTorch's default, since the paper names none.
        patience: epochs without a lower validation loss after which the training ends, with the parameters of its best
            epoch; None trains all epochs and keeps the last. The task must have a ``validation_loss``.
        gradient_clip: largest global gradient norm; None clips nothing.
        seed: of initialisation, order of samples and every random draw.
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:1``.
        precision: ``auto`` is bfloat16 autocast on a GPU and float32 on a CPU; outputs are float32 either way where the
            network is this project's own.
        checkpoint_seconds: least time between two checkpoints within an epoch; each epoch ends with one.
        progress_seconds: least time between two progress reports within an epoch; each epoch ends with one.

    Raises:
        ValueError: a setting is out of range.
    """

    epochs: int = 20
    batch_size: int = 256
    learning_rate: float = 1e-3
    late_learning_rate: float = 1e-4
    decay_after: int = 10
    schedule: Schedule = "step"
    weight_decay: float = 0.01
    gradient_clip: float | None = None
    patience: int | None = None
    seed: int = 0
    device: str = "auto"
    precision: Precision = "auto"
    checkpoint_seconds: float = 60.0
    progress_seconds: float = 5.0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"TrainingOptions.{name} is {getattr(self, name)}; it must be at least 1.")
        for name in ("learning_rate", "late_learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"TrainingOptions.{name} is {getattr(self, name)}; it must be positive.")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"TrainingOptions.patience is {self.patience}; it must be at least 1, or None.")
        if self.schedule not in ("step", "one_cycle", "halving"):
            raise ValueError(f"TrainingOptions.schedule is {self.schedule!r}; choose 'step', 'one_cycle' or 'halving'.")
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise ValueError(
                f"TrainingOptions.precision is {self.precision!r}; choose 'auto', 'float32' or 'bfloat16'."
            )

    def learning_rate_at(self, step: int, steps_per_epoch: int) -> float:
        """Learning rate of one optimiser step, counted from 0 over the whole training.

        Args:
            step: optimiser step since the start.
            steps_per_epoch: optimiser steps of one epoch.
        """
        if self.schedule == "step":
            return self.learning_rate if step < self.decay_after * steps_per_epoch else self.late_learning_rate
        if self.schedule == "halving":
            return float(self.learning_rate * 0.5 ** (step // steps_per_epoch))
        total = self.epochs * steps_per_epoch
        warm_up = max(1.0, WARM_UP_SHARE * total)
        if step < warm_up:
            return self.learning_rate * (START_SHARE + (1 - START_SHARE) * step / warm_up)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1.0, total - warm_up)))

    def resolve_device(self) -> torch.device:
        """The device to train on; of several processes of one machine, each gets a GPU of its own.

        Raises:
            ValueError: a GPU is asked for and there is none, or there are fewer than processes.
        """
        name = ("cuda" if torch.cuda.is_available() else "cpu") if self.device == "auto" else self.device
        device = torch.device(name)
        if device.type == "cuda" and not torch.cuda.is_available():
            raise ValueError(f"TrainingOptions.device is {self.device!r}, but torch sees no GPU here; use 'cpu'.")
        return own_gpu() if name == "cuda" else device

    def resolve_precision(self, device: torch.device) -> Literal["float32", "bfloat16"]:
        """The precision of a training on ``device``; it changes the numbers."""
        if self.precision == "auto":
            return "bfloat16" if device.type == "cuda" else "float32"
        return self.precision

    def autocast(self, device: torch.device) -> torch.autocast:
        """The mixed-precision context of forward passes on ``device``."""
        low = self.resolve_precision(device) == "bfloat16"
        return torch.autocast(device.type, dtype=torch.bfloat16, enabled=low)
