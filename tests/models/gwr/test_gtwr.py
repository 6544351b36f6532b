"""GTWR: mgtwr's documented example, a literal loop, the separable panel against the dense form."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from models.gwr import GTWR, PanelGTWR


@pytest.fixture(scope="module")
def lattice() -> SimpleNamespace:
    """The simulated data of mgtwr's documentation: a 12 x 12 x 12 lattice, seed 10."""
    state = np.random.RandomState(10)
    t, v, u = (axis.ravel().astype(float) for axis in np.indices((12, 12, 12)))
    x1, x2 = state.uniform(size=(2, 1728))
    noise = state.standard_normal(1728)
    hill = np.prod([36 - (6 - axis) ** 2 for axis in (u, v, t)], axis=0)
    y = 5 + (3 + (u + v + t) / 6) * x1 + (3 + hill / 128) * x2 + noise
    return SimpleNamespace(X=np.column_stack([x1, x2]), y=y, coords=np.column_stack([u, v]), times=t)


def test_documented_example_of_mgtwr(lattice: SimpleNamespace, golden: dict[str, Any]) -> None:
    want = golden["gtwr_example"]
    model = GTWR(want["bandwidth"], want["time_scale"], kernel=want["kernel"], adaptive=False)
    model.fit(lattice.X, lattice.y, lattice.coords, lattice.times)
    assert model.r2_ == pytest.approx(want["r2"], rel=1e-12)
    assert model.trace_s_ == pytest.approx(want["trace_s"], abs=1e-5)
    # mgtwr corrects AIC as if tr(S), not tr(S) + 1, parameters had been counted.
    t, n = model.trace_s_, 1728
    assert model.aic_ + 2 * t * (t + 1) / (n - t - 1) == pytest.approx(want["aicc_of_mgtwr"], abs=1e-4)


def draw(cells: int = 30, steps: int = 6, seed: int = 0) -> SimpleNamespace:
    rng = np.random.default_rng(seed)
    coords, times = rng.uniform(0, 10, (cells, 2)), np.cumsum(rng.uniform(0.5, 1.5, steps))
    X = rng.normal(size=(cells, steps, 2)) + 1
    slope = np.sin(coords[:, :1] / 3) + times / 4
    y = coords[:, 1:] + slope * X[..., 0] - X[..., 1] + 0.3 * rng.normal(size=(cells, steps))
    flat = SimpleNamespace(
        X=X.reshape(-1, 2), y=y.ravel(), coords=np.repeat(coords, steps, 0), times=np.tile(times, cells)
    )
    return SimpleNamespace(X=X, y=y, coords=coords, times=times, flat=flat)


def shape_of(kernel: str, z: np.ndarray) -> np.ndarray:
    if kernel == "bisquare":
        return np.where(z < 1, (1 - z**2) ** 2, 0)
    return np.exp(-0.5 * z**2) if kernel == "gaussian" else np.exp(-z)


def literal(weights: np.ndarray, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit every sample by its own weighted least squares; coefficients and hat diagonal."""
    design = np.column_stack([np.ones(len(y)), X])
    coefficients, hat = [], []
    for row, w in enumerate(weights):
        weighted = design.T * w
        solve = np.linalg.solve(weighted @ design, weighted)
        coefficients.append(solve @ y)
        hat.append(design[row] @ solve[:, row])
    return np.array(coefficients), np.array(hat)


@pytest.mark.parametrize("kernel", ["bisquare", "gaussian", "exponential"])
@pytest.mark.parametrize("adaptive", [False, True])
def test_dense_form_equals_a_literal_loop(kernel: str, adaptive: bool) -> None:
    flat = draw().flat
    bandwidth, time_scale = (60 if adaptive else 9.0), 1.7
    model = GTWR(bandwidth, time_scale, kernel=kernel, adaptive=adaptive)
    model.fit(flat.X, flat.y, flat.coords, flat.times)
    space = np.square(flat.coords[:, None] - flat.coords[None]).sum(axis=2)
    distance = np.sqrt(space + time_scale * np.square(flat.times[:, None] - flat.times[None]))
    reach = np.sort(distance, axis=1)[:, [59]] * 1.0000001 if adaptive else bandwidth
    coefficients, hat = literal(shape_of(kernel, distance / reach), flat.X, flat.y)
    np.testing.assert_allclose(model.coefficients_, coefficients, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(model.hat_diagonal_, hat, rtol=1e-8)


@pytest.mark.parametrize(
    ("kernel", "time_kernel", "adaptive", "period"),
    [
        ("bisquare", "gaussian", True, None),
        ("bisquare", "bisquare", False, 5.5),
        ("exponential", "gaussian", False, None),
        ("gaussian", "exponential", True, 7.0),
    ],
)
def test_panel_equals_a_literal_loop_with_the_product_kernel(
    kernel: str, time_kernel: str, adaptive: bool, period: float | None
) -> None:
    data = draw()
    bandwidth = 20 if adaptive else 8.0
    model = PanelGTWR(bandwidth, 2.5, kernel=kernel, time_kernel=time_kernel, adaptive=adaptive, period=period)
    model.fit(data.X, data.y, data.coords, data.times)
    space = np.linalg.norm(data.coords[:, None] - data.coords[None], axis=2)
    reach = np.sort(space, axis=1)[:, [19]] * 1.0000001 if adaptive else bandwidth
    time = np.abs(data.times[:, None] - data.times[None])
    time = time if period is None else np.minimum(time, period - time)
    weights = np.kron(shape_of(kernel, space / reach), shape_of(time_kernel, time / 2.5))
    coefficients, hat = literal(weights, data.flat.X, data.flat.y)
    np.testing.assert_allclose(model.coefficients_.reshape(-1, 3), coefficients, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(model.hat_diagonal_.ravel(), hat, rtol=1e-8)


def test_two_gaussians_are_the_dense_model_with_their_ratio_as_time_scale() -> None:
    data = draw()
    dense = GTWR(3.0, (3.0 / 2.0) ** 2, kernel="gaussian", adaptive=False)
    dense.fit(data.flat.X, data.flat.y, data.flat.coords, data.flat.times)
    panel = PanelGTWR(3.0, 2.0, kernel="gaussian", adaptive=False)
    panel.fit(data.X, data.y, data.coords, data.times)
    for name in ("coefficients_", "standard_errors_", "local_r2_", "hat_diagonal_", "fitted_values_"):
        want = getattr(dense, name)
        np.testing.assert_allclose(getattr(panel, name).reshape(want.shape), want, rtol=1e-9, atol=1e-11)
    for name in ("aicc_", "aic_", "bic_", "cv_", "r2_", "sigma2_", "trace_s_", "trace_sts_"):
        assert getattr(panel, name) == pytest.approx(getattr(dense, name), rel=1e-10)
    places, moments = np.array([[2.0, 3.0], [8.0, 8.0]]), np.array([0.7, 2.2, 9.0])
    X = np.ones((2, 3, 2))
    flat_places, flat_moments = np.repeat(places, 3, 0), np.tile(moments, 2)
    np.testing.assert_allclose(
        panel.predict(X, places, moments).ravel(),
        dense.predict(X.reshape(-1, 2), flat_places, flat_moments),
        rtol=1e-9,
    )
    np.testing.assert_allclose(
        panel.local_models(places, moments).standard_errors,
        dense.local_models(flat_places, flat_moments).standard_errors,
        rtol=1e-9,
    )


def test_panel_does_not_depend_on_memory() -> None:
    data = draw(60)
    fits = [PanelGTWR(15, 2.0, memory=memory).fit(data.X, data.y, data.coords, data.times) for memory in (2**30, 2**14)]
    np.testing.assert_allclose(fits[0].coefficients_, fits[1].coefficients_, rtol=1e-8)
    assert fits[0].aicc_ == pytest.approx(fits[1].aicc_, rel=1e-12)


def test_panel_search_beats_a_grid() -> None:
    data = draw(50, 8)
    model = PanelGTWR().fit(data.X, data.y, data.coords, data.times)
    grid = [
        PanelGTWR(space, time, standard_errors=False).fit(data.X, data.y, data.coords, data.times).aicc_
        for space in (15, 25, 50)
        for time in (0.5, 2.0, 8.0)
    ]
    assert model.aicc_ <= min(grid) + 0.1
    assert model.score(data.X, data.y, data.coords, data.times) == pytest.approx(model.r2_)
    one = PanelGTWR(time_bandwidth=2.0).fit(data.X, data.y, data.coords, data.times)
    assert one.time_bandwidth_ == 2.0 and {time for _, time, _ in one.search_history_} == {2.0}
    other = PanelGTWR(space_bandwidth=25).fit(data.X, data.y, data.coords, data.times)
    assert other.space_bandwidth_ == 25


def test_dense_search_finds_both_scales() -> None:
    flat = draw(40, 5).flat
    places = (flat.X, flat.y, flat.coords, flat.times)
    model = GTWR(kernel="gaussian", adaptive=False).fit(*places)
    for factor in (0.8, 1.25):
        nearby = GTWR(model.bandwidth_ * factor, model.time_scale_, kernel="gaussian", adaptive=False)
        assert nearby.fit(*places).aicc_ > model.aicc_ - 0.05
        other = GTWR(time_scale=model.time_scale_ * factor, kernel="gaussian", adaptive=False)
        assert other.fit(*places).aicc_ > model.aicc_ - 0.05
    assert model.score(*places[:1], flat.y, flat.coords, flat.times) == pytest.approx(model.r2_)
    fixed_bandwidth = GTWR(model.bandwidth_, kernel="gaussian", adaptive=False).fit(*places)
    assert fixed_bandwidth.time_scale_ == pytest.approx(model.time_scale_, rel=0.2)


def test_search_of_the_time_scale_moves_to_where_there_are_neighbours() -> None:
    flat = draw(40, 5).flat
    model = GTWR(2.5, adaptive=False, time_scale_range=(1e-4, 1e4))
    model.fit(flat.X, flat.y, flat.coords, flat.times)
    scores = [score for _, _, score in model.search_history_]
    assert np.inf in scores and np.isfinite(model.aicc_) and not model.statistics_.starved


def test_cyclic_time_joins_the_ends_of_the_year() -> None:
    flat = draw(20, 6).flat
    steps = np.tile(np.arange(1, 7) * 7.0, 20)
    model = GTWR(30.0, 1.0, kernel="gaussian", adaptive=False, period=46.0)
    model.fit(flat.X, flat.y, flat.coords, steps)
    early = model.local_models(flat.coords[:1], np.array([0.0]))
    late = model.local_models(flat.coords[:1], np.array([46.0]))
    np.testing.assert_allclose(early.coefficients, late.coefficients, rtol=1e-12)
