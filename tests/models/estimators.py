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


@dataclass(frozen=True)
class Case:
    """One estimator on rows of features at places.

    Attributes:
        name: what the test's id shows.
        make: a new estimator, unfitted.
        samples: from features (n, k) and places (n, 2) to the arguments of ``predict``.
        fit: fits the estimator to features, target (n,) and places.
        held: whether it holds values far out; the others are linear.
    """

    name: str
    make: Callable[[], Any]
    samples: Callable[[Any, Any], tuple[Any, ...]]
    fit: Callable[[Any, Any, Any, Any], Any]
    held: bool = True

    def fitted(self, X: Any, y: Any, coords: Any) -> Any:
        """A new estimator, fitted."""
        estimator = self.make()
        self.fit(estimator, X, y, coords)
        return estimator

    def predict(self, estimator: Any, X: Any, coords: Any) -> Any:
        """Predictions (n,)."""
        return np.asarray(estimator.predict(*self.samples(X, coords)), dtype=np.float64).reshape(-1)


def _here(X: Any, coords: Any) -> tuple[Any, ...]:
    return X, coords


def _now(X: Any, coords: Any) -> tuple[Any, ...]:
    return X, coords, np.arange(len(X)) % 4.0


def _panel(X: Any, coords: Any) -> tuple[Any, ...]:
    return X[:, None], coords, [0.0]


def _rows(X: Any, coords: Any) -> tuple[Any, ...]:
    return (X,)


def _cells(n_static: int) -> Callable[[Any, Any], tuple[Any, ...]]:
    """A panel of one step, the last columns static."""

    def samples(X: Any, coords: Any) -> tuple[Any, ...]:
        X = np.asarray(X, np.float32)
        split = X.shape[1] - n_static
        panel = Panel(X[:, None, :split], X[:, split:], coords[:, 0], coords[:, 1], np.ones(1, int))
        return panel, np.arange(len(X)), np.zeros(len(X), int)

    return samples


def _fit_at(samples: Callable[[Any, Any], tuple[Any, ...]]) -> Callable[[Any, Any, Any, Any], Any]:
    def fit(estimator: Any, X: Any, y: Any, coords: Any) -> Any:
        features, *where = samples(X, coords)
        return estimator.fit(features, y, *where)

    return fit


def _fit_panel(estimator: Any, X: Any, y: Any, coords: Any) -> Any:
    return estimator.fit(X[:, None], y[:, None], coords, [0.0])


def _fit_cells(n_static: int) -> Callable[[Any, Any, Any, Any], Any]:
    def fit(estimator: Any, X: Any, y: Any, coords: Any) -> Any:
        panel, cells, times = _cells(n_static)(X, coords)
        return estimator.fit(panel, y[:, None], cells, times)

    return fit


def _here_case(name: str, make: Callable[[], Any], held: bool = True) -> Case:
    return Case(name, make, _here, _fit_at(_here), held)


def _frame_case(model: str) -> Case:
    options = PyTorchFrameOptions(model=model, **FRAME)  # type: ignore[arg-type]
    return Case(model, lambda: PyTorchFrameRegressor(options, TRAINING), _rows, _fit_at(_rows))


def _dual_case(name: str, make: Callable[[], Any], n_static: int) -> Case:
    return Case(name, make, _cells(n_static), _fit_cells(n_static))


CASES = (
    _here_case("gwr", lambda: GWR(60), held=False),
    _here_case("gwr_held", lambda: GWR(60, hold_features=True)),
    Case("gtwr", lambda: GTWR(60, 0.1), _now, _fit_at(_now), held=False),
    Case("gtwr_held", lambda: GTWR(60, 0.1, hold_features=True), _now, _fit_at(_now)),
    Case("panel_gtwr", lambda: PanelGTWR(60, 1.0), _panel, _fit_panel, held=False),
    Case("panel_gtwr_held", lambda: PanelGTWR(60, 1.0, hold_features=True), _panel, _fit_panel),
    _here_case("forest", lambda: GeographicalForest(anchors=4, trees=30, bandwidths=(0.3,))),
    _here_case("gnnwr", lambda: GNNWR(**NETWORK)),
    Case("gtnnwr", lambda: GTNNWR(**NETWORK), _now, _fit_at(_now)),
    *(_frame_case(model) for model in MODELS),
    _dual_case("dual_branch climate", lambda: DualBranchRegressor(LETTER, TRAINING), 0),
    _dual_case("dual_branch static", lambda: DualBranchRegressor(LETTER, TRAINING), 2),
    _dual_case("dual_branch_plus climate", lambda: DualBranchPlusRegressor(PLUS, TRAINING), 0),
    _dual_case("dual_branch_plus static", lambda: DualBranchPlusRegressor(PLUS, TRAINING), 2),
)

every_estimator = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "_"))
