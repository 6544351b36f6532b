from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.data.cube import Cube
from bench.data.splits import fewshot_parameters, make_split
from bench.execution.inprocess import build_runner, trained_on_training_only
from bench.runners import registry
from bench.runners.geographical import StepMeans
from tests.conftest import Bench, make_cube

pytestmark = [
    pytest.mark.runners,
    pytest.mark.skipif(registry.get("gwr").unavailable() is not None, reason="torch is not installed"),
]


@pytest.fixture(scope="module")
def cube() -> Cube:
    return make_cube(n_cells=150, n_years=3)


def test_step_means_average_the_training_years_and_are_standardised(cube: Cube, tmp_path: Path) -> None:
    split = make_split(cube, fewshot_parameters(cube, (7,), 100, 0))
    runner = build_runner("gwr", cube, split, view=None, seed=None, threads=1, parameters={}, scratch=tmp_path)
    means = StepMeans(runner)
    cells = split.train.cells
    np.testing.assert_allclose(means.target[:, 6], cube.target[cells][:, [6, 52]].mean(axis=1), rtol=1e-6)
    assert means.design.shape == (100, 46, 3 + 3)  # one land-cover class is left out
    np.testing.assert_allclose(means.design.reshape(-1, 6).mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(means.design.reshape(-1, 6).std(axis=0), 1, atol=1e-9)


@pytest.mark.parametrize("name", ["gwr", "gtwr"])
def test_they_beat_the_mean_of_the_week_and_see_training_data_only(name: str, cube: Cube, tmp_path: Path) -> None:
    """The toy target is a linear function of the climate plus a place's own season: a local linear model finds it."""
    split = make_split(cube, fewshot_parameters(cube, (7, 30), 100, 0))
    runner = build_runner(name, cube, split, view=None, seed=None, threads=1, parameters={}, scratch=tmp_path)
    runner.fit()
    target = split.test.of(cube.target)
    error = np.sqrt(np.mean((runner.predict(split.test) - target) ** 2))
    assert error < 0.95 * np.sqrt(np.mean((target - target.mean(axis=0)) ** 2))
    assert trained_on_training_only(name, cube, split, "smoke")


def test_the_training_error_is_taken_on_raw_samples_of_the_scored_weeks(cube: Cube) -> None:
    split = make_split(cube, fewshot_parameters(cube, (7, 30), 100, 0))
    assert len(split.scored_train) == 100 * 2 * 2  # cells × years × weeks
    assert set(cube.step_of_year[split.scored_train.times]) == {7, 30}
    assert len(split.train) == 100 * 46 * 2


def test_the_smoke_profile_leaves_them_enough_cells(bench: Bench, tmp_path: Path) -> None:
    arguments = ("--suite", "fewshot", "--profile", "smoke", "--dataset", "simulated:cells=700", "--weeks", "40")
    result = bench("run", *arguments, "--only", "gwr,gtwr")
    assert result.returncode == 0 and "2 done" in result.stdout, result.stdout + result.stderr
