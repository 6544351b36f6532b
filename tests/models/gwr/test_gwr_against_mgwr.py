"""GWR against the mgwr package on random designs."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.gwr import GWR

mgwr = pytest.importorskip("mgwr.gwr")


def draw(n: int, features: int, seed: int) -> SimpleNamespace:
    rng = np.random.default_rng(seed)
    coords = rng.uniform(-60, 60, (n, 2))
    X = rng.normal(size=(n, features)) * 10.0 ** rng.uniform(-2, 2, features) + rng.normal(size=features)
    y = 3 + (X * np.cos(coords[:, :1] / 40)).sum(axis=1) + rng.normal(size=n)
    return SimpleNamespace(X=X, y=y, coords=coords)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(45, 110),
    features=st.integers(1, 6),
    seed=st.integers(0, 2**31),
    kernel=st.sampled_from(["bisquare", "gaussian", "exponential"]),
    adaptive=st.booleans(),
    great_circle=st.booleans(),
    share=st.floats(0.6, 1.0),
)
def test_same_numbers_as_mgwr(
    n: int, features: int, seed: int, kernel: str, adaptive: bool, great_circle: bool, share: float
) -> None:
    data = draw(n, features, seed)
    fixed = 111.0 * 90 * share if great_circle else 90 * share
    bandwidth = float(round(n * share)) if adaptive else fixed
    want = mgwr.GWR(
        data.coords,
        data.y[:, None],
        data.X,
        bandwidth,
        kernel=kernel,
        fixed=not adaptive,
        spherical=great_circle,
        n_jobs=1,
    ).fit()
    ours = GWR(
        bandwidth,
        kernel=kernel,
        adaptive=adaptive,
        distance="great_circle" if great_circle else "planar",
    ).fit(data.X, data.y, data.coords)
    size = np.abs(want.params).max(axis=0)
    assert np.max(np.abs(ours.coefficients_ - want.params) / size) < 1e-6
    np.testing.assert_allclose(ours.hat_diagonal_, want.influ.ravel(), rtol=1e-6)
    np.testing.assert_allclose(ours.standard_errors_, want.bse, rtol=1e-6)
    np.testing.assert_allclose(ours.local_r2_, want.localR2.ravel(), rtol=1e-6, atol=1e-9)
    assert ours.aicc_ == pytest.approx(want.aicc, rel=1e-6)
    assert ours.aic_ == pytest.approx(want.aic, rel=1e-6)
    assert ours.bic_ == pytest.approx(want.bic, rel=1e-6)
    assert ours.trace_sts_ == pytest.approx(want.tr_STS, rel=1e-6)
    assert not ours.singular_.any()


def test_prediction_at_more_places_than_samples_equals_a_literal_fit() -> None:
    data = draw(70, 3, 1)
    places = np.random.default_rng(2).uniform(-70, 70, (200, 2))
    X = np.random.default_rng(3).normal(size=(200, 3))
    ours = GWR(60.0, kernel="gaussian", adaptive=False).fit(data.X, data.y, data.coords)
    design = np.column_stack([np.ones(70), data.X])
    for row in range(0, 200, 20):
        squared = np.square(places[row] - data.coords).sum(axis=1)
        root = np.exp(-squared / 60.0**2 / 4)  # square root of the weight
        beta = np.linalg.lstsq(design * root[:, None], data.y * root, rcond=None)[0]
        np.testing.assert_allclose(ours.local_models(places[[row]]).coefficients[0], beta, rtol=1e-8)
        predicted = ours.predict(X[[row]], places[[row]])[0]
        assert predicted == pytest.approx(beta[0] + X[row] @ beta[1:], rel=1e-8)
    assert ours.predict(X, places).shape == (200,)
