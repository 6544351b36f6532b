"""What a training says about itself while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """A report from within a training.

    Attributes:
        epoch: counted from 1.
        epochs: of the whole training.
        step: optimiser steps done in this epoch.
        steps: optimiser steps of one epoch.
        loss: mean over the samples of this epoch so far.
        samples_per_second: since this process started or resumed the training.
        seconds_left: until the last epoch ends, at that rate.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    samples_per_second: float
    seconds_left: float

    def __str__(self) -> str:
        return (
            f"epoch {self.epoch}/{self.epochs}, step {self.step}/{self.steps}: loss {self.loss:.4f}, "
            f"{self.samples_per_second:,.0f} samples/s, {self.seconds_left:,.0f} s left"
        )


ProgressCallback = Callable[[Progress], None]
