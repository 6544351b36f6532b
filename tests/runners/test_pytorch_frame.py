"""The four PyTorch Frame rows in the smoke profile: they run, learn from training data only, and can be resumed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.data.cube import Cube
from bench.data.cube_zarr import write_cube
from bench.data.splits import full_parameters, make_split
from bench.execution.inprocess import build_runner, trained_on_training_only
from bench.report import published
from bench.runners import registry
from bench.runners.catalogue import CATALOGUE
from bench.store.store import Store
from tests.conftest import Bench, make_cube

ENTRIES = [entry for entry in CATALOGUE if entry.family == "Tabular Deep Learning"]
NAMES = [entry.name for entry in ENTRIES]

pytestmark = [
    pytest.mark.runners,
    pytest.mark.skipif(registry.get("resnet").unavailable() is not None, reason="PyTorch Frame is not installed"),
]


@pytest.fixture(scope="module")
def cube() -> Cube:
    return make_cube(n_cells=40)


def test_all_four_run_and_leave_a_sane_record(bench: Bench, cube: Cube, tmp_path: Path) -> None:
    write_cube(tmp_path / "toy.zarr", cube)
    arguments = ("--suite", "full", "--profile", "smoke", "--dataset", str(tmp_path / "toy.zarr"))
    result = bench("run", *arguments, "--only", "training_mean,tabular-deep-learning")
    assert result.returncode == 0, result.stdout + result.stderr
    store = Store(tmp_path / "runs")
    found = {record.job.runner: record for record in store.records()}
    assert set(found) == {"training_mean", "tabnet", "excelformer", "resnet", "fttransformer"}
    floor = found["training_mean"].metrics["test"]["rmse"]
    assert floor is not None
    for name in NAMES:
        record = found[name]
        rmse = record.metrics["test"]["rmse"]
        assert rmse is not None and rmse < 1.02 * floor, name  # 29 steps only; models/ tests that they learn
        assert record.job.packages["pytorch-frame"] and record.job.view == "located"
        assert not (store.root / "checkpoints" / record.job_id).exists()
        assert "history.parquet" in record.files
        assert "epoch 1/1" in (store.root / "cells" / record.job_id / "log.txt").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_each_learns_from_training_data_only(name: str, cube: Cube) -> None:
    assert trained_on_training_only(name, cube, make_split(cube, full_parameters(cube)), "smoke")


def test_titles_are_those_of_the_published_table() -> None:
    printed = {row.runner: row.method for row in published.load(1)}
    assert {entry.name: entry.title for entry in ENTRIES} == {name: printed[name] for name in NAMES}


@pytest.mark.parametrize("profile", ["smoke", "laptop", "paper"])
def test_the_parameters_of_every_profile_make_an_estimator(profile: str) -> None:
    from models.pytorch_frame import PyTorchFrameOptions, TrainingOptions

    for entry in ENTRIES:
        parameters = entry.parameters_for(profile)
        assert PyTorchFrameOptions(**parameters["options"]).model == entry.name
        training = TrainingOptions(**parameters.get("training", {}))
        if profile == "paper":
            assert training == TrainingOptions()  # the paper's optimiser settings


def test_planning_them_does_not_import_torch() -> None:
    code = "import sys, bench.runners.pytorch_frame; print([m for m in ('torch', 'torch_frame') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_checkpoint_is_used_and_an_unusable_one_is_done_without(
    cube: Cube, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    split = make_split(cube, full_parameters(cube))

    def fitted(seed: int, scratch: Path = tmp_path) -> np.ndarray:
        runner = build_runner(
            "resnet",
            cube,
            split,
            view="located",
            seed=seed,
            threads=1,
            parameters=registry.get("resnet").parameters_for("smoke"),
            scratch=scratch,
        )
        runner.fit()
        return runner.predict(split.test)

    first = fitted(0)
    assert "resuming" not in capsys.readouterr().out
    np.testing.assert_array_equal(first, fitted(0))
    assert "resuming from training.pt" in capsys.readouterr().out
    # Left by other code, or cut short: the job is done from its start.
    other = fitted(1)
    assert "belongs to another training" in (said := capsys.readouterr().out) and "starting anew" in said
    (tmp_path / "elsewhere").mkdir()
    np.testing.assert_array_equal(other, fitted(1, tmp_path / "elsewhere"))
    (tmp_path / "training.pt").write_bytes(b"half a file")
    np.testing.assert_array_equal(other, fitted(1))
    assert "cannot be read as a training checkpoint" in capsys.readouterr().out
