"""The rule for inputs, with the same cases for every estimator: what is constant, nearly empty, or far out."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from models.inputs import HELD_DEVIATIONS, ColumnScaling
from tests.models.estimators import Case, every_estimator


def rmse(prediction: Any, target: Any) -> float:
    return float(np.sqrt(np.mean((prediction - target) ** 2)))


def sample(n: int = 200) -> SimpleNamespace:
    """Four columns, of which the first two matter; numbers that single precision holds."""
    rng = np.random.default_rng(0)
    coords = np.column_stack([rng.uniform(100, 120, n), rng.uniform(30, 45, n)])
    X = rng.normal(size=(n, 4)).astype(np.float32).astype(np.float64)
    y = X[:, 0] + 0.5 * X[:, 1] * (coords[:, 0] - 110) / 10 + 0.1 * rng.normal(size=n)
    return SimpleNamespace(X=X, y=y.astype(np.float32).astype(np.float64), coords=coords)


@pytest.fixture(scope="module")
def data() -> SimpleNamespace:
    return sample()


@pytest.fixture(scope="module")
def fitted(data: SimpleNamespace) -> Callable[[Case], Any]:
    """The estimator of a case on the plain sample, fitted once."""
    return cache(lambda case: case.fitted(data.X, data.y, data.coords))


CONSTANTS = {
    "exactly": np.full(200, 273.15, np.float32).astype(np.float64),
    "up to rounding": 273.15 * (1 + 1e-13 * np.random.default_rng(1).normal(size=200)),
    "at zero": np.zeros(200),
    "tiny": np.full(200, 1e-12),
}


@every_estimator
def test_a_column_that_is_constant_in_training_has_no_effect_whatever_it_does_later(
    case: Case, data: SimpleNamespace
) -> None:
    X = np.column_stack([data.X[:, :3], *CONSTANTS.values()])
    model = case.fitted(X, data.y, data.coords)
    before = case.predictions(model, X, data.coords)
    assert rmse(before, data.y) < 3 * data.y.std()
    for column, kind in enumerate(CONSTANTS, start=3):
        for later in (1e6, -1e-3, np.linspace(0, 100, 200)):
            changed = X.copy()
            changed[:, column] = later
            np.testing.assert_array_equal(case.predictions(model, changed, data.coords), before, kind)


@every_estimator
def test_an_almost_empty_column_neither_breaks_the_training_nor_a_place_that_it_covers(case: Case) -> None:
    data = sample(2026)
    rare = np.arange(2026) == 7
    assert (1 - rare.mean()) / rare.std() == pytest.approx(45)
    X, covered = np.column_stack([data.X[:, :3], rare]), np.column_stack([data.X[:, :3], np.ones(2026)])
    model = case.fitted(X, data.y, data.coords)
    errors = [rmse(case.predictions(model, rows, data.coords), data.y) for rows in (X, covered)]
    assert errors[0] < 1.5 * data.y.std()
    assert errors[1] < errors[0] + 2 * data.y.std()  # without holding, the letter's is 2.6 more


@every_estimator
def test_values_far_out_count_as_lying_where_training_values_are_held(
    case: Case, data: SimpleNamespace, fitted: Callable[[Case], Any]
) -> None:
    deviation, mean = data.X.std(axis=0), data.X.mean(axis=0)
    rows = [np.broadcast_to(mean + far * deviation, data.X.shape) for far in (0, 100, 10_000)]
    out = [case.predictions(fitted(case), X, data.coords) for X in rows]
    if case.held:
        np.testing.assert_allclose(out[1], out[2], rtol=1e-5)
        assert np.abs(out[1] - data.y.mean()).max() < 20 * data.y.std()
    else:  # a linear method extrapolates: a hundred times as far, a hundred times the change
        np.testing.assert_allclose(out[2] - out[0], 100 * (out[1] - out[0]), rtol=1e-6, atol=1e-6)


@every_estimator
def test_a_column_given_twice_changes_little(case: Case, data: SimpleNamespace, fitted: Callable[[Case], Any]) -> None:
    X = np.column_stack([data.X[:, :3], data.X[:, 0]])
    once, twice = fitted(case), case.fitted(X, data.y, data.coords)
    before = rmse(case.predictions(once, data.X, data.coords), data.y)
    assert rmse(case.predictions(twice, X, data.coords), data.y) < 1.3 * before + 0.05 * data.y.std()


@every_estimator
def test_the_unit_of_a_column_does_not_matter(case: Case, data: SimpleNamespace, fitted: Callable[[Case], Any]) -> None:
    # Powers of two near 1e12 and 1e-12: the digits stay the same, so what differs is the rule and not rounding.
    X = data.X * np.array([2.0**40, 2.0**-40, 2.0**-40, 2.0**40])
    other = case.predictions(case.fitted(X, data.y, data.coords), X, data.coords)
    np.testing.assert_allclose(
        other, case.predictions(fitted(case), data.X, data.coords), rtol=1e-4, atol=1e-4 * data.y.std()
    )


def test_columns_are_held_and_dropped_by_the_statistics_of_the_training_rows() -> None:
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.normal(10, 2, 5000), np.full(5000, 3.0), np.arange(5000) == 7])
    columns = ColumnScaling.of(rows)
    assert columns.varies.tolist() == [True, False, True] and columns.scale[1] == 1
    np.testing.assert_allclose(columns.mean, rows.mean(axis=0))
    np.testing.assert_allclose(columns.scale[::2], rows.std(axis=0)[::2])
    later = np.array([[10 + 2 * 100, 1e9, 1.0], [10 - 2 * 100, -1e9, 0.0]])
    standardised = columns.standardise(later)
    assert standardised[:, 0].tolist() == [HELD_DEVIATIONS, -HELD_DEVIATIONS]
    assert standardised[:, 1].tolist() == [0, 0]
    assert standardised[0, 2] == HELD_DEVIATIONS and -0.1 < standardised[1, 2] < 0
    np.testing.assert_allclose((columns.hold(later) - columns.mean) / columns.scale, standardised, atol=1e-12)
    np.testing.assert_array_equal(columns.drop(later)[:, ::2], later[:, ::2])
    np.testing.assert_array_equal(columns.drop(later)[:, 1], columns.mean[1])


def test_parts_give_the_statistics_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).normal(1e3, 1, (100, 3)).astype(np.float32)
    whole = ColumnScaling.of(rows)
    monkeypatch.setattr("models.inputs._ROWS_AT_ONCE", 7)
    for name, value in vars(ColumnScaling.of(rows)).items():
        np.testing.assert_allclose(value, getattr(whole, name), rtol=1e-12)


@pytest.mark.parametrize("size", [1e-12, 1.0, 1e12])
def test_constant_means_up_to_rounding_at_any_scale_and_by_the_type_of_number(size: float) -> None:
    rng = np.random.default_rng(0)
    doubles = size * (1 + 1e-9 * rng.normal(size=(1000, 1)))
    assert ColumnScaling.of(doubles).varies.all()
    assert not ColumnScaling.of(doubles, np.float32).varies.any()
    assert not ColumnScaling.of(doubles.astype(np.float32)).varies.any()
    assert ColumnScaling.of((size * (1 + 1e-4 * rng.normal(size=(1000, 1)))).astype(np.float32)).varies.all()
