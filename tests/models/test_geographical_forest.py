"""The geographical random forest: finds what a global forest cannot, chooses by out-of-bag error, refuses bad input."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor

from models.geographical_forest import GeographicalForest


def sample(n: int = 300, seed: int = 0, heterogeneous: bool = True) -> SimpleNamespace:
    """y = ±x₀ with a sign that changes from west to east, which no function of x alone can follow."""
    rng = np.random.default_rng(seed)
    coords = np.column_stack([rng.uniform(-60, 60, n), rng.uniform(-40, 40, n)])
    X = rng.normal(size=(n, 3))
    sign = np.where(coords[:, 0] > 0, 1.0, -1.0) if heterogeneous else 1.0
    return SimpleNamespace(X=X, y=sign * X[:, 0] + 0.1 * rng.normal(size=n), coords=coords)


def small(**changes: Any) -> GeographicalForest:
    return GeographicalForest(**{"anchors": 8, "trees": 30, "bandwidths": (0.1, 0.3)} | changes)


def rmse(prediction: np.ndarray, target: np.ndarray) -> float:
    return float(np.sqrt(np.mean((prediction - target) ** 2)))


def test_it_follows_a_relation_that_changes_in_space() -> None:
    train, test = sample(), sample(seed=1)
    model = small().fit(train.X, train.y, train.coords)
    everywhere = RandomForestRegressor(30, min_samples_leaf=5, random_state=0).fit(train.X, train.y)
    assert rmse(model.predict(test.X, test.coords), test.y) < 0.75 * rmse(everywhere.predict(test.X), test.y)
    assert model.local_weight_ > 0.8
    assert len(model.anchors_) == 8 and np.allclose(np.linalg.norm(model.anchors_, axis=1), 1)


def test_where_places_do_not_matter_the_global_forest_gets_most_of_the_weight() -> None:
    train = sample(heterogeneous=False)
    assert small(bandwidths=(0.1,)).fit(train.X, train.y, train.coords).local_weight_ < 0.5


def test_the_choice_is_the_smallest_out_of_bag_error_and_that_error_is_honest() -> None:
    train, test = sample(), sample(seed=1)
    model = small().fit(train.X, train.y, train.coords)
    assert [item[0] for item in model.search_history_] == [30, 90]
    assert (model.bandwidth_, model.local_weight_, model.oob_rmse_) == min(
        model.search_history_, key=lambda item: item[2]
    )
    in_bag, outside = (rmse(model.predict(data.X, data.coords), data.y) for data in (train, test))
    assert in_bag < 0.9 * model.oob_rmse_  # what was seen in training is flattered; out-of-bag errors are not
    assert model.oob_rmse_ == pytest.approx(outside, rel=0.25)


def test_the_same_seed_gives_the_same_numbers_whatever_the_number_of_threads() -> None:
    train, test = sample(120), sample(500, seed=1)
    one, four, other = (
        small(n_jobs=jobs, random_state=seed).fit(train.X, train.y, train.coords).predict(test.X, test.coords)
        for jobs, seed in ((1, 0), (4, 0), (1, 1))
    )
    np.testing.assert_array_equal(one, four)
    assert (one != other).any()


def test_predictions_are_continuous_in_space() -> None:
    train = sample()
    model = small().fit(train.X, train.y, train.coords)
    walk = np.column_stack([np.linspace(-60, 60, 20_001), np.full(20_001, 10.0)])
    predicted = model.predict(np.tile(train.X[:1], (len(walk), 1)), walk)
    assert np.abs(np.diff(predicted)).max() < 0.01 < np.ptp(predicted)


def test_places_on_both_sides_of_the_date_line_and_at_a_pole_are_neighbours() -> None:
    train = sample()
    coords = np.column_stack([(train.coords[:, 0] * 0.2 + 180 + 180) % 360 - 180, train.coords[:, 1]])
    turned = np.column_stack([train.coords[:, 0] * 0.2, train.coords[:, 1]])
    seen, moved = (small().fit(train.X, train.y, places) for places in (turned, coords))
    np.testing.assert_allclose(seen.predict(train.X, turned), moved.predict(train.X, coords), rtol=1e-6, atol=1e-6)
    poles = moved.predict(train.X[:2].repeat(2, axis=0), np.array([[0, 90], [123, 90], [0, -90], [77, -90]]))
    assert poles[0] == pytest.approx(poles[1]) and poles[2] == pytest.approx(poles[3])


def test_importances_are_shares_and_name_the_feature_that_matters() -> None:
    train = sample()
    shares = small().fit(train.X, train.y, train.coords).importances(train.coords)
    assert shares.shape == (300, 3) and (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (shares.argmax(axis=1) == 0).mean() > 0.95


def test_a_constant_target_and_repeated_places_are_ordinary() -> None:
    train = sample(60)
    constant = small().fit(train.X, np.full(60, 2.5), train.coords)
    np.testing.assert_allclose(constant.predict(train.X, train.coords), 2.5)
    assert (constant.importances(train.coords) == 0).all()
    places = np.repeat(train.coords[:2], 30, axis=0)  # fewer places than anchors
    model = small().fit(train.X, train.y, places)
    assert len(model.anchors_) == 2 and np.isfinite(model.predict(train.X, train.coords)).all()
    single = small().fit(train.X, train.y, np.zeros((60, 2)))
    assert np.isfinite(single.predict(train.X, np.zeros((60, 2)))).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.full((60, 3), np.nan)}, "NaN or infinite"),
        ({"y": np.zeros(59)}, "numbers of samples differ"),
        ({"coords": np.full((60, 2), 95.0)}, "lon, lat"),
        ({"trees": 29}, "trees must be at least 30"),
        ({"anchors": 0}, "anchors must be at least 1"),
        ({"bandwidths": (0.0,)}, "shares of the samples"),
        ({"bandwidths": ()}, "shares of the samples"),
    ],
)
def test_bad_input_is_one_clear_sentence(change: dict[str, Any], message: str) -> None:
    data = sample(60)
    values = {"X": data.X, "y": data.y, "coords": data.coords} | change
    arrays = [values.pop(name) for name in ("X", "y", "coords")]
    with pytest.raises(ValueError, match=message) as caught:
        small(**values).fit(*arrays)
    assert "\n" not in str(caught.value)


def test_bad_input_of_prediction_and_too_few_samples() -> None:
    data = sample(60)
    with pytest.raises(ValueError, match="not fitted"):
        small().predict(data.X, data.coords)
    with pytest.raises(ValueError, match="19 samples are too few"):
        small().fit(data.X[:19], data.y[:19], data.coords[:19])
    model = small(n_jobs=1)
    assert clone(model).get_params() == model.get_params()
    model.fit(data.X, data.y, data.coords)
    with pytest.raises(ValueError, match="has 1 features, but [A-Za-z]* is expecting 3"):
        model.predict(data.X[:, :1], data.coords)
