"""Geographically weighted rows of Table 2: GWR per step, GTWR on the panel of all steps, by this project's engine.

As in the paper, they are fitted on one sample per cell and step: the mean over the training years. They predict, like
every other row, the raw values of whatever year is asked for. They are linear: where a cell's weather of the test year
lies outside what its neighbourhood saw in training, they extrapolate without bounds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bench.data.cube import STEPS_PER_YEAR, FloatArray
from bench.data.splits import Part
from bench.errors import BenchError
from bench.runners.base import Runner

Doubles = npt.NDArray[np.float64]


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

    def _join(self, climate: Doubles, static: npt.NDArray[Any]) -> Doubles:
        kept = static[:, self._static_kept].astype(np.float64)
        repeated = np.broadcast_to(kept[:, None, :], (*climate.shape[:2], kept.shape[1]))
        return np.concatenate([climate, repeated], axis=-1)

    def _scaled(self, values: Doubles) -> Doubles:
        scaled: Doubles = (values - self._mean) / self._deviation
        return scaled


class GwrRunner(Runner):
    """GWR, a separate model for each 8-day step."""

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

    def _model(self, step: int) -> Any:
        from models.gwr import GWR

        if step not in self._models:
            model = GWR(
                kernel="bisquare", adaptive=True, distance="great_circle", criterion="AICc", standard_errors=False
            )
            means = self._means
            self._models[step] = _fit(model, means.design[:, step - 1], means.target[:, step - 1], means.places)
        return self._models[step]


class GtwrRunner(Runner):
    """GTWR on the full panel of cells and steps, with a cyclic time axis of 46 steps."""

    def fit(self) -> None:
        """Searches both bandwidths on the step means and fits the panel."""
        from models.gwr import PanelGTWR

        self._means = StepMeans(self)
        steps = np.arange(1, STEPS_PER_YEAR + 1, dtype=np.float64)
        model = PanelGTWR(
            kernel="bisquare",
            time_kernel="gaussian",
            adaptive=True,
            distance="great_circle",
            period=float(STEPS_PER_YEAR),
            criterion="AICc",
            standard_errors=False,
        )
        self._model = _fit(model, self._means.design, self._means.target, self._means.places, steps)

    def predict(self, part: Part) -> FloatArray:
        """Predictions with the local coefficients of each place and step, (n_cells, n_times)."""
        design, places = self._means.of(part), self._means.at(part)
        step = self.task.cube.step_of_year[part.times]
        prediction = np.empty(design.shape[:2], np.float32)
        for year_start in range(0, len(step), STEPS_PER_YEAR):  # times of one call must not repeat
            columns = slice(year_start, year_start + STEPS_PER_YEAR)
            moments = step[columns].astype(np.float64)
            prediction[:, columns] = self._model.predict(design[:, columns], places, moments)
        return prediction


def _fit(model: Any, *arguments: Doubles) -> Any:
    try:
        return model.fit(*arguments)
    except ValueError as error:
        raise BenchError(f"{type(model).__name__} cannot be fitted on this sample: {error}") from error
