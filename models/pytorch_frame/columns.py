"""What the training rows say of the columns: statistics, which vary, and how much each tells of the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch_frame import TensorFrame, stype
from torch_frame.data.stats import StatType

from models.arrays import Doubles, Singles
from models.inputs import ColumnScaling
from models.training.panel import standardise, tensors
from models.validation import rows_of_numbers

ColumnStatistics = dict[str, dict[StatType, Any]]
_INFORMATION_ROWS = 10_000
"""Training rows on which mutual information is estimated: the nearest-neighbour estimate is slow on all of them."""
_LEAST_INFORMATION = 1e-6
"""Nats; keeps FEAT-MIX's weights defined where no column tells anything."""


@dataclass(frozen=True)
class ModelColumns:
    """The columns that a model sees, in its order, with statistics of the training rows only.

    Attributes:
        given: names of all columns that the estimator was given.
        positions: of the kept columns among the given ones; those that are constant in training are dropped.
        scaling: statistics of the given columns.
        information: (kept column,) nats about the target, descending; None where the order is the given one.
    """

    given: tuple[str, ...]
    positions: tuple[int, ...]
    scaling: ColumnScaling
    information: Tensor | None = None

    @property
    def names(self) -> list[str]:
        """Names of the kept columns, in the model's order."""
        return [self.given[position] for position in self.positions]

    @property
    def statistics(self) -> ColumnStatistics:
        """What PyTorch Frame's encoders want to standardise by: nothing is left to do.

        They add 1e-6 to a deviation, which is no trifle for a column of a small unit.
        """
        return {name: {StatType.MEAN: 0.0, StatType.STD: 1.0} for name in self.names}

    def frame(self, features: Singles, target: Tensor | None, device: torch.device) -> TensorFrame:
        """Rows as PyTorch Frame's tensor frame, standardised as ``models.inputs`` says; nothing is fitted to them.

        Args:
            features: (row, given column).
            target: (row,) or None.
            device: where the frame lies.
        """
        kept = list(self.positions)
        matrix = torch.from_numpy(np.ascontiguousarray(features[:, kept], dtype=np.float32)).to(device)
        mean, scale, varies = (tensor[kept].to(device) for tensor in tensors(self.scaling))
        matrix = standardise(matrix, mean, scale, varies)
        frame = TensorFrame({stype.numerical: matrix}, {stype.numerical: self.names}, target)
        if self.information is not None:
            frame.mi_scores = self.information.to(device)  # the name under which ExcelFormer looks for them
        return frame


def feature_matrix(features: ArrayLike, names: Sequence[str]) -> Singles:
    """Returns the features in single precision, without a copy where they are so already.

    Args:
        features: (row, column), as ``models.validation`` takes arrays.
        names: one per column.

    Raises:
        ValueError: they are no real numbers, are empty, have not one column per name, or a value is masked, NaN or
            infinite.
    """
    matrix = rows_of_numbers(features, "X")
    with np.errstate(over="ignore"):  # what single precision cannot hold is named below
        singles = np.asarray(matrix, dtype=np.float32)
    if singles.shape[1] != len(names):
        raise ValueError(f"X has shape {singles.shape}, but there are {len(names)} names; give one per column.")
    for position, name in enumerate(names):
        finite = np.isfinite(singles[:, position])
        if not finite.all():
            row = int(np.argmin(finite))
            raise ValueError(f"X is NaN or infinite in column {name!r}, row {row}; fill or drop such rows.")
    return singles


def fit_columns(features: Singles, names: Sequence[str]) -> ModelColumns:
    """Takes mean and deviation of every column that varies; PyTorch Frame's own function does so value by value.

    Args:
        features: (training row, column), finite.
        names: one per column.

    Raises:
        ValueError: names are repeated, or no column varies.
    """
    if len(set(names)) != len(names):
        raise ValueError("Column names are repeated; give every column a name of its own.")
    scaling = ColumnScaling.of(features, np.float32)
    kept = np.flatnonzero(scaling.varies).tolist()
    if not kept:
        raise ValueError("Every column is constant in the training rows; there is nothing to learn from.")
    return ModelColumns(tuple(names), tuple(kept), scaling)


def sort_by_information(columns: ModelColumns, features: Singles, target: Doubles, seed: int) -> ModelColumns:
    """Orders columns by their mutual information with the target, the most telling first, as ExcelFormer wants them.

    PyTorch Frame's ``MutualInformationSort`` does the same on all rows with an unseeded generator; here it is a
    seeded sample of training rows, so that a training comes out the same again.

    Args:
        columns: of ``fit_columns``.
        features: (training row, given column).
        target: (training row,).
        seed: of the sample and of the estimate.
    """
    from sklearn.feature_selection import mutual_info_regression

    generator = np.random.default_rng(seed)
    rows = np.sort(generator.permutation(len(features))[:_INFORMATION_ROWS])
    scores = mutual_info_regression(
        features[rows][:, columns.positions],
        target[rows],
        n_neighbors=min(3, len(rows) - 1),
        random_state=int(generator.integers(2**31)),
    )
    scores = np.maximum(scores, _LEAST_INFORMATION)
    order = np.argsort(-scores, kind="stable")
    return ModelColumns(
        columns.given,
        tuple(columns.positions[index] for index in order),
        columns.scaling,
        torch.from_numpy(scores[order].astype(np.float32)),
    )
