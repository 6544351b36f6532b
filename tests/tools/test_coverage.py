"""The committed coverage of the intervals is what the documentation claims, and its tool measures what it says."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("coverage_of_intervals", ROOT / "tools" / "coverage.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_intervals_hold_in_90_to_99_per_cent_of_repetitions_where_they_claim_to() -> None:
    measured = pd.read_csv(ROOT / "tables" / "reference" / "coverage.csv")
    keys = ["grid", "correlation_degrees", "uneven", "seeds", "seed_spread", "quantity", "method"]
    assert not measured.duplicated(keys).any() and (measured["repetitions"] >= 500).all()
    claimed = measured.query("assumed == 'yes' and method == 'tables'")
    assert set(claimed["grid"]) == {"northchina", "simulated"} and claimed["correlation_degrees"].nunique() >= 3
    assert set(claimed["quantity"]) == {"rmse", "difference", "ratio"}
    assert claimed["coverage"].between(0.90, 0.99).all(), claimed[~claimed["coverage"].between(0.90, 0.99)]
    np.testing.assert_allclose(measured[["coverage", "truth_above", "truth_below"]].sum(axis=1), 1, atol=2e-4)


def test_the_simulated_errors_have_the_stated_size_and_correlation(tool: ModuleType) -> None:
    lon, lat = (grid.ravel() for grid in np.meshgrid(np.arange(0, 12, 1.0), np.arange(-6, 6, 1.0)))
    for scenario in (tool.Scenario("toy", 2.0, True), tool.Scenario("toy", 2.0, False, seeds=1, spread=0.0)):
        root = tool.root_of_covariance(lon, lat, scenario.length)
        np.testing.assert_allclose((root @ root.T)[0, 1], np.exp(-1 / 2.0), rtol=2e-2)
        generator = np.random.default_rng(0)
        drawn = [tool.squared_errors(root, scenario, generator) for _ in range(200)]
        first, second = (np.mean([own for pair in drawn for own in pair[model]]) / tool.TIMES for model in (0, 1))
        assert np.sqrt(first) == pytest.approx(tool.truth(scenario), rel=0.06)
        assert np.sqrt(second / first) == pytest.approx(tool.SECOND, rel=0.05)


def test_a_small_simulation_finds_plain_blocks_wanting_and_the_tables_intervals_holding(tool: ModuleType) -> None:
    lon, lat = (grid.ravel() for grid in np.meshgrid(np.arange(0.5, 14), np.arange(30.5, 44)))
    lines = pd.DataFrame(tool.measure(tool.Scenario("toy", 1.0, seeds=3, spread=0.1), lon, lat, 60))
    coverage = lines.set_index(["quantity", "method"])["coverage"]
    for quantity in ("rmse", "difference", "ratio"):
        assert coverage[quantity, "tables"] >= 0.85 > coverage[quantity, "plain blocks"]
