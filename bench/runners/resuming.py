"""Trainings that go on from the checkpoint of a killed process, for runners whose models `models.training` trains."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from bench.errors import BenchError

_Fitted = TypeVar("_Fitted")


def fit_resumably(fit: Callable[[Path], _Fitted], checkpoint: Path, what: str) -> _Fitted:
    """Fits from a checkpoint if there is one that fits; a checkpoint of other code or precision is removed.

    Args:
        fit: trains a model, from the checkpoint if that exists.
        checkpoint: file in the task's checkpoint folder.
        what: is trained, as the start of a sentence.

    Raises:
        BenchError: the model cannot be trained.
    """
    from models.training import UnusableCheckpoint
    from models.training.group import size

    try:
        if checkpoint.exists():
            print(f"resuming from {checkpoint.name}", flush=True)
            try:
                return fit(checkpoint)
            except UnusableCheckpoint as error:
                if size() > 1:
                    raise  # the others of the group may be reading it
                # The job is the same: an older version of the code left it, or a machine with another precision.
                print(f"{error}\nstarting anew", flush=True)
                checkpoint.unlink()
        return fit(checkpoint)
    except (ValueError, FloatingPointError) as error:
        raise BenchError(f"{what} cannot be trained: {error}") from error
