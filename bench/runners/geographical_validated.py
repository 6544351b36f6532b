"""GWR and GTWR with every advantage: bandwidths by held-out cells, predictions within the range seen in training.

AICc judges a bandwidth by the samples that it was fitted to. The benchmark asks another thing: raw values, mostly at
cells that were never seen. Small bandwidths that win by AICc extrapolate there without bounds. Here the bandwidth is
the one with the least error on the raw training samples of cells that were held out of the fit, and no prediction
leaves the range of the raw training target at its step of the year. Both choices see training data only.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.arrays import Doubles, Mask
from bench.data.splits import Part
from bench.runners.geographical import GtwrRunner, GwrRunner, Steps
from bench.seeds import BANDWIDTH_FOLD_SEED

FOLDS = 5
GWR_BANDWIDTHS = 8
MORE_THAN_PARAMETERS = 10
"""So many bandwidths are tried, geometrically spaced from ten neighbours more than parameters to all cells."""
GTWR_SPACE_SHARES = (0.1, 0.25, 0.5, 1.0)
"""Spatial bandwidths that are tried, as shares of the cells."""
GTWR_TIME_BANDWIDTHS = (0.5, 1.0, 2.0, 4.0)
"""Temporal bandwidths that are tried, in steps of the year, beside half a year, with which all seasons count."""


class ValidatedGwrRunner(GwrRunner):
    """GWR per step of the year; its bandwidth is the best of a grid in five-fold cross-validation over cells."""

    def _predict_design(self, design: Doubles, places: Doubles, steps: Steps) -> npt.NDArray[Any]:
        return _within_range(super()._predict_design(design, places, steps), _ranges(self), steps)

    def _bandwidth(self, step: int) -> float:
        means, held_out, ranges = self._means, _HeldOut(self), _ranges(self)
        cells = len(means.measured(step)[1])
        fewest = min(means.design.shape[2] + 1 + MORE_THAN_PARAMETERS, cells)
        squares = dict.fromkeys(np.geomspace(fewest / cells, 1.0, GWR_BANDWIDTHS).tolist(), 0.0)
        for share, number in itertools.product(squares, range(held_out.folds)):
            fitted = held_out.fold != number
            design, target, places = means.measured(step, fitted)
            model = self._estimator(_neighbours(share, len(target))).fit(design, target, places)
            for time in np.flatnonzero(held_out.steps == step):
                design, target, places = held_out.samples(~fitted, np.array([time]))
                predicted = model.predict(design[:, 0], places)[:, None]
                squares[share] += _squares(ranges, predicted, target, held_out.steps[[time]])
        return _neighbours(min(squares, key=squares.__getitem__), len(means.measured(step)[1]))


class ValidatedGtwrRunner(GtwrRunner):
    """GTWR on the panel; both bandwidths are the best of a grid on a fifth of the training cells."""

    def _predict_design(self, design: Doubles, places: Doubles, steps: Steps) -> npt.NDArray[Any]:
        return _within_range(super()._predict_design(design, places, steps), _ranges(self), steps)

    def _bandwidths(self) -> tuple[float, float]:
        means, held_out, ranges = self._means, _HeldOut(self), _ranges(self)
        whole, length = means.complete, len(self._year)
        fitted = (held_out.fold != 0) & whole
        squares: dict[tuple[float, float], float] = {}
        for share, bandwidth in itertools.product(GTWR_SPACE_SHARES, (*GTWR_TIME_BANDWIDTHS, length / 2)):
            model = self._estimator(_neighbours(share, int(fitted.sum())), bandwidth)
            model.fit(means.design[fitted], means.target[fitted], means.places[fitted], self._year)
            squares[share, bandwidth] = 0.0
            for start in range(0, len(held_out.steps), length):  # a year at a time, as in predictions
                times = np.arange(start, min(start + length, len(held_out.steps)))
                design, target, places = held_out.samples(held_out.fold == 0, times)
                steps = held_out.steps[times]
                predicted = model.predict(design, places, steps.astype(np.float64))
                squares[share, bandwidth] += _squares(ranges, predicted, target, steps)
            print(f"{share:g} of the cells, {bandwidth:g} steps: {squares[share, bandwidth]:.6g}", flush=True)
        share, bandwidth = min(squares, key=squares.__getitem__)
        return _neighbours(share, int(whole.sum())), bandwidth


class _HeldOut:
    """Folds of the training cells, and the raw training samples on which a bandwidth is judged."""

    def __init__(self, runner: GwrRunner | GtwrRunner) -> None:
        task = runner.task
        cells = len(task.train.cells)
        self.folds = min(FOLDS, cells)
        self.fold = np.random.default_rng(BANDWIDTH_FOLD_SEED).permutation(cells) % self.folds
        self.steps = task.cube.step_of_year[task.train.times]
        self._target, self._train, self._means = task.train_target, task.train, runner._means

    def samples(self, cells: Mask, times: npt.NDArray[np.int64]) -> tuple[Any, Any, Any]:
        """Raw samples of training cells: design (n, times, columns), target (n, times), places (n, 2)."""
        part = Part(self._train.cells[cells], self._train.times[times])
        return self._means.of(part), self._target[np.ix_(np.flatnonzero(cells), times)], self._means.places[cells]


def _neighbours(share: float, cells: int) -> float:
    """Adaptive bandwidth that is a share of the cells fitted."""
    return float(max(2, round(share * cells)))


def _ranges(runner: GwrRunner | GtwrRunner) -> Doubles:
    """(n_steps, 2) least and greatest raw training target of each step of the year, over cells and years.

    A step without any training sample is bounded by all of them.
    """
    task = runner.task
    steps = task.cube.step_of_year[task.train.times]
    everything = task.train.select(task.train_target)
    ranges = np.tile((everything.min(), everything.max()), (task.cube.steps_per_year, 1)).astype(np.float64)
    for step in np.unique(steps):
        target = task.train_target[:, steps == step]
        ranges[step - 1] = np.nanmin(target), np.nanmax(target)
    return ranges


def _within_range(prediction: npt.NDArray[Any], ranges: Doubles, steps: Steps) -> Doubles:
    """Predictions (n_cells, n_times) kept within the range of their step of the year."""
    bounded: Doubles = np.clip(prediction, ranges[steps - 1, 0], ranges[steps - 1, 1])
    return bounded


def _squares(ranges: Doubles, prediction: npt.NDArray[Any], target: npt.NDArray[Any], steps: Steps) -> float:
    """Sum of squared errors after the bounds, as they will act on a prediction; NaN was not measured."""
    return float(np.nansum(np.square(_within_range(prediction, ranges, steps) - target)))
