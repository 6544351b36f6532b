"""The dual-branch networks on towers: one for GPP and one for RECO, judged by the validation towers of all rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.arrays import Doubles
from bench.data.parts import IndexArray, Part
from bench.runners.base import ended_together
from bench.runners.dual_branch import DualBranchPlusRunner, DualBranchRunner
from bench.runners.flux_inputs import FLUX_TARGETS
from bench.runners.flux_reference import TwoFluxesRunner
from bench.runners.history import Epoch


class _OfUnseenTowers(DualBranchPlusRunner):
    """Whose every judged tower is one that never trained, whatever part of the towers does."""

    def _masking(self) -> dict[str, Any]:
        return {}

    def _explaining(self) -> dict[str, Any]:
        # Nothing is explained here, so that weights need not follow derivatives, which costs time.
        return {"gradient_consistency_weight": 0.0, "importance_detached": False}


class FluxDualBranchPlus(TwoFluxesRunner):
    """Dual-branch plus; parameters as in the other suites where most places do not train."""

    _kind: type[DualBranchPlusRunner] = _OfUnseenTowers

    def fit_two(self, fluxes: Doubles, learning: IndexArray, validation: IndexArray) -> None:
        """Trains a network per flux; an unfinished training goes on from the task's checkpoint folder."""
        self._runners: dict[str, DualBranchPlusRunner] = {}
        for index, name in enumerate(FLUX_TARGETS[:2]):
            checkpoint = self.task.checkpoint / name
            checkpoint.mkdir(parents=True, exist_ok=True)
            train, target = self.task.train, self.task.train_target[..., index]
            measured = np.zeros(self.task.cube.target.shape[:2], bool)
            measured[np.ix_(train.cells, train.times)] = np.isfinite(target)
            part = train.restricted(measured)
            inside = np.ix_(np.searchsorted(train.cells, part.cells), np.searchsorted(train.times, part.times))
            one = replace(
                self.task,
                cube=self.task.cube.for_target(name),
                train=part,
                train_target=np.ascontiguousarray(target[inside]),
                checkpoint=checkpoint,
            )
            print(f"flux {name}", flush=True)
            self._runners[name] = self._kind(one)
            self._runners[name].fit()

    def predict_two(self, towers: IndexArray) -> npt.NDArray[Any]:
        """What both networks say."""
        part = Part(towers, np.arange(self.task.cube.n_times))
        return np.stack([runner.predict(part) for runner in self._runners.values()], axis=-1)

    def trained_on(self) -> tuple[str, str]:
        """See `Runner`; both are trained alike."""
        return next(iter(self._runners.values())).trained_on()

    def training_ended(self) -> str:
        """See `Runner`."""
        return ended_together(runner.training_ended() for runner in self._runners.values())

    def history(self) -> list[Epoch]:
        """See `Runner`; networks of an ensemble are told apart by flux and number."""
        return [
            replace(epoch, member="_".join(filter(None, (name.lower(), epoch.member))))
            for name, runner in self._runners.items()
            for epoch in runner.history()
        ]


class FluxDualBranch(FluxDualBranchPlus):
    """The paper's dual-branch network."""

    _kind = DualBranchRunner
