"""Geographically weighted rows of Table 2: GWR per step, GTWR on the panel of all steps, by this project's engine.

As in the paper, they are fitted on one sample per cell and step: the mean over the training years. They predict, like
every other row, the raw values of whatever year is asked for. They are linear: where a cell's weather of the test year
lies outside what its neighbourhood saw in training, they extrapolate without bounds.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.data.cube import FloatArray
from bench.data.rhythm import STEPS_PER_YEAR
from bench.data.splits import Part
from bench.errors import BenchError
from bench.runners.base import Fitted, Runner

Doubles = npt.NDArray[np.float64]
Steps = npt.NDArray[np.int64]

YEAR = np.arange(1, STEPS_PER_YEAR + 1, dtype=np.float64)
"""The 8-day steps of a year."""


class StepMeans:
    """Training means per (cell, step of the year), and the design that they and later raw samples share.

    Columns: climate and land-cover fractions, without the commonest class (fractions add up to one, the intercept
    stands for it) and without columns that do not vary; standardised by the training means' mean and standard
    deviation.

    Args:
        runner: the runner whose training part is averaged.
    """

    def __init__(self, runner: Runner) -> None:
        task = runner.task
        self._cube = task.cube
        step = task.cube.step_of_year[task.train.times]
        missing = sorted({*range(1, STEPS_PER_YEAR + 1)} - set(step.tolist()))
        if missing:
            raise BenchError(
                f"The training part has no 8-day step {missing[0]}; this runner needs every step of the year."
            )
        cells = task.train.cells
        n_features = len(task.cube.feature_names)
        climate = np.empty((len(cells), STEPS_PER_YEAR, n_features))
        self.target = np.empty((len(cells), STEPS_PER_YEAR))
        for index in range(STEPS_PER_YEAR):
            columns = task.train.times[step == index + 1]
            climate[:, index] = Part(cells, columns).of(task.cube.climate).mean(axis=1, dtype=np.float64)
            self.target[:, index] = task.train_target[:, step == index + 1].mean(axis=1, dtype=np.float64)
        self.places = np.stack([task.cube.lon[cells], task.cube.lat[cells]], axis=1)
        static = task.cube.static[cells].astype(np.float64)
        land_cover = static[:, : task.cube.n_land_cover]
        self._static_kept = [
            index
            for index in range(static.shape[1])
            if static[:, index].std() > 1e-3 and index != int(land_cover.mean(axis=0).argmax())
        ]
        everything = self._join(climate, static)
        flat = everything.reshape(-1, everything.shape[-1])
        self._mean, deviation = flat.mean(axis=0), flat.std(axis=0)
        self._deviation = np.where(deviation > 0, deviation, 1.0)
        self.design = self._scaled(everything)

    def of(self, part: Part) -> Doubles:
        """(n_cells, n_times, columns) standardised design of raw samples."""
        return self._scaled(self._join(part.of(self._cube.climate).astype(np.float64), self._cube.static[part.cells]))

    def at(self, part: Part) -> Doubles:
        """(n_cells, 2) longitude and latitude of a part's cells, degrees."""
        return np.stack([self._cube.lon[part.cells], self._cube.lat[part.cells]], axis=1)

    def weights(self, per_column: npt.NDArray[Any]) -> FloatArray:
        """What a model says of its design's columns, in the layout of `Runner.explain`.

        Args:
            per_column: (n_cells, n_times, columns), such as local slopes without the intercept.

        Returns:
            (n_cells, n_times, climate and static features) float32; 0 for features that the design leaves out.
        """
        n_climate = len(self._cube.feature_names)
        kept = [*range(n_climate), *(n_climate + index for index in self._static_kept)]
        weights = np.zeros((*per_column.shape[:2], n_climate + len(self._cube.static_names)), np.float32)
        weights[:, :, kept] = per_column
        return weights

    def _join(self, climate: Doubles, static: npt.NDArray[Any]) -> Doubles:
        kept = static[:, self._static_kept].astype(np.float64)
        repeated = np.broadcast_to(kept[:, None, :], (*climate.shape[:2], kept.shape[1]))
        return np.concatenate([climate, repeated], axis=-1)

    def _scaled(self, values: Doubles) -> Doubles:
        scaled: Doubles = (values - self._mean) / self._deviation
        return scaled


class StepMeansRunner(Runner):
    """A runner that is fitted on `StepMeans`, which its `fit` keeps in ``_means``.

    A subclass fits, and predicts rows of the design at places and steps.
    """

    _means: StepMeans

    @abstractmethod
    def _predict_design(self, design: Doubles, places: Doubles, steps: Steps) -> npt.NDArray[Any]:
        """Predictions (n_cells, n_times) of a standardised design.

        Args:
            design: (n_cells, n_times, columns).
            places: (n_cells, 2) longitude and latitude, degrees.
            steps: (n_times,) step of the year of each time; steps repeat where a part holds several years.
        """

    def predict(self, part: Part) -> FloatArray:
        """Predictions of a part's raw samples, (n_cells, n_times)."""
        means = self._means
        prediction = self._predict_design(means.of(part), means.at(part), self._steps(part))
        return prediction.astype(np.float32)

    def fitted(self) -> Fitted:
        """The training means of the scored steps, and the predictions for them."""
        means, steps = self._means, np.array(self.task.scored_steps, dtype=np.int64)
        prediction = self._predict_design(means.design[:, steps - 1], means.places, steps)
        target = means.target[:, steps - 1]
        return Fitted(target.astype(np.float32), prediction.astype(np.float32), self.task.scored_steps)

    def _steps(self, part: Part) -> Steps:
        steps: Steps = self.task.cube.step_of_year[part.times]
        return steps


class PerStepRunner(StepMeansRunner):
    """A separate model for each 8-day step; a subclass says how the model of one step is fitted."""

    def fit(self) -> None:
        """Fits the models of the steps that will be scored, on the training years' means."""
        self._means = StepMeans(self)
        self._models: dict[int, Any] = {}
        for step in self.task.scored_steps:
            self._model(step)

    @abstractmethod
    def _fit_step(self, step: int) -> Any:
        """A fitted model of a step of the year, with ``predict(design, places)``."""

    def _model(self, step: int) -> Any:
        if step not in self._models:
            self._models[step] = self._fit_step(step)
        return self._models[step]

    def _predict_design(self, design: Doubles, places: Doubles, steps: Steps) -> npt.NDArray[Any]:
        columns = [self._model(step).predict(design[:, index], places) for index, step in enumerate(steps.tolist())]
        return np.stack(columns, axis=1)


class GwrRunner(PerStepRunner):
    """GWR, a separate model for each 8-day step."""

    def explain(self, part: Part) -> FloatArray:
        """Local coefficients of each cell and step on the standardised columns."""
        places, steps = self._means.at(part), self._steps(part)
        local = {step: self._coefficients(step, places)[:, 1:] for step in set(steps.tolist())}
        return self._means.weights(np.stack([local[step] for step in steps.tolist()], axis=1))

    def _coefficients(self, step: int, places: Doubles) -> Doubles:
        """Local coefficients (m, 1 + columns) of a step at places (m, 2), the intercept first."""
        coefficients: Doubles = self._model(step).local_models(places).coefficients
        return coefficients

    def _fit_step(self, step: int) -> Any:
        means, model = self._means, self._estimator(self._bandwidth(step))
        return _fit(model, means.design[:, step - 1], means.target[:, step - 1], means.places)

    def _estimator(self, bandwidth: float | None) -> Any:
        from models.gwr import GWR

        return GWR(
            bandwidth,
            kernel="bisquare",
            adaptive=True,
            distance="great_circle",
            criterion="AICc",
            standard_errors=False,
        )

    def _bandwidth(self, step: int) -> float | None:
        """Neighbours to count in a step's model; None leaves the choice to AICc."""
        return None


class GtwrRunner(StepMeansRunner):
    """GTWR on the full panel of cells and steps, with a cyclic time axis of 46 steps."""

    def fit(self) -> None:
        """Searches both bandwidths on the step means and fits the panel."""
        self._means = means = StepMeans(self)
        self._model = _fit(self._estimator(*self._bandwidths()), means.design, means.target, means.places, YEAR)

    def explain(self, part: Part) -> FloatArray:
        """Local coefficients of each cell and step on the standardised columns."""
        distinct, column = np.unique(self._steps(part), return_inverse=True)
        local = self._model.local_models(self._means.at(part), distinct.astype(np.float64))
        slopes = local.coefficients[:, 1:].reshape(len(part.cells), len(distinct), -1)
        return self._means.weights(slopes[:, column])

    def _predict_design(self, design: Doubles, places: Doubles, steps: Steps) -> npt.NDArray[Any]:
        prediction = np.empty(design.shape[:2])
        for start in range(0, len(steps), STEPS_PER_YEAR):  # a year at a time, which bounds the memory of a call
            year = slice(start, start + STEPS_PER_YEAR)
            prediction[:, year] = self._model.predict(design[:, year], places, steps[year].astype(np.float64))
        return prediction

    def _estimator(self, space_bandwidth: float | None, time_bandwidth: float | None) -> Any:
        from models.gwr import PanelGTWR

        return PanelGTWR(
            space_bandwidth,
            time_bandwidth,
            kernel="bisquare",
            time_kernel="gaussian",
            adaptive=True,
            distance="great_circle",
            period=float(STEPS_PER_YEAR),
            criterion="AICc",
            standard_errors=False,
        )

    def _bandwidths(self) -> tuple[float | None, float | None]:
        """Cells and 8-day steps to count; None leaves the choice to AICc."""
        return None, None


def _fit(model: Any, *arguments: Doubles) -> Any:
    try:
        return model.fit(*arguments)
    except ValueError as error:
        raise BenchError(f"{type(model).__name__} cannot be fitted on this sample: {error}") from error
