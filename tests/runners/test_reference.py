from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.data.cube import Cube
from bench.data.splits import fewshot_parameters, full_parameters, make_split
from bench.errors import BenchError
from bench.execution.inprocess import build_runner
from tests.conftest import make_cube


def fitted(name: str, cube: Cube, parameters: dict[str, object], scratch: Path) -> object:
    runner = build_runner(
        name, cube, make_split(cube, parameters), view=None, seed=None, threads=1, parameters={}, scratch=scratch
    )
    runner.fit()
    return runner


def test_the_training_mean_is_the_mean_of_the_training_year(cube: Cube, tmp_path: Path) -> None:
    split = make_split(cube, full_parameters(cube))
    prediction = fitted("training_mean", cube, full_parameters(cube), tmp_path).predict(split.test)  # type: ignore[attr-defined]
    np.testing.assert_allclose(prediction, cube.target[:, :46].mean(), rtol=1e-6)


def test_climatology_averages_the_training_years_per_cell_and_step(tmp_path: Path) -> None:
    cube = make_cube(n_cells=5, n_years=4)
    split = make_split(cube, full_parameters(cube))
    prediction = fitted("climatology", cube, full_parameters(cube), tmp_path).predict(split.test)  # type: ignore[attr-defined]
    expected = cube.target[:, : 3 * 46].reshape(5, 3, 46).mean(axis=1)
    np.testing.assert_allclose(prediction, expected, rtol=1e-5)


def test_climatology_gives_unseen_cells_the_mean_of_the_step(cube: Cube, tmp_path: Path) -> None:
    parameters = fewshot_parameters(cube, (7,), 10, 0)
    split = make_split(cube, parameters)
    prediction = fitted("climatology", cube, parameters, tmp_path).predict(split.test)  # type: ignore[attr-defined]
    unseen = ~np.isin(split.test.cells, split.train.cells)
    np.testing.assert_allclose(prediction[unseen], cube.target[split.train.cells, 6].mean(), rtol=1e-5)


def test_runners_never_see_a_test_target_or_an_unasked_withheld_array(cube: Cube, tmp_path: Path) -> None:
    runner = fitted("climatology", cube, full_parameters(cube), tmp_path)
    task = runner.task  # type: ignore[attr-defined]
    assert np.isnan(task.cube.target).all()
    assert task.cube.withheld == {}
    assert task.train_target.shape == (30, 46)


def test_last_years_lai_sees_no_lai_of_the_test_year(cube: Cube, tmp_path: Path) -> None:
    task = fitted("pml_last_year_lai", cube, full_parameters(cube), tmp_path).task  # type: ignore[attr-defined]
    assert np.isnan(task.cube.withheld["LAI"][:, 46:]).all()
    assert np.isfinite(task.cube.withheld["LAI"][:, :46]).all()


def test_last_years_lai_needs_every_test_cell_in_training(cube: Cube, tmp_path: Path) -> None:
    parameters = fewshot_parameters(cube, (7,), 10, 0)
    runner = fitted("pml_last_year_lai", cube, parameters, tmp_path)
    with pytest.raises(BenchError, match="needs every test cell in training"):
        runner.predict(make_split(cube, parameters).test)  # type: ignore[attr-defined]
