"""What a training says about itself while it runs; it needs nothing but Python."""

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
        held_out: error on the held-out part after the last whole epoch; None where nothing is held out.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    samples_per_second: float
    seconds_left: float
    held_out: float | None = None

    def __str__(self) -> str:
        return (
            f"epoch {self.epoch}/{self.epochs}, step {self.step}/{self.steps}: loss {self.loss:.4f}, "
            f"{self.samples_per_second:,.0f} samples/s, {self.seconds_left:,.0f} s left"
            + ("" if self.held_out is None else f", held-out error {self.held_out:.4f}")
        )


ProgressCallback = Callable[[Progress], None]
