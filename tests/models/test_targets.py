"""Targets of any size and with any offset: every estimator learns them as it learns one of about 1."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

from tests.models.estimators import Case, one_of_each


@cache
def sample() -> SimpleNamespace:
    """120 rows for training and 80 for testing; half of the target's variance is one column."""
    rng = np.random.default_rng(0)
    coords = np.column_stack([rng.uniform(100, 120, 200), rng.uniform(30, 45, 200)])
    X = rng.normal(size=(200, 4)).astype(np.float32).astype(np.float64)
    y = X[:, 0] + 0.5 * X[:, 1] + 0.1 * rng.normal(size=200)
    return SimpleNamespace(X=X, y=y / y[:120].std(), coords=coords)


def relative_error(case: Case, size: float, offset: float) -> float:
    """Error at the test rows over the target's deviation."""
    data = sample()
    model = case.fitted(data.X[:120], size * data.y[:120] + offset, data.coords[:120])
    predicted = case.predictions(model, data.X[120:], data.coords[120:])
    return float(np.sqrt(np.mean((predicted - size * data.y[120:] - offset) ** 2))) / size


@one_of_each
@pytest.mark.parametrize(
    ("size", "offset"), [(1e5, 2e5), (1e-5, 0.0), (1.0, 300.0), (50.0, -100.0)], ids=["huge", "tiny", "offset", "below"]
)
def test_the_size_and_the_offset_of_a_target_do_not_matter(case: Case, size: float, offset: float) -> None:
    usual = relative_error(case, 1.0, 0.0)
    assert relative_error(case, size, offset) < max(1.2 * usual, usual + 0.1, 0.3)
