from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data.cube import Cube
from bench.data.cube_zarr import write_cube
from bench.data.splits import fewshot_parameters, make_split
from bench.execution.inprocess import build_runner, trained_on_training_only
from bench.runners import registry
from bench.runners.base import Runner
from bench.runners.geographical import StepMeans
from bench.store.store import Store
from tests.conftest import Bench, make_cube

pytestmark = [
    pytest.mark.runners,
    pytest.mark.skipif(registry.get("gnnwr").unavailable() is not None, reason="torch is not installed"),
]
NAMES = ("gnnwr", "gtnnwr")
SMALL = {"landmarks": 24, "hidden": (24,), "updates": 400, "batch_size": 64}


@pytest.fixture(scope="module")
def cube() -> Cube:
    return make_cube(n_cells=150, n_years=3)


def make_runner(name: str, cube: Cube, folder: Path) -> Runner:
    split = make_split(cube, fewshot_parameters(cube, (7, 30), 100, 0))
    return build_runner(name, cube, split, view=None, seed=0, threads=1, parameters=SMALL, scratch=folder)


@pytest.mark.parametrize("name", NAMES)
def test_they_beat_the_mean_of_the_week_and_see_training_data_only(name: str, cube: Cube, tmp_path: Path) -> None:
    split = make_split(cube, fewshot_parameters(cube, (7, 30), 100, 0))
    runner = make_runner(name, cube, tmp_path)
    runner.fit()
    target = split.test.of(cube.target)
    error = np.sqrt(np.mean((runner.predict(split.test) - target) ** 2))
    assert error < 0.95 * np.sqrt(np.mean((target - target.mean(axis=0)) ** 2))
    assert trained_on_training_only(name, cube, split, "smoke")


@pytest.mark.parametrize("name", NAMES)
def test_the_importance_weights_are_the_local_coefficients(name: str, cube: Cube, tmp_path: Path) -> None:
    split = make_split(cube, fewshot_parameters(cube, (7, 30), 100, 0))
    runner = make_runner(name, cube, tmp_path)
    runner.fit()
    weights = runner.explain(split.test)
    assert weights is not None and weights.shape == (150, 2, 3 + 4)
    # One unit of a standardised column more changes the prediction by the weight of the column's feature.
    seen = split.scored_train
    means = StepMeans(runner)
    design, places = means.of(seen), means.at(seen)
    commonest = int(cube.static[seen.cells].mean(axis=0).argmax())
    assert not weights[..., 3 + commonest].any()
    kept = [0, 1, 2, *(3 + index for index in range(4) if index != commonest)]
    for column, feature in enumerate(kept):
        moved = np.zeros((len(places), design.shape[2]))
        moved[:, column] = 0.1
        if name == "gnnwr":
            values = [runner._model(7).predict(row, places) for row in (moved * 0, moved)]
        else:
            model, moments = runner._model, np.full(len(places), 7.0)
            values = [model.predict(row, places, moments) for row in (moved * 0, moved)]
        np.testing.assert_allclose((values[1] - values[0]) / 0.1, weights[seen.cells, 0, feature], atol=1e-4)


@pytest.mark.parametrize(("name", "files"), [("gnnwr", {"step_07.pt", "step_30.pt"}), ("gtnnwr", {"training.pt"})])
def test_a_killed_job_goes_on_from_its_checkpoints(
    name: str, files: set[str], cube: Cube, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    split = make_split(cube, fewshot_parameters(cube, (7, 30), 100, 0))
    predictions = []
    for _ in range(2):
        runner = make_runner(name, cube, tmp_path)
        runner.fit()
        predictions.append(runner.predict(split.test))
    assert {path.name for path in tmp_path.iterdir()} == files
    np.testing.assert_array_equal(*predictions)
    assert capsys.readouterr().out.count("resuming from") == len(files)


def test_they_are_rows_of_the_fewshot_suite_with_the_papers_title(bench: Bench, cube: Cube, tmp_path: Path) -> None:
    write_cube(tmp_path / "toy.zarr", cube)
    arguments = ("--suite", "fewshot", "--profile", "smoke", "--dataset", str(tmp_path / "toy.zarr"), "--weeks", "40")
    result = bench("run", *arguments, "--only", "gnnwr,gtnnwr")
    assert result.returncode == 0 and "2 done" in result.stdout, result.stdout + result.stderr
    store = Store(tmp_path / "runs")
    for record in store.records():
        weights = pd.read_parquet(store.file(record, "importance.parquet"))
        assert list(weights.columns) == ["cell", "time", *cube.feature_names, *cube.static_names]
    report = bench("report")
    assert "GTNNWR" in report.stdout and "GNNWR (not in this run)" not in report.stdout
