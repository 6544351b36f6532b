"""Explainers that know next to nothing score what they are known to score."""

from __future__ import annotations

import numpy as np
import pytest

from bench.scoring.agreement import DOMINANT, PLACES, SIGN, STEPS, agreement, negligible
from bench.scoring.trivial_explainers import trivial_explainers

FEATURES = ("warmth", "light", "rain")


def score(weights: np.ndarray, truth: np.ndarray, counted: np.ndarray) -> dict[str, float]:
    block = np.arange(len(truth)) % 12
    found = agreement(weights, truth, counted, block, 12, negligible(truth, counted), signed=True)
    return {name: float(sums.of(np.ones((1, 12)))[0]) for name, sums in found.items()}


def test_productivity_agrees_with_absolute_sensitivities_and_not_with_relative_ones() -> None:
    generator = np.random.default_rng(0)
    grown = generator.gamma(2, 2.0, (200, 9)) + 0.5
    relative = np.array([0.2, 0.6, -0.1]) * generator.gamma(30, 1 / 30, (200, 9, 3))
    counted = grown > 0.7
    absolute = relative * grown[:, :, None]
    naming = trivial_explainers(absolute, counted, FEATURES, grown)
    found = score(naming["Known sign × last year's value"], absolute, counted)
    assert found[PLACES] > 0.9 and found[STEPS] > 0.8 and found[SIGN] == 1
    fair = trivial_explainers(relative, counted, FEATURES, np.ones_like(grown))
    found = score(fair["Known sign × last year's value"], relative, counted)
    assert (found[PLACES], found[STEPS]) == (0, 0) and found[SIGN] == 1
    assert score(fair["+1 × last year's value"], relative, counted)[SIGN] == pytest.approx(2 / 3)


def test_the_constant_ones_know_the_mean_and_the_commonest_driver_of_what_counts() -> None:
    generator = np.random.default_rng(1)
    truth = generator.normal([0.5, 2.0, -1.0], 0.4, (60, 5, 3))
    truth[:, 2] = [5.0, 0.0, 0.0]  # one step in which warmth counts
    counted = np.ones((60, 5), bool)
    counted[:, 4] = False
    truth[:, 4] = [-900.0, 0, 0]
    naming = trivial_explainers(truth, counted, FEATURES, None)
    assert set(naming) == {"True mean, the same everywhere", "light everywhere", "True mean of each step"}
    assert score(naming["light everywhere"], truth, counted)[DOMINANT] == pytest.approx(0.75, abs=0.06)
    assert score(naming["True mean of each step"], truth, counted)[DOMINANT] > 0.9
    np.testing.assert_allclose(naming["True mean, the same everywhere"][0, 0], truth[:, :4].mean(axis=(0, 1)))
