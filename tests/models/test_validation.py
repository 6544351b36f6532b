"""What every estimator takes for an array, and what it refuses in one sentence: all arrays of all estimators."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from models.validation import array_with_gaps, finite_array, real_array
from tests.models.estimators import ONE_OF_EACH, Case, one_of_each


@pytest.fixture(scope="module")
def data() -> SimpleNamespace:
    rng = np.random.default_rng(0)
    coords = np.column_stack([rng.uniform(100, 120, 80), rng.uniform(30, 45, 80)])
    X = rng.normal(size=(80, 4))
    return SimpleNamespace(X=X, y=X[:, 0] + 0.1 * rng.normal(size=80), coords=coords)


def _changed(array: Any, value: Any, dtype: Any = None) -> Any:
    """A copy with another first value."""
    changed = array.astype(dtype or array.dtype)
    changed.flat[0] = value
    return changed


def _masked(array: Any) -> Any:
    mask = np.zeros(array.shape, bool)
    mask.flat[-1] = True
    return np.ma.array(_changed(array, -9999), mask=mask)


REFUSED: dict[str, Callable[[Any], Any]] = {
    "masked": _masked,
    "rows of masked arrays": lambda array: list(_masked(array)) if array.ndim > 1 else _masked(array),
    "nan": lambda array: _changed(array, np.nan, float),
    "infinite": lambda array: _changed(array, -np.inf, float),
    "complex": lambda array: array.astype(complex),
    "text": lambda array: array.astype(str),
    "bytes": lambda array: array.astype(bytes),
    "objects with None": lambda array: _changed(array, None, object),
    "objects with text": lambda array: _changed(array, "1.5", object),
    "objects with a missing value": lambda array: _changed(array, pd.NA, object),
    "objects with arrays": lambda array: _changed(array, SimpleNamespace(), object),
    "dates": lambda array: array.astype(int).astype("datetime64[D]"),
    "time spans": lambda array: array.astype(int).astype("timedelta64[D]"),
    "records": lambda array: np.zeros(array.shape, [("a", float)]),
    "masked records": lambda array: np.ma.zeros(array.shape, [("a", float)]),
    "sparse": lambda array: csr_array(np.atleast_2d(array.reshape(len(array), -1))),
    "ragged": lambda array: [*array.tolist(), [1.0, [2.0]]],
    "empty": lambda array: array[:0],
    "one number": lambda array: 1.0,
    "nothing": lambda array: None,
    "a string": lambda array: "1.5",
    "one axis more": lambda array: array[None],
}

TAKEN: dict[str, Callable[[Any], Any]] = {
    "lists": lambda array: array.tolist(),
    "frames": lambda array: {1: pd.Series, 2: pd.DataFrame}.get(array.ndim, np.asarray)(array),
    "objects": lambda array: array.astype(object),
    "nothing masked": lambda array: np.ma.array(array, mask=np.zeros(array.shape, bool)),
    "Fortran's order": np.asfortranarray,
    "read only": lambda array: np.lib.stride_tricks.as_strided(array, writeable=False),
}


@one_of_each
@pytest.mark.parametrize("carrier", REFUSED)
def test_what_no_estimator_takes_is_refused_in_a_sentence_that_names_the_array(
    case: Case, carrier: str, data: SimpleNamespace
) -> None:
    arrays = case.arrays(data.X, data.y, data.coords)
    for name, array in arrays.items():
        with pytest.raises(ValueError) as caught:
            case.fit(case.make(), arrays | {name: REFUSED[carrier](array)})
        message = str(caught.value)
        assert name in message or name == "times" and "cells" in message, (name, message)
        assert "\n" not in message and message.endswith("."), (name, message)


@pytest.fixture(scope="module")
def fitted(data: SimpleNamespace) -> Callable[[Case], Any]:
    kept: dict[str, Any] = {}

    def get(case: Case) -> Any:
        if case.name not in kept:
            kept[case.name] = case.fitted(data.X, data.y, data.coords)
        return kept[case.name]

    return get


@one_of_each
@pytest.mark.parametrize("carrier", REFUSED)
def test_so_is_what_no_estimator_predicts_from(
    case: Case, carrier: str, data: SimpleNamespace, fitted: Callable[[Case], Any]
) -> None:
    arrays = case.arrays(data.X, data.y, data.coords)
    del arrays[case.target]
    for name, array in arrays.items():
        with pytest.raises(ValueError) as caught:
            case.predict(fitted(case), arrays | {name: REFUSED[carrier](array)})
        message = str(caught.value)
        assert name in message or name == "times" and "cells" in message, (name, message)
        assert "\n" not in message and message.endswith("."), (name, message)


@one_of_each
@pytest.mark.parametrize("carrier", TAKEN)
def test_every_estimator_takes_the_same_carriers_and_gives_the_same_numbers(
    case: Case, carrier: str, data: SimpleNamespace, fitted: Callable[[Case], Any]
) -> None:
    expected = case.predictions(fitted(case), data.X, data.coords)
    arrays = {name: TAKEN[carrier](array) for name, array in case.arrays(data.X, data.y, data.coords).items()}
    model = case.fit(case.make(), arrays)
    del arrays[case.target]
    np.testing.assert_array_equal(np.reshape(case.predict(model, arrays), -1), expected)


FRAMES = [case for case in ONE_OF_EACH if not case.name.startswith(("dual", "panel"))]  # theirs have three axes


@pytest.mark.parametrize("case", FRAMES, ids=lambda case: case.name)
def test_columns_with_other_names_than_in_the_fit_are_refused(case: Case, data: SimpleNamespace) -> None:
    arrays = case.arrays(data.X, data.y, data.coords)
    features = next(iter(arrays))
    frame = pd.DataFrame(data.X, columns=list("abcd"))
    model = case.fit(case.make(), arrays | {features: frame})
    assert model.n_features_in_ == 4 and list(model.feature_names_in_) == list("abcd")
    del arrays[case.target]
    expected = case.predict(model, arrays)  # an array has no names
    np.testing.assert_array_equal(case.predict(model, arrays | {features: frame}), expected)
    with pytest.raises(ValueError, match="another order than in the fit"):
        case.predict(model, arrays | {features: frame[list("bacd")]})
    with pytest.raises(ValueError, match="'e' is in one of the two only"):
        case.predict(model, arrays | {features: frame.rename(columns={"a": "e"})})
    assert not hasattr(case.fit(model, case.arrays(data.X, data.y, data.coords)), "feature_names_in_")


def test_real_numbers_are_taken_without_a_copy_and_python_numbers_are_unboxed() -> None:
    singles = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.shares_memory(real_array(singles, "X"), singles)
    mixed = np.array([1, 2.5, True, np.float32(4), np.int8(5), np.True_, Fraction(1, 2)], dtype=object)
    assert finite_array(mixed, "X", 1).tolist() == [1, 2.5, 1, 4, 5, 1, 0.5]
    assert real_array([True, False], "X").dtype == bool
    assert real_array(np.array([1, np.int8(2)], dtype=object), "X").dtype == np.int64
    assert real_array(np.array([1, 2**70], dtype=object), "X").tolist() == [1.0, 2.0**70]


def test_a_target_with_gaps_has_nan_where_it_is_masked() -> None:
    for kind in (np.float32, int):
        target = np.ma.array(np.array([1, -9999, 3], kind), mask=[0, 1, 0])
        np.testing.assert_array_equal(array_with_gaps(target, "target"), [1, np.nan, 3])
    assert array_with_gaps(np.ma.array([1.0, 2.0]), "target").tolist() == [1, 2]
    with pytest.raises(ValueError, match="target holds complex numbers"):
        array_with_gaps(np.ma.array([1j, 2j]), "target")


@pytest.mark.parametrize("name", ["dual_branch static", "dual_branch_plus static"])
def test_a_network_of_cells_reads_no_target_outside_its_samples(name: str, data: SimpleNamespace) -> None:
    case = next(case for case in ONE_OF_EACH if case.name == name)
    arrays = case.arrays(data.X, data.y, data.coords)
    arrays |= {"cells": arrays["cells"][1:], "times": arrays["times"][1:]}
    plain = case.fit(case.make(), arrays)
    gap = np.ma.array(_changed(arrays["target"], -9999), mask=np.arange(80)[:, None] == 0)
    masked = case.fit(case.make(), arrays | {"target": gap})
    del arrays["target"]
    np.testing.assert_array_equal(case.predict(masked, arrays), case.predict(plain, arrays))


def test_the_sentence_says_how_many_values_are_masked_or_not_finite_and_where() -> None:
    array = np.ma.masked_less(np.array([[1.0, -9999], [-9999, 2]]), 0)
    with pytest.raises(ValueError, match="X has 2 masked values; fill them or drop their rows first."):
        finite_array(array, "X", 2)
    with pytest.raises(ValueError, match="X has 2 masked values"):
        finite_array([list(array), list(array)][0], "X", 2)
    with pytest.raises(ValueError, match=r"X holds 2 NaN or infinite values, the first at \[0, 1\]"):
        finite_array(array.filled(np.nan), "X", 2)
