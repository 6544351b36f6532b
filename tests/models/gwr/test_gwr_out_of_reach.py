"""Places that no sample is in reach of: the global fit, flagged, warned of and without any certainty."""

import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from models.gwr import GTWR, GWR, PanelGTWR

Sample = Callable[..., SimpleNamespace]
FIXED: dict[str, Any] = {"adaptive": False}
FAR = np.array([[1e3, 1e3], [5.0, 5.0], [-1e3, 0.0]])
OUT = [True, False, True]


def fits(data: SimpleNamespace) -> dict[str, tuple[Any, tuple[Any, ...]]]:
    """Fitted models, and what their predictions at FAR take beside the features."""
    times = np.arange(4.0)
    panel = data.X.reshape(20, 4, -1), data.y.reshape(20, 4), data.coords[:20], times
    return {
        "gwr": (GWR(8.0, **FIXED).fit(data.X, data.y, data.coords), (FAR,)),
        "gaussian": (GWR(2.0, kernel="gaussian", **FIXED).fit(data.X, data.y, data.coords), (FAR,)),
        "gtwr": (GTWR(8.0, 0.1, **FIXED).fit(data.X, data.y, data.coords, np.arange(80) % 4.0), (FAR, np.zeros(3))),
        "panel": (PanelGTWR(8.0, 2.0, **FIXED).fit(*panel), (FAR, [0.0])),
        "panel, time": (PanelGTWR(8.0, 2.0, time_kernel="bisquare", **FIXED).fit(*panel), (FAR, [0.0])),
    }


@pytest.mark.parametrize("name", ["gwr", "gaussian", "gtwr", "panel", "panel, time"])
def test_they_are_the_global_fit_and_say_so(name: str, sample: Sample) -> None:
    data = sample(80, 2)
    model, where = fits(data)[name]
    X = np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 0.0]])
    features = X[:, None] if name.startswith("panel") else X
    flagged = model.predict_flagged(features, *where)
    assert flagged.out_of_reach.ravel().tolist() == OUT and flagged.singular.ravel()[[0, 2]].all()
    beta = np.linalg.lstsq(np.column_stack([np.ones(80), data.X]), data.y, rcond=None)[0]
    everywhere = beta[0] + X @ beta[1:]
    np.testing.assert_allclose(flagged.values.ravel()[OUT], everywhere[OUT], rtol=1e-8)
    assert flagged.values.ravel()[1] != pytest.approx(everywhere[1], rel=1e-3)
    with pytest.warns(UserWarning, match="2 of 3 predictions are out of reach of every sample") as caught:
        np.testing.assert_array_equal(model.predict(features, *where), flagged.values)
    assert caught[0].filename == __file__  # the caller's line, not one of ours
    local = model.local_models(*where)
    assert local.out_of_reach.tolist() == OUT
    assert np.isinf(local.standard_errors[OUT]).all() and np.isfinite(local.standard_errors[1]).all()
    assert np.isnan(local.local_r2[OUT]).all()


def test_a_time_out_of_reach_is_out_of_reach(sample: Sample) -> None:
    data = sample(80, 2)
    model = fits(data)["panel, time"][0]
    flagged = model.predict_flagged(np.zeros((1, 3, 2)), [[5.0, 5.0]], [0.0, 100.0, 3.0])
    assert flagged.out_of_reach.tolist() == [[False, True, False]]


def test_neighbours_that_are_counted_are_in_reach_wherever_they_are(sample: Sample) -> None:
    data = sample(80, 2)
    model = GWR(30).fit(data.X, data.y, data.coords)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(np.zeros((3, 2)), FAR)
    assert not model.predict_flagged(np.zeros((3, 2)), FAR).out_of_reach.any()
    assert not model.local_models(data.coords).out_of_reach.any()
