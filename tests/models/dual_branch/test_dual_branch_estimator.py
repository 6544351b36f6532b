from dataclasses import replace

import numpy as np
import pytest
import torch

from models.dual_branch import (
    DualBranchOptions,
    DualBranchPlusOptions,
    DualBranchPlusRegressor,
    DualBranchRegressor,
    MemberOptions,
    Panel,
    TrainingOptions,
)
from models.dual_branch.network import DualBranchNetwork
from models.dual_branch.plus_network import DualBranchPlusNetwork, seasonal_basis
from models.training import DevicePanel, train

N_CELLS, N_TIMES, PERIOD = 40, 24, 12
TRAINING = TrainingOptions(epochs=2, batch_size=64, device="cpu", seed=3)
LETTER = DualBranchOptions(n_nodes=8, k=3, window=3, width=8, heads=2, blocks=1, steps_per_year=PERIOD)
SMALL = MemberOptions(hidden=16)
PLUS = DualBranchPlusOptions(
    rank=4,
    layers=2,
    lags=((1, 2),),
    neighbours=3,
    members=(SMALL, replace(SMALL, harmonics=0, season_harmonics=1)),
    steps_per_year=PERIOD,
)


def make_panel(**changes):
    generator = np.random.default_rng(0)
    arrays = {
        "climate": generator.normal(5, 2, (N_CELLS, N_TIMES, 3)).astype(np.float32),
        "static": generator.random((N_CELLS, 2)).astype(np.float32),
        "lon": generator.uniform(-180, 179, N_CELLS),
        "lat": generator.uniform(-70, 70, N_CELLS),
        "step_of_year": np.arange(N_TIMES) % PERIOD + 1,
    }
    return Panel(**arrays | changes)


def make_target(panel):
    """A local slope in the first feature: what the conditions have to find."""
    slope = 1 + np.sin(np.radians(panel.lon))[:, None]
    season = np.cos(2 * np.pi * panel.step_of_year / PERIOD)
    return (slope * (panel.climate[..., 0] - 5) + season + 2).astype(np.float32)


def first_year(n_cells=N_CELLS):
    cells, times = np.divmod(np.arange(n_cells * PERIOD), PERIOD)
    return cells, times


def letter(**changes):
    return DualBranchRegressor(replace(LETTER, **changes), TRAINING)


def plus(**changes):
    return DualBranchPlusRegressor(replace(PLUS, **changes), TRAINING)


BOTH = pytest.mark.parametrize("make", [letter, plus])


@BOTH
def test_the_task_is_what_fit_trains(make):
    panel = make_panel()
    task = make().task(panel, make_target(panel), *first_year())
    train(task, TRAINING)
    fitted = make().fit(panel, make_target(panel), *first_year())
    for own, reference in zip(task.module.parameters(), fitted._members[0].parameters(), strict=True):
        assert torch.equal(own, reference)


@BOTH
def test_fit_predict_explain_save_load(make, tmp_path):
    panel = make_panel()
    target = make_target(panel)
    target[:, PERIOD:] = np.nan  # the second year's target is never looked at
    cells, times = first_year()
    reports = []
    estimator = make().fit(panel, target, cells, times, on_progress=reports.append)
    test = (cells, times + PERIOD)
    explanation = estimator.explain(panel, *test)
    assert explanation.prediction.shape == (len(cells),) and np.isfinite(explanation.prediction).all()
    assert explanation.weights.shape == (len(cells), 5)
    np.testing.assert_array_equal(explanation.prediction, estimator.predict(panel, *test))
    assert reports[-1].epoch == 2 and len(estimator.results[0].epoch_losses) == 2
    estimator.save(tmp_path / "estimator.pt")
    loaded = type(estimator).load(tmp_path / "estimator.pt", device="cpu")
    np.testing.assert_array_equal(loaded.predict(panel, *test), explanation.prediction)
    other = DualBranchPlusRegressor if make is letter else DualBranchRegressor
    with pytest.raises(ValueError, match="no dual_branch"):
        other.load(tmp_path / "estimator.pt")


@BOTH
def test_the_weighted_sum_is_equation_17_on_standardised_inputs(make):
    panel = make_panel()
    cells, times = first_year()
    estimator = make(**({"members": (SMALL,)} if make is plus else {})).fit(panel, make_target(panel), cells, times)
    explanation = estimator.explain(panel, cells, times + PERIOD)
    climate, static = panel.climate[cells, times].astype(float), panel.static[cells].astype(float)
    x = np.concatenate(
        (
            (panel.climate[cells, times + PERIOD] - climate.mean(0)) / climate.std(0),
            (panel.static[cells] - static.mean(0)) / static.std(0),
        ),
        axis=1,
    )
    np.testing.assert_allclose(explanation.interpretable, (explanation.weights * x).sum(axis=1), atol=1e-4)


@BOTH
def test_a_seed_repeats_the_numbers(make):
    panel = make_panel()
    target, (cells, times) = make_target(panel), first_year()
    first = make().fit(panel, target, cells, times).predict(panel, cells, times)
    torch.randn(3)
    np.testing.assert_array_equal(first, make().fit(panel, target, cells, times).predict(panel, cells, times))


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@BOTH
def test_a_seed_repeats_the_numbers_on_two_threads(make, two_threads):
    panel = make_panel()
    target, (cells, times) = make_target(panel), first_year()
    runs = []
    for _ in range(3):  # gradients that are added as threads happen to finish differ within a few runs
        estimator = make()
        estimator.training = replace(TRAINING, epochs=1)
        runs.append(estimator.fit(panel, target, cells, times).predict(panel, cells, times))
    np.testing.assert_array_equal(runs[0], runs[1])
    np.testing.assert_array_equal(runs[0], runs[2])


@BOTH
def test_a_killed_fit_resumes_to_the_same_numbers(make, tmp_path):
    panel = make_panel()
    target, (cells, times) = make_target(panel), first_year()
    whole = make().fit(panel, target, cells, times).predict(panel, cells, times)
    calls = []

    def kill(progress):
        calls.append(progress)
        if len(calls) == 12 or (make is letter and len(calls) == 6):
            raise KeyboardInterrupt

    killed = make()
    killed.training = replace(TRAINING, checkpoint_seconds=0, progress_seconds=0)
    with pytest.raises(KeyboardInterrupt):
        killed.fit(panel, target, cells, times, checkpoint=tmp_path / "fit.pt", on_progress=kill)
    resumed = make().fit(panel, target, cells, times, checkpoint=tmp_path / "fit.pt")
    np.testing.assert_array_equal(resumed.predict(panel, cells, times), whole)
    with pytest.raises(ValueError, match="belongs to another training"):
        make().fit(panel, target + 1, cells, times, checkpoint=tmp_path / "fit.pt")


def test_plus_learns_local_slopes():
    panel = make_panel()
    cells, times = first_year()
    target = make_target(panel)
    estimator = DualBranchPlusRegressor(
        replace(PLUS, members=(MemberOptions(hidden=32, harmonics=1),), lags=()),
        TrainingOptions(epochs=80, batch_size=48, learning_rate=5e-3, schedule="one_cycle"),
    ).fit(panel, target, cells, times)
    error = estimator.predict(panel, cells, times + PERIOD) - target[cells, times + PERIOD]
    assert np.sqrt(np.square(error).mean()) < 0.35 * target[:, PERIOD:].std()


def test_letter_learns():
    panel = make_panel()
    cells, times = first_year()
    target = make_target(panel)
    estimator = DualBranchRegressor(
        LETTER, replace(TRAINING, epochs=40, decay_after=40, learning_rate=3e-3, batch_size=48)
    )
    estimator.fit(panel, target, cells, times)
    losses = estimator.results[0].epoch_losses
    assert losses[-1] < 0.25 * losses[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"attention": "softmax"},
        {"geometry": "plane"},
        {"learned_adjacency": True},
        {"branches": "features"},
        {"branches": "conditions"},
        {"n_nodes": N_CELLS},
        {"blocks": 0},
        {"prediction_loss_weight": 0.0},
        {"importance_loss_weight": 0.0},
    ],
)
def test_every_ablation_trains_and_reloads(changes, tmp_path):
    panel = make_panel()
    cells, times = first_year()
    estimator = letter(**changes).fit(panel, make_target(panel), cells, times)
    predicted = estimator.predict(panel, cells, times + PERIOD)
    estimator.save(tmp_path / "x.pt")
    np.testing.assert_array_equal(
        DualBranchRegressor.load(tmp_path / "x.pt").predict(panel, cells, times + PERIOD), predicted
    )
    assert np.isfinite(predicted).all()


def test_branches_see_only_what_they_should():
    panel = make_panel()
    cells, times = first_year()
    target = make_target(panel)
    moved = make_panel(climate=panel.climate + 1)
    conditions = letter(branches="conditions").fit(panel, target, cells, times)
    np.testing.assert_array_equal(conditions.predict(panel, cells, times), conditions.predict(moved, cells, times))
    features = letter(branches="features").fit(panel, target, cells, times)
    elsewhere = make_panel(lon=np.roll(panel.lon, 1), lat=np.roll(panel.lat, 1))
    np.testing.assert_array_equal(features.predict(panel, cells, times), features.predict(elsewhere, cells, times))


@pytest.mark.parametrize("changes", [{"branches": "features"}, {"branches": "conditions"}, {"condition_groups": 6}])
def test_every_ablation_of_plus_trains_and_reloads(changes, tmp_path):
    panel = make_panel()
    cells, times = first_year()
    estimator = plus(**changes).fit(panel, make_target(panel), cells, times)
    predicted = estimator.predict(panel, cells, times + PERIOD)
    estimator.save(tmp_path / "x.pt")
    loaded = DualBranchPlusRegressor.load(tmp_path / "x.pt")
    np.testing.assert_array_equal(loaded.predict(panel, cells, times + PERIOD), predicted)
    assert np.isfinite(predicted).all()


def test_branches_of_plus_see_only_what_they_should():
    panel = make_panel()
    cells, times = first_year()
    target = make_target(panel)
    moved = make_panel(climate=panel.climate + 1)
    conditions = plus(branches="conditions").fit(panel, target, cells, times)
    np.testing.assert_array_equal(conditions.predict(panel, cells, times), conditions.predict(moved, cells, times))
    features = plus(branches="features").fit(panel, target, cells, times)
    elsewhere = make_panel(lon=np.roll(panel.lon, 1), lat=np.roll(panel.lat, 1))
    np.testing.assert_array_equal(features.predict(panel, cells, times), features.predict(elsewhere, cells, times))
    other_land = make_panel(static=panel.static + 1)
    assert not np.array_equal(features.predict(panel, cells, times), features.predict(other_land, cells, times))


def test_cells_of_one_group_share_their_condition():
    panel = make_panel(static=np.zeros((N_CELLS, 0), np.float32))
    cells, times = first_year()
    estimator = plus(condition_groups=6).fit(panel, make_target(panel), cells, times)
    network = estimator._members[0]
    own = network.place(panel.lon, panel.lat)[0].numpy()
    assert set(own) == set(range(6)) and len(network.own) == 6
    alike = make_panel(static=panel.static, climate=np.repeat(panel.climate[:1], N_CELLS, axis=0))
    predicted = estimator.predict(alike, cells, times).reshape(N_CELLS, PERIOD)
    for group in range(6):
        assert np.ptp(predicted[own == group], axis=0).max() < 1e-5
    assert len(np.unique(predicted[:, 0].round(4))) == 6


def test_the_window_reaches_back_and_no_further():
    panel = make_panel()
    cells, times = first_year()
    estimator = letter().fit(panel, make_target(panel), cells, times)
    sample = (np.array([0]), np.array([10]))
    base = estimator.predict(panel, *sample)
    for step, matters in ((7, False), (8, True), (10, True), (11, False)):
        climate = panel.climate.copy()
        climate[0, step] += 1
        changed = estimator.predict(make_panel(climate=climate), *sample)
        assert (changed != base).all() == matters, step


@BOTH
def test_samples_before_a_full_window_are_predicted(make):
    panel = make_panel()
    cells, times = first_year()
    estimator = make().fit(panel, make_target(panel), cells, times)
    assert np.isfinite(estimator.predict(panel, np.arange(N_CELLS), np.zeros(N_CELLS, int))).all()


@BOTH
def test_cells_unseen_in_training_are_predicted_by_place(make):
    panel = make_panel()
    cells, times = first_year(n_cells=30)
    estimator = make().fit(panel, make_target(panel), cells, times)
    unseen = np.repeat(np.arange(30, N_CELLS), PERIOD)
    predicted = estimator.predict(panel, unseen, np.tile(np.arange(PERIOD), 10))
    assert np.isfinite(predicted).all()
    # A cell is known by where it is, not by its index in the panel.
    part = Panel(panel.climate[30:], panel.static[30:], panel.lon[30:], panel.lat[30:], panel.step_of_year)
    again = estimator.predict(part, unseen - 30, np.tile(np.arange(PERIOD), 10))
    np.testing.assert_allclose(again, predicted, rtol=1e-6)


def test_neighbours_stand_in_for_unseen_cells_by_inverse_distance():
    panel = make_panel()
    cells, times = first_year(n_cells=30)
    estimator = plus(members=(SMALL,)).fit(panel, make_target(panel), cells, times)
    network = estimator._members[0]
    own, neighbours, weights = network.place(panel.lon, panel.lat)
    assert own[:30].tolist() == list(range(30)) and (own[30:] == -1).all()
    assert all(cell not in row for cell, row in enumerate(neighbours[:30].tolist()))
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(N_CELLS))
    data = DevicePanel(panel, PLUS.window, torch.device("cpu"))
    at = torch.arange(28, 32)
    batch = data.gather(at, torch.full((4,), 5))
    _, static = network.standardise(batch)
    basis = seasonal_basis(PERIOD, SMALL.harmonics)[5]
    with torch.no_grad():
        conditions = network._condition(static, batch.steps[:, -1], own[at], neighbours[at], weights[at])
        for row, cell in enumerate(at.tolist()):
            mixed = (
                network.own[cell]
                if cell < 30
                else sum(w * network.own[n] for n, w in zip(neighbours[cell], weights[cell], strict=True))
            )
            table = (mixed + network.from_static(static[row])).view(len(basis), PLUS.rank)
            torch.testing.assert_close(conditions[row], basis @ table, rtol=1e-4, atol=1e-6)


def test_masking_happens_in_training_only():
    panel = make_panel()
    cells, times = first_year()
    network = plus(members=(SMALL,), masked_share=0.5).fit(panel, make_target(panel), cells, times)._members[0]
    own, neighbours, weights = network.place(panel.lon, panel.lat)
    static, steps = torch.zeros(N_CELLS, 2), torch.zeros(N_CELLS, dtype=torch.int64)
    with torch.no_grad():
        plain = network._condition(static, steps, own, neighbours, weights)
        masked = network.train()._condition(static, steps, own, neighbours, weights)
    changed = (plain != masked).any(dim=1).float().mean()
    assert 0.2 < changed < 0.8


def test_a_location_is_the_nearest_node_across_the_date_line():
    panel = make_panel()
    inputs = DualBranchNetwork.prepare(LETTER, panel, *first_year(), seed=0)
    for name, nodes in (("lon", [-179.0, 100.0, 0.0]), ("lat", [0.0, 0.0, 0.0])):
        inputs.location[name] = torch.tensor(nodes, dtype=torch.float64)
    east = (np.array([179.5]), np.array([0.0]))
    assert DualBranchNetwork(LETTER, inputs).place(*east)[0].tolist() == [0]
    assert DualBranchNetwork(replace(LETTER, geometry="plane"), inputs).place(*east)[0].tolist() == [1]


@BOTH
def test_a_feature_constant_in_training_has_no_say_there(make):
    panel = make_panel()
    panel.climate[:, :PERIOD, 1] = 7.0
    panel.static[:, 1] = 0.0  # a land-cover class that no cell has
    cells, times = first_year()
    estimator = make().fit(panel, make_target(panel), cells, times)
    assert np.isfinite(estimator.predict(panel, cells, times + PERIOD)).all()
    scaling = estimator._inputs.scaling
    assert scaling.climate_scale[1] == 1 and scaling.static_scale[1] == 1


@BOTH
def test_the_mixed_precision_of_a_gpu_runs_and_stays_close(make):
    panel = make_panel()
    target, (cells, times) = make_target(panel), first_year()
    full, mixed = make(), make()
    mixed.training = replace(TRAINING, precision="bfloat16")
    expected = full.fit(panel, target, cells, times).predict(panel, cells, times)
    predicted = mixed.fit(panel, target, cells, times).predict(panel, cells, times)
    assert predicted.dtype == np.float32
    assert np.sqrt(np.square(predicted - expected).mean()) < 0.1 * target.std()


@BOTH
def test_outputs_and_lstm_are_float32_under_autocast(make):
    panel = make_panel()
    task = make().task(panel, make_target(panel), *first_year())
    network, seen = task.module, []
    if isinstance(network, DualBranchNetwork):
        memory = network.condition_encoder.memory
        memory.register_forward_pre_hook(
            lambda _, given: seen.append((given[0].dtype, torch.is_autocast_enabled("cpu")))
        )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        batch = task.data.gather(torch.arange(5), torch.full((5,), 9))
        placement = tuple(part[batch.cells] for part in task.placement)
        decoded = network(batch, placement, network.conditions())
    assert {part.dtype for part in decoded} == {torch.float32}
    assert (decoded.prediction.bfloat16() != decoded.prediction).any()  # not rounded before, either
    assert set(seen) == ({(torch.float32, False)} if isinstance(network, DualBranchNetwork) else set())


@BOTH
def test_a_prediction_keeps_no_weights_and_is_the_explained_one(make):
    panel = make_panel()
    cells, times = first_year()
    fitted = make().fit(panel, make_target(panel), cells, times)
    explained = fitted.explain(panel, cells, times)
    np.testing.assert_array_equal(fitted.predict(panel, cells, times), explained.prediction)
    fitted.explain = None
    assert fitted.predict(panel, cells, times).shape == (len(cells),)


@BOTH
def test_no_static_features_at_all_are_fine(make):
    panel = make_panel(static=np.zeros((N_CELLS, 0), np.float32))
    cells, times = first_year()
    estimator = make().fit(panel, make_target(panel), cells, times)
    assert estimator.explain(panel, cells, times).weights.shape == (len(cells), 3)


@BOTH
def test_bad_input_is_a_clear_error(make):
    panel = make_panel()
    target, (cells, times) = make_target(panel), first_year()
    with pytest.raises(ValueError, match="not fitted"):
        make().predict(panel, cells, times)
    with pytest.raises(ValueError, match="nothing to save"):
        make().save("never.pt")
    with pytest.raises(ValueError, match="target has shape"):
        make().fit(panel, target[:, 1:], cells, times)
    missing = target.copy()
    missing[4, 2] = np.nan
    with pytest.raises(ValueError, match="target is NaN or infinite at training cell 4, time 2"):
        make().fit(panel, missing, cells, times)
    with pytest.raises(ValueError, match="step_of_year reaches 12, beyond steps_per_year 6"):
        make(steps_per_year=6).fit(panel, target, cells, times)
    fitted = make().fit(panel, target, cells, times)
    with pytest.raises(ValueError, match="3 climate and 1 static features, the training had 3 and 2"):
        fitted.predict(make_panel(static=panel.static[:, :1]), cells, times)


def test_more_nodes_than_cells_and_too_long_windows_are_refused():
    panel = make_panel()
    target, (cells, times) = make_target(panel), first_year()
    with pytest.raises(ValueError, match="41 nodes, but the training part has only 40 cells"):
        letter(n_nodes=41).fit(panel, target, cells, times)
    with pytest.raises(ValueError, match="The window has 25 steps, but the series only 24"):
        letter(window=25).fit(panel, target, cells, times)
    with pytest.raises(ValueError, match="The window has 31 steps"):
        plus(lags=((1, 30),)).fit(panel, target, cells, times)
    with pytest.raises(ValueError, match="3 neighbours are to stand in"):
        plus().fit(panel, target, cells[: 3 * PERIOD], times[: 3 * PERIOD])


def test_non_finite_loss_stops_the_fit():
    panel = make_panel()
    estimator = DualBranchPlusRegressor(replace(PLUS, members=(SMALL,)), replace(TRAINING, learning_rate=1e30))
    with pytest.raises(FloatingPointError, match="epoch 1, step"):
        estimator.fit(panel, make_target(panel), *first_year())


@pytest.mark.parametrize(
    "change",
    [
        {"k": 8},
        {"k": 0},
        {"width": 6},
        {"sigma": 0.0},
        {"geometry": "torus"},
        {"attention": "none"},
        {"branches": "none"},
        {"window": 0},
        {"convolution_reach": -1},
    ],
)
def test_letter_options_out_of_range_are_refused(change):
    with pytest.raises(ValueError):
        replace(LETTER, **change)


@pytest.mark.parametrize(
    "change",
    [
        {"rank": 0},
        {"masked_share": 1.0},
        {"lags": ((2, 1),)},
        {"members": ({"harmonics": -1},)},
        {"members": ()},
        {"condition_groups": 3},
        {"branches": "none"},
    ],
)
def test_plus_options_out_of_range_are_refused(change):
    with pytest.raises(ValueError):
        replace(PLUS, **change)


def test_the_seasonal_basis_is_orthogonal_over_the_year():
    basis = seasonal_basis(46, 3)
    assert basis.shape == (46, 7)
    torch.testing.assert_close(basis.T @ basis, torch.diag(torch.tensor([46.0] + [23.0] * 6)), atol=1e-3, rtol=0)


def test_plus_lags_are_means_of_earlier_steps():
    panel = make_panel()
    options = replace(PLUS, lags=((1, 1), (2, 4)), rank=2)
    network = DualBranchPlusNetwork(
        options, DualBranchPlusNetwork.prepare(options, panel, *first_year(), seed=0)
    ).eval()
    seen = []
    network.predictor.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0]))
    data = DevicePanel(panel, options.window, torch.device("cpu"))
    batch = data.gather(torch.tensor([3]), torch.tensor([9]))
    place = tuple(part[batch.cells] for part in network.place(panel.lon, panel.lat))
    network(batch, place, None)
    windows = network.standardise(batch)[0]
    assert options.window == 5
    torch.testing.assert_close(seen[0][:, 3:6], windows[:, 3])
    torch.testing.assert_close(seen[0][:, 6:9], windows[:, 0:3].mean(dim=1))


@BOTH
def test_a_variable_that_is_constant_in_training_has_no_weight_and_no_derivative(make):
    panel = make_panel()
    climate, static = panel.climate.copy(), panel.static.copy()
    climate[:, :PERIOD, 1], static[:, 0] = 4, 0.5
    climate[:, PERIOD:, 1] = 100
    panel = make_panel(climate=climate, static=static)
    cells, times = first_year()
    estimator = make().fit(panel, make_target(panel), cells, times)
    for when in (times, times + PERIOD):
        constant = [1, 3]
        assert np.abs(estimator.explain(panel, cells, when).weights[:, constant]).max() == 0
        assert np.abs(estimator.gradients(panel, cells, when)[:, constant]).max() == 0
        assert np.abs(estimator.gradients(panel, cells, when)[:, [0, 2, 4]]).max() > 0
