"""What GNNWR and GTNNWR share: the global fit, the training, local coefficients anywhere."""

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
from torch import Tensor, nn

from models import validation
from models.arrays import Doubles
from models.gnnwr.landmarks import Landmarks
from models.gnnwr.least_squares import LeastSquares
from models.gnnwr.task import WeightingTask
from models.gwr import settings
from models.gwr.distance import Distance
from models.gwr.regression import DISTANCES
from models.training import ProgressCallback, TrainingOptions, TrainingResult, train

ROUNDS = 10
"""Rounds of a training at most, each of as many passes over the rows as it takes. The training loop leaves a checkpoint
after each round; a single pass over a few hundred rows would be shorter than writing one."""

_PREDICTED_AT_ONCE = 8192  # rows: bounds the hidden layers of a prediction


class WeightedRegression(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """A network's weights on the coefficients of a global least-squares fit; ``GNNWR`` explains the settings."""

    landmarks: int
    hidden: Sequence[int]
    dropout: float
    ridge: float
    reach: float
    distance: str
    updates: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    seed: int
    device: str

    def _network(self, landmarks: int, columns: int) -> nn.Module:
        """Return the network from distances to ``landmarks`` landmarks to ``columns`` weights."""
        raise NotImplementedError

    def _distance(self) -> Distance:
        """Return how far places are apart."""
        return Distance(self.distance == "great_circle")

    def score(self, X: ArrayLike, y: ArrayLike, coords: ArrayLike, times: ArrayLike | None = None) -> float:
        """Return R² of the prediction; the arguments are those of ``fit``."""
        target, prediction = validation.target_vector(y), self._predict(X, coords, times)
        validation.same_length(X=prediction, y=target)
        error = target - prediction
        return float(1.0 - error @ error / np.square(target - target.mean()).sum())

    def _fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        coords: ArrayLike,
        times: ArrayLike | None,
        checkpoint: Path | None,
        on_progress: ProgressCallback | None,
    ) -> Self:
        self._check_settings()
        features, target = validation.finite_array(X, "X", 2), validation.target_vector(y)
        places, moments = self._where(coords, times)
        validation.same_length(X=features, y=target, coords=places)
        if len(target) < 2:
            raise ValueError("A network cannot be trained on 1 sample; give at least two.")
        scaled = LeastSquares.fit(features, target, self.ridge, self.reach)
        marks = Landmarks.choose(places, moments, self._distance(), self.landmarks)
        training, passes = self._schedule(len(target))
        device = training.resolve_device()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = self._network(len(marks), features.shape[1] + 1).to(device)
        terms = scaled.design(features) * scaled.coefficients / scaled.target_scale
        task = WeightingTask(
            module=network,
            space=_on(device, marks.to_places(places)),
            time=None if moments is None else _on(device, marks.to_moments(moments)),
            terms=torch.from_numpy(terms).float().to(device),
            target=torch.from_numpy(target / scaled.target_scale).float().to(device),
            passes=passes,
            identity=self._identity(features, target, places, moments),
        )
        self.training_result_: TrainingResult = train(task, training, checkpoint=checkpoint, on_progress=on_progress)
        self._least_squares, self._landmarks, self._module = scaled, marks, network.eval()
        validation.keep_columns(self, X, features.shape[1])
        return self

    def _schedule(self, rows: int) -> tuple[TrainingOptions, int]:
        """Return how to train, and how many passes over the rows one round has."""
        batch = min(self.batch_size, rows)
        wanted = max(1, round(self.updates * batch / rows))
        rounds = min(ROUNDS, wanted)
        passes = round(wanted / rounds)
        while rows * passes % batch == 1:  # batch normalisation has no statistics of a batch of one row
            batch += 1
        options = TrainingOptions(
            epochs=rounds,
            batch_size=batch,
            learning_rate=self.learning_rate,
            schedule="one_cycle",
            weight_decay=self.weight_decay,
            seed=self.seed,
            device=self.device,
            precision="float32",
        )
        return options, passes

    def _standardised_coefficients(self, coords: ArrayLike, times: ArrayLike | None) -> Doubles:
        """Return w · β_OLS (m, k) of the standardised design."""
        check_is_fitted(self)
        places, moments = self._where(coords, times)
        device = next(self._module.parameters()).device
        table, place = _on(device, self._landmarks.to_places(places))
        clock = None if moments is None else _on(device, self._landmarks.to_moments(moments))
        weights = np.empty((len(places), len(self._least_squares.coefficients)))
        with torch.inference_mode():
            for start in range(0, len(places), _PREDICTED_AT_ONCE):
                part = slice(start, start + _PREDICTED_AT_ONCE)
                apart = None if clock is None else clock[0][clock[1][part]]
                weights[part] = self._module(table[place[part]], apart).cpu().numpy()
        return weights * self._least_squares.coefficients

    def _coefficients(self, coords: ArrayLike, times: ArrayLike | None) -> Doubles:
        """Return the same (m, k) in units of the data."""
        coefficients = self._standardised_coefficients(coords, times)
        return self._least_squares.to_user_units(coefficients)

    def _predict(self, X: ArrayLike, coords: ArrayLike, times: ArrayLike | None) -> Doubles:
        coefficients = self._standardised_coefficients(coords, times)
        features = validation.fitted_features(self, X)
        validation.same_length(X=features, coords=coefficients)
        prediction: Doubles = (coefficients * self._least_squares.design(features)).sum(axis=1)
        return prediction

    def _where(self, coords: ArrayLike, times: ArrayLike | None) -> tuple[Doubles, Doubles | None]:
        places = validation.coordinate_array(coords, self.distance == "great_circle")
        if times is None:
            return places, None
        moments = validation.finite_array(times, "times", 1)
        validation.same_length(coords=places, times=moments)
        return places, moments

    def _check_settings(self) -> None:
        settings.one_of(self.distance, "distance", DISTANCES)
        for name, least in (("landmarks", 1), ("updates", 1), ("batch_size", 2)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {least}.")
        for name in ("ridge", "reach"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be positive.")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; it must lie in [0, 1).")
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"hidden is {self.hidden!r}; it must name the width of at least one layer.")

    def _identity(self, *arrays: Doubles | None) -> str:
        """Hash of what changes the numbers; the device is the training loop's business."""
        settings = {name: value for name, value in self.get_params().items() if name != "device"}
        digest = hashlib.sha256(repr(settings).encode())
        for array in arrays:
            digest.update(b"" if array is None else array.tobytes())
        return digest.hexdigest()


def _on(device: torch.device, pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return pair[0].to(device), pair[1].to(device)
