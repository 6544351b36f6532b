"""GWR against GWR4's output and mgwr's own tests on the Georgia counties."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from models.gwr import GWR

NAMES = ("Intercept", "PctRural", "PctPov", "PctBlack")


@pytest.mark.parametrize("name", ["BS_F", "BS_NN", "GS_F", "GS_NN"])
def test_georgia_fit_equals_gwr4(name: str, georgia: SimpleNamespace, golden: dict[str, Any]) -> None:
    want = golden["georgia_fits"][name]
    model = GWR(want["bandwidth"], kernel=want["kernel"], adaptive=want["adaptive"])
    model.fit(georgia.X, georgia.y, georgia.planar)
    assert model.aicc_ == pytest.approx(want["aicc"], abs=1e-3)
    assert model.cv_ == pytest.approx(want["cv"], abs=1e-3)
    assert model.r2_ == pytest.approx(want["r2"], abs=1e-5)
    rows = georgia.listwise(name)
    np.testing.assert_allclose(model.coefficients_, rows[[f"est_{n}" for n in NAMES]], atol=1e-5)
    np.testing.assert_allclose(model.hat_diagonal_, rows["influence"], atol=1e-6)
    np.testing.assert_allclose(model.local_r2_, rows["localR2"], atol=1e-6)
    np.testing.assert_allclose(model.residuals_, rows["residual"], atol=1e-5)
    # GWR4 divides RSS by n - 2 tr(S) + tr(S'S), mgwr (and we) by n - tr(S).
    n = len(georgia.y)
    assert model.trace_sts_ is not None and model.standard_errors_ is not None
    ratio = (n - model.trace_s_) / (n - 2 * model.trace_s_ + model.trace_sts_)
    errors = model.standard_errors_ * np.sqrt(ratio)
    np.testing.assert_allclose(errors, rows[[f"se_{n}" for n in NAMES]], atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("case", range(9))
def test_georgia_search_finds_mgwrs_bandwidth(case: int, georgia: SimpleNamespace, golden: dict[str, Any]) -> None:
    want = dict(golden["georgia_searches"][case])
    bandwidth = want.pop("bandwidth")
    model = GWR(**want).fit(georgia.X, georgia.y, getattr(georgia, want["distance"]))
    assert model.bandwidth_ == pytest.approx(bandwidth, abs=0.006)


def test_georgia_prediction_equals_mgwrs(georgia: SimpleNamespace, golden: dict[str, Any]) -> None:
    want = golden["georgia_prediction"]
    model = GWR(want["bandwidth"]).fit(georgia.X, georgia.y, georgia.planar)
    X, places = georgia.X[-10:], georgia.planar[-10:]
    local = model.local_models(places)
    np.testing.assert_allclose(local.coefficients[0], want["coefficients_first_row"], rtol=1e-3)
    np.testing.assert_allclose(local.local_r2[:3], want["local_r2_first_three"], rtol=1e-5)
    np.testing.assert_allclose(model.predict(X, places)[:3], want["predictions_first_three"], rtol=1e-6)
