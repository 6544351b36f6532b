"""Every estimator of `models/`, small and behind one pair of calls, for tests that all of them have to pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from models.dual_branch import (
    DualBranchOptions,
    DualBranchPlusOptions,
    DualBranchPlusRegressor,
    DualBranchRegressor,
    MemberOptions,
    Panel,
    TrainingOptions,
)
from models.geographical_forest import GeographicalForest
from models.gnnwr import GNNWR, GTNNWR
from models.gwr import GTWR, GWR, PanelGTWR
from models.pytorch_frame import MODELS, PyTorchFrameOptions, PyTorchFrameRegressor

TRAINING = TrainingOptions(epochs=6, batch_size=64, learning_rate=1e-2, schedule="one_cycle", device="cpu")
NETWORK: dict[str, Any] = {"landmarks": 16, "hidden": (16,), "updates": 60, "batch_size": 64, "device": "cpu"}
FRAME: dict[str, Any] = {"channels": 8, "num_layers": 1, "heads": 2, "dropout": 0.0}
LETTER = DualBranchOptions(n_nodes=20, k=3, window=1, width=8, heads=2, blocks=1, steps_per_year=2)
PLUS = DualBranchPlusOptions(
    members=(MemberOptions(harmonics=1, hidden=16),), rank=2, layers=2, lags=(), neighbours=3, steps_per_year=2
)


Arrays = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One estimator on rows of features at places.

    Attributes:
        name: what the test's id shows.
        make: a new estimator, unfitted.
        arrays: from features (n, k), target (n,) and places (n, 2) to the arrays of ``fit``, under the names that
            error messages use.
        fit: fits an estimator to such arrays.
        predict: predicts by a fitted one from such arrays without the target.
        target: name of the target's array.
        held: whether the estimator holds values far out; the others are linear.
    """

    name: str
    make: Callable[[], Any]
    arrays: Callable[[Any, Any, Any], Arrays]
    fit: Callable[[Any, Arrays], Any]
    predict: Callable[[Any, Arrays], Any]
    target: str = "y"
    held: bool = True

    def fitted(self, X: Any, y: Any, coords: Any) -> Any:
        """A new estimator, fitted."""
        return self.fit(self.make(), self.arrays(X, y, coords))

    def predictions(self, estimator: Any, X: Any, coords: Any) -> Any:
        """Predictions (n,)."""
        arrays = self.arrays(X, np.zeros(len(X)), coords)
        del arrays[self.target]
        return np.asarray(self.predict(estimator, arrays), dtype=np.float64).reshape(-1)


def _call(estimator: Any, arrays: Arrays) -> Any:
    return estimator.fit(*arrays.values())


def _ask(estimator: Any, arrays: Arrays) -> Any:
    return estimator.predict(*arrays.values())


def _here(X: Any, y: Any, coords: Any) -> Arrays:
    return {"X": X, "y": y, "coords": coords}


def _now(X: Any, y: Any, coords: Any) -> Arrays:
    return _here(X, y, coords) | {"times": np.arange(len(X)) % 4.0}


def _panel(X: Any, y: Any, coords: Any) -> Arrays:
    return {"X": X[:, None], "y": y[:, None], "coords": coords, "times": np.zeros(1)}


def _rows(X: Any, y: Any, coords: Any) -> Arrays:
    return {"X": X, "y": y}


def _cells(n_static: int) -> Callable[[Any, Any, Any], Arrays]:
    """A panel of one step, the last columns static."""

    def arrays(X: Any, y: Any, coords: Any) -> Arrays:
        split, n = X.shape[1] - n_static, len(X)
        return {
            "climate": X[:, None, :split].astype(np.float32),
            "static": X[:, split:].astype(np.float32),
            "lon": coords[:, 0],
            "lat": coords[:, 1],
            "step_of_year": np.ones(1, int),
            "target": y[:, None],
            "cells": np.arange(n),
            "times": np.zeros(n, int),
        }

    return arrays


def _fit_panel(estimator: Any, arrays: Arrays) -> Any:
    *panel, target, cells, times = arrays.values()
    return estimator.fit(Panel(*panel), target, cells, times)


def _ask_panel(estimator: Any, arrays: Arrays) -> Any:
    *panel, cells, times = arrays.values()
    return estimator.predict(Panel(*panel), cells, times)


def _case(
    name: str, make: Callable[[], Any], arrays: Callable[[Any, Any, Any], Arrays] = _here, held: bool = True
) -> Case:
    return Case(name, make, arrays, _call, _ask, held=held)


def _frame_case(model: Any) -> Case:
    options = PyTorchFrameOptions(model=model, **FRAME)
    return Case(model, lambda: PyTorchFrameRegressor(options, TRAINING), _rows, _call, _ask)


def _dual_case(name: str, make: Callable[[], Any], n_static: int) -> Case:
    return Case(name, make, _cells(n_static), _fit_panel, _ask_panel, target="target")


CASES = (
    _case("gwr", lambda: GWR(60), held=False),
    _case("gwr_held", lambda: GWR(60, hold_features=True)),
    _case("gtwr", lambda: GTWR(60, 0.1), _now, held=False),
    _case("gtwr_held", lambda: GTWR(60, 0.1, hold_features=True), _now),
    _case("panel_gtwr", lambda: PanelGTWR(60, 1.0), _panel, held=False),
    _case("panel_gtwr_held", lambda: PanelGTWR(60, 1.0, hold_features=True), _panel),
    _case("forest", lambda: GeographicalForest(anchors=4, trees=30, bandwidths=(0.3,))),
    _case("gnnwr", lambda: GNNWR(**NETWORK)),
    _case("gtnnwr", lambda: GTNNWR(**NETWORK), _now),
    *(_frame_case(model) for model in MODELS),
    _dual_case("dual_branch climate", lambda: DualBranchRegressor(LETTER, TRAINING), 0),
    _dual_case("dual_branch static", lambda: DualBranchRegressor(LETTER, TRAINING), 2),
    _dual_case("dual_branch_plus climate", lambda: DualBranchPlusRegressor(PLUS, TRAINING), 0),
    _dual_case("dual_branch_plus static", lambda: DualBranchPlusRegressor(PLUS, TRAINING), 2),
)

ONE_OF_EACH = tuple(case for case in CASES if not case.name.endswith(("held", "climate")))

every_estimator = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "_"))
one_of_each = pytest.mark.parametrize("case", ONE_OF_EACH, ids=lambda case: case.name.replace(" ", "_"))
