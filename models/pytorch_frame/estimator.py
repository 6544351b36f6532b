"""The estimator on plain arrays: fit and predict."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from models.arrays import Doubles, Singles
from models.pytorch_frame.columns import ModelColumns, feature_matrix, fit_columns, sort_by_information
from models.pytorch_frame.network import FrameTask, build_network
from models.pytorch_frame.options import PyTorchFrameOptions
from models.training import ProgressCallback, TrainingOptions, train
from models.validation import column_names, fitted_columns, keep_columns, real_array, target_vector

_PREDICTION_BATCH = 2048


class PyTorchFrameRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """One of PyTorch Frame's models for numerical columns (Hu et al. 2024, arXiv:2404.00776).

    It keeps scikit-learn's conventions; ``score`` is R².

    Attributes:
        columns_: what the training rows said of the columns.
        training_result_: loss of each epoch, and time.
        network_: the trained network.
        n_features_in_: number of columns.
        feature_names_in_: their names, where they were given or came with a data frame.
    """

    def __init__(self, options: PyTorchFrameOptions, training: TrainingOptions | None = None) -> None:
        """Creates an unfitted estimator.

        Args:
            options: model and size.
            training: how it is trained; the defaults of ``TrainingOptions`` where None.
        """
        self.options = options
        self.training = training

    @property
    def _training(self) -> TrainingOptions:
        return self.training or TrainingOptions()

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        names: Sequence[str] | None = None,
        *,
        checkpoint: Path | None = None,
        on_progress: ProgressCallback | None = None,
    ) -> Self:
        """Trains; every statistic is taken of these rows and of no other.

        Args:
            X: (row, column), all numerical; an array, nested lists or a data frame. A column that is constant
                here is not used.
            y: (row,) in any unit; standardised inside.
            names: one per column; where None, those of the data frame, or ``x0``, ``x1``, ….
            checkpoint: file for the state of an unfinished training; a killed ``fit`` with the same arguments goes on
                from it to the same numbers.
            on_progress: called with a ``Progress`` at the end of each epoch and now and then within one.

        Raises:
            ValueError: shapes disagree, names are repeated, a value is masked, NaN, infinite or no real number, every
                column is constant, or the checkpoint belongs to another training.
            FloatingPointError: the loss became NaN or infinite.
        """
        task, columns, scale = self._prepare(X, y, names)
        self.training_result_ = train(task, self._training, checkpoint=checkpoint, on_progress=on_progress)
        self.columns_, self._scale, self.network_ = columns, scale, task.module.eval()
        keep_columns(self, X, len(columns.given), names)
        return self

    def task(self, X: ArrayLike, y: ArrayLike, names: Sequence[str] | None = None) -> FrameTask:
        """The untrained task of ``fit``, as the training loop takes it; the estimator is left as it is.

        Args:
            X: as in ``fit``.
            y: as in ``fit``.
            names: as in ``fit``.

        Raises:
            ValueError: as in ``fit``.
        """
        return self._prepare(X, y, names)[0]

    def predict(self, X: ArrayLike) -> Singles:
        """Predictions in the target's unit.

        Args:
            X: (row, column), the columns of ``fit`` in their order.

        Returns:
            (row,) float32.

        Raises:
            NotFittedError: ``fit`` was not called, or did not end.
            ValueError: the columns are not those of ``fit``, or a value is masked, NaN, infinite or no real number.
        """
        check_is_fitted(self)
        matrix = feature_matrix(fitted_columns(self, X), self.columns_.given)
        device = self._training.resolve_device()
        mean, deviation = self._scale
        predicted = np.empty(len(matrix), np.float32)
        with torch.inference_mode():  # in float32: the output of autocast would have 8 significant bits
            for start in range(0, len(matrix), _PREDICTION_BATCH):
                part = slice(start, start + _PREDICTION_BATCH)
                output = self.network_(self.columns_.frame(matrix[part], None, device))
                predicted[part] = output[:, 0].double().cpu().numpy() * deviation + mean
        return predicted

    def _prepare(
        self, X: ArrayLike, y: ArrayLike, names: Sequence[str] | None
    ) -> tuple[FrameTask, ModelColumns, tuple[float, float]]:
        """The task, the columns, and mean and deviation of the target."""
        given = real_array(X, "X")
        if names is None:
            names = column_names(X)
        if names is None:
            names = [f"x{position}" for position in range(given.shape[1] if given.ndim == 2 else 0)]
        matrix, values = feature_matrix(given, names), target_vector(y)
        if len(matrix) != len(values):
            raise ValueError(f"y has shape {values.shape} and X {matrix.shape}; expected equal rows.")
        if len(values) < 2:
            raise ValueError("A network cannot be trained on 1 sample; give at least two.")
        columns = fit_columns(matrix, names)
        if self.options.model == "excelformer":
            columns = sort_by_information(columns, matrix, values, self._training.seed)
        mean, deviation = float(values.mean()), float(values.std()) or 1.0
        standardised = ((values - mean) / deviation).astype(np.float32)
        device = self._training.resolve_device()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._training.seed)
            network = build_network(self.options, columns).to(device)
        task = FrameTask(
            module=network,
            frame=columns.frame(matrix, torch.from_numpy(standardised).to(device), device),
            options=self.options,
            identity=self._identity(columns, values),
        )
        return task, columns, (mean, deviation)

    def _identity(self, columns: ModelColumns, target: Doubles) -> str:
        """Hash of options, columns, their statistics and the targets."""
        digest = hashlib.sha256(repr((self.options, columns.given, columns.positions)).encode())
        digest.update(columns.scaling.mean.tobytes() + columns.scaling.scale.tobytes())
        digest.update(np.ascontiguousarray(target, dtype=np.float32).tobytes())
        return digest.hexdigest()
