"""The estimator on plain arrays: fit and predict."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from models.pytorch_frame.columns import Columns, FloatArray, check_features, fit_columns, sort_by_information
from models.pytorch_frame.network import FrameTask, build_network
from models.pytorch_frame.options import PyTorchFrameOptions
from models.training import ProgressCallback, TrainingOptions, TrainingResult, train

_PREDICTION_BATCH = 2048


class PyTorchFrameRegressor:
    """One of PyTorch Frame's models for numerical columns (Hu et al. 2024, arXiv:2404.00776).

    Attributes:
        columns: what the training rows said of the columns; None before ``fit``.
        result: of the training; None before ``fit``.
    """

    def __init__(self, options: PyTorchFrameOptions, training: TrainingOptions | None = None) -> None:
        """Creates an unfitted estimator.

        Args:
            options: model and size.
            training: the defaults of ``TrainingOptions`` where None.
        """
        self.options = options
        self.training = training or TrainingOptions()
        self.columns: Columns | None = None
        self.result: TrainingResult | None = None
        self._network: nn.Module | None = None
        self._scale = (0.0, 1.0)

    def fit(
        self,
        features: FloatArray,
        target: npt.NDArray[np.floating[Any]],
        names: Sequence[str] | None = None,
        *,
        checkpoint: Path | None = None,
        on_progress: ProgressCallback | None = None,
    ) -> Self:
        """Trains; every statistic is taken of these rows and of no other.

        Args:
            features: (row, column), all numerical. A column that is constant here is not used.
            target: (row,) in any unit; standardised inside.
            names: one per column; ``x0``, ``x1``, … where None.
            checkpoint: file for the state of an unfinished training; a killed ``fit`` with the same arguments goes on
                from it to the same numbers.
            on_progress: called with a ``Progress`` at the end of each epoch and now and then within one.

        Raises:
            ValueError: shapes disagree, names are repeated, a value is NaN or infinite, every column is constant, or
                the checkpoint belongs to another training.
            FloatingPointError: the loss became NaN or infinite.
        """
        task = self.task(features, target, names)
        self.result = train(task, self.training, checkpoint=checkpoint, on_progress=on_progress)
        self._network = task.module.eval()
        return self

    def task(
        self,
        features: FloatArray,
        target: npt.NDArray[np.floating[Any]],
        names: Sequence[str] | None = None,
    ) -> FrameTask:
        """The untrained task of ``fit``, as the training engine takes it; the estimator counts as unfitted afterwards.

        Args:
            features: as in ``fit``.
            target: as in ``fit``.
            names: as in ``fit``.

        Raises:
            ValueError: as in ``fit``.
        """
        if features.ndim == 2 and names is None:
            names = [f"x{position}" for position in range(features.shape[1])]
        check_features(features, names or ())
        if len(features) == 0 or target.shape != (len(features),):
            raise ValueError(f"target has shape {target.shape} and features {features.shape}; expected equal rows.")
        if not np.isfinite(target).all():
            raise ValueError(f"target is NaN or infinite in row {int(np.argmin(np.isfinite(target)))}.")
        columns = fit_columns(features, names or ())
        if self.options.model == "excelformer":
            columns = sort_by_information(columns, features, target, self.training.seed)
        mean, deviation = float(target.mean(dtype=np.float64)), float(target.std(dtype=np.float64)) or 1.0
        standardised = ((target - mean) / deviation).astype(np.float32)
        device = self.training.resolve_device()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.training.seed)
            network = build_network(self.options, columns).to(device)
        self.columns, self._scale, self._network = columns, (mean, deviation), None
        return FrameTask(
            module=network,
            frame=columns.frame(features, torch.from_numpy(standardised).to(device), device),
            options=self.options,
            identity=self._identity(columns, target),
        )

    def predict(self, features: FloatArray) -> FloatArray:
        """Predictions in the target's unit.

        Args:
            features: (row, column), the columns of ``fit`` in their order.

        Returns:
            (row,) float32.

        Raises:
            ValueError: the estimator is not fitted, the columns are not those of ``fit``, or a value is NaN or
                infinite.
        """
        if self.columns is None or self._network is None:
            raise ValueError("The estimator is not fitted; call fit first.")
        check_features(features, self.columns.given)
        device = self.training.resolve_device()
        mean, deviation = self._scale
        predicted = np.empty(len(features), np.float32)
        with torch.inference_mode():  # in float32: the output of autocast would have 8 significant bits
            for start in range(0, len(features), _PREDICTION_BATCH):
                part = slice(start, start + _PREDICTION_BATCH)
                output = self._network(self.columns.frame(features[part], None, device))
                predicted[part] = output[:, 0].double().cpu().numpy() * deviation + mean
        return predicted

    def _identity(self, columns: Columns, target: npt.NDArray[np.floating[Any]]) -> str:
        """Hash of options, columns, their statistics and the targets."""
        digest = hashlib.sha256(repr((self.options, columns.given, columns.positions)).encode())
        digest.update(columns.scaling.mean.tobytes() + columns.scaling.scale.tobytes())
        digest.update(np.ascontiguousarray(target, dtype=np.float32).tobytes())
        return digest.hexdigest()
