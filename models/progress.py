"""What a training says about itself while it runs, and how to read it back; it needs nothing but Python."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_LINE = re.compile(
    r"(?:(?P<label>\w+): )?epoch (?P<epoch>\d+)/(?P<epochs>\d+), step (?P<step>\d+)/(?P<steps>\d+): "
    r"loss (?P<loss>\S+), (?P<rate>\S+) samples/s, (?P<left>\S+) s left(?:, held-out error (?P<held_out>\S+))?"
)


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

    @classmethod
    def parse(cls, line: str) -> tuple[str, Progress] | None:
        """Reads a printed report back, to the digits that were printed.

        Args:
            line: ``str(progress)``, or that with a label and a colon before it, as in ``step_01: epoch 1/10, …``.

        Returns:
            The label (empty where there is none) and the report, or None for any other line.
        """
        match = _LINE.fullmatch(line.strip())
        if match is None:
            return None
        loss, rate, left = (float(match[name].replace(",", "")) for name in ("loss", "rate", "left"))
        epoch, epochs, step, steps = (int(match[name]) for name in ("epoch", "epochs", "step", "steps"))
        held_out = None if match["held_out"] is None else float(match["held_out"])
        return match["label"] or "", cls(epoch, epochs, step, steps, loss, rate, left, held_out)


ProgressCallback = Callable[[Progress], None]
