"""Reference rows: models that cost nothing and say what a real model has to beat."""

from __future__ import annotations

import numpy as np

from bench.data.cube import FloatArray
from bench.data.rhythm import STEPS_PER_YEAR
from bench.data.splits import Part
from bench.errors import BenchError
from bench.runners.base import Runner


class TrainingMean(Runner):
    """Predicts the mean of the training target everywhere."""

    def fit(self) -> None:
        """Takes the mean over all training samples."""
        self._mean = np.float32(self.task.train_target.mean(dtype=np.float64))

    def predict(self, part: Part) -> FloatArray:
        """The mean, (n_cells, n_times)."""
        return np.full((len(part.cells), len(part.times)), self._mean, np.float32)


class Climatology(Runner):
    """Predicts each cell's training mean of the same 8-day step; unseen cells get the step's mean over all cells."""

    def fit(self) -> None:
        """Averages the training years per (cell, step of the year)."""
        task = self.task
        step = task.cube.step_of_year[task.train.times] - 1
        sums = np.zeros((len(task.train.cells), STEPS_PER_YEAR))
        np.add.at(sums.T, step, task.train_target.T.astype(np.float64))
        count = np.bincount(step, minlength=STEPS_PER_YEAR)
        cell_mean = task.train_target.mean(axis=1, dtype=np.float64)
        per_cell = np.where(count > 0, sums / np.maximum(count, 1), cell_mean[:, None])
        self._table = np.tile(per_cell.mean(axis=0), (task.cube.n_cells, 1))
        self._table[task.train.cells] = per_cell

    def predict(self, part: Part) -> FloatArray:
        """The climatology of each (cell, step), (n_cells, n_times)."""
        step = self.task.cube.step_of_year[part.times] - 1
        return self._table[part.cells[:, None], step[None, :]].astype(np.float32)


class LastYearLai(Runner):
    """The PML_V2 equations with this year's climate and each cell's LAI of the training years, same 8-day step.

    This is what physics can do without seeing this year's vegetation: the row that a learned model of the hidden
    heterogeneity should approach. One factor per cell is calibrated on the training part; where the equations made the
    target as they stand (northchina) it is 1, where a hidden capacity multiplies them (simulated) it stands in for it.
    """

    def fit(self) -> None:
        """Averages LAI over the training years per (cell, step) and calibrates the factor of each training cell."""
        from bench.data.physics import gpp_with_lai

        task = self.task
        lai = task.cube.withheld["LAI"]
        self._lai = np.full((task.cube.n_cells, STEPS_PER_YEAR), np.nan)
        step = task.cube.step_of_year[task.train.times]
        for index in range(STEPS_PER_YEAR):
            columns = task.train.times[step == index + 1]
            if len(columns):
                self._lai[task.train.cells, index] = lai[np.ix_(task.train.cells, columns)].mean(
                    axis=1, dtype=np.float64
                )
        modelled = gpp_with_lai(task.cube, task.train, task.train.of(lai).astype(np.float64)).sum(axis=1)
        observed = task.train_target.sum(axis=1, dtype=np.float64)
        self._factor = np.ones(task.cube.n_cells)
        self._factor[task.train.cells] = np.where(modelled > 0, observed / np.where(modelled > 0, modelled, 1.0), 1.0)

    def predict(self, part: Part) -> FloatArray:
        """GPP of the calibrated equations, (n_cells, n_times)."""
        from bench.data.physics import gpp_with_lai

        cube = self.task.cube
        step = cube.step_of_year[part.times] - 1
        lai = self._lai[part.cells[:, None], step[None, :]]
        if np.isnan(lai).any():
            raise BenchError(
                "Runner 'pml_last_year_lai' has no training LAI for some cell or step; it needs every test cell in "
                "training (leave it out with --skip)."
            )
        return (gpp_with_lai(cube, part, lai) * self._factor[part.cells, None]).astype(np.float32)
