"""The paper's nine AutoGluon models, each a cell of its own, in a deterministic set-up.

Deterministic: one model per fit with a fixed list of hyperparameters, no time limit, no ensemble, no bagging, no
stacking, a seed for each model, and a fixed number of threads. Early stopping uses AutoGluon's own hold-out, which it
cuts from the training rows at random, or with ``hold_out: blocks`` blocks of place and time; nothing of the test year
is ever seen.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.data.cube import FloatArray
from bench.data.splits import Part
from bench.errors import BenchError
from bench.runners.autogluon_names import hyperparameters_of, refuse_without_effect
from bench.runners.base import Runner
from bench.runners.known import Known
from bench.runners.patch import on_sphere
from bench.runners.torchvision import import_pytabkit
from bench.system.text import one_line

if TYPE_CHECKING:
    import pandas as pd

LABEL = "target"
_MEMORY_TOLD_GB = 4096
_MOST_REASON = 300  # characters
_REALMLP = "REALMLP"
_SEED_NAMES = {
    "GBM": "seed",
    "XGB": "seed",
    "CAT": "random_seed",
    "RF": "random_state",
    "XT": "random_state",
    "FASTAI": "random_seed",
    "NN_TORCH": "seed_value",
    "TABM": "random_state",
    _REALMLP: "random_state",
    "EBM": "random_state",
}
"""How each of AutoGluon's models names its seed (`seed_name` of its classes); nearest neighbours have none."""


class AutoGluonRunner(Runner):
    """One AutoGluon model with the hyperparameters of its registry entry."""

    @classmethod
    def known_parameters(cls, parameters: Mapping[str, Any]) -> Known:
        """See `Runner`."""
        _by_blocks(parameters)
        key, held = str(parameters["model"]), parameters["hyperparameters"]
        if isinstance(held, Mapping):
            refuse_without_effect(key, held)
        return {"model": None, "hyperparameters": hyperparameters_of(key), "hold_out": None}

    def fit(self) -> None:
        """Fits the one model; all artefacts lie in the task's scratch folder and go with it."""
        task = self.task
        key = task.parameters["model"]
        hyperparameters = dict(task.parameters["hyperparameters"])
        if key in _SEED_NAMES:
            hyperparameters[_SEED_NAMES[key]] = task.seed
        if key == _REALMLP:
            import_pytabkit()
        frame = self._training_frame()
        judging = None
        if _by_blocks(task.parameters):
            aside = self._held_out_blocks()
            frame, judging = frame[~aside], frame[aside]
        self._predictor = self._make_predictor()
        self._predictor.fit(
            frame,
            tuning_data=judging,
            hyperparameters={key: [hyperparameters]},
            fit_weighted_ensemble=False,
            dynamic_stacking=False,
            num_bag_folds=0,
            num_stack_levels=0,
            auto_stack=False,
            num_cpus=task.threads,
            num_gpus=0,
            learning_curves=False,
            raise_on_no_models_fitted=False,  # it is said below, and why
        )
        names = self._predictor.model_names()
        if not names:
            raise BenchError(f"AutoGluon could not train {key}{self._reason()}; see the job's log.")
        if len(names) != 1:
            raise BenchError(
                f"AutoGluon trained {len(names)} models for {key} where one was asked for; see the job's log."
            )
        self._model = names[0]

    def _make_predictor(self) -> Any:
        """An empty ``TabularPredictor`` in the task's scratch folder."""
        # AutoGluon trains smaller models where it sees little free memory. The harness caps memory itself, so AutoGluon
        # is told of more than it can want: its numbers then do not depend on what else the machine is doing.
        os.environ["AG_MEMORY_LIMIT_IN_GB"] = str(_MEMORY_TOLD_GB)
        from autogluon.tabular import TabularPredictor

        return TabularPredictor(
            label=LABEL,
            problem_type="regression",
            eval_metric="root_mean_squared_error",
            path=str(self.task.scratch / "autogluon"),
            verbosity=2,
        )

    def _reason(self) -> str:
        """What the model that AutoGluon skipped had raised, in parentheses; nothing where it raised nothing."""
        failures = self._predictor.model_failures()
        if failures.empty:
            return ""
        raised = failures.iloc[0]
        return f" ({one_line(f'{raised.exc_type}: {raised.exc_str}', _MOST_REASON)})"

    def _training_frame(self) -> pd.DataFrame:
        """Training rows with their target as the column `LABEL`."""
        table, target = self.task.training_table()
        frame = table.to_frame()
        frame[LABEL] = target
        return frame

    def _held_out_blocks(self) -> npt.NDArray[np.bool_]:
        """(n_rows,) training rows that early stopping judges by, as the dual-branch networks hold them out."""
        from models.training import Panel
        from models.training.heldout import held_out

        cube = self.task.cube
        lon, lat = on_sphere(cube).T
        panel = Panel(cube.climate, np.asarray(cube.static), lon, lat, cube.step_of_year)
        return held_out(panel, *self.task.training_samples())

    def predict(self, part: Part) -> FloatArray:
        """Predictions of the fitted model, (n_cells, n_times)."""
        return self.task.predict_rows(
            part, lambda table: self._predictor.predict(table.to_frame(), model=self._model).to_numpy(np.float32)
        )


def _by_blocks(parameters: Mapping[str, Any]) -> bool:
    """Whether blocks of place and time are held out to stop a training, and not rows at random.

    Raises:
        BenchError: ``hold_out`` is neither ``blocks`` nor left out (None).
    """
    given = parameters.get("hold_out")
    if given not in (None, "blocks"):
        raise BenchError(f"hold_out is {given!r}; set it to blocks, or leave it out for rows at random.")
    return given is not None
