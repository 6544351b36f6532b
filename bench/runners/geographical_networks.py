"""Neural-network weighted rows of Table 2: GNNWR per step, GTNNWR on the panel of all steps, from `models.gnnwr`.

As in the paper, and as GWR and GTWR here, they are fitted on one sample per cell and step: the mean over the training
years. Unlike those they hold every feature within the range of the training means when they predict.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.data.cube import STEPS_PER_YEAR, FloatArray
from bench.data.splits import Part
from bench.errors import BenchError
from bench.runners.base import Runner
from bench.runners.geographical import Doubles, StepMeans


class GnnwrRunner(Runner):
    """GNNWR, a separate model for each 8-day step; parameters: those of the estimator."""

    def fit(self) -> None:
        """Fits the models of the steps that will be scored, on the training years' means."""
        self._means = StepMeans(self)
        self._models: dict[int, Any] = {}
        for step in self.task.scored_steps:
            self._model(step)

    def predict(self, part: Part) -> FloatArray:
        """Predictions of each step by its own model, (n_cells, n_times)."""
        design, places = self._means.of(part), self._means.at(part)
        prediction = np.empty(design.shape[:2], np.float32)
        for column, step in enumerate(self.task.cube.step_of_year[part.times].tolist()):
            prediction[:, column] = self._model(step).predict(design[:, column], places)
        return prediction

    def explain(self, part: Part) -> FloatArray:
        """Local coefficients per standard deviation of each feature's step means, (n_cells, n_times, feature)."""
        places = self._means.at(part)
        steps = self.task.cube.step_of_year[part.times].tolist()
        coefficients = [self._model(step).coefficients(places) for step in steps]
        return _importance(self, self._means, np.stack(coefficients, axis=1))

    def _model(self, step: int) -> Any:
        from models.gnnwr import GNNWR

        if step not in self._models:
            model = GNNWR(distance="great_circle", seed=self.task.seed, **self.task.parameters)
            means = self._means
            self._models[step] = _fit(
                self, f"step_{step:02d}", model, means.design[:, step - 1], means.target[:, step - 1], means.places
            )
        return self._models[step]


class GtnnwrRunner(Runner):
    """GTNNWR on all cells and steps at once, with a cyclic time axis of 46 steps; parameters: the estimator's."""

    def fit(self) -> None:
        """Trains on the step means; an unfinished training goes on from the task's checkpoint folder."""
        from models.gnnwr import GTNNWR

        self._means = means = StepMeans(self)
        n_cells, n_steps, n_columns = means.design.shape
        model = GTNNWR(
            distance="great_circle", period=float(STEPS_PER_YEAR), seed=self.task.seed, **self.task.parameters
        )
        places = np.repeat(means.places, n_steps, axis=0)
        moments = np.tile(np.arange(1, n_steps + 1, dtype=np.float64), n_cells)
        self._model = _fit(
            self, "training", model, means.design.reshape(-1, n_columns), means.target.reshape(-1), places, moments
        )

    def predict(self, part: Part) -> FloatArray:
        """Predictions with the local coefficients of each place and step, (n_cells, n_times)."""
        design, places = self._means.of(part), self._means.at(part)
        prediction = np.empty(design.shape[:2], np.float32)
        for column, step in enumerate(self.task.cube.step_of_year[part.times].tolist()):
            moments = np.full(len(places), float(step))
            prediction[:, column] = self._model.predict(design[:, column], places, moments)
        return prediction

    def explain(self, part: Part) -> FloatArray:
        """Local coefficients per standard deviation of each feature's step means, (n_cells, n_times, feature)."""
        places = self._means.at(part)
        steps = self.task.cube.step_of_year[part.times].tolist()
        coefficients = [self._model.coefficients(places, np.full(len(places), float(step))) for step in steps]
        return _importance(self, self._means, np.stack(coefficients, axis=1))


def _importance(runner: Runner, means: StepMeans, coefficients: Doubles) -> FloatArray:
    """Coefficients (n_cells, n_times, 1 + columns) as weights of all features; columns left out get 0."""
    n_climate = len(runner.task.cube.feature_names)
    weights = np.zeros((*coefficients.shape[:2], n_climate + len(runner.task.cube.static_names)), np.float32)
    weights[..., :n_climate] = coefficients[..., 1 : 1 + n_climate]
    weights[..., [n_climate + index for index in means._static_kept]] = coefficients[..., 1 + n_climate :]
    return weights


def _fit(runner: Runner, name: str, model: Any, *arguments: Doubles) -> Any:
    checkpoint = runner.task.checkpoint / f"{name}.pt"
    if checkpoint.exists():
        print(f"resuming from {checkpoint.name}", flush=True)
    try:
        return model.fit(
            *arguments, checkpoint=checkpoint, on_progress=lambda report: print(f"{name}: {report}", flush=True)
        )
    except (ValueError, FloatingPointError) as error:
        raise BenchError(f"{type(model).__name__} cannot be trained on this sample: {error}") from error
