"""How a torch model is trained: the paper's optimiser settings are the defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from models.training.group import own_gpu
from models.training.processor import fast_bfloat16

Schedule = Literal["step", "one_cycle", "plateau", "halving"]
Precision = Literal["auto", "float32", "bfloat16"]
WARM_UP_SHARE = 0.1
"""Part of a one-cycle training in which the learning rate rises."""
STRETCHED_EPOCHS = 20
"""Epochs of a training that ``least_steps`` stretches, at most: as many as the paper's training has."""
START_SHARE = 0.04
"""Learning rate at the start of a one-cycle training, relative to its peak, 1/25 as in fastai."""


@dataclass(frozen=True)
class TrainingOptions:
    """Settings of one training; the defaults are those of Du et al. (2025), Section 4.1.

    Attributes:
        epochs: passes over the training samples; the most there may be where ``patience`` is set.
        batch_size: samples per optimiser step.
        learning_rate: of AdamW; the peak where ``schedule`` is ``one_cycle``.
        late_learning_rate: the second one of ``step`` and ``plateau``.
        decay_after: number of epochs at ``learning_rate`` in the ``step`` schedule.
        schedule: ``step`` (the paper's), ``one_cycle`` (linear warm-up, then a cosine to zero), ``plateau`` (the
            paper's two rates; the second comes when the held-out error has stopped falling) or ``halving`` (halved
            after each epoch).
        least_steps: optimiser steps that a training has at least: where samples are few, an epoch becomes several
            passes over them, and the schedule is stretched alike.
        most_passes: over the samples, for the sake of ``least_steps``; None for any number. On a cross-section more
            of them teach a network its noise.
        patience: epochs without a better error on the held-out part after which a training ends, or takes its second
            rate; None lets it run to the last epoch, and nothing is held out.
        weight_decay: of AdamW, decoupled; PyTorch's default, since the paper names none.
        gradient_clip: largest global gradient norm; None clips nothing.
        seed: of initialisation, order of samples and every random draw.
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:1``.
        precision: ``auto`` is bfloat16 autocast on a GPU and float32 on a CPU; outputs are float32 either way where the
            network is this project's own. On a CPU that has no hardware for it, ``bfloat16`` is float32, too.
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
    least_steps: int = 0
    most_passes: int | None = None
    patience: int | None = None
    weight_decay: float = 0.01
    gradient_clip: float | None = None
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
        if self.schedule not in get_args(Schedule):
            known = ", ".join(map(repr, get_args(Schedule)))
            raise ValueError(f"TrainingOptions.schedule is {self.schedule!r}; choose one of {known}.")
        if self.least_steps < 0:
            raise ValueError(f"TrainingOptions.least_steps is {self.least_steps}; it must not be negative.")
        if self.most_passes is not None and self.most_passes < 1:
            raise ValueError(f"TrainingOptions.most_passes is {self.most_passes}; it must be at least 1, or None.")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"TrainingOptions.patience is {self.patience}; it must be at least 1, or None.")
        if self.schedule == "plateau" and self.patience is None:
            raise ValueError("TrainingOptions.schedule 'plateau' needs a patience: how long the error may stand still.")
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise ValueError(
                f"TrainingOptions.precision is {self.precision!r}; choose 'auto', 'float32' or 'bfloat16'."
            )

    def passes_of(self, steps_per_pass: int) -> int:
        """Passes over the samples that a training makes, at most: ``epochs``, or as many as ``least_steps`` takes.

        Args:
            steps_per_pass: optimiser steps of one pass.
        """
        needed = math.ceil(self.least_steps / steps_per_pass)
        return max(self.epochs, needed if self.most_passes is None else min(needed, self.most_passes))

    def passes_each(self, steps_per_pass: int) -> int:
        """Passes over the samples that make one epoch, after which a training is judged, saved and reported.

        One, but for few samples: then they are as many as make ``epochs`` of all, and an epoch has a twentieth of
        ``least_steps`` at least, so that a patience of some epochs is one of some steps, too.

        Args:
            steps_per_pass: optimiser steps of one pass.
        """
        passes = self.passes_of(steps_per_pass)
        least = round(self.least_steps / STRETCHED_EPOCHS / steps_per_pass)
        return min(passes, max(1, passes // self.epochs, least))

    def learning_rate_at(self, step: int, steps_per_pass: int, *, late: bool = False) -> float:
        """Learning rate of one optimiser step, counted from 0 over the whole training.

        Args:
            step: optimiser step since the start.
            steps_per_pass: optimiser steps of one pass.
            late: whether the second rate of ``plateau`` has come.
        """
        if self.schedule == "plateau":
            return self.late_learning_rate if late else self.learning_rate
        if self.schedule == "halving":
            return float(self.learning_rate * 0.5 ** (step // (self.passes_each(steps_per_pass) * steps_per_pass)))
        total = self.passes_of(steps_per_pass) * steps_per_pass
        if self.schedule == "step":
            early = self.decay_after * total / self.epochs
            return self.learning_rate if step < early else self.late_learning_rate
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
        if device.type == "cpu":
            return "bfloat16" if self.precision == "bfloat16" and fast_bfloat16() else "float32"
        return "bfloat16" if self.precision == "auto" else self.precision

    def autocast(self, device: torch.device) -> torch.autocast:
        """The mixed-precision context of forward passes on ``device``."""
        low = self.resolve_precision(device) == "bfloat16"
        return torch.autocast(device.type, dtype=torch.bfloat16, enabled=low)
