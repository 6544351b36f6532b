from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.data.cube import Cube
from bench.data.splits import Split, fewshot_parameters, make_split
from bench.execution.inprocess import build_runner, trained_on_training_only
from bench.runners import registry
from bench.runners.base import Runner
from tests.conftest import make_cube

pytestmark = [
    pytest.mark.runners,
    pytest.mark.skipif(registry.get("gwr_validated").unavailable() is not None, reason="torch is not installed"),
]


@pytest.fixture(scope="module")
def cube() -> Cube:
    return make_cube(n_cells=150, n_years=3)


@pytest.fixture(scope="module")
def split(cube: Cube) -> Split:
    return make_split(cube, fewshot_parameters(cube, (7, 30), 60, 0))


def fit(name: str, cube: Cube, split: Split, scratch: Path) -> Runner:
    runner = build_runner(name, cube, split, view=None, seed=None, threads=1, parameters={}, scratch=scratch)
    runner.fit()
    return runner


@pytest.mark.parametrize("plain", ["gwr", "gtwr"])
def test_they_do_no_worse_than_aicc_where_samples_are_few(plain: str, cube: Cube, split: Split, tmp_path: Path) -> None:
    target = split.test.of(cube.target)
    errors = [
        np.sqrt(np.mean((fit(name, cube, split, tmp_path).predict(split.test) - target) ** 2))
        for name in (plain, f"{plain}_validated")
    ]
    assert errors[1] <= errors[0] * 1.05
    assert errors[1] < 0.95 * np.sqrt(np.mean((target - target.mean(axis=0)) ** 2))


@pytest.mark.parametrize("name", ["gwr_validated", "gtwr_validated"])
def test_predictions_stay_within_the_training_target_of_their_step(
    name: str, cube: Cube, split: Split, tmp_path: Path
) -> None:
    runner = fit(name, cube, split, tmp_path)
    extreme = cube.climate.copy()
    extreme[:, split.test.times] *= 100.0
    runner.task.cube.climate[...] = extreme
    predicted = runner.predict(split.test)
    for column, step in enumerate((7, 30)):
        seen = split.train.of(cube.target)[:, cube.step_of_year[split.train.times] == step]
        assert seen.min() - 1e-5 <= predicted[:, column].min()
        assert predicted[:, column].max() <= seen.max() + 1e-5
        assert len(np.unique(predicted[:, column])) >= 2


@pytest.mark.parametrize("name", ["gwr_validated", "gtwr_validated"])
def test_bandwidths_are_chosen_on_training_data_only(name: str, cube: Cube, split: Split) -> None:
    assert trained_on_training_only(name, cube, split, "smoke")


def test_the_bandwidth_is_one_of_the_grid(cube: Cube, split: Split, tmp_path: Path) -> None:
    runner = fit("gwr_validated", cube, split, tmp_path)
    parameters = runner._means.design.shape[2] + 1  # type: ignore[attr-defined]
    for step in (7, 30):
        bandwidth = runner._models[step].bandwidth_  # type: ignore[attr-defined]
        assert parameters + 10 <= bandwidth <= 60
        assert runner._bandwidth(step) == bandwidth  # type: ignore[attr-defined]  # the same each time
