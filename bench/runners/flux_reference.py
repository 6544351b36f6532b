"""Reference rows of the suite of fluxes: what a sequence model has to beat with the same towers and inputs.

All of them learn from the learning towers only, so that no row knows more fluxes than another; NEE is RECO − GPP.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.arrays import Doubles
from bench.data.cube import FloatArray
from bench.data.parts import IndexArray, Part
from bench.errors import BenchError
from bench.runners.base import SeveralTargetsRunner
from bench.runners.flux_inputs import LAND_COVER_CATEGORY, fluxes_of, panel_of, roles_of

if TYPE_CHECKING:
    from models.flux import Calibration, Fluxes, TowerPanel

_GPP, _RECO = 0, 1
MONTHS = 12


class TwoFluxesRunner(SeveralTargetsRunner):
    """A row that models GPP and RECO; NEE follows, and the spread is that of its errors at the validation towers."""

    def fit(self) -> None:
        """Learns both fluxes, then how far they are off at the validation towers."""
        from models.flux.spread import Spread

        self._known = fluxes_of(self.task)
        roles = roles_of(self.task)
        self.fit_two(self._known[..., :2], roles.learning, roles.validation)
        there = self._three(roles.validation).astype(np.float64)
        self._spread = Spread.of_residuals(there, self._known[roles.validation])

    def predict(self, part: Part) -> FloatArray:
        """GPP, RECO and NEE, (n_cells, n_times, 3)."""
        return np.ascontiguousarray(self._three(part.cells)[:, part.times])

    def deviation(self, part: Part) -> FloatArray:
        """Standard deviation of the error."""
        return self._spread.of_prediction(self.predict(part).astype(np.float64)).astype(np.float32)

    @abstractmethod
    def fit_two(self, fluxes: Doubles, learning: IndexArray, validation: IndexArray) -> None:
        """Learns.

        Args:
            fluxes: (tower, month, 2) GPP and RECO; NaN where they are not known.
            learning: towers to learn from.
            validation: towers that decide when to stop.
        """

    @abstractmethod
    def predict_two(self, towers: IndexArray) -> npt.NDArray[Any]:
        """(tower, month, 2) GPP and RECO of all months."""

    def _three(self, towers: IndexArray) -> FloatArray:
        two = np.asarray(self.predict_two(towers), np.float32)
        return np.concatenate([two, two[..., _RECO:] - two[..., :_RECO]], axis=-1)


class FluxMean(TwoFluxesRunner):
    """The mean over all measured months of the learning towers."""

    def fit_two(self, fluxes: Doubles, learning: IndexArray, validation: IndexArray) -> None:
        """Takes the mean."""
        self._mean = np.nanmean(fluxes[learning], axis=(0, 1))

    def predict_two(self, towers: IndexArray) -> npt.NDArray[Any]:
        """The same everywhere."""
        return np.broadcast_to(self._mean, (len(towers), self.task.cube.n_times, 2))


class FluxClimatology(TwoFluxesRunner):
    """The mean of the same land-cover class and month; of a class that is not measured in it, of all classes."""

    def fit_two(self, fluxes: Doubles, learning: IndexArray, validation: IndexArray) -> None:
        """Averages per class and month, each measured month counting once."""
        month = self.task.cube.step_of_year - 1
        classes = self.task.cube.labels_of(LAND_COVER_CATEGORY)
        self._levels, self._class = np.unique(classes, return_inverse=True)
        sums, counts = (np.zeros((len(self._levels), MONTHS, 2)) for _ in range(2))
        for tower in learning.tolist():
            measured = np.isfinite(fluxes[tower])
            np.add.at(sums[self._class[tower]], month, np.where(measured, fluxes[tower], 0.0))
            np.add.at(counts[self._class[tower]], month, measured)
        overall = sums.sum(axis=(0, 1)) / counts.sum(axis=(0, 1))
        of_month = _ratio(sums.sum(axis=0), counts.sum(axis=0), overall)
        self._table = _ratio(sums, counts, of_month)

    def predict_two(self, towers: IndexArray) -> npt.NDArray[Any]:
        """The mean of each tower's class."""
        return self._table[self._class[towers]][:, self.task.cube.step_of_year - 1]


def _ratio(sums: Doubles, counts: Doubles, otherwise: Doubles) -> Doubles:
    return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1), otherwise))


class FluxProcess(TwoFluxesRunner):
    """The process model; parameter ``calibrated``: whether its four factors are fitted to the learning towers."""

    def fit_two(self, fluxes: Doubles, learning: IndexArray, validation: IndexArray) -> None:
        """Fits the factors, if asked for."""
        from models.flux import Calibration, calibrate

        self._panel, self._factors = panel_of(self.task.cube), Calibration()
        if self.task.parameters["calibrated"]:
            with _explained():
                known = fluxes_of(self.task)
                self._factors = calibrate(self._panel.weather(), self._panel.shares, known, learning)
            print(f"calibrated: {self._factors}", flush=True)

    def predict_two(self, towers: IndexArray) -> npt.NDArray[Any]:
        """What it simulates."""
        simulated = _simulated(self._panel, towers, self._factors)
        return np.stack([simulated.gpp, simulated.reco], axis=-1)


def _simulated(panel: TowerPanel, towers: IndexArray, factors: Calibration | None) -> Fluxes:
    """The process model's fluxes of some towers, all months; raw where there are no factors."""
    from models.flux import simulate

    with _explained():
        return simulate(panel.weather().at(towers), panel.shares[towers], factors)


@contextmanager
def _explained() -> Iterator[None]:
    """Turns what the process model refuses into a sentence for the user."""
    try:
        yield
    except ValueError as error:
        raise BenchError(f"The process model cannot be run: {error}") from error


class FluxLightgbm(TwoFluxesRunner):
    """LightGBM on the month's drivers, their means over a season and a year, the month and the shares.

    Parameters: ``process``: whether the raw process model's fluxes are columns too; ``trees``: at most; ``patience``:
    trees without a lower error at the validation towers after which no more are grown; ``settings`` of LightGBM.
    """

    def fit_two(self, fluxes: Doubles, learning: IndexArray, validation: IndexArray) -> None:
        """Grows trees for each flux until the validation towers no longer improve."""
        import lightgbm

        parameters = self.task.parameters
        self._panel = panel_of(self.task.cube)
        settings = {
            "objective": "regression",
            "seed": self.task.seed % 2**31,
            "num_threads": self.task.threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
            **parameters.get("settings", {}),
        }
        self._models, self._stopped = [], []
        for flux in (_GPP, _RECO):
            learned, judged = (self._sets(fluxes[..., flux], towers) for towers in (learning, validation))
            grown = lightgbm.train(
                settings,
                lightgbm.Dataset(*learned),
                num_boost_round=parameters["trees"],
                valid_sets=[lightgbm.Dataset(*judged)],
                callbacks=[lightgbm.early_stopping(parameters["patience"], verbose=False)],
            )
            self._models.append(grown)
            self._stopped.append("converged" if grown.current_iteration() < parameters["trees"] else "budget")

    def predict_two(self, towers: IndexArray) -> npt.NDArray[Any]:
        """What the trees say."""
        rows = self._columns(towers)
        flat = rows.reshape(-1, rows.shape[-1])
        return np.stack([np.reshape(model.predict(flat), rows.shape[:2]) for model in self._models], axis=-1)

    def training_ended(self) -> str:
        """See `Runner`; short of budget if one of both is."""
        return "budget" if "budget" in self._stopped else "converged"

    def _sets(self, flux: Doubles, towers: IndexArray) -> tuple[Doubles, Doubles]:
        measured = np.isfinite(flux[towers])
        return self._columns(towers)[measured], flux[towers][measured]

    def _columns(self, towers: IndexArray) -> Doubles:
        """(tower, month, column) of some towers."""
        drivers, shares = self._panel.drivers[towers], self._panel.shares[towers]
        angle = 2 * np.pi * (self.task.cube.step_of_year - 0.5) / MONTHS
        season = np.broadcast_to(np.stack([np.sin(angle), np.cos(angle)], axis=-1), (*drivers.shape[:2], 2))
        shares = np.broadcast_to(shares[:, None], (*drivers.shape[:2], shares.shape[1]))
        parts = [drivers, *(_mean_of_last(drivers, span) for span in (3, MONTHS)), season, shares]
        if self.task.parameters["process"]:
            simulated = _simulated(self._panel, towers, None)
            parts.append(np.stack([simulated.gpp, simulated.ra, simulated.rh, simulated.reco], axis=-1))
        return np.concatenate(parts, axis=-1)


def _mean_of_last(drivers: npt.NDArray[Any], span: int) -> Doubles:
    """(tower, month, driver) mean over a month and those before it; at the start of the record over those there are."""
    total = np.cumsum(drivers, axis=1, dtype=np.float64)
    before = np.zeros_like(total)
    before[:, span:] = total[:, :-span] if drivers.shape[1] > span else total[:, :0]
    count = np.minimum(np.arange(1, drivers.shape[1] + 1), span)
    return np.asarray((total - before) / count[:, None])
