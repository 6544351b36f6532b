"""Bad input, distances on the sphere, memory, settings."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone

from models.gwr import GTWR, GWR, PanelGTWR
from models.gwr.distance import Distance
from models.gwr.search import golden_section
from models.sphere import EARTH_RADIUS_KM

Sample = Callable[..., SimpleNamespace]


def apart(one: tuple[float, float], other: tuple[float, float]) -> float:
    distance = Distance(great_circle=True)
    positions = distance.positions(np.array([one, other], dtype=float), None, "cpu")
    return float(distance.between(positions[:1], positions[1:]))


@pytest.mark.parametrize(
    ("one", "other", "degrees"),
    [
        ((179.5, 0), (-179.5, 0), 1.0),
        ((359.5, 0), (0.5, 0), 1.0),
        ((0, 90), (123, 90), 0.0),
        ((0, 89), (180, 89), 2.0),
        ((0, -90), (50, 90), 180.0),
        ((10, 45), (10, 45.00001), 1e-5),
    ],
)
def test_great_circle_distance_across_date_line_and_poles(
    one: tuple[float, float], other: tuple[float, float], degrees: float
) -> None:
    assert apart(one, other) == pytest.approx(np.radians(degrees) * EARTH_RADIUS_KM, rel=1e-7, abs=1e-6)


def test_a_turn_of_the_globe_changes_nothing(sample: Sample) -> None:
    data = sample(60, 2)
    lon, lat = data.coords[:, 0] * 30 - 150, data.coords[:, 1] * 18 - 90
    fits = [
        GWR(30, distance="great_circle").fit(data.X, data.y, np.column_stack([moved, lat]))
        for moved in (lon, (lon + 120 + 180) % 360 - 180)
    ]
    np.testing.assert_allclose(fits[0].coefficients_, fits[1].coefficients_, rtol=1e-7, atol=1e-9)


def test_predictions_at_the_date_line_and_at_the_poles_do_not_depend_on_how_the_place_is_written(
    sample: Sample,
) -> None:
    data = sample(80, 2)
    coords = np.column_stack([(data.coords[:, 0] * 6 + 150 + 180) % 360 - 180, data.coords[:, 1] * 17 - 85])
    assert coords[:, 0].min() < -175 and coords[:, 0].max() > 175  # the samples lie around the date line
    panel = data.X.reshape(20, 4, 2), data.y.reshape(20, 4), coords[:20], np.arange(4.0)
    models = [
        lambda X, places: GWR(30, distance="great_circle").fit(data.X, data.y, coords).predict(X, places),
        lambda X, places: (
            PanelGTWR(10, 2.0, distance="great_circle").fit(*panel).predict(X[:, None], places, [1.0])[:, 0]
        ),
    ]
    same = [((180, 10), (-180, 10)), ((-170, 20), (190, 20)), ((0, 90), (123, 90)), ((-60, -90), (45, -90))]
    for predict in models:
        for one, other in same:
            first, second = predict(data.X[:1].repeat(2, axis=0), np.array([one, other], dtype=float))
            assert first == pytest.approx(second, rel=1e-9)


def test_every_location_twice_is_twice_the_neighbours(sample: Sample) -> None:
    data = sample(60, 2)
    twice = SimpleNamespace(**{name: np.repeat(getattr(data, name), 2, axis=0) for name in ("X", "y", "coords")})
    once = GWR(20, kernel="bisquare").fit(data.X, data.y, data.coords)
    double = GWR(40, kernel="bisquare").fit(twice.X, twice.y, twice.coords)
    np.testing.assert_allclose(double.coefficients_[::2], once.coefficients_, rtol=1e-8)
    np.testing.assert_allclose(double.coefficients_[::2], double.coefficients_[1::2], rtol=1e-9)
    cells = [np.repeat(array.reshape(20, 3, *array.shape[1:]), 2, axis=0) for array in (data.X, data.y)]
    panel = PanelGTWR(20, 2.0).fit(*cells, np.repeat(data.coords[:20], 2, axis=0), np.arange(3.0))
    np.testing.assert_allclose(panel.coefficients_[::2], panel.coefficients_[1::2], rtol=1e-9)


def test_time_distance_on_a_cycle() -> None:
    distance = Distance(time_scale=4.0, period=46.0)
    positions = distance.positions(np.zeros((3, 2)), np.array([1.0, 46.0, 24.0]), "cpu")
    np.testing.assert_allclose(distance.between(positions[:1], positions)[0], [0, 2, 46])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.full((60, 2), np.nan)}, "NaN or infinite"),
        ({"y": np.full(60, np.inf)}, "NaN or infinite"),
        ({"coords": np.full((60, 2), np.nan)}, "NaN or infinite"),
        ({"y": np.zeros(59)}, "numbers of samples differ"),
        ({"coords": np.zeros((60, 3))}, "two columns"),
        ({"X": np.zeros(60)}, "must have 2 axes"),
        ({"X": [["a", "b"]] * 60}, "X holds text"),
        ({"X": np.zeros((60, 0))}, "empty"),
        ({"X": np.zeros((60, 59))}, "60 samples cannot determine 60 parameters"),
        ({"bandwidth": 61}, "exceeds the 60 samples"),
        ({"bandwidth": 10.5}, "counts neighbours"),
        ({"bandwidth": -1.0}, "must be a positive number"),
        ({"bandwidth": np.nan}, "must be a positive number"),
        ({"bandwidth": "30"}, "must be a positive number"),
        ({"bandwidth": np.inf}, "counts neighbours, but is inf; give adaptive=False for the global fit"),
        ({"bandwidth_range": (9, np.inf), "bandwidth": None}, "finite"),
        ({"bandwidth_range": (9, None), "bandwidth": None}, "must be two numbers"),
        ({"kernel": "tricube"}, "kernel must be one of bisquare"),
        ({"distance": "manhattan"}, "distance must be one of"),
        ({"criterion": "AICC"}, "criterion must be one of"),
        ({"bandwidth_range": (9, 3), "bandwidth": None}, "ascending"),
        ({"memory": 0}, "memory must be a positive"),
        ({"distance": "great_circle", "coords": np.full((60, 2), 95.0)}, "lon, lat"),
    ],
)
def test_bad_input_is_one_clear_sentence(change: dict[str, Any], message: str, sample: Sample) -> None:
    data = sample(60, 2)
    values = {"X": data.X, "y": data.y, "coords": data.coords, "bandwidth": 30} | change
    arrays = [values.pop(name) for name in ("X", "y", "coords")]
    with pytest.raises(ValueError, match=message) as caught:
        GWR(**values).fit(*arrays)
    assert "\n" not in str(caught.value)


def test_bad_input_of_prediction_and_time(sample: Sample) -> None:
    data = sample(60, 2)
    with pytest.raises(ValueError, match="not fitted"):
        GWR(30).predict(data.X, data.coords)
    model = GWR(30).fit(data.X, data.y, data.coords)
    with pytest.raises(ValueError, match="has 1 features, but [A-Za-z]* is expecting 2"):
        model.predict(data.X[:, :1], data.coords)
    with pytest.raises(ValueError, match="numbers of samples differ"):
        model.predict(data.X[:5], data.coords)
    with pytest.raises(ValueError, match="time_scale"):
        GTWR(30, -1.0).fit(data.X, data.y, data.coords, np.arange(60))
    with pytest.raises(ValueError, match="at one time"):
        GTWR().fit(data.X, data.y, data.coords, np.zeros(60))
    with pytest.raises(ValueError, match="period"):
        GTWR(30, 1.0, period=0.0).fit(data.X, data.y, data.coords, np.arange(60))
    with pytest.raises(ValueError, match="at one place"):
        GWR(adaptive=False).fit(data.X, data.y, np.zeros((60, 2)))
    with pytest.raises(ValueError, match="A panel needs"):
        PanelGTWR(5, 1.0).fit(data.X.reshape(20, 3, 2), data.y.reshape(20, 3), data.coords, np.arange(3))
    with pytest.raises(ValueError, match="adaptive=False for the global fit"):
        PanelGTWR(np.inf, 1.0).fit(data.X.reshape(20, 3, 2), data.y.reshape(20, 3), data.coords[:20], np.arange(3))
    with pytest.raises(ValueError, match="adaptive=False for the global fit"):
        GTWR(np.inf).fit(data.X, data.y, data.coords, np.arange(60))
    with pytest.raises(ValueError, match="X holds 120 NaN or infinite"):
        model.predict(np.full((60, 2), np.nan), data.coords)
    with pytest.raises(ValueError, match="coords holds 1 NaN or infinite"):
        model.predict(data.X[:1], np.array([[np.nan, 0.0]]))
    with pytest.raises(ValueError, match="4 samples cannot determine 4 parameters"):
        PanelGTWR(2, 1.0).fit(np.zeros((2, 2, 3)), np.zeros((2, 2)), data.coords[:2], np.arange(2))
    with pytest.raises(ValueError, match="NaN or infinite"):
        gaps = np.where(np.arange(60) == 7, np.nan, data.y).reshape(20, 3)
        PanelGTWR(5, 1.0).fit(data.X.reshape(20, 3, 2), gaps, data.coords[:20], np.arange(3))


def test_results_do_not_depend_on_memory_and_blocks_keep_within_it(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = sample(700, 3)
    wide = GWR(60).fit(data.X, data.y, data.coords)
    largest = 0
    measure = Distance.between

    def watched(self: Distance, points: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        nonlocal largest
        result = measure(self, points, others)
        largest = max(largest, result.numel() * 8)
        return result

    monkeypatch.setattr(Distance, "between", watched)
    memory = 2**20
    narrow = GWR(60, memory=memory).fit(data.X, data.y, data.coords)
    assert 0 < largest <= memory / 64
    np.testing.assert_allclose(narrow.coefficients_, wide.coefficients_, rtol=1e-9)
    np.testing.assert_allclose(narrow.standard_errors_, wide.standard_errors_, rtol=1e-9)
    assert narrow.aicc_ == pytest.approx(wide.aicc_, rel=1e-12)
    few = sample(40, 1)  # a budget of one byte still leaves one location and one sample at a time
    fits = [
        GWR(20.0, kernel="gaussian", adaptive=False, memory=memory).fit(few.X, few.y, few.coords)
        for memory in (1, 2**30)
    ]
    assert fits[0].aicc_ == pytest.approx(fits[1].aicc_, rel=1e-12)


def test_shape_of_a_scikit_learn_estimator(sample: Sample) -> None:
    data = sample(60, 2)
    model = GWR(30, kernel="gaussian", standard_errors=False)
    assert clone(model).get_params() == model.get_params()
    model.fit(data.X, data.y[:, None], data.coords)
    assert model.standard_errors_ is None and model.trace_sts_ is None
    np.testing.assert_allclose(model.predict(data.X, data.coords), model.fitted_values_)
    assert model.score(data.X, data.y, data.coords) == pytest.approx(model.r2_)


def test_infinite_bandwidth_is_the_global_fit(sample: Sample) -> None:
    data = sample(60, 2)
    model = GWR(np.inf, adaptive=False).fit(data.X, data.y, data.coords)
    beta = np.linalg.lstsq(np.column_stack([np.ones(60), data.X]), data.y, rcond=None)[0]
    np.testing.assert_allclose(model.coefficients_, np.tile(beta, (60, 1)), rtol=1e-9)
    assert model.trace_s_ == pytest.approx(3)


def test_the_number_of_threads_is_restored(sample: Sample) -> None:
    data = sample(60, 2)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        GWR().fit(data.X, data.y, data.coords)
        assert torch.get_num_threads() == 2
        with pytest.raises(ValueError, match="more neighbours"):
            GWR(bandwidth_range=(1, 2)).fit(data.X, data.y, data.coords)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_golden_section() -> None:
    found = golden_section(lambda x: (x - 2.5) ** 2, 0, 10, score_tolerance=1e-12)
    assert found.value == pytest.approx(2.5, abs=1e-4)
    found = golden_section(lambda x: np.inf if x < 7 else x, 0, 10, value_tolerance=1e-6)
    assert 7 <= found.value < 7.1
    assert golden_section(lambda x: abs(x - 31), 1, 100, whole=True).value == 31
    assert len(golden_section(lambda x: 1.0, 0, 10).history) == 2
    with pytest.raises(ValueError, match="more neighbours than parameters"):
        golden_section(lambda x: np.inf, 0, 10, value_tolerance=1e-6)
