"""scikit-learn's own checks of every estimator: which pass, and which cannot, and why.

Most checks call ``fit(X, y)``, and most of our estimators want to know where the samples are. So each runs twice: as it
is, where only the checks of parameters can pass, and as a subclass that takes its places from columns of X, where the
others must pass too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator

from models.geographical_forest import GeographicalForest
from models.gnnwr import GNNWR, GTNNWR
from models.gwr import GTWR, GWR
from models.pytorch_frame import MODELS, PyTorchFrameOptions, PyTorchFrameRegressor, TrainingOptions
from models.validation import real_array
from tests.models.estimators import FRAME, NETWORK, ONE_OF_EACH, Case, one_of_each

PARAMETERS = {
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_set_params",
    "check_valid_tag_types",
}
"""What every estimator passes as it is: parameters, their copies and their names."""

PLAIN = {"check_no_attributes_set_in_init", "check_parameters_default_constructible"}
"""What all but the dual-branch estimators pass too: those fill in defaults, and prepare what ``load`` fills in."""

EVERYWHERE = {
    "check_dtype_object": "an object that is no number is a ValueError here, as all bad input, not a TypeError",
    "check_supervised_y_2d": "a target of one column is taken without a warning",
    "check_fit2d_predict1d": "one row without its second axis is refused, in other words than scikit-learn's",
}
"""What no estimator passes, and why."""

SMALL_SAMPLES = dict.fromkeys(
    (
        "check_n_features_in_after_fitting",
        "check_estimators_nan_inf",
        "check_regressors_no_decision_function",
        "check_fit2d_1feature",
    ),
    "fits 10 or 15 samples; a local forest wants 20",
)


def _places(X: Any) -> Any:
    """Places that follow from the rows, so that they stay with them; any, where X is to be refused."""
    try:
        columns = real_array(X, "X")[:, [0, -1]].astype(float)
    except (ValueError, IndexError):
        return np.zeros((len(X) if hasattr(X, "__len__") else 1, 2))
    return 80 * np.tanh(columns / 10)


class _Placed:
    """Takes the places from the first and the last column."""

    def fit(self, X: Any, y: Any) -> Any:
        return super().fit(X, y, _places(X))  # type: ignore[misc]

    def predict(self, X: Any, coords: Any = None) -> Any:
        return super().predict(X, _places(X))  # type: ignore[misc]

    def score(self, X: Any, y: Any) -> Any:
        return super().score(X, y, _places(X))  # type: ignore[misc]


class _Timed:
    """Takes the places so, and the times from the second coordinate."""

    def fit(self, X: Any, y: Any) -> Any:
        return super().fit(X, y, _places(X), _places(X)[:, 1])  # type: ignore[misc]

    def predict(self, X: Any) -> Any:
        return super().predict(X, _places(X), _places(X)[:, 1])  # type: ignore[misc]

    def score(self, X: Any, y: Any) -> Any:
        return super().score(X, y, _places(X), _places(X)[:, 1])  # type: ignore[misc]


class PlacedGWR(_Placed, GWR):
    pass


class PlacedGTWR(_Timed, GTWR):
    pass


class PlacedForest(_Placed, GeographicalForest):
    pass


class PlacedGNNWR(_Placed, GNNWR):
    pass


class PlacedGTNNWR(_Timed, GTNNWR):
    pass


SHORT = {"check_regressors_train": "two epochs do not explain half of the variance"}
SMALL: dict[str, Any] = NETWORK | {"updates": 20}
TRAINING = TrainingOptions(epochs=2, batch_size=32, learning_rate=1e-2, device="cpu")
PLACED: dict[str, tuple[Any, dict[str, str]]] = {
    "gwr": (PlacedGWR(np.inf, adaptive=False), {}),
    "gtwr": (PlacedGTWR(1e3, 1.0, adaptive=False), {}),
    "forest": (PlacedForest(anchors=2, trees=30, bandwidths=(1.0,)), SMALL_SAMPLES),
    "gnnwr": (PlacedGNNWR(**SMALL), {}),
    "gtnnwr": (PlacedGTNNWR(**SMALL), {}),
} | {model: (PyTorchFrameRegressor(PyTorchFrameOptions(model=model, **FRAME), TRAINING), SHORT) for model in MODELS}


def _results(estimator: Any) -> dict[str, list[str]]:
    """Names of the checks by how they ended, with what they said."""
    ended: dict[str, list[str]] = {}
    for result in check_estimator(estimator, on_fail=None, on_skip=None):
        said = "" if result["exception"] is None else f": {result['exception']}"
        ended.setdefault(result["status"], []).append(result["check_name"] + said)
    return ended


@pytest.mark.filterwarnings("ignore:Estimator .* does not inherit from:UserWarning")  # see models/parameters.py
@pytest.mark.parametrize("case", [case for case in ONE_OF_EACH if case.name not in MODELS], ids=lambda case: case.name)
def test_as_it_is_every_estimator_passes_the_checks_of_its_parameters(case: Case) -> None:
    passed = set(_results(case.make())["passed"])
    assert passed >= PARAMETERS | (set() if case.name.startswith("dual") else PLAIN)


@pytest.mark.parametrize("name", PLACED)
def test_with_places_from_its_columns_every_check_passes_but_the_named(name: str) -> None:
    estimator, exceptions = PLACED[name]
    results = _results(estimator)
    unexpected = [said for said in results.get("failed", []) if said.split(":")[0] not in EVERYWHERE | exceptions]
    assert not unexpected
    assert set(results["passed"]) >= PARAMETERS | PLAIN


@one_of_each
def test_a_copy_has_the_parameters_and_nothing_of_the_fit(case: Case) -> None:
    rng = np.random.default_rng(0)
    X, coords = rng.normal(size=(80, 4)), np.column_stack([rng.uniform(100, 120, 80), rng.uniform(30, 45, 80)])
    fitted = case.fitted(X, X[:, 0], coords)
    copy = clone(fitted)
    assert copy.get_params() == case.make().get_params() and repr(copy) == repr(case.make())
    with pytest.raises(NotFittedError):
        case.predictions(copy, X, coords)
    name, value = next(iter(copy.get_params(deep=False).items()))
    assert copy.set_params(**{name: value}) is copy
    with pytest.raises(ValueError, match="Invalid parameter 'nonsense'"):
        copy.set_params(nonsense=1)
    again = case.fit(copy, case.arrays(X, X[:, 0], coords))
    np.testing.assert_array_equal(case.predictions(again, X, coords), case.predictions(fitted, X, coords))
