from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data.cube import Cube
from bench.data.cube_zarr import write_cube
from bench.data.splits import fewshot_parameters, make_split
from bench.errors import BenchError
from bench.execution.inprocess import build_runner, trained_on_training_only
from bench.runners import registry
from bench.runners.geographical import StepMeans
from bench.scoring.metrics import evaluate, fitted_statistics, statistics_of
from bench.store.store import Store
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


@pytest.mark.parametrize("name", ["gwr", "gtwr"])
def test_the_log_counts_predictions_that_are_not_quite_local(
    name: str, cube: Cube, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    split = make_split(cube, fewshot_parameters(cube, (7,), 100, 0))
    runner = build_runner(name, cube, split, view=None, seed=None, threads=1, parameters={}, scratch=tmp_path)
    runner.fit()
    capsys.readouterr()
    runner.predict(split.test)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "0 of 150 predictions have no training cell in reach (the global fit), "
        "0 a singular local design (completed by the global fit)"
    ]


@pytest.mark.parametrize("name", ["gwr", "gtwr"])
def test_weights_times_standardised_features_and_an_intercept_give_the_prediction(
    name: str, cube: Cube, tmp_path: Path
) -> None:
    split = make_split(cube, fewshot_parameters(cube, (7, 30), 100, 0))
    runner = build_runner(name, cube, split, view=None, seed=None, threads=1, parameters={}, scratch=tmp_path)
    runner.fit()
    weights = runner.explain(split.test)
    assert weights is not None and weights.shape == (150, 2, 3 + 4) and weights.dtype == np.float32
    left_out = int(cube.static[split.train.cells].mean(axis=0).argmax())
    assert (weights[:, :, 3 + left_out] == 0).all() and (np.delete(weights, 3 + left_out, axis=2) != 0).all()
    # Standardised by hand: by mean and deviation of the two training years' means over cells and steps.
    train = cube.climate[split.train.cells][:, :92].astype(float).reshape(100, 2, 46, 3).mean(axis=1).reshape(-1, 3)
    static = cube.static[split.train.cells].astype(float)
    features = np.concatenate(
        [
            (split.test.of(cube.climate) - train.mean(axis=0)) / train.std(axis=0),
            np.repeat(((cube.static - static.mean(axis=0)) / static.std(axis=0))[:, None], 2, axis=1),
        ],
        axis=2,
    )
    intercept = np.empty((150, 2))
    for column, step in enumerate((7, 30)):
        if name == "gwr":
            local = runner._model(step).local_models(runner._means.at(split.test))  # type: ignore[attr-defined]
        else:
            local = runner._model.local_models(runner._means.at(split.test), [step])  # type: ignore[attr-defined]
        intercept[:, column] = local.coefficients[:, 0]
    np.testing.assert_allclose(
        (weights * features).sum(axis=2) + intercept, runner.predict(split.test), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("name", ["gwr", "gtwr"])
def test_with_one_training_year_the_error_as_published_is_the_raw_one_with_several_it_is_smaller(
    name: str, cube: Cube, tmp_path: Path
) -> None:
    error = {}
    for data in (make_cube(n_cells=150, n_years=2), cube):
        split = make_split(data, fewshot_parameters(data, (7, 30), 100, 0))
        runner = build_runner(name, data, split, view=None, seed=None, threads=1, parameters={}, scratch=tmp_path)
        runner.fit()
        fitted = runner.fitted()
        assert fitted is not None and fitted.steps == (7, 30)
        predictions = {"train": runner.predict(split.scored_train)}
        raw, own = (
            evaluate(table).query("group == 'week:7' and weighting == 'plain'")["rmse"].item()
            for table in (
                statistics_of(data, split, predictions),
                fitted_statistics(data, split.train.cells, fitted),
            )
        )
        error[len(data.time) // 46 - 1] = raw, own
    assert error[1][0] == pytest.approx(error[1][1], rel=1e-4)
    assert error[2][1] < error[2][0]


def test_table_3_has_both_gaps_and_importance_is_stored(bench: Bench, cube: Cube, tmp_path: Path) -> None:
    write_cube(tmp_path / "toy.zarr", cube)
    data = str(tmp_path / "toy.zarr")
    arguments = ("--suite", "fewshot", "--dataset", data, "--weeks", "40", "--train-cells", "100")
    result = bench("run", *arguments, "--only", "gwr,climatology")
    assert result.returncode == 0, result.stdout + result.stderr
    records = {record.job.runner: record for record in Store(tmp_path / "runs").records()}
    importance = pd.read_parquet(tmp_path / "runs" / "cells" / records["gwr"].job_id / "importance.parquet")
    assert list(importance) == ["cell", "time", *cube.feature_names, *cube.static_names] and len(importance) == 150
    assert bench("report").returncode == 0
    table = pd.read_csv(tmp_path / "runs" / "report" / "table3.csv").set_index(["method", "column"])["value"]
    for title in ("GWR", "Cell × step climatology"):
        row = table[title]
        assert row["gap"] == pytest.approx(row["test_rmse"] - row["train_rmse"])
        assert row["gap_published"] == pytest.approx(row["test_rmse"] - row["fitted_rmse"])
    assert table["GWR", "train_rmse"] == pytest.approx(records["gwr"].metrics["train"]["rmse"])
    assert table["GWR", "fitted_rmse"] == pytest.approx(records["gwr"].metrics["fitted"]["rmse"])
    assert table["GWR", "fitted_rmse"] < table["GWR", "train_rmse"]
    climatology = table["Cell × step climatology"]
    assert (
        climatology["fitted_rmse"] == climatology["train_rmse"] and climatology["gap_published"] == climatology["gap"]
    )


def test_the_training_error_is_taken_on_raw_samples_of_the_scored_weeks(cube: Cube) -> None:
    split = make_split(cube, fewshot_parameters(cube, (7, 30), 100, 0))
    assert len(split.scored_train) == 100 * 2 * 2  # cells × years × weeks
    assert set(cube.step_of_year[split.scored_train.times]) == {7, 30}
    assert len(split.train) == 100 * 46 * 2


def test_fewer_cells_than_parameters_are_one_clear_sentence(cube: Cube, tmp_path: Path) -> None:
    split = make_split(cube, fewshot_parameters(cube, (7,), 5, 0))
    runner = build_runner("gwr", cube, split, view=None, seed=None, threads=1, parameters={}, scratch=tmp_path)
    with pytest.raises(
        BenchError, match="GWR cannot be fitted on this sample: 5 samples cannot determine 7 parameters"
    ):
        runner.fit()


def test_the_smoke_profile_leaves_them_enough_cells(bench: Bench, tmp_path: Path) -> None:
    arguments = (
        "--suite",
        "fewshot",
        "--profile",
        "smoke",
        "--dataset",
        "simulated:cells=700,years=2",
        "--weeks",
        "40",
    )
    result = bench("run", *arguments, "--only", "gwr,gtwr")
    assert result.returncode == 0 and "2 done" in result.stdout, result.stdout + result.stderr
