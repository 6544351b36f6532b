"""Local designs that determine no fit: flagged, regularised, never fatal, never the winner."""

import math
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from models.gwr import GTWR, GWR, PanelGTWR
from models.gwr.distance import Distance
from models.gwr.kernels import Kernel
from models.gwr.statistics import FitStatistics, fit_statistics

Sample = Callable[..., SimpleNamespace]


def hat_matrix(model: GWR, data: SimpleNamespace, X: np.ndarray) -> np.ndarray:
    """The rows of S, one unit vector of y at a time."""
    columns = []
    for unit in np.eye(len(X)):
        fitted = GWR(model.bandwidth_, kernel=model.kernel, adaptive=model.adaptive).fit(X, unit, data.coords)
        columns.append(fitted.fitted_values_)
    return np.column_stack(columns)


@pytest.mark.parametrize("kind", ["constant", "duplicate", "collinear", "one_hot", "one_sample"])
def test_singular_columns_do_not_fail_the_fit(kind: str, sample: Sample) -> None:
    data = sample(120, 3)
    extra = {
        "constant": np.full(120, 7.3),
        "duplicate": data.X[:, 0],
        "collinear": data.X[:, 0] - 2 * data.X[:, 1] + 4,
        "one_hot": (data.coords[:, 0] > 8).astype(float),
        "one_sample": (np.arange(120) == 5).astype(float),
    }[kind]
    X = np.column_stack([data.X, extra])
    model = GWR(40).fit(X, data.y, data.coords)
    plain = GWR(40).fit(data.X, data.y, data.coords)
    assert model.singular_.any()
    for values in (
        model.coefficients_,
        model.standard_errors_,
        model.hat_diagonal_,
        model.predict(X, data.coords),
    ):
        assert np.isfinite(values).all()
    assert math.isfinite(model.aicc_)
    if kind in ("constant", "duplicate", "collinear"):  # nothing new in the column, so nothing changes
        assert model.singular_.all()
        np.testing.assert_allclose(model.fitted_values_, plain.fitted_values_, atol=1e-3)
        np.testing.assert_allclose(model.hat_diagonal_, plain.hat_diagonal_, atol=1e-3)
    else:  # locations that do not see the class keep the fit they had without the column
        far = model.singular_ & (data.coords[:, 0] < 4)
        np.testing.assert_allclose(model.fitted_values_[far], plain.fitted_values_[far], atol=1e-3)


def test_regular_locations_are_untouched_by_singular_ones(sample: Sample) -> None:
    data = sample(150, 2)
    one_hot = (data.coords[:, 0] > 7).astype(float)
    X = np.column_stack([data.X, one_hot])
    model = GWR(30).fit(X, data.y, data.coords)
    assert 0 < model.singular_.sum() < 150
    row = int(np.flatnonzero(~model.singular_)[0])
    squared = np.linalg.norm(data.coords - data.coords[row], axis=1)
    reach = np.sort(squared)[29] * 1.0000001
    root = np.clip(1 - (squared / reach) ** 2, 0, None)
    design = np.column_stack([np.ones(150), X]) * root[:, None]
    beta = np.linalg.lstsq(design, data.y * root, rcond=None)[0]
    np.testing.assert_allclose(model.coefficients_[row], beta, rtol=1e-7)


def test_hat_values_and_errors_of_regularised_fits_are_those_of_the_linear_smoother(sample: Sample) -> None:
    data = sample(40, 2)
    X = np.column_stack([data.X, (data.coords[:, 0] > 6).astype(float)])
    model = GWR(12).fit(X, data.y, data.coords)
    assert model.singular_.any()
    smoother = hat_matrix(model, data, X)
    np.testing.assert_allclose(smoother @ data.y, model.fitted_values_, atol=1e-8)
    np.testing.assert_allclose(np.diag(smoother), model.hat_diagonal_, atol=1e-8)
    assert model.trace_sts_ == pytest.approx(np.square(smoother).sum(), rel=1e-8)


def test_a_place_without_neighbours_gets_the_global_fit(sample: Sample) -> None:
    data = sample(60, 2)
    model = GWR(3.0, adaptive=False).fit(data.X, data.y, data.coords)
    far = np.array([[500.0, 500.0]])
    local = model.local_models(far)
    design = np.column_stack([np.ones(60), data.X])
    beta = np.linalg.lstsq(design, data.y, rcond=None)[0]
    np.testing.assert_allclose(local.coefficients[0], beta, rtol=1e-8)
    assert local.singular[0] and np.isnan(local.local_r2[0])
    predicted = model.predict_flagged(data.X[:1], far).values[0]
    assert predicted == pytest.approx(beta[0] + data.X[0] @ beta[1:])


@pytest.mark.parametrize("criterion", ["AICc", "AIC", "BIC", "CV"])
def test_too_few_neighbours_never_win_a_search(criterion: str, sample: Sample) -> None:
    data = sample(60, 4)
    adaptive = GWR(criterion=criterion, bandwidth_range=(1, 60)).fit(data.X, data.y, data.coords)
    assert adaptive.bandwidth_ > 6
    fixed = GWR(adaptive=False, criterion=criterion).fit(data.X, data.y, data.coords)
    for model in (adaptive, fixed):
        assert model.trace_s_ < 58
        assert not model.statistics_.starved
        assert all(score > -1e9 for _, score in model.search_history_)
    narrow = GWR(3, criterion=criterion).fit(data.X, data.y, data.coords)
    assert narrow.singular_.all() and narrow.statistics_.score(criterion) == math.inf


def test_a_search_over_starved_bandwidths_alone_says_so(sample: Sample) -> None:
    data = sample(60, 4)
    with pytest.raises(ValueError, match="more neighbours than parameters"):
        GWR(bandwidth_range=(1, 4)).fit(data.X, data.y, data.coords)


def test_a_rare_class_does_not_make_the_search_global(sample: Sample) -> None:
    data = sample(200, 2)
    rare = (data.coords[:, 0] > 9).astype(float)
    plain = GWR().fit(data.X, data.y, data.coords)
    model = GWR().fit(np.column_stack([data.X, rare]), data.y, data.coords)
    assert model.singular_.any() and model.bandwidth_ < 1.5 * plain.bandwidth_


def test_score_is_infinite_without_freedom() -> None:
    figures = FitStatistics(samples=20, rss=1e-9, tss=5.0, trace=18.0, cv=1.0, singular=0, starved=0)
    assert figures.aicc == math.inf
    assert all(figures.score(criterion) == math.inf for criterion in ("AICc", "AIC", "BIC", "CV"))


def test_a_sample_that_fits_itself_counts_in_cv_with_its_distance_from_the_mean() -> None:
    target = torch.tensor([2.0, -1.0, -1.0], dtype=torch.float64)
    residual = torch.tensor([0.0, 0.5, -0.5], dtype=torch.float64)
    hat = torch.tensor([1.0, 0.5, 0.5], dtype=torch.float64)
    none = torch.zeros(3, dtype=torch.bool)
    assert fit_statistics(residual, hat, target, none, none).cv == pytest.approx((4 + 1 + 1) / 3)


def test_many_samples_at_one_place(sample: Sample) -> None:
    data = sample(60, 1)
    coords = np.where(np.arange(60)[:, None] < 20, 5.0, data.coords)
    model = GWR(10).fit(data.X, data.y, coords)  # the ten nearest of the first 20 are all at distance zero
    assert np.isfinite(model.coefficients_).all()
    design = np.column_stack([np.ones(20), data.X[:20]])
    beta = np.linalg.lstsq(design, data.y[:20], rcond=None)[0]
    np.testing.assert_allclose(model.coefficients_[0], beta, rtol=1e-8)
    weights = Kernel("gaussian", 2, True).weights(torch.tensor([[0.0, 0.0, 3.0]], dtype=torch.float64))
    assert weights.tolist() == [[1.0, 1.0, 0.0]]
    twice = GWR(adaptive=False).fit(data.X, data.y, coords)  # the smallest distance searched is positive
    assert math.isfinite(twice.aicc_)


def test_space_time_models_survive_singular_columns(sample: Sample) -> None:
    data = sample(80, 2)
    X = np.column_stack([data.X, np.full(80, 2.0), data.X[:, 0]])
    times = np.arange(80) % 4
    dense = GTWR(40, 1.0).fit(X, data.y, data.coords, times)
    assert dense.singular_.all() and np.isfinite(dense.fitted_values_).all()
    panel = PanelGTWR(15, 1.0).fit(X.reshape(20, 4, 4), data.y.reshape(20, 4), data.coords[:20], np.arange(4))
    assert panel.singular_.all() and np.isfinite(panel.fitted_values_).all()


def test_no_distance_is_lost_next_to_a_large_offset() -> None:
    coords = np.array([[5e6, 5e6], [5e6 + 1e-3, 5e6]])
    distance = Distance()
    positions = distance.positions(coords, None, "cpu")
    assert distance.between(positions, positions)[0, 1] == pytest.approx(1e-3, rel=1e-5)
