"""Early stopping: a training ends when the validation loss no longer falls, with the parameters of its best epoch."""

from __future__ import annotations

import math
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn


@runtime_checkable
class ValidatedTask(Protocol):
    """A training task that can say how good its module is on samples that it is not trained on."""

    @property
    def module(self) -> nn.Module:
        """The parameters to train."""

    def validation_loss(self) -> float:
        """Loss of the validation samples; called in evaluation mode, without gradients.

        Whatever it draws at random must come from a generator of its own, the same at each call.
        """


class EarlyStopping:
    """Keeps the parameters of the best epoch.

    Args:
        task: to validate after each epoch.
        patience: epochs without a lower validation loss after which the training ends.
    """

    def __init__(self, task: ValidatedTask, patience: int) -> None:
        self._task, self._patience = task, patience
        self.losses: list[float] = []
        self._best: dict[str, Tensor] = {}

    @property
    def best_epoch(self) -> int:
        """Counted from 0; of equal losses the first; −1 before the first epoch has ended."""
        return min(range(len(self.losses)), key=self.losses.__getitem__, default=-1)

    @property
    def finished(self) -> bool:
        """Whether the patience is at its end."""
        return len(self.losses) - 1 - self.best_epoch >= self._patience

    def look(self) -> None:
        """Validates the module as it is at the end of an epoch.

        Raises:
            FloatingPointError: the validation loss is NaN or infinite.
        """
        module = self._task.module
        module.eval()
        with torch.no_grad():
            loss = float(self._task.validation_loss())
        module.train()
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"The validation loss became NaN or infinite after epoch {len(self.losses) + 1}; lower the learning "
                "rate or look for extreme values in the data."
            )
        self.losses.append(loss)
        if self.best_epoch == len(self.losses) - 1:
            self._best = {key: value.detach().clone() for key, value in module.state_dict().items()}

    def restore(self) -> None:
        """Puts the module back to its best epoch."""
        if self._best:
            self._task.module.load_state_dict(self._best)

    def state(self) -> dict[str, Any]:
        """Plain content for a checkpoint."""
        return {"losses": self.losses, "best": self._best}

    def load(self, state: dict[str, Any]) -> None:
        """Goes on from ``state``.

        Args:
            state: of another instance.
        """
        self.losses, self._best = list(state["losses"]), state["best"]
