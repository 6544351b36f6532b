"""The nine AutoGluon rows in the smoke profile: they run, come out the same again, and learn from training data
only."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data.cube import Cube
from bench.data.cube_zarr import write_cube
from bench.data.splits import full_parameters, make_split
from bench.errors import BenchError
from bench.execution.inprocess import trained_on_training_only
from bench.runners import registry
from bench.runners.catalogue import CATALOGUE, STRONG_ROWS
from bench.runners.catalogue.tabular import TABULAR_ROWS
from bench.store.store import Store
from tests.conftest import Bench, make_cube

NAMES = [entry.name for entry in TABULAR_ROWS if entry.target == "bench.runners.autogluon:AutoGluonRunner"]
STRONG_NAMES = [entry.name for entry in STRONG_ROWS if entry.name != "autogluon_best"]

pytestmark = [
    pytest.mark.runners,
    pytest.mark.skipif(registry.get("lightgbm").unavailable() is not None, reason="AutoGluon is not installed"),
]


@pytest.fixture(scope="module")
def cube() -> Cube:
    return make_cube(n_cells=40)


@pytest.mark.timeout(900)
def test_all_nine_run_beat_the_mean_and_come_out_the_same_with_one_or_two_workers(
    bench: Bench, cube: Cube, tmp_path: Path
) -> None:
    write_cube(tmp_path / "toy.zarr", cube)
    arguments = ("run", "--suite", "full", "--profile", "smoke", "--dataset", str(tmp_path / "toy.zarr"))
    everything = bench(*arguments, "--only", "training_mean," + ",".join(NAMES), "--jobs", "2", timeout=800)
    assert everything.returncode == 0, everything.stdout + everything.stderr
    found = {record.job.runner: record for record in Store(tmp_path / "runs").records()}
    assert set(found) == {"training_mean", *NAMES}
    floor = found["training_mean"].metrics["test"]["rmse"]
    assert floor is not None
    for name in NAMES:
        rmse = found[name].metrics["test"]["rmse"]
        assert rmse is not None and rmse < 0.97 * floor, name
        assert found[name].threads == 1
        assert found[name].job.packages["autogluon.tabular"]
    assert not list((tmp_path / "runs").rglob("*.pkl")), "nothing fitted may stay in the store"
    again = ("lightgbm", "catboost", "random_forest", "fastai", "xgboost")
    alone = bench(*arguments, "--only", ",".join(again), "--jobs", "1", "--store", str(tmp_path / "again"), timeout=800)
    assert alone.returncode == 0, alone.stdout + alone.stderr
    for record in Store(tmp_path / "again").records():
        first, second = (
            pd.read_parquet(folder / "cells" / record.job_id / "predictions.parquet")["prediction"].to_numpy()
            for folder in (tmp_path / "runs", tmp_path / "again")
        )
        np.testing.assert_array_equal(first, second, err_msg=record.job.runner)


@pytest.mark.parametrize("name", NAMES)
def test_each_learns_from_training_data_only(name: str, cube: Cube) -> None:
    before = "ray" in sys.modules  # other tests of this process use it
    assert trained_on_training_only(name, cube, make_split(cube, full_parameters(cube)), "smoke")
    assert ("ray" in sys.modules) == before  # models are fitted one after the other in this process


@pytest.mark.parametrize("name", STRONG_NAMES)
def test_each_of_the_strongest_learns_from_training_data_only(name: str, cube: Cube) -> None:
    missing = registry.get(name).unavailable()
    if missing is not None:
        pytest.skip(missing)
    assert trained_on_training_only(name, cube, make_split(cube, full_parameters(cube)), "smoke")


@pytest.mark.timeout(600)
def test_the_best_quality_of_autogluon_beats_the_mean_in_its_time(bench: Bench, cube: Cube, tmp_path: Path) -> None:
    write_cube(tmp_path / "toy.zarr", cube)
    arguments = ("run", "--suite", "full", "--profile", "smoke", "--dataset", str(tmp_path / "toy.zarr"))
    done = bench(*arguments, "--only", "training_mean,autogluon_best", timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {record.job.runner: record for record in Store(tmp_path / "runs").records()}
    best, floor = (found[name].metrics["test"]["rmse"] for name in ("autogluon_best", "training_mean"))
    assert best is not None and floor is not None and best < 0.9 * floor


def test_no_model_in_the_time_is_one_sentence_that_says_what_to_set(bench: Bench, cube: Cube, tmp_path: Path) -> None:
    write_cube(tmp_path / "toy.zarr", cube)
    arguments = ("run", "--suite", "full", "--profile", "smoke", "--dataset", str(tmp_path / "toy.zarr"))
    setting = "autogluon_best.minutes=0.0001"
    assert bench(*arguments, "--only", "autogluon_best", "--set", setting, timeout=100).returncode == 1
    [record] = Store(tmp_path / "runs").records()
    assert record.status == "failed" and record.reason is not None
    assert record.reason.startswith("AutoGluon fitted no model within 0.0001 minutes; give it more")


def test_a_model_that_autogluon_skips_fails_with_its_reason(cube: Cube, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object, **_: object) -> None:
        raise ImportError("its package is half there")

    monkeypatch.setattr("autogluon.tabular.models.lgb.lgb_model.LGBModel._fit", broken)
    with pytest.raises(BenchError, match=r"could not train GBM \(ImportError: its package is half there\); see"):
        trained_on_training_only("lightgbm", cube, make_split(cube, full_parameters(cube)), "smoke")


def test_early_stopping_by_blocks_holds_out_whole_blocks_of_the_rows_that_are_learned(
    cube: Cube, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autogluon.tabular import TabularPredictor

    given: dict[str, pd.DataFrame] = {}

    def fit(self: TabularPredictor, train: pd.DataFrame, tuning_data: pd.DataFrame, **_: object) -> None:
        given.update(learned=train, judged=tuning_data)
        raise RuntimeError("seen enough")

    monkeypatch.setattr(TabularPredictor, "fit", fit)
    with pytest.raises(RuntimeError, match="seen enough"):
        trained_on_training_only("lightgbm_blocks", cube, make_split(cube, full_parameters(cube)), "smoke")
    learned, judged = given["learned"], given["judged"]
    n_rows = int(make_split(cube, full_parameters(cube)).train.samples()[0].size)
    assert len(learned) + len(judged) == n_rows and not set(learned.index) & set(judged.index)
    assert 0 < len(judged) < 0.3 * n_rows
    places = judged[["lon", "lat"]].drop_duplicates()
    assert len(places) < 0.5 * len(cube.lon)


def test_the_seed_reaches_every_model_that_has_one() -> None:
    from bench.runners.autogluon import _SEED_NAMES

    for entry in CATALOGUE:
        if entry.target == "bench.runners.autogluon:AutoGluonRunner":
            assert entry.seeded == (entry.parameters["model"] in _SEED_NAMES)
