"""Reference rows: models that cost nothing and say what a real model has to beat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.data.cube import FloatArray
from bench.data.splits import Part
from bench.errors import BenchError
from bench.runners.base import Runner
from bench.runners.known import Known


class TrainingMean(Runner):
    """Predicts the mean of the training target everywhere."""

    @classmethod
    def known_parameters(cls, parameters: Mapping[str, Any]) -> Known:
        """See `Runner`."""
        return {}

    def fit(self) -> None:
        """Takes the mean over all training samples."""
        task = self.task
        self._mean = np.float32(task.train.select(task.train_target).mean(dtype=np.float64))

    def predict(self, part: Part) -> FloatArray:
        """The mean, (n_cells, n_times)."""
        return np.full(part.shape, self._mean, np.float32)


class Climatology(Runner):
    """Predicts each cell's training mean of the same step of the year.

    A cell that was not measured in that step gets its mean of that season (three months), else its mean of all steps.
    Cells that never train get the step's mean over the training cells, each counting once.
    """

    @classmethod
    def known_parameters(cls, parameters: Mapping[str, Any]) -> Known:
        """See `Runner`."""
        return {}

    def fit(self) -> None:
        """Averages the training years per (cell, step of the year)."""
        task, cube = self.task, self.task.cube
        step, target = cube.step_of_year[task.train.times] - 1, task.train_target.astype(np.float64)
        measured = ~np.isnan(target)
        sums, counts = (np.zeros((len(task.train.cells), cube.steps_per_year)) for _ in range(2))
        np.add.at(sums.T, step, np.where(measured, target, 0.0).T)
        np.add.at(counts.T, step, measured.T.astype(np.float64))
        # Every training cell has a measured sample, so that the last of these always is a number.
        cell_mean = (sums.sum(axis=1) / counts.sum(axis=1))[:, None]
        per_cell = np.where(counts > 0, sums / np.maximum(counts, 1), cell_mean)
        missing = counts == 0
        if missing.any() and cube.rhythm.has_seasons:
            in_season = _seasons_of_steps(cube.steps_per_year)
            season_sums, season_counts = sums @ in_season, counts @ in_season
            per_season = np.where(season_counts > 0, season_sums / np.maximum(season_counts, 1), cell_mean)
            per_cell = np.where(missing, per_season @ in_season.T, per_cell)
        self._table = np.tile(per_cell.mean(axis=0), (cube.n_cells, 1))
        self._table[task.train.cells] = per_cell

    def predict(self, part: Part) -> FloatArray:
        """The climatology of each (cell, step), (n_cells, n_times)."""
        step = self.task.cube.step_of_year[part.times] - 1
        return self._table[part.cells[:, None], step[None, :]].astype(np.float32)


def _seasons_of_steps(steps_per_year: int) -> npt.NDArray[np.float64]:
    """(step, season) 1 where a step begins in a season: December to February, and so on."""
    month = np.arange(steps_per_year) * 12 // steps_per_year
    return np.asarray(((month + 1) % 12 // 3)[:, None] == np.arange(4), np.float64)


class LastYearLai(Runner):
    """The PML_V2 equations with this year's climate and each cell's LAI of the training years, same step.

    This is what physics can do without seeing this year's vegetation: the row that a learned model of the hidden
    heterogeneity should approach. One factor per cell is calibrated on the training part; where the equations made the
    target as they stand (northchina) it is 1, where a hidden capacity multiplies them (simulated) it stands in for it.
    """

    @classmethod
    def known_parameters(cls, parameters: Mapping[str, Any]) -> Known:
        """See `Runner`."""
        return {}

    def fit(self) -> None:
        """Averages LAI over the training years per (cell, step) and calibrates the factor of each training cell."""
        from bench.data.physics import gpp_with_lai

        task = self.task
        lai = task.cube.withheld["LAI"]
        self._lai = np.full((task.cube.n_cells, task.cube.steps_per_year), np.nan)
        step = task.cube.step_of_year[task.train.times]
        for index in range(task.cube.steps_per_year):
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
