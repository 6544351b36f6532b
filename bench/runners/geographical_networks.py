"""Neural-network weighted rows of Table 2: GNNWR per step, GTNNWR on the panel of all steps, from `models.gnnwr`.

As in the paper, and as GWR and GTWR here, they are fitted on one sample per cell and step: the mean over the training
years. Unlike those they hold every feature within the range of the training means when they predict.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.arrays import Doubles
from bench.data.cube import FloatArray
from bench.data.splits import Part
from bench.runners.base import Runner, ended_together
from bench.runners.geographical import PerStepRunner, StepMeans, StepMeansRunner, Steps
from bench.runners.history import Epoch, epochs_of
from bench.runners.known import Known, arguments_of
from bench.runners.resuming import fit_resumably


class GnnwrRunner(PerStepRunner):
    """GNNWR, a separate model for each step of the year; parameters: those of the estimator."""

    @classmethod
    def known_parameters(cls, parameters: Mapping[str, Any]) -> Known:
        """See `Runner`; those of the estimator."""
        from models.gnnwr import GNNWR

        return dict.fromkeys(arguments_of(GNNWR, "distance", "seed"))

    def explain(self, part: Part) -> FloatArray:
        """Local coefficients of each cell and step on the standardised columns."""
        places, steps = self._means.at(part), self._steps(part)
        slopes = [self._model(step).coefficients(places)[:, 1:] for step in steps.tolist()]
        return self._means.weights(np.stack(slopes, axis=1))

    def trained_on(self) -> tuple[str, str]:
        """See `Runner`; the steps are trained alike."""
        return _trained_on(self._model(self.task.scored_steps[0]))

    def training_ended(self) -> str:
        """See `Runner`; one step that was short of budget makes a row that was."""
        return ended_together(_training_ended(self._model(step)) for step in self.task.scored_steps)

    def history(self) -> list[Epoch]:
        """See `Runner`; the steps are members."""
        steps = self.task.scored_steps
        return epochs_of({_step_name(step): self._model(step).training_result_ for step in steps})

    def _fit_step(self, step: int) -> Any:
        from models.gnnwr import GNNWR

        model = GNNWR(distance=self._distance, seed=self.task.seed, **self.task.parameters)
        return _fit(self, _step_name(step), model, *self._means.measured(step))


class GtnnwrRunner(StepMeansRunner):
    """GTNNWR on all cells and steps at once, with the year as a cyclic time axis; parameters: the estimator's."""

    @classmethod
    def known_parameters(cls, parameters: Mapping[str, Any]) -> Known:
        """See `Runner`; those of the estimator."""
        from models.gnnwr import GTNNWR

        return dict.fromkeys(arguments_of(GTNNWR, "distance", "period", "seed"))

    def fit(self) -> None:
        """Trains on the step means; an unfinished training goes on from the task's checkpoint folder."""
        from models.gnnwr import GTNNWR

        self._means = means = StepMeans(self)
        n_cells, n_steps, n_columns = means.design.shape
        model = GTNNWR(
            distance=self._distance,
            period=float(self.task.cube.steps_per_year),
            seed=self.task.seed,
            **self.task.parameters,
        )
        measured = ~np.isnan(means.target.reshape(-1))
        places = np.repeat(means.places, n_steps, axis=0)[measured]
        moments = np.tile(np.arange(1, n_steps + 1, dtype=np.float64), n_cells)[measured]
        design, target = means.design.reshape(-1, n_columns)[measured], means.target.reshape(-1)[measured]
        self._model = _fit(self, "training", model, design, target, places, moments)

    def explain(self, part: Part) -> FloatArray:
        """Local coefficients of each cell and step on the standardised columns."""
        places = self._means.at(part)
        moments = [np.full(len(places), float(step)) for step in self._steps(part).tolist()]
        slopes = [self._model.coefficients(places, moment)[:, 1:] for moment in moments]
        return self._means.weights(np.stack(slopes, axis=1))

    def trained_on(self) -> tuple[str, str]:
        """See `Runner`."""
        return _trained_on(self._model)

    def training_ended(self) -> str:
        """See `Runner`."""
        return _training_ended(self._model)

    def history(self) -> list[Epoch]:
        """See `Runner`."""
        return epochs_of({"": self._model.training_result_})

    def _predict_design(self, design: Doubles, places: Doubles, steps: Steps) -> npt.NDArray[Any]:
        moments = [np.full(len(places), float(step)) for step in steps.tolist()]
        columns = [self._model.predict(design[:, index], places, moment) for index, moment in enumerate(moments)]
        return np.stack(columns, axis=1)


def _step_name(step: int) -> str:
    return f"step_{step:02d}"


def _fit(runner: Runner, name: str, model: Any, *arguments: Doubles) -> Any:
    def fit(checkpoint: Path) -> Any:
        return model.fit(
            *arguments, checkpoint=checkpoint, on_progress=lambda report: print(f"{name}: {report}", flush=True)
        )

    return fit_resumably(fit, runner.task.checkpoint / f"{name}.pt", type(model).__name__)


def _trained_on(model: Any) -> tuple[str, str]:
    return model.training_result_.device, model.training_result_.precision


def _training_ended(model: Any) -> str:
    ended: str = model.training_result_.stopped
    return ended
