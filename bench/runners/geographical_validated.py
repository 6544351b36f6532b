"""GWR and GTWR with every advantage: bandwidths by held-out cells, predictions within the range seen in training.

AICc judges a bandwidth by the samples that it was fitted to. The benchmark asks another thing: raw values, mostly at
cells that were never seen. Small bandwidths that win by AICc extrapolate there without bounds. Here the bandwidth is
the one with the least error on the raw training samples of cells that were held out of the fit, and no prediction
leaves the range of the training means of its step of the year. Both choices see training data only.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.data.cube import STEPS_PER_YEAR, FloatArray
from bench.data.splits import Part
from bench.runners.geographical import GtwrRunner, GwrRunner, StepMeans

Mask = npt.NDArray[np.bool_]

FOLDS = 5
GWR_BANDWIDTHS = 8
"""How many are tried, geometrically spaced from ten neighbours more than parameters to all cells."""
GTWR_SPACE_SHARES = (0.1, 0.25, 0.5, 1.0)
"""Spatial bandwidths that are tried, as shares of the cells."""
GTWR_TIME_BANDWIDTHS = (0.5, 1.0, 2.0, 4.0, 23.0)
"""Temporal bandwidths that are tried, in 8-day steps; with 23, half a year, all seasons count."""


class ValidatedGwrRunner(GwrRunner):
    """GWR per 8-day step; its bandwidth is the best of a grid in five-fold cross-validation over cells."""

    def predict(self, part: Part) -> FloatArray:
        """Predictions of each step by its own model, (n_cells, n_times)."""
        return _within_range(super().predict(part), self._means, self.task.cube.step_of_year[part.times])

    def _make_model(self, step: int) -> Any:
        held_out = _HeldOut(self, self._means)
        cells = len(held_out.fold)
        fewest = min(self._means.design.shape[2] + 11, cells)
        shares = np.geomspace(fewest / cells, 1.0, GWR_BANDWIDTHS).tolist()
        squares = dict.fromkeys(shares, 0.0)
        for share, fold in itertools.product(shares, range(held_out.folds)):
            fitted = held_out.fold != fold
            model = self._estimator(_neighbours(share, fitted))
            model.fit(
                self._means.design[fitted, step - 1], self._means.target[fitted, step - 1], self._means.places[fitted]
            )
            for time in np.flatnonzero(held_out.steps == step):
                design, target, places = held_out.samples(~fitted, np.array([time]))
                squares[share] += _squares(self._means, model.predict(design[:, 0], places)[:, None], target, [step])
        return self._estimator(_neighbours(min(shares, key=squares.__getitem__), np.ones(cells, bool)))


class ValidatedGtwrRunner(GtwrRunner):
    """GTWR on the panel; both bandwidths are the best of a grid on a fifth of the training cells."""

    def predict(self, part: Part) -> FloatArray:
        """Predictions with the local coefficients of each place and step, (n_cells, n_times)."""
        return _within_range(super().predict(part), self._means, self.task.cube.step_of_year[part.times])

    def _make_model(self) -> Any:
        held_out = _HeldOut(self, self._means)
        fitted = held_out.fold != 0
        squares: dict[tuple[float, float], float] = {}
        for share, bandwidth in itertools.product(GTWR_SPACE_SHARES, GTWR_TIME_BANDWIDTHS):
            model = self._estimator(_neighbours(share, fitted), bandwidth)
            moments = np.arange(1, STEPS_PER_YEAR + 1, dtype=np.float64)
            model.fit(self._means.design[fitted], self._means.target[fitted], self._means.places[fitted], moments)
            squares[share, bandwidth] = 0.0
            for start in range(0, len(held_out.steps), STEPS_PER_YEAR):
                times = np.arange(start, min(start + STEPS_PER_YEAR, len(held_out.steps)))
                design, target, places = held_out.samples(~fitted, times)
                steps = held_out.steps[times]
                predicted = model.predict(design, places, steps.astype(np.float64))
                squares[share, bandwidth] += _squares(self._means, predicted, target, steps)
        share, bandwidth = min(squares, key=squares.__getitem__)
        return self._estimator(_neighbours(share, np.ones(len(fitted), bool)), bandwidth)


class _HeldOut:
    """Folds of the training cells, and the raw training samples on which a bandwidth is judged."""

    def __init__(self, runner: GwrRunner | GtwrRunner, means: StepMeans) -> None:
        task = runner.task
        cells = len(task.train.cells)
        self.folds = min(FOLDS, cells)
        self.fold = np.random.default_rng(0).permutation(cells) % self.folds  # the same for every seed and step
        self.steps = task.cube.step_of_year[task.train.times]
        self._target, self._train, self._means = task.train_target, task.train, means

    def samples(self, cells: Mask, times: npt.NDArray[np.int64]) -> tuple[Any, Any, Any]:
        """Raw samples of training cells: design (n, times, columns), target (n, times), places (n, 2)."""
        part = Part(self._train.cells[cells], self._train.times[times])
        return self._means.of(part), self._target[np.ix_(np.flatnonzero(cells), times)], self._means.places[cells]


def _neighbours(share: float, cells: Mask) -> float:
    """Adaptive bandwidth that is a share of the cells fitted."""
    return float(max(2, round(share * int(cells.sum()))))


def _within_range(prediction: npt.NDArray[Any], means: StepMeans, steps: Any) -> FloatArray:
    """Predictions (n_cells, n_times) kept within the training means of their step of the year, over all cells."""
    of_steps = means.target[:, np.asarray(steps) - 1]
    bounded: FloatArray = np.clip(prediction, of_steps.min(axis=0), of_steps.max(axis=0)).astype(np.float32)
    return bounded


def _squares(means: StepMeans, prediction: npt.NDArray[Any], target: npt.NDArray[Any], steps: Any) -> float:
    """Sum of squared errors after the bounds, as they will act on a prediction."""
    error = _within_range(prediction, means, steps).astype(np.float64) - target
    return float(np.square(error).sum())
