"""The course of a job's trainings: a row for each epoch, as it is stored beside the job's record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from models.training import TrainingResult


@dataclass(frozen=True)
class Epoch:
    """One epoch of one training.

    Attributes:
        member: what was trained, of a model that trains several things: ``network_1`` of an ensemble, ``step_01`` of a
            model per step; empty where there is one training.
        epoch: counted from 1.
        training_loss: mean over the samples of the epoch, in the model's own terms.
        held_out_error: after the epoch, on the part that was held out; None where nothing was.
    """

    member: str
    epoch: int
    training_loss: float
    held_out_error: float | None


def epochs_of(trainings: Mapping[str, TrainingResult]) -> list[Epoch]:
    """Returns the epochs of some trainings, also those before a training was taken up again: its checkpoint keeps them.

    Args:
        trainings: name of the member → what its training left.
    """
    return [
        Epoch(member, index + 1, loss, result.held_out_errors[index] if result.held_out_errors else None)
        for member, result in trainings.items()
        for index, loss in enumerate(result.epoch_losses)
    ]


def history_table(epochs: Sequence[Epoch]) -> pd.DataFrame:
    """Returns the table of a history, one row per epoch; a missing error is NaN.

    It holds no times: two runs of the same job leave the same bytes.
    """
    types = {"member": "str", "epoch": "int32", "training_loss": "float64", "held_out_error": "float64"}
    rows = [asdict(epoch) for epoch in epochs]
    return pd.DataFrame(rows, columns=[field.name for field in fields(Epoch)]).astype(types)
