"""How targets are told to the networks, and what comes back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.dual_branch.target import TargetScaling
from tests.models.dual_branch.test_dual_branch_estimator import (
    TRAINING,
    first_year,
    letter,
    make_panel,
    make_target,
    plus,
)

BOTH = pytest.mark.parametrize("make", [letter, plus])


def values(mean, deviation, n=500):
    draws = np.random.default_rng(0).normal(size=n)
    return (mean + deviation * (draws - draws.mean()) / draws.std()).astype(np.float32)


@pytest.mark.parametrize(("mean", "deviation"), [(3.4, 3.3), (0.0, 0.2), (-0.9, 2.2), (10.0, 9.0)])
def test_a_target_about_as_large_as_a_network_s_outputs_stays_as_it_is(mean, deviation):
    told = TargetScaling.of(values(mean, deviation))
    assert told == TargetScaling(0.0, 1.0)
    np.testing.assert_array_equal(told.standardise(values(mean, deviation)), values(mean, deviation))
    np.testing.assert_array_equal(told.restore(values(mean, deviation)), values(mean, deviation))


@pytest.mark.parametrize(("mean", "deviation"), [(1e5, 3e4), (10.9, 5.7), (0.0, 0.01), (300.0, 1.0), (-44.0, 23.0)])
def test_any_other_is_standardised_and_comes_back_in_its_unit(mean, deviation):
    given = values(mean, deviation)
    told = TargetScaling.of(given)
    learned = told.standardise(given)
    assert abs(learned.mean()) < 1e-5 and learned.std() == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(told.restore(learned), given, rtol=1e-6, atol=1e-6 * deviation)
    np.testing.assert_allclose(told.restore_slopes(learned), given - told.mean, rtol=1e-4, atol=1e-5 * deviation)


def test_a_constant_target_is_told_as_zero():
    told = TargetScaling.of(np.full(9, 273.15, np.float32))
    assert not told.standardise(np.full(9, 273.15, np.float32)).any() and told.scale == 1
    np.testing.assert_array_equal(told.restore(np.zeros(9)), np.full(9, 273.15, np.float32))


@BOTH
def test_everything_that_an_estimator_says_is_in_the_target_s_unit(make, tmp_path):
    panel, samples = make_panel(), first_year()
    target = make_target(panel)
    target = (target - target[samples].mean()) / target[samples].std()
    own = make().fit(panel, target, *samples)
    large = make().fit(panel, 4096 * target + 2.0**17, *samples)  # powers of two leave little to rounding
    plain, scaled = own.explain(panel, *samples), large.explain(panel, *samples)
    np.testing.assert_allclose(scaled.prediction, 4096 * plain.prediction + 2.0**17, atol=40)
    np.testing.assert_allclose(scaled.weights, 4096 * plain.weights, atol=40)
    np.testing.assert_allclose(scaled.interpretable, 4096 * plain.interpretable + 2.0**17, atol=40)
    gradients = large.gradients(panel, *samples)
    np.testing.assert_allclose(gradients, 4096 * own.gradients(panel, *samples), atol=40)
    large.save(tmp_path / "large.pt")
    loaded = type(large).load(tmp_path / "large.pt", device="cpu")
    np.testing.assert_array_equal(loaded.predict(panel, *samples), scaled.prediction)


@BOTH
def test_the_held_out_error_is_in_the_target_s_unit(make):
    panel, samples = make_panel(), first_year()
    target = make_target(panel)
    target = (target - target[samples].mean()) / target[samples].std()
    errors = []
    for size in (1.0, 4096.0):
        estimator = make()
        estimator.training = replace(TRAINING, patience=5)
        errors.append(estimator.fit(panel, size * target, *samples).results[0].held_out_errors[0])
    assert errors[1] == pytest.approx(4096 * errors[0], rel=0.05)
