"""Scores of explanations on weights whose agreement with the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from bench.scoring.agreement import (
    DOMINANT,
    FEATURES,
    FEWEST_PLACES,
    FEWEST_STEPS,
    PLACES,
    SCORES,
    SIGN,
    STEPS,
    agreement,
    negligible,
)

N_CELLS, N_STEPS, N_FEATURES, N_BLOCKS = 300, 12, 8, 30


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    """Sensitivities of all signs and sizes; the last two features play no part."""
    generator = np.random.default_rng(0)
    values = generator.normal(size=(N_CELLS, N_STEPS, N_FEATURES)) * np.linspace(2, 0.5, N_FEATURES)
    values[..., -2:] = 0
    return values


def block() -> np.ndarray:
    return np.arange(N_CELLS) % N_BLOCKS


def scores(weights: np.ndarray, truth: np.ndarray, signed: bool = True) -> dict[str, float]:
    every = np.ones(truth.shape[:2], bool)
    found = agreement(weights, truth, every, block(), N_BLOCKS, negligible(truth, every), signed=signed)
    return {name: float(sums.of(np.ones((1, N_BLOCKS)))[0]) for name, sums in found.items()}


def test_the_truth_itself_scores_one_everywhere(truth: np.ndarray) -> None:
    assert scores(truth, truth) == pytest.approx(dict.fromkeys(SCORES, 1.0))
    # Positive factors of features change the order of features, and nothing that is judged feature by feature.
    stretched = scores(truth * np.arange(1, N_FEATURES + 1), truth)
    assert [stretched[name] for name in (SIGN, PLACES, STEPS)] == pytest.approx([1, 1, 1])
    assert stretched[FEATURES] < 0.9


def test_reversed_signs_score_zero_and_negative_ranks(truth: np.ndarray) -> None:
    found = scores(-truth, truth)
    assert (found[SIGN], found[PLACES], found[STEPS]) == pytest.approx((0, -1, -1))
    assert (found[FEATURES], found[DOMINANT]) == pytest.approx((1, 1)), "sizes are still right"


def test_random_weights_score_chance(truth: np.ndarray) -> None:
    found = scores(np.random.default_rng(1).normal(size=truth.shape), truth)
    chance = {SIGN: 0.5, PLACES: 0.0, STEPS: 0.0, FEATURES: 0.0, DOMINANT: 1 / N_FEATURES}
    assert found == pytest.approx(chance, abs=0.03)


def test_constant_weights_say_nothing_about_places_and_steps(truth: np.ndarray) -> None:
    found = scores(np.broadcast_to(np.arange(8.0, 0, -1), truth.shape), truth)
    assert (found[PLACES], found[STEPS]) == (0, 0)
    assert found[DOMINANT] > 1 / N_FEATURES


def test_shares_are_compared_with_sizes_and_have_no_sign(truth: np.ndarray) -> None:
    found = scores(np.abs(truth) ** 2, truth, signed=False)
    assert found == pytest.approx(dict.fromkeys((PLACES, STEPS, FEATURES, DOMINANT), 1.0))


def test_scores_equal_a_literal_reference(truth: np.ndarray) -> None:
    weights = truth + np.random.default_rng(2).normal(size=truth.shape)
    threshold, found = negligible(truth, np.ones(truth.shape[:2], bool)), scores(weights, truth)
    size = np.sqrt((truth**2).mean(axis=(0, 1))).max()
    assert threshold == pytest.approx(0.05 * size)
    signs, named, features = [], [], []
    for cell in range(N_CELLS):
        for step in range(N_STEPS):
            w, s = weights[cell, step], truth[cell, step]
            signs += [(a > 0) == (b > 0) for a, b in zip(w, s, strict=True) if abs(b) > threshold]
            named.append(np.abs(w).argmax() == np.abs(s).argmax())
            features.append(spearmanr(np.abs(w), np.abs(s)).statistic)
    living = range(N_FEATURES - 2)
    places = [spearmanr(weights[:, t, j], truth[:, t, j]).statistic for t in range(N_STEPS) for j in living]
    steps = [spearmanr(weights[c, :, j], truth[c, :, j]).statistic for c in range(N_CELLS) for j in living]
    expected = (signs, places, steps, features, named)
    for name, values in zip(SCORES, expected, strict=True):
        assert found[name] == pytest.approx(np.mean(values)), name


def test_resampled_rank_correlation_spreads_as_much_as_ranking_every_draw_anew() -> None:
    generator = np.random.default_rng(3)
    truth = np.repeat(generator.normal(size=(N_BLOCKS, 1, 1)), 10, axis=0) + generator.normal(size=(N_CELLS, 1, 1))
    weights = truth + 2 * generator.normal(size=truth.shape)
    home = np.repeat(np.arange(N_BLOCKS), 10)
    draws = generator.multinomial(N_BLOCKS, np.full(N_BLOCKS, 1 / N_BLOCKS), size=400).astype(float)
    every = np.ones((N_CELLS, 1), bool)
    fast = agreement(weights, truth, every, home, N_BLOCKS, 0.0, signed=True)[PLACES].of(draws)
    exact = [
        spearmanr(*(np.repeat(v[:, 0, 0], times.astype(int)) for v in (weights, truth))).statistic
        for times in draws[:, home]
    ]
    assert np.std(fast) == pytest.approx(np.std(exact), rel=0.1)
    assert np.mean(fast) == pytest.approx(np.mean(exact), abs=0.01)


def test_samples_that_do_not_count_change_no_score(truth: np.ndarray) -> None:
    generator = np.random.default_rng(4)
    weights = truth + generator.normal(size=truth.shape)
    counted = generator.random(truth.shape[:2]) < 0.7
    threshold = negligible(truth, counted)
    garbled = np.where(counted[:, :, None], weights, np.nan), np.where(counted[:, :, None], truth, 1e6)
    assert negligible(garbled[1], counted) == threshold
    for signed in (True, False):
        own, other = (
            agreement(*both, counted, block(), N_BLOCKS, threshold, signed=signed)
            for both in ((weights, truth), garbled)
        )
        for name, sums in own.items():
            draws = generator.multinomial(N_BLOCKS, np.full(N_BLOCKS, 1 / N_BLOCKS), size=5).astype(float)
            np.testing.assert_allclose(sums.of(draws), other[name].of(draws), err_msg=name)


def test_ranks_are_those_of_the_samples_that_count(truth: np.ndarray) -> None:
    weights = truth + np.random.default_rng(5).normal(size=truth.shape)
    counted = np.random.default_rng(6).random(truth.shape[:2]) < 0.5
    living = range(N_FEATURES - 2)
    found = agreement(weights, truth, counted, block(), N_BLOCKS, 0.0, signed=True)
    scored = {name: float(sums.of(np.ones((1, N_BLOCKS)))[0]) for name, sums in found.items()}
    places = [
        spearmanr(weights[counted[:, step], step, j], truth[counted[:, step], step, j]).statistic
        for step in range(N_STEPS)
        for j in living
    ]
    steps = [
        spearmanr(weights[cell, counted[cell], j], truth[cell, counted[cell], j]).statistic
        for cell in range(N_CELLS)
        if counted[cell].sum() >= FEWEST_STEPS
        for j in living
    ]
    assert scored[PLACES] == pytest.approx(np.mean(places)) and scored[STEPS] == pytest.approx(np.mean(steps))


def test_a_step_with_few_places_ranks_none(truth: np.ndarray) -> None:
    counted = np.zeros(truth.shape[:2], bool)
    counted[: FEWEST_PLACES - 1] = True
    assert np.isnan(agreement(truth, truth, counted, block(), N_BLOCKS, 0.0, signed=True)[PLACES].of(np.ones((1, 30))))
    counted[FEWEST_PLACES - 1] = True
    assert agreement(truth, truth, counted, block(), N_BLOCKS, 0.0, signed=True)[PLACES].of(np.ones((1, 30))) == 1
