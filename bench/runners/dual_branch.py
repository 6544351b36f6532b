"""The proposed dual-branch network and its better version, from `models.dual_branch`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.data.cube import FloatArray
from bench.data.splits import Part
from bench.runners.base import Runner
from bench.runners.resuming import fit_resumably

if TYPE_CHECKING:
    from models.training import Panel


class DualBranchPlusRunner(Runner):
    """Conditions per cell, seasonal and of low rank; parameters: ``options`` and ``training`` of the estimator."""

    def fit(self) -> None:
        """Trains on the training part; an unfinished training goes on from the task's checkpoint folder."""
        task = self.task
        self._panel = self._make_panel()
        target = np.full((task.cube.n_cells, task.cube.n_times), np.nan, np.float32)
        target[np.ix_(task.train.cells, task.train.times)] = task.train_target
        self._estimator = self._make_estimator()
        cells, times = _samples(task.train)

        def fit(checkpoint: Path) -> None:
            self._estimator.fit(
                self._panel,
                target,
                cells,
                times,
                checkpoint=checkpoint,
                on_progress=lambda report: print(report, flush=True),
            )

        fit_resumably(fit, task.checkpoint / "training.pt", "The dual-branch network")

    def predict(self, part: Part) -> FloatArray:
        """Predictions of the target branch (Eq. 16), (n_cells, n_times)."""
        cells, times = _samples(part)
        predicted: FloatArray = self._estimator.predict(self._panel, cells, times)
        return predicted.reshape(len(part.cells), len(part.times))

    def explain(self, part: Part) -> FloatArray:
        """Importance weights of every climate and static feature (Eq. 17), (n_cells, n_times, feature)."""
        cells, times = _samples(part)
        weights: FloatArray = self._estimator.explain(self._panel, cells, times).weights
        return weights.reshape(len(part.cells), len(part.times), -1)

    def trained_on(self) -> tuple[str, str]:
        """See `Runner`; the members of an ensemble are trained alike."""
        result = self._estimator.results[0]
        return result.device, result.precision

    def training_ended(self) -> str:
        """See `Runner`; an ensemble has converged when all its members have."""
        reasons = {result.stopped for result in self._estimator.results}
        return "budget" if "budget" in reasons else min(reasons)

    def _make_panel(self) -> Panel:
        from models.training import Panel

        cube = self.task.cube
        return Panel(cube.climate, np.asarray(cube.static), cube.lon, cube.lat, cube.step_of_year)

    def _make_estimator(self) -> Any:
        from dataclasses import replace

        from models.dual_branch import PLUS_TRAINING, DualBranchPlusOptions, DualBranchPlusRegressor

        parameters = self.task.parameters
        training = replace(PLUS_TRAINING, **parameters.get("training", {}), seed=self.task.seed)
        return DualBranchPlusRegressor(DualBranchPlusOptions(**parameters.get("options", {})), training)


class DualBranchGradientRunner(DualBranchPlusRunner):
    """The same network, explained by the derivatives of its prediction instead of by its importance weights."""

    def explain(self, part: Part) -> FloatArray:
        """∂ŷ/∂x of every standardised climate and static feature at the step, (n_cells, n_times, feature)."""
        cells, times = _samples(part)
        gradients: FloatArray = self._estimator.gradients(self._panel, cells, times)
        return gradients.reshape(len(part.cells), len(part.times), -1)


MOST_NODES = 2000
"""Beyond it the graph costs more than the samples; the paper names no number."""


class DualBranchRunner(DualBranchPlusRunner):
    """The network to the letter; parameters: also ``node_share``, graph nodes as a share of the training cells."""

    def _make_estimator(self) -> Any:
        from dataclasses import replace

        from models.dual_branch import PAPER_TRAINING, DualBranchOptions, DualBranchRegressor

        parameters = self.task.parameters
        training = replace(PAPER_TRAINING, **parameters.get("training", {}), seed=self.task.seed)
        options = dict(parameters.get("options", {}))
        if "node_share" in parameters:
            options["n_nodes"] = min(MOST_NODES, max(1, round(parameters["node_share"] * len(self.task.train.cells))))
        return DualBranchRegressor(DualBranchOptions(**options), training)


def _samples(part: Part) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(sample,) cell and time index of every sample of a part, in its order."""
    return np.repeat(part.cells, len(part.times)), np.tile(part.times, len(part.cells))
