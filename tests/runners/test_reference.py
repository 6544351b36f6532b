from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.data.cube import Cube
from bench.data.datasets import open_dataset
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


@pytest.fixture(scope="module")
def simulated() -> Cube:
    return open_dataset("simulated:cells=64,years=2").cube


def test_last_years_lai_sees_no_lai_of_the_test_year(simulated: Cube, tmp_path: Path) -> None:
    cube = simulated
    task = fitted("pml_last_year_lai", cube, full_parameters(cube), tmp_path).task  # type: ignore[attr-defined]
    assert np.isnan(task.cube.withheld["LAI"][:, 46:]).all()
    assert np.isfinite(task.cube.withheld["LAI"][:, :46]).all()


def test_last_years_lai_comes_near_where_the_equations_made_the_target(simulated: Cube, tmp_path: Path) -> None:
    split = make_split(simulated, full_parameters(simulated))
    runner = fitted("pml_last_year_lai", simulated, full_parameters(simulated), tmp_path)
    target = split.test.of(simulated.target).astype(float)
    error = runner.predict(split.test) - target  # type: ignore[attr-defined]
    assert 1 - (error**2).mean() / target.var() > 0.85
    np.testing.assert_allclose(  # in the training year the LAI is the true one, and only the capacity is calibrated
        runner.predict(split.train),
        split.train.of(simulated.target),
        rtol=2e-3,
        atol=2e-3,  # type: ignore[attr-defined]
    )


def test_last_years_lai_refuses_data_that_the_equations_did_not_make(cube: Cube, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="has no PML_V2 drivers"):
        fitted("pml_last_year_lai", cube, full_parameters(cube), tmp_path)


def test_last_years_lai_needs_every_test_cell_in_training(simulated: Cube, tmp_path: Path) -> None:
    cube = simulated
    parameters = fewshot_parameters(cube, (7,), 10, 0)
    runner = fitted("pml_last_year_lai", cube, parameters, tmp_path)
    with pytest.raises(BenchError, match="needs every test cell in training"):
        runner.predict(make_split(cube, parameters).test)  # type: ignore[attr-defined]
