"""AutoGluon as its makers recommend it for accuracy: the preset ``best_quality``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bench.data.cube import FloatArray
from bench.data.splits import Part
from bench.errors import BenchError
from bench.runners.autogluon import AutoGluonRunner
from bench.runners.known import Known

_SECONDS_PER_MINUTE = 60.0
MOST_MINUTES = 100_000
"""Ten weeks: more is a slip of the keyboard."""

_OUT_OF_TIME = "Not enough time left"
"""AutoGluon's word where preparing the table took all of its time."""


class BestQualityRunner(AutoGluonRunner):
    """Many models, bagged in eight folds, stacked and combined, as far as the time goes; parameter: ``minutes``.

    How far it goes depends on the machine and its load, so that its numbers are not reproducible. Folds are random
    rows, as in AutoGluon everywhere.
    """

    @classmethod
    def known_parameters(cls, parameters: Mapping[str, Any]) -> Known:
        """See `Runner`."""
        minutes = parameters["minutes"]
        if isinstance(minutes, bool) or not isinstance(minutes, int | float) or not 0 < minutes <= MOST_MINUTES:
            raise BenchError(f"minutes is {minutes!r}; it is a number above 0, at most {MOST_MINUTES:,}.")
        return {"minutes": None}

    def fit(self) -> None:
        """Fits until the time is over; all artefacts lie in the task's scratch folder.

        Raises:
            BenchError: it was over before any model was fitted.
        """
        minutes = self.task.parameters["minutes"]
        self._predictor = self._make_predictor()
        try:
            self._predictor.fit(
                self._training_frame(),
                presets="best_quality",
                time_limit=minutes * _SECONDS_PER_MINUTE,
                dynamic_stacking=False,  # it would fit everything twice, to decide whether to stack
                ag_args_ensemble={"fold_fitting_strategy": "sequential_local"},  # no processes beside the job's own
                num_cpus=self.task.threads,
                num_gpus=0,
                raise_on_no_models_fitted=False,  # it is said below, and what to do
            )
            fitted = self._predictor.model_names()
        except AssertionError as error:
            if _OUT_OF_TIME not in str(error):
                raise
            fitted = []
        if not fitted:
            raise BenchError(
                f"AutoGluon fitted no model within {minutes:g} minutes; give it more, as with --set "
                "autogluon_best.minutes=20, or see the job's log."
            )

    def predict(self, part: Part) -> FloatArray:
        """Predictions of the ensemble, (n_cells, n_times)."""
        return self.task.predict_rows(
            part, lambda table: self._predictor.predict(table.to_frame()).to_numpy(np.float32)
        )
