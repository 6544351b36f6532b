"""When a training ends: at the end of its schedule, or where a held-out part has stopped improving."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

Stopped = Literal["converged", "budget", "schedule"]
"""``converged``: the held-out error had stopped falling. ``budget``: it had not when the last epoch ended.
``schedule``: nothing was held out, and the training ran as long as it was told to."""


class Watch:
    """The best parameters of a training so far, judged by an error on samples that it does not learn from.

    Where the schedule has a second learning rate that is due when the error stops falling (``plateau``), the first
    ``patience`` epochs without a better error bring that rate, from the best parameters on, and the next end the
    training. In other schedules the first end it.

    Attributes:
        late: whether the second learning rate has come.
        errors: of each epoch.
    """

    def __init__(self, patience: int, *, two_rates: bool) -> None:
        """Starts without any error.

        Args:
            patience: epochs in a row that may be no better than the best.
            two_rates: whether the schedule is ``plateau``.
        """
        self._patience, self._two_rates = patience, two_rates
        self.late = False
        self.errors: list[float] = []
        self._best, self._since = math.inf, 0
        self._parameters: dict[str, Tensor] = {}

    def note(self, error: float, module: nn.Module) -> None:
        """Takes the error of an epoch, and the parameters if it is the least.

        Args:
            error: on the held-out part, in any unit.
            module: what was trained.

        Raises:
            FloatingPointError: the error is NaN or infinite.
        """
        if not math.isfinite(error):
            raise FloatingPointError(
                f"The error on the held-out part became NaN or infinite after epoch {len(self.errors) + 1}; lower the "
                "learning rate or look for extreme values in the data."
            )
        self.errors.append(error)
        if error < self._best:
            self._best, self._since = error, 0
            self._parameters = {name: value.detach().clone() for name, value in module.state_dict().items()}
            return
        self._since += 1
        if self._two_rates and not self.late and self._since >= self._patience:
            self.late, self._since = True, 0
            self.restore(module)

    @property
    def converged(self) -> bool:
        """Whether the training should end."""
        return self._since >= self._patience and (self.late or not self._two_rates)

    def restore(self, module: nn.Module) -> None:
        """Gives a module the best parameters.

        Args:
            module: what was trained.
        """
        module.load_state_dict(self._parameters)

    def state(self) -> dict[str, Any]:
        """Everything, as tensors and plain containers for a checkpoint."""
        return {
            "late": self.late,
            "errors": self.errors,
            "best": self._best,
            "since": self._since,
            "parameters": self._parameters,
        }

    def load_state(self, content: dict[str, Any], device: torch.device) -> None:
        """Goes on from ``state``.

        Args:
            content: what ``state`` returned.
            device: of the training.
        """
        self.late, self.errors = bool(content["late"]), list(content["errors"])
        self._best, self._since = float(content["best"]), int(content["since"])
        self._parameters = {name: value.to(device) for name, value in content["parameters"].items()}
