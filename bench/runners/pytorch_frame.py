"""The paper's four PyTorch Frame models, from `models.pytorch_frame`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.data.cube import FloatArray
from bench.data.splits import Part
from bench.runners.base import Runner
from bench.runners.history import Epoch, epochs_of
from bench.runners.known import Known, arguments_of
from bench.runners.resuming import fit_resumably


class PyTorchFrameRunner(Runner):
    """One model on the task's feature view; parameters: ``options`` and ``training`` of the estimator."""

    @classmethod
    def known_parameters(cls, parameters: Mapping[str, Any]) -> Known:
        """See `Runner`."""
        from models.pytorch_frame import PyTorchFrameOptions, TrainingOptions

        return {"options": arguments_of(PyTorchFrameOptions), "training": arguments_of(TrainingOptions, "seed")}

    def fit(self) -> None:
        """Trains on the training part; an unfinished training goes on from the task's checkpoint folder."""
        from models.pytorch_frame import PyTorchFrameOptions, PyTorchFrameRegressor, TrainingOptions

        task = self.task
        table, target = task.training_table()
        self._estimator = PyTorchFrameRegressor(
            PyTorchFrameOptions(**task.parameters["options"]),
            TrainingOptions(**task.parameters.get("training", {}), seed=task.seed),
        )

        def fit(checkpoint: Path) -> None:
            self._estimator.fit(
                table.values,
                target,
                table.columns,
                checkpoint=checkpoint,
                on_progress=lambda report: print(report, flush=True),
            )

        fit_resumably(fit, task.checkpoint / "training.pt", "The PyTorch Frame model")

    def predict(self, part: Part) -> FloatArray:
        """Predictions of the fitted model, (n_cells, n_times)."""
        return self.task.predict_rows(part, lambda table: self._estimator.predict(table.values))

    def trained_on(self) -> tuple[str, str]:
        """See `Runner`."""
        result = self._estimator.training_result_
        return result.device, result.precision

    def history(self) -> list[Epoch]:
        """See `Runner`."""
        return epochs_of({"": self._estimator.training_result_})
