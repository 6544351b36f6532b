"""Input gradients against finite differences, and the consistency loss against a literal reference."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.dual_branch import DualBranchPlusOptions, DualBranchPlusRegressor
from models.dual_branch.decoder import combined_loss
from models.dual_branch.gradients import decode_with_gradients
from tests.models.dual_branch.test_dual_branch_estimator import (
    ALL,
    N_CELLS,
    PERIOD,
    PLUS,
    SMALL,
    TRAINING,
    first_year,
    make_panel,
    make_target,
    plus,
)

OLD_PREDICTIONS = (0.1630162, 0.1547197, 0.1511507, 0.1823970)
"""Written down before the loss had a third term."""


def double_task(estimator):
    """The estimator's untrained task and its conditions in double precision, with the panel's arrays likewise."""
    panel = make_panel()
    task = estimator.task(panel, make_target(panel), *first_year())
    conditions = task.module.conditions()  # the letter's sparse product has single precision only
    task.module.double().eval()
    for name in ("climate", "static"):
        setattr(task.data, name, getattr(task.data, name).double())
    return task, None if conditions is None else conditions.detach().double()


def sample(task, positions):
    cells, times = (torch.from_numpy(index)[positions] for index in first_year())
    batch = task.data.gather(cells, times)
    placement = tuple(
        part[batch.cells].double() if part.is_floating_point() else part[batch.cells] for part in task.placement
    )
    return batch, placement


@ALL
def test_gradients_equal_central_differences_per_standard_deviation(make):
    task, conditions = double_task(make())
    network = task.module
    batch, placement = sample(task, torch.arange(60, 70))
    decoded, gradients = decode_with_gradients(network, batch, placement, conditions)
    assert gradients.shape == decoded.weights.shape == (10, 5)
    length = batch.windows.shape[1]
    step = (batch.asked if batch.asked is not None else torch.arange(10) * length + length - 1) % length
    with torch.no_grad():
        for index in range(5):
            sides = []
            for sign in (1, -1):
                windows, static = batch.windows.clone(), batch.static.clone()
                if index < 3:
                    windows[torch.arange(10), step, index] += sign * 1e-5 * network.climate_scale[index]
                else:
                    static[:, index - 3] += sign * 1e-5 * network.static_scale[index - 3]
                moved = batch._replace(windows=windows, static=static)
                sides.append(network(moved, placement, conditions).prediction)
            slope = (sides[0] - sides[1]) / 2e-5
            torch.testing.assert_close(gradients[:, index], slope, rtol=1e-5, atol=1e-8)


def test_the_loss_is_that_of_a_literal_loop_over_samples_and_features():
    task, _ = double_task(plus(gradient_consistency_weight=0.7, members=(SMALL,)))
    positions = torch.arange(30, 42)
    batch, placement = sample(task, positions)
    decoded = task.module(batch, placement, None)
    differences = []
    for row in range(len(positions)):
        windows = batch.windows[row : row + 1].clone().requires_grad_()
        one = batch._replace(
            windows=windows, static=batch.static[row : row + 1], steps=batch.steps[row : row + 1], cells=batch.cells[:1]
        )
        prediction = task.module(one, tuple(part[row : row + 1] for part in placement), None).prediction
        (slope,) = torch.autograd.grad(prediction, windows)
        for feature in range(3):
            per_deviation = slope[0, -1, feature] * task.module.climate_scale[feature]
            differences.append((decoded.weights[row, feature] - per_deviation) ** 2)
    expected = combined_loss(decoded, task.target[positions], 1.0, 1.0) + 0.7 * torch.stack(differences).mean()
    placement_of_all = tuple(p.double() if p.is_floating_point() else p for p in task.placement)
    object.__setattr__(task, "placement", placement_of_all)
    torch.testing.assert_close(task.loss(positions).double(), expected, rtol=1e-5, atol=1e-7)


def test_one_way_the_prediction_is_left_alone():
    slopes = {}
    for two_way in (True, False):
        task, _ = double_task(
            plus(
                members=(SMALL,),
                gradient_consistency_weight=1.0,
                gradient_consistency_two_way=two_way,
                prediction_loss_weight=0.0,
                importance_loss_weight=0.0,
            )
        )
        object.__setattr__(task, "placement", tuple(p.double() if p.is_floating_point() else p for p in task.placement))
        task.loss(torch.arange(20)).backward()
        slopes[two_way] = [parameter.grad for parameter in task.module.predictor.parameters()]
        assert any(parameter.grad.abs().max() > 0 for parameter in task.module.explainer.parameters())
    assert any(slope is not None and slope.abs().max() > 0 for slope in slopes[True])
    assert all(slope is None or slope.abs().max() == 0 for slope in slopes[False])


@pytest.mark.parametrize("branches", ["both", "features", "conditions"])
def test_slopes_are_the_gradients_of_the_explained_samples(branches):
    panel = make_panel()
    panel.climate[:, :, 2] = 7  # never varies
    panel.climate[3, 5, 0] = 90  # held at five deviations
    task = plus(branches=branches).task(panel, make_target(panel), *first_year())
    network = task.module.double().eval()
    for name in ("climate", "static"):
        setattr(task.data, name, getattr(task.data, name).double())
    positions = torch.arange(30, 60)
    batch, placement = sample(task, positions)
    explained = torch.tensor([0, 4, 11, 12, 29])  # cell 3, step 5 is the twelfth
    told, gradients = decode_with_gradients(network, batch, placement, None, explained=explained)
    found = network(batch, placement, None, explained, slopes=True)
    assert not found.slopes.requires_grad and found.slopes.shape == (5, 3)
    torch.testing.assert_close(found.slopes, gradients[explained, :3], rtol=1e-9, atol=1e-12)
    assert (found.slopes[:, 2] == 0).all() and found.slopes[2, 0] == 0
    assert bool(found.slopes.abs().max() > 0) is (branches != "conditions")
    for ours, theirs in zip(found[:3], told[:3], strict=True):
        assert torch.equal(ours, theirs)


def test_weight_zero_is_the_old_loss_to_the_bit_and_the_old_numbers():
    panel = make_panel()
    task = plus(members=(SMALL,)).task(panel, make_target(panel), *first_year())
    task.module.eval()
    positions = torch.arange(64)
    batch, _ = sample(task, positions)
    placement = tuple(part[batch.cells] for part in task.placement)
    old = combined_loss(task.module(batch, placement, None), task.target[positions], 1.0, 1.0)
    assert torch.equal(task.loss(positions), old)
    fitted = plus(members=(SMALL, SMALL)).fit(panel, make_target(panel), *first_year())
    cells, times = np.arange(4), np.arange(4) + PERIOD
    np.testing.assert_allclose(fitted.predict(panel, cells, times), OLD_PREDICTIONS, rtol=1e-3)
    assert PLUS.gradient_consistency_weight == 0


@pytest.mark.parametrize(
    "changes",
    [{"gradient_consistency_weight": 1.0}, {"importance_loss_weight": 0.0}, {"importance_loss_weight": 30.0}],
)
@pytest.mark.parametrize("detached", [True, False])
def test_a_detached_importance_branch_leaves_every_prediction_as_it_is(detached, changes):
    panel = make_panel()
    cells, times = first_year(30)  # the other ten are predicted by their neighbours' conditions
    explained, told = [], []
    for settings in ({}, changes):
        estimator = plus(
            importance_detached=detached, gradient_consistency_two_way=False, importance_share=0.5, **settings
        )
        estimator.fit(panel, make_target(panel), cells, times)
        explanation = estimator.explain(panel, *first_year())
        explained.append(explanation.weights)
        told.append(explanation.prediction)
    assert (explained[0] != explained[1]).any()
    assert np.array_equal(told[0], told[1]) is detached


def test_by_default_weights_follow_the_derivatives_and_teach_nothing():
    options = DualBranchPlusOptions()
    assert options.importance_detached and not options.gradient_consistency_two_way
    assert options.gradient_consistency_weight == 10


def test_training_with_the_loss_brings_weights_to_the_gradients():
    panel = make_panel()
    cells, times = first_year()
    mismatch = {}
    for weight in (0.0, 3.0):
        options = replace(PLUS, members=(SMALL,), gradient_consistency_weight=weight)
        fitted = DualBranchPlusRegressor(options, replace(TRAINING, epochs=20, learning_rate=0.01))
        fitted.fit(panel, make_target(panel), cells, times)
        weights = fitted.explain(panel, cells, times).weights[:, :3]
        gradients = fitted.gradients(panel, cells, times)[:, :3]
        assert np.isfinite(gradients).all()
        mismatch[weight] = np.mean((weights - gradients) ** 2) / np.mean(gradients**2)
    assert mismatch[3.0] < 0.5 * mismatch[0.0]


def test_gradients_of_an_ensemble_are_means_and_agree_with_predictions():
    panel = make_panel()
    fitted = plus().fit(panel, make_target(panel), *first_year())
    cells, times = np.arange(N_CELLS), np.full(N_CELLS, PERIOD + 3)
    gradients = fitted.gradients(panel, cells, times)
    scale = fitted._inputs.scaling.climate_scale.numpy()
    climate = panel.climate.copy()
    climate[cells, times, 0] += 0.02 * scale[0]
    rise = fitted.predict(make_panel(climate=climate), cells, times) - fitted.predict(panel, cells, times)
    np.testing.assert_allclose(rise / 0.02, gradients[:, 0], atol=0.02)


def test_a_negative_weight_is_refused():
    with pytest.raises(ValueError, match="gradient_consistency_weight must not be negative"):
        DualBranchPlusOptions(gradient_consistency_weight=-1.0)
