"""AutoGluon as its makers recommend it for accuracy: the preset ``best_quality``."""

from __future__ import annotations

import os

import numpy as np

from bench.data.cube import FloatArray
from bench.data.splits import Part
from bench.runners.autogluon import LABEL, MEMORY_TOLD_GB
from bench.runners.base import Runner

_SECONDS_PER_MINUTE = 60.0


class BestQualityRunner(Runner):
    """Many models, bagged in eight folds, stacked and combined, as far as the time goes; parameter: ``minutes``.

    How far it goes depends on the machine and its load, so that its numbers are not reproducible. Folds are random
    rows, as in AutoGluon everywhere.
    """

    def fit(self) -> None:
        """Fits until the time is over; all artefacts lie in the task's scratch folder."""
        os.environ["AG_MEMORY_LIMIT_IN_GB"] = str(MEMORY_TOLD_GB)
        from autogluon.tabular import TabularPredictor

        task = self.task
        table, target = task.training_table()
        frame = table.to_frame()
        frame[LABEL] = target
        self._predictor = TabularPredictor(
            label=LABEL,
            problem_type="regression",
            eval_metric="root_mean_squared_error",
            path=str(task.scratch / "autogluon"),
            verbosity=2,
        )
        self._predictor.fit(
            frame,
            presets="best_quality",
            time_limit=task.parameters["minutes"] * _SECONDS_PER_MINUTE,
            dynamic_stacking=False,  # it would fit everything twice, to decide whether to stack
            ag_args_ensemble={"fold_fitting_strategy": "sequential_local"},  # no processes beside the job's own
            num_cpus=task.threads,
            num_gpus=0,
        )

    def predict(self, part: Part) -> FloatArray:
        """Predictions of the ensemble, (n_cells, n_times)."""
        return self.task.predict_rows(
            part, lambda table: self._predictor.predict(table.to_frame()).to_numpy(np.float32)
        )
