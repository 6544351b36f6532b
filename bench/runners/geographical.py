"""Geographically weighted rows of Table 2, by this project's local solver: GWR per step, GTWR on the panel of steps.

As in the paper, they are fitted on one sample per cell and step of the year: the mean over the training years (of data
without time, the sample itself). They predict, like every other row, the raw values of whatever year is asked for. They
are linear: where a cell's weather of the test year lies outside what its neighbourhood saw in training, they
extrapolate without bounds.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.arrays import Doubles
from bench.data.cube import Cube, FloatArray
from bench.data.splits import Part
from bench.errors import BenchError
from bench.runners.base import Fitted, Runner
from bench.runners.known import Known

if TYPE_CHECKING:
    from models.gwr import FlaggedPrediction

Steps = npt.NDArray[np.int64]


class StepMeans:
    """Training means per (cell, step of the year), and the design that they and later raw samples share.

    Columns: see `design_columns`; standardised by the mean and standard deviation of the training means.

    Attributes:
        design: (n_cells, n_steps, columns) standardised; 0 where the target was not measured.
        target: (n_cells, n_steps) NaN where it was not measured.
        places: (n_cells, 2) coordinates.

    Args:
        runner: the runner whose training part is averaged.
        coordinates: (cell, 2) of all cells; None for the cube's.
    """

    def __init__(self, runner: Runner, coordinates: Doubles | None = None) -> None:
        task = runner.task
        self._cube = task.cube
        self._coordinates = task.cube.places if coordinates is None else coordinates
        cells, n_steps = task.train.cells, task.cube.steps_per_year
        self._static_kept = design_columns(task.cube, cells)
        climate = np.zeros((len(cells), n_steps, len(task.cube.feature_names)))
        self.target = np.full((len(cells), n_steps), np.nan)
        step = task.cube.step_of_year[task.train.times]
        for index in np.unique(step) - 1:
            columns = step == index + 1
            values, target = Part(cells, task.train.times[columns]).of(task.cube.climate), task.train_target[:, columns]
            if task.train.mask is None:
                climate[:, index] = values.mean(axis=1, dtype=np.float64)
                self.target[:, index] = target.mean(axis=1, dtype=np.float64)
            else:
                climate[:, index], self.target[:, index] = _masked_means(values, target, task.train.mask[:, columns])
        self.places = self._coordinates[cells]
        everything = self._join(climate, task.cube.static[cells].astype(np.float64))
        measured = ~np.isnan(self.target)
        flat = everything[measured]
        self._mean, deviation = flat.mean(axis=0), flat.std(axis=0)
        self._deviation = np.where(deviation > 0, deviation, 1.0)
        self.design = np.where(measured[:, :, None], self._scaled(everything), 0.0)

    def measured(self, step: int, among: npt.NDArray[np.bool_] | None = None) -> tuple[Doubles, Doubles, Doubles]:
        """Design (n, columns), target (n,) and places (n, 2) of a step, where it was measured.

        Args:
            step: of the year, from 1.
            among: (n_cells,) cells to take; None for all.
        """
        rows = ~np.isnan(self.target[:, step - 1])
        rows = rows if among is None else rows & among
        return self.design[rows, step - 1], self.target[rows, step - 1], self.places[rows]

    @property
    def complete(self) -> npt.NDArray[np.bool_]:
        """(n_cells,) which cells were measured in every step of the year."""
        return np.asarray(~np.isnan(self.target).any(axis=1))

    def of(self, part: Part) -> Doubles:
        """(n_cells, n_times, columns) standardised design of raw samples."""
        return self._scaled(self._join(part.of(self._cube.climate).astype(np.float64), self._cube.static[part.cells]))

    def at(self, part: Part) -> Doubles:
        """(n_cells, 2) coordinates of a part's cells."""
        return self._coordinates[part.cells]

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


def design_columns(cube: Cube, cells: npt.NDArray[np.int64]) -> list[int]:
    """Static columns of a design with an intercept, as indices; all climate features come before them.

    Left out are columns that do not vary over the cells, and of land-cover fractions and of each category, whose
    columns add up to one, the commonest.

    Args:
        cube: the data.
        cells: training cells.
    """
    static = cube.static[cells].astype(np.float64)
    summing = [list(range(cube.n_land_cover))] if cube.n_land_cover else []
    for category in cube.categories:
        summing.append([cube.static_names.index(f"{category}={level}") for level in cube.levels_of(category)])
    commonest = {columns[int(static[:, columns].mean(axis=0).argmax())] for columns in summing}
    return [index for index in range(static.shape[1]) if static[:, index].std() > 1e-3 and index not in commonest]


def _masked_means(
    values: npt.NDArray[Any], target: npt.NDArray[Any], mask: npt.NDArray[np.bool_]
) -> tuple[Doubles, Doubles]:
    """Means over the times of the samples, (n_cells, feature) and (n_cells,): 0 and NaN where there is none."""
    count = mask.sum(axis=1)
    features = np.where(mask[:, :, None], values, 0.0).sum(axis=1, dtype=np.float64) / np.maximum(count, 1)[:, None]
    total = np.where(mask, target, 0.0).sum(axis=1, dtype=np.float64)
    return features, np.where(count > 0, total / np.maximum(count, 1), np.nan)


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
            places: (n_cells, 2) coordinates.
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

    @property
    def _distance(self) -> str:
        """How models of `models.gwr` and `models.gnnwr` measure distance between the cube's places."""
        return "planar" if self.task.cube.is_planar else "great_circle"


class PerStepRunner(StepMeansRunner):
    """A separate model for each step of the year; a subclass says how the model of one step is fitted."""

    def fit(self) -> None:
        """Fits the models of the steps that will be scored, on the training years' means."""
        self._means = StepMeans(self, self._coordinates())
        self._models: dict[int, Any] = {}
        for step in self.task.scored_steps:
            self._model(step)

    def _coordinates(self) -> Doubles | None:
        """(cell, 2) coordinates for the models; None for the cube's own."""
        return None

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
    """GWR, a separate model for each step of the year."""

    @classmethod
    def known_parameters(cls, parameters: Mapping[str, Any]) -> Known:
        """See `Runner`."""
        return {}

    def _predict_design(self, design: Doubles, places: Doubles, steps: Steps) -> npt.NDArray[Any]:
        models = [self._model(step) for step in steps.tolist()]
        return _told(
            [model.predict_flagged(design[:, index], places) for index, model in enumerate(models)], stack=True
        )

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
        return _fit(model, *means.measured(step))

    def _estimator(self, bandwidth: float | None) -> Any:
        from models.gwr import GWR

        return GWR(
            bandwidth,
            kernel="bisquare",
            adaptive=True,
            distance=self._distance,
            criterion="AICc",
            standard_errors=False,
        )

    def _bandwidth(self, step: int) -> float | None:
        """Neighbours to count in a step's model; None leaves the choice to AICc."""
        return None


class GtwrRunner(StepMeansRunner):
    """GTWR on the full panel of cells and steps, with the year as a cyclic time axis.

    A panel has no gaps: of the training cells it takes those that were measured in every step of the year.
    """

    @classmethod
    def known_parameters(cls, parameters: Mapping[str, Any]) -> Known:
        """See `Runner`."""
        return {}

    def fit(self) -> None:
        """Searches both bandwidths on the step means and fits the panel."""
        self._means = means = StepMeans(self)
        whole = means.complete
        if not whole.all():
            print(f"fitted on the {whole.sum()} of {len(whole)} cells that were measured in every step", flush=True)
        model = self._estimator(*self._bandwidths())
        self._model = _fit(model, means.design[whole], means.target[whole], means.places[whole], self._year)

    @property
    def _year(self) -> Doubles:
        """The steps of a year."""
        return np.arange(1, self.task.cube.steps_per_year + 1, dtype=np.float64)

    def explain(self, part: Part) -> FloatArray:
        """Local coefficients of each cell and step on the standardised columns."""
        distinct, column = np.unique(self._steps(part), return_inverse=True)
        local = self._model.local_models(self._means.at(part), distinct.astype(np.float64))
        slopes = local.coefficients[:, 1:].reshape(len(part.cells), len(distinct), -1)
        return self._means.weights(slopes[:, column])

    def _predict_design(self, design: Doubles, places: Doubles, steps: Steps) -> npt.NDArray[Any]:
        flagged, length = [], len(self._year)
        for start in range(0, len(steps), length):  # a year at a time, which bounds the memory of a call
            year = slice(start, start + length)
            flagged.append(self._model.predict_flagged(design[:, year], places, steps[year].astype(np.float64)))
        return _told(flagged)

    def _estimator(self, space_bandwidth: float | None, time_bandwidth: float | None) -> Any:
        from models.gwr import PanelGTWR

        return PanelGTWR(
            space_bandwidth,
            time_bandwidth,
            kernel="bisquare",
            time_kernel="gaussian",
            adaptive=True,
            distance=self._distance,
            period=float(self.task.cube.steps_per_year),
            criterion="AICc",
            standard_errors=False,
        )

    def _bandwidths(self) -> tuple[float | None, float | None]:
        """Cells and steps to count; None leaves the choice to AICc."""
        return None, None


def _told(flagged: Sequence[FlaggedPrediction], *, stack: bool = False) -> Doubles:
    """The predictions (n_cells, n_times) side by side; a line in the log says how many are not quite local."""
    join = np.stack if stack else np.concatenate
    values, alone, singular = (
        join([getattr(prediction, name) for prediction in flagged], axis=1)
        for name in ("values", "out_of_reach", "singular")
    )
    print(
        f"{alone.sum():,} of {values.size:,} predictions have no training cell in reach (the global fit), "
        f"{(singular & ~alone).sum():,} a singular local design (completed by the global fit)",
        flush=True,
    )
    return values


MORE_PLACES = "; train on more places (few-shot: --train-cells), or on data with fewer columns."
"""What helps where a local fit has too few neighbours."""


def said(error: Exception) -> str:
    """What a model says of its input, to be gone on with."""
    return str(error).rstrip(".")


def _fit(model: Any, *arguments: Doubles) -> Any:
    try:
        return model.fit(*arguments)
    except ValueError as error:
        raise BenchError(
            f"{type(model).__name__} cannot be fitted on this sample: {said(error)}{MORE_PLACES}"
        ) from error
