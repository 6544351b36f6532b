"""The committed coverage of the intervals is what the documentation claims, and its tool measures what it says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT
from tools import coverage as tool

REFERENCE = ROOT / "tables" / "reference"


def test_intervals_hold_in_90_per_cent_of_repetitions_or_more_where_they_claim_to() -> None:
    measured = pd.read_csv(REFERENCE / "coverage.csv")
    keys = ["grid", "correlation_degrees", "uneven", "seeds", "seed_spread", "quantity", "method"]
    assert not measured.duplicated(keys).any() and (measured["repetitions"] >= 100).all()
    assert (measured.query("grid == 'northchina'")["repetitions"] >= 300).all()
    claimed = measured.query("claimed == 'yes' and method == 'tables'")
    assert (
        set(claimed["grid"]) == {"northchina", "corner", "simulated", "planar"}
        and claimed["correlation_degrees"].nunique() >= 4
    )
    assert set(claimed["quantity"]) == {"rmse", "difference", "ratio"}
    assert claimed["coverage"].between(0.90, 1.0).all(), claimed[~claimed["coverage"].between(0.90, 1.0)]
    np.testing.assert_allclose(measured[["coverage", "truth_above", "truth_below"]].sum(axis=1), 1, atol=2e-4)


def test_the_scenarios_bracket_the_correlation_that_was_measured_in_the_data() -> None:
    every = pd.read_csv(REFERENCE / "coverage.csv").query("grid == 'northchina'")
    data = pd.read_csv(REFERENCE / "error_correlation.csv").query("dataset == 'northchina'")
    ratios = data["quantity"].str.contains("÷")
    for quantity, measured in (("rmse", data.loc[~ratios]), ("ratio", data.loc[ratios])):
        simulated = every.loc[every["quantity"] == quantity, "measured_mean_correlation"]
        assert simulated.min() <= measured["mean_correlation"].min(), quantity
        assert simulated.max() >= measured["mean_correlation"].max(), quantity


def test_the_simulated_errors_have_the_stated_size_and_correlation() -> None:
    lon, lat = (grid.ravel() for grid in np.meshgrid(np.arange(0, 12, 1.0), np.arange(-6, 6, 1.0)))
    for scenario in (tool.Scenario("toy", 2.0, True), tool.Scenario("toy", 2.0, False, seeds=1, spread=0.0)):
        root = tool.root_of_covariance(tool.great_circle(lon, lat), scenario.length)
        np.testing.assert_allclose((root @ root.T)[0, 1], np.exp(-1 / 2.0), rtol=2e-2)
        generator = np.random.default_rng(0)
        drawn = [tool.squared_errors(root, scenario, generator) for _ in range(200)]
        first, second = (np.mean([own for pair in drawn for own in pair[model]]) / tool.TIMES for model in (0, 1))
        assert np.sqrt(first) == pytest.approx(tool.truth(scenario), rel=0.06)
        assert np.sqrt(second / first) == pytest.approx(tool.SECOND, rel=0.05)


def test_a_small_simulation_finds_plain_blocks_wanting_and_the_tables_intervals_holding() -> None:
    lon, lat = (grid.ravel() for grid in np.meshgrid(np.arange(0.5, 14), np.arange(30.5, 44)))
    lines = pd.DataFrame(tool.measure(tool.Scenario("toy", 1.0, seeds=3, spread=0.1), lon, lat, 60))
    coverage = lines.set_index(["quantity", "method"])["coverage"]
    for quantity in ("rmse", "difference", "ratio"):
        assert coverage[quantity, "tables"] >= 0.85 > coverage[quantity, "plain blocks"]
