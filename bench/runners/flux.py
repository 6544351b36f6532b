"""Rows that are sequence models of `models.flux`: a backbone with or without what a process model knows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.data.cube import FloatArray
from bench.data.parts import IndexArray, Part
from bench.errors import BenchError
from bench.runners.base import SeveralTargetsRunner, Task, ended_together
from bench.runners.flux_inputs import fluxes_of, panel_of, roles_of
from bench.runners.history import Epoch

if TYPE_CHECKING:
    from models.flux import FluxPrediction, FluxRegressor

_TOWER_STAGES = ("towers", "imputed_towers")
"""Stages whose training the validation towers end."""


class FluxRunner(SeveralTargetsRunner):
    """A backbone in one of its variants.

    Parameters: ``options``, ``training`` and ``pretraining`` of `models.flux.FluxRegressor`; sizes of the backbone are
    in ``options.sizes``, those of the imputation in ``options.csdi``.
    """

    def fit(self) -> None:
        """Runs the stages; those of a killed process, and those of other jobs with the same numbers, are found."""
        self._panel = panel_of(self.task.cube)
        fluxes, roles = fluxes_of(self.task), roles_of(self.task)
        self._model = self._make_model()

        def fit(own: Path, shared: Path) -> FluxRegressor:
            return self._model.fit(
                self._panel,
                fluxes,
                roles.learning,
                roles.validation,
                simulated=roles.simulated,
                simulated_validation=roles.pretraining_validation,
                checkpoint=own,
                pretrained=shared,
                on_progress=lambda report: print(report, flush=True),
                on_stage=lambda name: print(f"stage {name}", flush=True),
            )

        fit_stages(fit, self.task, "The flux model")
        self._predicted: tuple[bytes, FluxPrediction] | None = None

    def predict(self, part: Part) -> FloatArray:
        """GPP, RECO and NEE, (n_cells, n_times, 3)."""
        return np.asarray(self._prediction(part.cells).fluxes[:, part.times])

    def deviation(self, part: Part) -> FloatArray:
        """Standard deviation of the error, by the errors at the validation towers."""
        return np.asarray(self._prediction(part.cells).spread[:, part.times])

    def trained_on(self) -> tuple[str, str]:
        """See `Runner`."""
        training = self._model.training
        device = training.resolve_device()
        return str(device), training.resolve_precision(device)

    def training_ended(self) -> str:
        """See `Runner`; of the stages that see measured fluxes."""
        return ended_together(
            report.stopped
            for report in self._model.reports
            if report.name in _TOWER_STAGES and report.stopped is not None
        )

    def history(self) -> list[Epoch]:
        """See `Runner`; the stages are members, also those that another job trained."""
        return [
            Epoch(report.name, index + 1, loss, report.validation_losses[index] if report.validation_losses else None)
            for report in self._model.reports
            for index, loss in enumerate(report.epoch_losses)
        ]

    def _make_model(self) -> FluxRegressor:
        from dataclasses import replace

        from models.flux import FLUX_PRETRAINING, FLUX_TRAINING, CsdiOptions, FluxOptions, FluxRegressor
        from models.flux.backbones import BackboneOptions

        parameters = self.task.parameters
        options: dict[str, Any] = dict(parameters.get("options", {}))
        try:
            for name, kind in (("sizes", BackboneOptions), ("csdi", CsdiOptions)):
                options[name] = kind(**options.get(name, {}))
            training = replace(FLUX_TRAINING, **parameters.get("training", {}), seed=self.task.seed)
            pretraining = replace(FLUX_PRETRAINING, **parameters.get("pretraining", {}))
            return FluxRegressor(FluxOptions(**options), training, pretraining)
        except (TypeError, ValueError) as error:
            raise BenchError(f"The flux model cannot be made: {error}") from error

    def _prediction(self, cells: IndexArray) -> FluxPrediction:
        key = cells.tobytes()
        if self._predicted is None or self._predicted[0] != key:  # asked twice: for fluxes and for their spread
            self._predicted = key, self._model.predict(self._panel, cells)
        return self._predicted[1]


def fit_stages(fit: Callable[[Path, Path], Any], task: Task, what: str) -> Any:
    """Fits in stages that are kept, anew where a kept file is damaged.

    Args:
        fit: from the folder of the job's own stages and that of the shared ones to what was fitted.
        task: of the runner.
        what: is fitted, as the start of a sentence.

    Raises:
        BenchError: it cannot be fitted.
    """
    from models.training import UnusableCheckpoint

    try:
        try:
            return fit(task.checkpoint, task.shared or task.checkpoint)
        except UnusableCheckpoint as error:
            print(f"{error}\nstarting anew, with stages of its own", flush=True)
            anew = task.checkpoint / "anew"
            return fit(anew, anew)
    except (ValueError, FloatingPointError) as error:
        raise BenchError(f"{what} cannot be fitted: {error}") from error
