"""AutoGluon as its makers recommend it for accuracy: the preset ``best_quality``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bench.data.cube import FloatArray
from bench.data.splits import Part
from bench.runners.autogluon import AutoGluonRunner
from bench.runners.known import Known

_SECONDS_PER_MINUTE = 60.0


class BestQualityRunner(AutoGluonRunner):
    """Many models, bagged in eight folds, stacked and combined, as far as the time goes; parameter: ``minutes``.

    How far it goes depends on the machine and its load, so that its numbers are not reproducible. Folds are random
    rows, as in AutoGluon everywhere.
    """

    @classmethod
    def known_parameters(cls, parameters: Mapping[str, Any]) -> Known:
        """See `Runner`."""
        return {"minutes": None}

    def fit(self) -> None:
        """Fits until the time is over; all artefacts lie in the task's scratch folder."""
        self._predictor = self._make_predictor()
        self._predictor.fit(
            self._training_frame(),
            presets="best_quality",
            time_limit=self.task.parameters["minutes"] * _SECONDS_PER_MINUTE,
            dynamic_stacking=False,  # it would fit everything twice, to decide whether to stack
            ag_args_ensemble={"fold_fitting_strategy": "sequential_local"},  # no processes beside the job's own
            num_cpus=self.task.threads,
            num_gpus=0,
        )

    def predict(self, part: Part) -> FloatArray:
        """Predictions of the ensemble, (n_cells, n_times)."""
        return self.task.predict_rows(
            part, lambda table: self._predictor.predict(table.to_frame()).to_numpy(np.float32)
        )
