"""Geographical random forest per step of the year (`models/geographical_forest.py`), on the step means of GWR."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bench.arrays import Doubles
from bench.data.cube import FloatArray
from bench.data.splits import Part
from bench.errors import BenchError
from bench.runners.geographical import MORE_PLACES, PerStepRunner, said
from bench.runners.known import Known, arguments_of
from bench.runners.patch import on_sphere


class GeographicalForestRunner(PerStepRunner):
    """Local random forests at anchor cells, blended with a global one; a separate model for each step of the year."""

    @classmethod
    def known_parameters(cls, parameters: Mapping[str, Any]) -> Known:
        """See `Runner`; those of the estimator."""
        from models.geographical_forest import GeographicalForest

        return dict.fromkeys(arguments_of(GeographicalForest, "random_state", "n_jobs"))

    def explain(self, part: Part) -> FloatArray:
        """Shares of the impurity decrease of each feature, blended over forests as the prediction of each cell is."""
        places, steps = self._means.at(part), self._steps(part)
        shares = {step: self._model(step).importances(places) for step in set(steps.tolist())}
        return self._means.weights(np.stack([shares[step] for step in steps.tolist()], axis=1))

    def _coordinates(self) -> Doubles:
        return on_sphere(self.task.cube)  # the forests know no plane

    def _fit_step(self, step: int) -> Any:
        from models.geographical_forest import GeographicalForest

        task = self.task
        seed = int(np.random.default_rng([task.seed, step]).integers(2**31))
        model = GeographicalForest(random_state=seed, n_jobs=task.threads, **task.parameters)
        try:
            return model.fit(*self._means.measured(step))
        except ValueError as error:
            raise BenchError(
                f"The geographical forest cannot be fitted on this sample: {said(error)}{MORE_PLACES}"
            ) from error
