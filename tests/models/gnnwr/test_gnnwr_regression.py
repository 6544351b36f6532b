"""GNNWR and GTNNWR as estimators: what they learn, that they resume and repeat, and what they refuse."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone

from models.gnnwr import GNNWR, GTNNWR
from models.gnnwr.least_squares import LeastSquares
from models.inputs import HELD_DEVIATIONS
from models.training import Progress

SMALL: dict[str, Any] = {"landmarks": 32, "hidden": (32,), "updates": 400, "batch_size": 64, "device": "cpu"}
QUICK = SMALL | {"updates": 40}


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make(n: int, seed: int = 0, noise: float = 0.2) -> SimpleNamespace:
    """A slope that changes its sign from west to east, one that does not vary, and a sloping intercept."""
    rng = np.random.default_rng(seed)
    coords, X = rng.uniform(0, 10, (n, 2)), rng.normal(size=(n, 2))
    varying = 2 * np.cos(coords[:, 0] * np.pi / 10) + 0.3
    intercept = 3 + 0.3 * coords[:, 1]
    y = intercept + varying * X[:, 0] - X[:, 1] + noise * rng.normal(size=n)
    return SimpleNamespace(X=X, y=y, coords=coords, varying=varying, times=rng.uniform(0, 46, n))


def rmse(one: Any, other: Any) -> float:
    return float(np.sqrt(np.mean((one - other) ** 2)))


def test_before_training_it_is_ordinary_least_squares(monkeypatch: pytest.MonkeyPatch) -> None:
    data = make(80)
    monkeypatch.setattr("models.gnnwr.base.train", lambda *_, **__: None)
    model = GNNWR(**QUICK, ridge=1e-12).fit(data.X, data.y, data.coords)
    beta = np.linalg.lstsq(np.column_stack([np.ones(80), data.X]), data.y, rcond=None)[0]
    np.testing.assert_allclose(model.coefficients(data.coords), np.tile(beta, (80, 1)), rtol=1e-6)
    np.testing.assert_allclose(model.predict(data.X, data.coords), beta[0] + data.X @ beta[1:], rtol=1e-6)


def test_it_recovers_a_coefficient_that_varies_in_space_also_where_it_saw_no_sample() -> None:
    data, unseen = make(400), make(300, seed=1)
    model = GNNWR(**SMALL).fit(data.X, data.y, data.coords)
    prediction = model.predict(unseen.X, unseen.coords)
    beta = np.linalg.lstsq(np.column_stack([np.ones(400), data.X]), data.y, rcond=None)[0]
    assert rmse(prediction, unseen.y) < 0.5 * rmse(beta[0] + unseen.X @ beta[1:], unseen.y)
    local = model.coefficients(unseen.coords)
    assert np.corrcoef(local[:, 1], unseen.varying)[0, 1] > 0.95
    clear = np.abs(unseen.varying) > 0.5
    assert (np.sign(local[clear, 1]) == np.sign(unseen.varying[clear])).mean() > 0.95
    assert np.abs(local[:, 2] + 1).mean() < 0.2  # a coefficient that does not vary stays
    within = model.coefficients(data.coords)  # at the training rows no feature is out of reach
    fitted = (np.column_stack([np.ones(400), data.X]) * within).sum(axis=1)
    np.testing.assert_allclose(fitted, model.predict(data.X, data.coords), rtol=1e-9)


def test_gtnnwr_recovers_a_season() -> None:
    data, unseen = make(1500), make(300, seed=1)
    for part in (data, unseen):
        part.season = np.cos(2 * np.pi * part.times / 46)
        part.y = part.y + part.season * (2 + part.X[:, 1])
    model = GTNNWR(**SMALL | {"updates": 1200}, period=46.0).fit(data.X, data.y, data.coords, data.times)
    still = GNNWR(**SMALL).fit(data.X, data.y, data.coords)
    error = rmse(model.predict(unseen.X, unseen.coords, unseen.times), unseen.y)
    assert error < 0.6 * rmse(still.predict(unseen.X, unseen.coords), unseen.y)
    assert np.corrcoef(model.coefficients(unseen.coords, unseen.times)[:, 2], unseen.season)[0, 1] > 0.9
    once_more = model.predict(unseen.X, unseen.coords, unseen.times + 46)
    assert rmse(once_more, model.predict(unseen.X, unseen.coords, unseen.times)) < 1e-4


def test_the_same_seed_gives_the_same_numbers_and_another_one_others() -> None:
    data = make(60)
    state = torch.get_rng_state()
    fits = [GNNWR(**QUICK, seed=seed).fit(data.X, data.y, data.coords) for seed in (0, 0, 1)]
    first, again, other = (model.predict(data.X, data.coords) for model in fits)
    np.testing.assert_array_equal(first, again)
    assert rmse(first, other) > 1e-4
    assert torch.equal(torch.get_rng_state(), state)  # the caller's random numbers are untouched


@pytest.mark.parametrize("kind", [GNNWR, GTNNWR])
def test_a_stopped_training_goes_on_to_the_same_numbers(kind: Any, tmp_path: Path) -> None:
    data = make(70)
    where = (data.coords,) if kind is GNNWR else (data.coords, data.times)
    expected = kind(**QUICK).fit(data.X, data.y, *where).predict(data.X, *where)
    path = tmp_path / "training.pt"

    def stop(report: Progress) -> None:
        if report.epoch == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kind(**QUICK).fit(data.X, data.y, *where, checkpoint=path, on_progress=stop)
    resumed = kind(**QUICK).fit(data.X, data.y, *where, checkpoint=path)
    np.testing.assert_array_equal(resumed.predict(data.X, *where), expected)
    done = kind(**QUICK).fit(data.X, data.y, *where, checkpoint=path)  # nothing is left to train
    np.testing.assert_array_equal(done.predict(data.X, *where), expected)
    assert done.training_result_.samples_per_second == 0
    for change, target in (({"ridge": 0.5}, data.y), ({}, data.y + 1)):
        with pytest.raises(ValueError, match="belongs to another training"):
            kind(**QUICK | change).fit(data.X, target, *where, checkpoint=path)


def test_nothing_is_written_without_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = make(30)
    GNNWR(**QUICK).fit(data.X, data.y, data.coords)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rows", [2, 3, 33, 65, 129])
def test_any_number_of_rows_trains(rows: int) -> None:
    """129 = 2 · 64 + 1: a batch of a single row has no statistics for batch normalisation."""
    data = make(rows)
    model = GNNWR(**QUICK | {"batch_size": 32}).fit(data.X, data.y, data.coords)
    assert np.isfinite(model.predict(data.X, data.coords)).all()


@pytest.mark.parametrize(("rows", "updates"), [(100, 400), (5000, 400), (300_000, 4000), (300_000, 1)])
def test_the_number_of_updates_is_about_what_was_asked_for_and_at_least_one_pass(rows: int, updates: int) -> None:
    options, passes = GNNWR(updates=updates)._schedule(rows)
    done = options.epochs * passes * rows / options.batch_size
    one_pass = rows / options.batch_size
    assert done == pytest.approx(max(updates, one_pass), rel=0.3)
    assert options.epochs <= 10  # each ends with a checkpoint on disk


def test_fewer_rows_than_columns_constant_and_repeated_columns_and_one_place_twice() -> None:
    data, rng = make(40), np.random.default_rng(0)
    wide = GNNWR(**QUICK).fit(rng.normal(size=(8, 20)), data.y[:8], data.coords[:8])
    assert np.isfinite(wide.coefficients(data.coords)).all()
    X = np.column_stack([data.X, data.X[:, 0], np.full(40, 7.3)])
    coords = np.vstack([data.coords[:20]] * 2)
    model = GNNWR(**QUICK).fit(X, data.y, coords)
    local = model.coefficients(coords)
    assert np.isfinite(local).all() and np.abs(local[:, 4]).max() == 0  # a constant column has no slope
    np.testing.assert_allclose(local[:20], local[20:])
    assert np.isfinite(GNNWR(**QUICK).fit(data.X, np.full(40, 2.0), np.zeros((40, 2))).predict(X[:, :2], coords)).all()


def test_the_global_fit_shares_collinear_columns_and_holds_features_in_reach() -> None:
    data = make(50)
    fit = LeastSquares.fit(np.column_stack([data.X, data.X[:, 0]]), data.y, ridge=1e-6, reach=1.0)
    assert fit.coefficients[1] == pytest.approx(fit.coefficients[3], rel=1e-6)
    far = fit.design(np.array([[1e6, -1e6, 0.0]]))[0]
    assert far[1] == pytest.approx(fit.high[0]) and far[2] == pytest.approx(fit.low[1]) and far[0] == 1
    free = LeastSquares.fit(np.column_stack([data.X, np.ones(50)]), data.y, ridge=1e-6, reach=np.inf)
    assert free.design(np.array([[1e6, 0.0, 9.0]]))[0, [1, 3]].tolist() == [HELD_DEVIATIONS, 0]


@pytest.mark.parametrize("ridge", [0.01, 0.3])
def test_the_ridge_shrinks_each_direction_by_its_eigenvalue_over_itself_and_the_ridge(ridge: float) -> None:
    rng = np.random.default_rng(0)
    # Three columns of deviation 1 that are uncorrelated to the last digit, within the 5 deviations.
    orthogonal = np.linalg.qr(np.column_stack([np.ones(400), rng.uniform(-1, 1, (400, 3))]))[0][:, 1:] * 20
    target = 7 + orthogonal @ [1.0, -2.0, 0.5]
    slopes = LeastSquares.fit(orthogonal, target, ridge, reach=1.0).coefficients
    assert slopes[0] == pytest.approx(target.mean())  # the intercept is free
    np.testing.assert_allclose(slopes[1:], np.array([1.0, -2.0, 0.5]) / (1 + ridge), rtol=1e-9)
    if ridge == 0.3:  # the registered one: by 23 %
        assert 1 - slopes[1] == pytest.approx(0.2308, abs=1e-4)
    # Of m equal columns the slopes are equal, and their sum shrinks as one direction of eigenvalue m.
    for m in (2, 5):
        equal = LeastSquares.fit(np.repeat(orthogonal[:, :1], m, axis=1), orthogonal[:, 0], ridge, reach=1.0)
        np.testing.assert_allclose(equal.coefficients[1:], 1 / (m + ridge), rtol=1e-9)


def test_places_on_the_globe_are_the_same_whatever_their_longitude_is_called() -> None:
    data = make(60)
    lon, lat = data.coords[:, 0] * 4 + 160, data.coords[:, 1] * 18 - 90
    fits = [
        GNNWR(**QUICK, distance="great_circle")
        .fit(data.X, data.y, np.column_stack([east, lat]))
        .predict(data.X, np.column_stack([lon, lat]))
        for east in (lon, np.where(lon > 180, lon - 360, lon))
    ]
    assert rmse(fits[0], fits[1]) < 1e-3 * np.std(fits[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.full((30, 2), np.nan)}, "NaN or infinite"),
        ({"y": np.full(30, np.inf)}, "NaN or infinite"),
        ({"y": np.zeros(29)}, "numbers of samples differ"),
        ({"coords": np.zeros((30, 3))}, "two columns"),
        ({"X": np.zeros((1, 2)), "y": [1.0], "coords": [[0.0, 0.0]]}, "1 sample"),
        ({"distance": "manhattan"}, "distance must be one of"),
        ({"distance": "great_circle", "coords": np.full((30, 2), 95.0)}, "lon, lat"),
        ({"landmarks": 0}, "landmarks is 0"),
        ({"updates": 0}, "updates is 0"),
        ({"batch_size": 1}, "at least 2"),
        ({"ridge": 0.0}, "ridge is 0.0; it must be positive"),
        ({"reach": -1.0}, "reach is -1.0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"hidden": ()}, "at least one layer"),
        ({"learning_rate": -1.0}, "must be positive"),
    ],
)
def test_bad_input_is_one_clear_sentence(change: dict[str, Any], message: str) -> None:
    data = make(30)
    values = {"X": data.X, "y": data.y, "coords": data.coords} | QUICK | change
    arrays = [values.pop(name) for name in ("X", "y", "coords")]
    with pytest.raises(ValueError, match=message) as caught:
        GNNWR(**values).fit(*arrays)
    assert "\n" not in str(caught.value)


def test_bad_input_of_prediction_and_time() -> None:
    data = make(30)
    with pytest.raises(ValueError, match="not fitted"):
        GNNWR().predict(data.X, data.coords)
    model = GNNWR(**QUICK).fit(data.X, data.y, data.coords)
    with pytest.raises(ValueError, match="has 1 features, but [A-Za-z]* is expecting 2"):
        model.predict(data.X[:, :1], data.coords)
    with pytest.raises(ValueError, match="numbers of samples differ"):
        model.predict(data.X[:5], data.coords)
    with pytest.raises(ValueError, match="numbers of samples differ"):
        GTNNWR(**QUICK).fit(data.X, data.y, data.coords, data.times[:5])
    with pytest.raises(ValueError, match="period"):
        GTNNWR(**QUICK, period=0.0).fit(data.X, data.y, data.coords, data.times)
    with pytest.raises(ValueError, match="proximity_width"):
        GTNNWR(**QUICK, proximity_width=0).fit(data.X, data.y, data.coords, data.times)


def test_shape_of_a_scikit_learn_estimator() -> None:
    data = make(60)
    for model, where in ((GNNWR(**QUICK), (data.coords,)), (GTNNWR(**QUICK), (data.coords, data.times))):
        assert clone(model).get_params() == model.get_params()
        model.fit(data.X, data.y[:, None], *where)
        residual = data.y - model.predict(data.X, *where)
        assert model.score(data.X, data.y, *where) == pytest.approx(1 - residual.var() / data.y.var(), abs=0.05)
