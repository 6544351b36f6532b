"""Rows that fill hidden months of towers whose other months are known: CSDI, linear interpolation, climatology."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.arrays import Doubles
from bench.data.cube import FloatArray
from bench.data.parts import Part
from bench.data.tower_roles import hidden_months, trimmed
from bench.errors import BenchError
from bench.runners.base import SeveralTargetsRunner, Task
from bench.runners.flux import fit_stages
from bench.runners.flux_inputs import fluxes_of, panel_of, roles_of
from bench.runners.history import Epoch

if TYPE_CHECKING:
    from models.flux.imputer import FluxImputer

LEVELS = (50, 90)
"""Central intervals whose coverage is counted, in percent."""
_PRACTICE_SHARE = 0.3
"""Of the months of a training tower that are hidden to learn how far a plain method is off."""
_PRACTICE_SEED = 1
"""Of the months that are hidden there."""


class ImputationRunner(SeveralTargetsRunner):
    """Fills months; the split's known towers have months that are known and others that are asked for."""

    def predict(self, part: Part) -> FloatArray:
        """The middle of what a month may have been, (n_cells, n_times, 3)."""
        return np.ascontiguousarray(self._filled(part)[0], np.float32)

    def deviation(self, part: Part) -> FloatArray:
        """Standard deviation of what it may have been."""
        return np.ascontiguousarray(self._filled(part)[1], np.float32)

    def _filled(self, part: Part) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        raise NotImplementedError


class PlainImputation(ImputationRunner):
    """A plain method with a normal distribution around it.

    Its standard deviation per flux is that of the method's errors where training towers hide months in the same way.
    Parameter ``method``: ``linear`` or ``climatology``.
    """

    def fit(self) -> None:
        """Learns how far the method is off."""
        self._known = fluxes_of(self.task)
        towers = roles_of(self.task).learning
        measured = np.asarray(np.isfinite(self._known[towers]).all(axis=-1))
        practice = trimmed(towers, np.arange(measured.shape[1]), measured)
        hidden, _ = hidden_months(practice, _PRACTICE_SHARE, _PRACTICE_SEED)
        cells, times = hidden.samples()
        left = self._known.copy()
        left[cells, times] = np.nan
        errors = (self._method(left) - self._known)[cells, times]
        self._spread = np.sqrt(np.nanmean(errors**2, axis=0))

    def scores(self, part: Part, target: FloatArray) -> Mapping[str, npt.NDArray[Any]]:
        """CRPS of the normal distribution (Gneiting and Raftery 2007, Eq. 21) and whether its intervals hold."""
        from scipy.stats import norm

        middle, deviation = (values.astype(np.float64) for values in self._filled(part))
        scale = np.maximum(deviation, np.finfo(np.float64).tiny)
        z = (target.astype(np.float64) - middle) / scale
        crps = scale * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
        within = {f"inside_{level}": np.abs(z) <= norm.ppf(0.5 + level / 200) for level in LEVELS}
        return {"crps": crps.astype(np.float32), **within}

    def _filled(self, part: Part) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        middle = self._method(self._known)[part.cells][:, part.times]
        return middle, np.broadcast_to(self._spread, middle.shape)

    def _method(self, fluxes: Doubles) -> Doubles:
        from models.flux.gaps import climatology, interpolated

        if self.task.parameters["method"] == "linear":
            return interpolated(fluxes)
        return climatology(fluxes, self.task.cube.step_of_year)


class CsdiImputation(ImputationRunner):
    """CSDI (Tashiro et al. 2021); parameters: ``csdi``, its options."""

    def fit(self) -> None:
        """Trains on the learning towers and draws the months of the known ones."""
        from models.flux import CsdiOptions, FluxImputer
        from models.flux.stages import Stages

        task = self.task
        panel, fluxes, roles = panel_of(task.cube), fluxes_of(task), roles_of(task)

        def fit(own: Path, shared: Path) -> FluxImputer:
            self._stages = Stages(own, shared, lambda report: print(report, flush=True), None)
            imputer = FluxImputer(CsdiOptions(**task.parameters.get("csdi", {})), task.seed)
            return imputer.fit(panel, fluxes, roles.learning, roles.validation, stages=self._stages)

        imputer: FluxImputer = fit_stages(fit, task, "The imputation")
        self._towers = roles.known
        if not len(self._towers):
            raise BenchError("No tower has hidden months; use the imputation with --suite flux.")
        self._drawn = imputer.sample(panel, fluxes, self._towers)
        self._training = imputer.training

    def scores(self, part: Part, target: FloatArray) -> Mapping[str, npt.NDArray[Any]]:
        """CRPS of the samples and whether their central intervals hold, neither biased by how few they are.

        Few samples lie closer together than the distribution: the CRPS takes pairs of different samples only ("fair",
        Ferro 2014), and the quantiles are those between which a further sample lies as often as they say (Weibull).
        """
        from models.flux import crps

        drawn = self._samples(part)
        distance = np.abs(drawn - target).mean(axis=0)
        fair = distance - (distance - crps(drawn, target)) * len(drawn) / (len(drawn) - 1)
        found: dict[str, npt.NDArray[Any]] = {"crps": np.asarray(fair, np.float32)}
        for level in LEVELS:
            low, high = np.percentile(drawn, [50 - level / 2, 50 + level / 2], axis=0, method="weibull")
            found[f"inside_{level}"] = (target >= low) & (target <= high)
        return found

    def trained_on(self) -> tuple[str, str]:
        """See `Runner`."""
        device = self._training.resolve_device()
        return str(device), self._training.resolve_precision(device)

    def training_ended(self) -> str | None:
        """See `Runner`."""
        return self._stages.reports[0].stopped

    def history(self) -> list[Epoch]:
        """See `Runner`."""
        report = self._stages.reports[0]
        return [
            Epoch(report.name, index + 1, loss, report.validation_losses[index] if report.validation_losses else None)
            for index, loss in enumerate(report.epoch_losses)
        ]

    def _filled(self, part: Part) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        drawn = self._samples(part)
        return np.median(drawn, axis=0), drawn.std(axis=0)

    def _samples(self, part: Part) -> npt.NDArray[Any]:
        return self._drawn[:, np.searchsorted(self._towers, part.cells)][:, :, part.times]


def make(task: Task) -> ImputationRunner:
    """The row that the parameter ``method`` names.

    Raises:
        BenchError: there is no such method.
    """
    kinds: dict[str, Callable[[Task], ImputationRunner]] = {
        "csdi": CsdiImputation,
        "linear": PlainImputation,
        "climatology": PlainImputation,
    }
    method = task.parameters["method"]
    if method not in kinds:
        raise BenchError(f"There is no imputation {method!r}; choose one of {', '.join(kinds)}.")
    return kinds[method](task)
