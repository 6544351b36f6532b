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
from models.dual_branch.decoder import ConditionedDecoder
from models.dual_branch.network import DualBranchNetwork
from models.dual_branch.plus_network import DualBranchPlusNetwork, seasonal_basis
from models.training import DevicePanel, held_out, train

N_CELLS, N_TIMES, PERIOD = 40, 24, 12
TRAINING = TrainingOptions(epochs=2, batch_size=64, device="cpu", seed=3)
LETTER = DualBranchOptions(n_nodes=8, k=3, window=3, width=8, heads=2, blocks=1, steps_per_year=PERIOD)
SMALL = MemberOptions(hidden=16)
PLUS = DualBranchPlusOptions(
    gradient_consistency_weight=0.0,
    importance_detached=False,
    rank=4,
    layers=2,
    lags=((1, 2),),
    neighbours=3,
    importance_share=1.0,
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


def windows(**changes):
    return letter(reading="window", **changes)


def plus(**changes):
    return DualBranchPlusRegressor(replace(PLUS, **changes), TRAINING)


BOTH = pytest.mark.parametrize("make", [letter, plus])
ALL = pytest.mark.parametrize("make", [letter, windows, plus])


@BOTH
def test_the_task_is_what_fit_trains(make):
    panel = make_panel()
    task = make().task(panel, make_target(panel), *first_year())
    train(task, TRAINING)
    fitted = make().fit(panel, make_target(panel), *first_year())
    for own, reference in zip(task.module.parameters(), fitted._members[0].parameters(), strict=True):
        assert torch.equal(own, reference)


@ALL
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
    other = DualBranchRegressor if make is plus else DualBranchPlusRegressor
    with pytest.raises(ValueError, match="no dual_branch"):
        other.load(tmp_path / "estimator.pt")


@pytest.mark.parametrize("detached", [True, False])
def test_a_file_of_before_the_branch_was_detached_trains_again_as_it_did(detached, tmp_path):
    panel, path = make_panel(), tmp_path / "estimator.pt"
    samples = (make_target(panel), *first_year())
    estimator = plus(members=(SMALL,), importance_detached=detached).fit(panel, *samples)
    estimator.save(path)
    content = torch.load(path, weights_only=True)
    assert content["options"]["importance_detached"] is detached
    if not detached:  # as an earlier version wrote it
        del content["options"]["importance_detached"]
        torch.save(content, path)
    loaded = DualBranchPlusRegressor.load(path, device="cpu")
    assert loaded.options == estimator.options
    again = DualBranchPlusRegressor(loaded.options, loaded.training).fit(panel, *samples)
    np.testing.assert_array_equal(again.predict(panel, *first_year()), estimator.predict(panel, *first_year()))


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


@pytest.mark.parametrize("patience", [None, 1])
@ALL
def test_a_killed_fit_resumes_to_the_same_numbers(make, patience, tmp_path):
    panel = make_panel()
    target, (cells, times) = make_target(panel), first_year()
    training = replace(TRAINING, epochs=3, patience=patience)
    changes = {"importance_share": 0.5} if make is plus else {}
    estimator, killed, resumed = (make(**changes) for _ in range(3))
    estimator.training = resumed.training = training
    whole = estimator.fit(panel, target, cells, times)
    calls = []

    def kill(progress):
        calls.append(progress)
        if len(calls) == (12 if make is plus else 6):
            raise KeyboardInterrupt

    killed.training = replace(training, checkpoint_seconds=0, progress_seconds=0)
    with pytest.raises(KeyboardInterrupt):
        killed.fit(panel, target, cells, times, checkpoint=tmp_path / "fit.pt", on_progress=kill)
    resumed.fit(panel, target, cells, times, checkpoint=tmp_path / "fit.pt")
    np.testing.assert_array_equal(resumed.predict(panel, cells, times), whole.predict(panel, cells, times))
    for one, other in zip(resumed.results, whole.results, strict=True):
        assert (one.stopped, one.held_out_errors) == (other.stopped, other.held_out_errors)
        assert len(one.held_out_errors) == (0 if patience is None else len(one.epoch_losses))
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
    estimator = windows().fit(panel, make_target(panel), cells, times)
    sample = (np.array([0]), np.array([10]))
    base = estimator.predict(panel, *sample)
    for step, matters in ((7, False), (8, True), (10, True), (11, False)):
        climate = panel.climate.copy()
        climate[0, step] += 1
        changed = estimator.predict(make_panel(climate=climate), *sample)
        assert (changed != base).all() == matters, step


def test_a_series_is_the_whole_year_and_nothing_else():
    panel = make_panel()
    cells, times = first_year()
    estimator = letter().fit(panel, make_target(panel), cells, times)
    sample = (np.array([0, 1]), np.array([PERIOD + 4, PERIOD + 4]))
    base = estimator.predict(panel, *sample)
    for step, matters in ((PERIOD - 1, False), (PERIOD, True), (PERIOD + 4, True), (2 * PERIOD - 1, True)):
        climate = panel.climate.copy()
        climate[0, step] += 1
        changed = estimator.predict(make_panel(climate=climate), *sample)
        assert (changed[0] != base[0]) == matters, step
        assert changed[1] == base[1]


def test_a_series_is_predicted_alike_whichever_of_its_samples_are_asked_for():
    panel = make_panel()
    cells, times = first_year()
    estimator = letter().fit(panel, make_target(panel), cells, times)
    whole = estimator.predict(panel, cells, times)
    order = np.random.default_rng(0).permutation(len(cells))[:50]
    np.testing.assert_allclose(estimator.predict(panel, cells[order], times[order]), whole[order], rtol=1e-5)
    np.testing.assert_allclose(estimator.predict(panel, cells[:1], times[:1]), whole[:1], rtol=1e-5)


def test_a_series_learns_from_its_training_samples_only():
    panel = make_panel()
    target, (cells, times) = make_target(panel), first_year()
    some = np.random.default_rng(0).random(len(cells)) < 0.4
    other = target.copy()
    other[cells[~some], times[~some]] = 1e6
    first = letter().fit(panel, target, cells[some], times[some])
    second = letter().fit(panel, other, cells[some], times[some])
    np.testing.assert_array_equal(first.predict(panel, cells, times), second.predict(panel, cells, times))


def test_the_loss_of_series_is_that_of_their_samples_whatever_their_number():
    panel = make_panel()
    target, (cells, times) = make_target(panel), first_year()
    some = np.random.default_rng(0).random(len(cells)) < 0.4
    estimator = letter()
    task = estimator.task(panel, target, cells[some], times[some])
    task.module.eval()
    whole = float(task.loss(torch.arange(task.n_samples)).detach())
    estimator._inputs, estimator._members = (
        estimator._training_samples(panel, target, cells, times).inputs,
        [task.module],
    )
    explained = estimator.explain(panel, cells[some], times[some])
    truth = target[cells[some], times[some]]
    expected = np.square(explained.prediction - truth).mean() + np.square(explained.interpretable - truth).mean()
    assert whole == pytest.approx(expected, rel=1e-4)
    halves = [float(task.loss(part).detach()) * len(part) for part in torch.arange(task.n_samples).split(7)]
    assert sum(halves) / task.n_samples == pytest.approx(whole, rel=1e-4)


@pytest.mark.parametrize(
    "changes",
    [
        {"layer_norm": False},
        {"embedding_rate": 1.0},
        {"reading": "window"},
        {"importance_origin": "minimum"},
        {"decoder_positions": True},
        {"decoder_positions": True, "reading": "window"},
    ],
)
def test_every_reading_trains_and_reloads(changes, tmp_path):
    panel = make_panel()
    cells, times = first_year()
    estimator = letter(**changes).fit(panel, make_target(panel), cells, times)
    estimator.save(tmp_path / "x.pt")
    np.testing.assert_array_equal(
        DualBranchRegressor.load(tmp_path / "x.pt").predict(panel, cells, times + PERIOD),
        estimator.predict(panel, cells, times + PERIOD),
    )


def test_inputs_of_the_weighted_sum_count_from_their_training_mean_or_minimum():
    panel = make_panel()
    cells, times = first_year()
    for origin in ("mean", "minimum"):
        estimator = letter(importance_origin=origin).fit(panel, make_target(panel), cells, times)
        explained = estimator.explain(panel, cells, times)
        inputs = np.concatenate((panel.climate[cells, times], panel.static[cells]), axis=1).astype(np.float64)
        start = inputs.mean(axis=0) if origin == "mean" else inputs.min(axis=0)
        spread = np.where(inputs.std(axis=0) > 0, inputs.std(axis=0), 1)
        # No value of these inputs is as far out as where they are held.
        sums = (explained.weights * (inputs - start) / spread).sum(axis=1)
        np.testing.assert_allclose(explained.interpretable, sums, rtol=1e-3, atol=1e-3)


def test_positions_let_a_decoder_tell_equal_steps_apart():
    torch.manual_seed(0)
    features, conditions = torch.ones(1, 2, 4, 8), torch.randn(1, 4, 8)
    plain = ConditionedDecoder(8, 2, 2)
    rotated = ConditionedDecoder(8, 2, 2, rotary=True)
    rotated.load_state_dict(plain.state_dict())
    told = [decoder(features, conditions, every_step=True) for decoder in (plain, rotated)]
    assert torch.allclose(told[0][0], told[0][-1], atol=1e-6)  # the same tokens at every step: the same answer
    assert not torch.allclose(told[1][0], told[1][-1], atol=1e-3)
    last = rotated(features, conditions)
    assert torch.allclose(last[0], told[1][-1], atol=1e-6)


@ALL
@pytest.mark.parametrize(("n_cells", "n_steps"), [(N_CELLS, 1), (3, PERIOD), (1, PERIOD)])
def test_few_cells_and_few_steps_run(make, n_cells, n_steps):
    """A cross-section has one step; the letter's windows and graph are larger than such a panel, and so is plus'."""
    whole = make_panel()
    panel = Panel(whole.climate[:, :n_steps], whole.static, whole.lon, whole.lat, whole.step_of_year[:n_steps].copy())
    cells, times = np.divmod(np.arange(n_cells * n_steps), n_steps)
    estimator = make().fit(panel, make_target(panel), cells, times)
    everywhere = np.divmod(np.arange(N_CELLS * n_steps), n_steps)
    assert np.isfinite(estimator.explain(panel, *everywhere).weights).all()


def test_a_single_training_cell_stands_in_for_all_others():
    panel = make_panel()
    cells, times = first_year(n_cells=1)
    network = plus(members=(SMALL,)).fit(panel, make_target(panel), cells, times)._members[0]
    own, neighbours, weights = network.place(panel.lon, panel.lat)
    assert own[0] == 0 and (own[1:] == -1).all()
    assert (neighbours == 0).all()
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(N_CELLS))


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
        if isinstance(network, DualBranchPlusNetwork):
            decoded = network(batch, placement, None, slopes=True)
        else:
            with pytest.raises(NotImplementedError, match="decode_with_gradients"):
                network(batch, placement, network.conditions(), slopes=True)
    assert {part.dtype for part in decoded if part is not None} == {torch.float32}
    assert (decoded.slopes is None) is isinstance(network, DualBranchNetwork)
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
def test_targets_of_the_samples_alone_say_the_same_as_a_whole_panel_of_them(make):
    panel = make_panel()
    target, (cells, times) = make_target(panel), first_year()
    whole, alone = (make().fit(panel, given, cells, times) for given in (target, target[cells, times]))
    np.testing.assert_array_equal(whole.predict(panel, cells, times), alone.predict(panel, cells, times))


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
    with pytest.raises(ValueError, match="target has shape"):
        make().fit(panel, target[cells, times][1:], cells, times)
    missing = target.copy()
    missing[4, 2] = np.nan
    with pytest.raises(ValueError, match="target is NaN, infinite or masked at training cell 4, time 2"):
        make().fit(panel, missing, cells, times)
    with pytest.raises(ValueError, match="step_of_year reaches 12, beyond steps_per_year 6"):
        make(steps_per_year=6).fit(panel, target, cells, times)
    fitted = make().fit(panel, target, cells, times)
    with pytest.raises(ValueError, match="3 climate and 1 static features, the training had 3 and 2"):
        fitted.predict(make_panel(static=panel.static[:, :1]), cells, times)


def test_fewer_cells_lower_nodes_and_neighbours():
    panel = make_panel()
    target, (cells, times) = make_target(panel), first_year()
    assert len(letter(n_nodes=41).fit(panel, target, cells, times)._inputs.location["lon"]) == N_CELLS
    few = plus(members=(SMALL,)).fit(panel, target, cells[: 3 * PERIOD], times[: 3 * PERIOD])._members[0]
    own, neighbours, _ = few.place(panel.lon, panel.lat)
    assert neighbours.shape == (N_CELLS, 2) and all(
        set(row) == {0, 1, 2} - {cell} for cell, row in enumerate(neighbours[:3].tolist())
    )


def test_a_window_longer_than_the_series_repeats_its_first_step():
    panel = make_panel()
    target, (cells, times) = make_target(panel), first_year()
    network = plus(lags=((1, 30),), members=(SMALL,)).fit(panel, target, cells, times)._members[0]
    batch = DevicePanel(panel, 31, torch.device("cpu")).gather(torch.tensor([2]), torch.tensor([5]))
    assert torch.equal(batch.windows[0, :26], torch.from_numpy(panel.climate[2, :1]).expand(26, -1))
    assert torch.equal(batch.windows[0, 25:], torch.from_numpy(panel.climate[2, :6]))
    assert network.options.window == 31


def test_members_of_an_ensemble_are_what_their_options_say():
    panel = make_panel()
    cells, times = first_year()
    members = (
        {"harmonics": 2, "hidden": 8},
        MemberOptions(harmonics=0, season_harmonics=1, hidden=12, weight_decay=0.5),
    )
    estimator = plus(members=members).fit(panel, make_target(panel), cells, times)
    seasonal, constant = estimator._members
    assert (seasonal.own.shape, constant.own.shape) == ((N_CELLS, 5 * PLUS.rank), (N_CELLS, PLUS.rank))
    assert constant.predictor[0].in_features == seasonal.predictor[0].in_features + 2
    assert [network.predictor[0].out_features for network in estimator._members] == [8, 12]
    assert (
        estimator._training_of(0).weight_decay == TRAINING.weight_decay
        and estimator._training_of(1).weight_decay == 0.5
    )
    singles = [estimator.member(number).predict(panel, cells, times) for number in range(2)]
    np.testing.assert_allclose(estimator.predict(panel, cells, times), np.mean(singles, axis=0), rtol=1e-5, atol=1e-6)
    assert not np.allclose(singles[0], singles[1])


def test_a_constant_member_knows_the_season_by_its_input_only():
    panel = make_panel(climate=np.full((N_CELLS, N_TIMES, 3), 5, np.float32) + np.arange(3, dtype=np.float32))
    cells, times = first_year()
    target = make_target(panel)
    for season, differs in ((0, False), (1, True)):
        member = MemberOptions(harmonics=0, season_harmonics=season, hidden=16)
        predicted = plus(members=(member,)).fit(panel, target, cells, times).predict(panel, cells, times)
        assert (np.ptp(predicted.reshape(N_CELLS, PERIOD), axis=1) > 1e-5).all() == differs


def test_an_importance_share_leaves_the_expected_loss_and_spares_the_rest():
    panel = make_panel()
    cells, times = first_year()
    whole = plus(members=(SMALL,)).task(panel, make_target(panel), cells, times)
    part = replace(whole, importance_share=0.25)
    whole.module.eval()  # nothing masked
    positions, asked = torch.arange(whole.n_samples), []
    whole.module.explainer.register_forward_pre_hook(lambda _, given: asked.append(len(given[0])))
    expected = float(whole.loss(positions).detach())
    torch.manual_seed(0)
    drawn = [float(part.loss(positions).detach()) for _ in range(40)]
    assert np.mean(drawn) == pytest.approx(expected, rel=0.03) and np.std(drawn) > 0
    assert asked[0] == whole.n_samples and 0.15 < np.mean(asked[1:]) / whole.n_samples < 0.35


def test_a_patience_holds_a_part_out_and_keeps_the_best_epoch():
    panel = make_panel()
    target, (cells, times) = make_target(panel), first_year()
    aside = held_out(panel, cells, times)
    estimator = letter()
    estimator.training = replace(
        TRAINING, epochs=60, patience=2, schedule="plateau", learning_rate=3e-2, late_learning_rate=1e-3
    )
    estimator.fit(panel, target, cells, times)
    [result] = estimator.results
    error = estimator.predict(panel, cells[aside], times[aside]) - target[cells[aside], times[aside]]
    assert np.sqrt(np.square(error).mean()) == pytest.approx(min(result.held_out_errors), rel=1e-4)
    assert result.stopped == "converged" and len(result.epoch_losses) < 60
    short = letter()
    short.training = replace(TRAINING, epochs=1, patience=2)
    assert short.fit(panel, target, cells, times).results[0].stopped == "budget"
    assert letter().fit(panel, target, cells, times).results[0].stopped == "schedule"


def test_non_finite_loss_stops_the_fit():
    panel = make_panel()
    estimator = DualBranchPlusRegressor(replace(PLUS, members=(SMALL,)), replace(TRAINING, learning_rate=1e30))
    with pytest.raises(FloatingPointError, match="epoch 1, step"):
        estimator.fit(panel, make_target(panel), *first_year())


@pytest.mark.parametrize(
    "change",
    [
        {"k": 0},
        {"reading": "backwards"},
        {"importance_origin": "zero"},
        {"embedding_rate": 0.0},
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
        {"importance_share": 0.0},
        {"members": ({"hidden": 0},)},
        {"members": ({"weight_decay": -1.0},)},
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
        options, SMALL, DualBranchPlusNetwork.prepare(options, panel, *first_year(), seed=0)
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
