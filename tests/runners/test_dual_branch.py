from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import psutil
import pytest

from bench.data.cube import Cube
from bench.data.cube_zarr import write_cube
from bench.data.splits import fewshot_parameters, full_parameters, make_split
from bench.execution.inprocess import build_runner, trained_on_training_only
from bench.runners import registry
from bench.runners.dual_branch import DualBranchPlusRunner
from bench.store.store import Store
from tests.conftest import Bench, bench_environment, make_cube

pytestmark = [
    pytest.mark.runners,
    pytest.mark.skipif(registry.get("dual_branch_plus").unavailable() is not None, reason="torch is not installed"),
]
LONG = "tests.support.long_training:ENTRIES"


@pytest.fixture(scope="module")
def cube() -> Cube:
    return make_cube(n_cells=60)


def test_both_rows_run_and_store_importance_weights(bench: Bench, cube: Cube, tmp_path: Path) -> None:
    write_cube(tmp_path / "toy.zarr", cube)
    arguments = ("--suite", "full", "--profile", "smoke", "--dataset", str(tmp_path / "toy.zarr"))
    result = bench("run", *arguments, "--only", "our-method")
    assert result.returncode == 0, result.stdout + result.stderr
    store = Store(tmp_path / "runs")
    found = {record.job.runner: record for record in store.records()}
    assert set(found) == {"dual_branch", "dual_branch_plus"}
    for record in found.values():
        weights = pd.read_parquet(store.file(record, "importance.parquet"))
        assert list(weights.columns) == ["cell", "time", *cube.feature_names, *cube.static_names]
        assert len(weights) == record.n_test and np.isfinite(weights.to_numpy()).all()
        assert not (store.root / "checkpoints" / record.job_id).exists()
        history = pd.read_parquet(store.file(record, "history.parquet"))
        assert len(history) and np.isfinite(history["training_loss"]).all() and history["epoch"].min() == 1
        assert (record.device, record.precision) == ("cpu", "float32")
        ended = re.findall(
            r"^training ended: (\w+)$", (store.root / "cells" / record.job_id / "log.txt").read_text(), re.MULTILINE
        )
        assert len(ended) == 1 and (ended[0] == "schedule") == (record.job.runner == "dual_branch_plus")


@pytest.mark.parametrize("name", ["dual_branch", "dual_branch_plus"])
@pytest.mark.parametrize("suite", ["full", "fewshot"])
def test_they_learn_from_training_data_only(name: str, suite: str, cube: Cube) -> None:
    parameters = full_parameters(cube) if suite == "full" else fewshot_parameters(cube, (7,), 30, 0)
    assert trained_on_training_only(name, cube, make_split(cube, parameters), "smoke")


def test_a_runner_may_be_planned_in_some_profiles_only(bench: Bench, cube: Cube, tmp_path: Path) -> None:
    write_cube(tmp_path / "toy.zarr", cube)
    arguments = ("plan", "--suite", "full", "--dataset", str(tmp_path / "toy.zarr"))
    for profile, planned in (("laptop", False), ("paper", True)):
        found = json.loads(bench(*arguments, "--profile", profile, "--json", plugins=LONG).stdout)
        assert any(row["runner"] == "paper_only" for row in found["jobs"]) == planned
    refused = bench(*arguments, "--profile", "laptop", "--only", "paper_only", plugins=LONG)
    assert refused.returncode == 2 and "planned in profile paper only" in refused.stderr


def test_the_letter_has_a_share_of_the_cells_as_nodes(cube: Cube, tmp_path: Path) -> None:
    split = make_split(cube, full_parameters(cube))
    parameters = {"node_share": 0.5, "options": {"k": 4}}
    runner = build_runner(
        "dual_branch", cube, split, view=None, seed=0, threads=1, parameters=parameters, scratch=tmp_path
    )
    assert runner._make_estimator().options.n_nodes == 30  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["dual_branch", "dual_branch_plus"])
def test_the_cube_is_opened_once_for_a_prediction(
    name: str, cube: Cube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.runners import dual_branch
    from models.dual_branch import estimator

    split, parameters = make_split(cube, full_parameters(cube)), registry.get(name).parameters_for("smoke")
    runner = build_runner(name, cube, split, view=None, seed=0, threads=1, parameters=parameters, scratch=tmp_path)
    runner.fit()
    opened: list[object] = []

    class Counted(estimator.DevicePanel):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)
            opened.append(self)

    monkeypatch.setattr(estimator, "DevicePanel", Counted)
    monkeypatch.setattr(dual_branch, "_PREDICTED_AT_ONCE", 100, raising=False)
    assert runner.predict(split.test).shape == (60, 46) and len(opened) == 1
    assert runner.trained_on() == ("cpu", "float32")
    assert runner.training_ended() in ({"converged", "budget"} if name == "dual_branch" else {"schedule"})


def test_one_member_without_an_end_makes_a_row_that_lacks_budget() -> None:
    runner = object.__new__(DualBranchPlusRunner)
    for reasons, said in (
        (("converged", "budget"), "budget"),
        (("converged", "converged"), "converged"),
        (("schedule",), "schedule"),
    ):
        runner._estimator = SimpleNamespace(results=[SimpleNamespace(stopped=reason) for reason in reasons])
        assert runner.training_ended() == said


@pytest.mark.alone
def test_a_killed_training_goes_on_where_it_stopped_to_the_same_numbers(
    bench: Bench, cube: Cube, tmp_path: Path
) -> None:
    write_cube(tmp_path / "toy.zarr", cube)
    arguments = [
        "--suite",
        "full",
        "--profile",
        "smoke",
        "--dataset",
        str(tmp_path / "toy.zarr"),
        "--only",
        "long_training",
    ]
    undisturbed = bench("run", *arguments, "--store", str(tmp_path / "undisturbed"), plugins=LONG)
    assert undisturbed.returncode == 0, undisturbed.stdout + undisturbed.stderr
    command = [sys.executable, "-m", "bench", "run", *arguments]
    process = subprocess.Popen(command, env=bench_environment(tmp_path, LONG), cwd=tmp_path, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not list((tmp_path / "runs").glob("checkpoints/*/training.pt")):
        time.sleep(0.01)
    [job] = [item for item in psutil.Process(process.pid).children(recursive=True) if item.name().startswith("job-")]
    job.send_signal(signal.SIGKILL)
    assert process.wait(timeout=60) == 1
    resumed = bench("run", *arguments, plugins=LONG)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    [first], [second] = (list(Store(tmp_path / name).records()) for name in ("undisturbed", "runs"))
    assert first.files == second.files and "history.parquet" in first.files
    assert "resuming from training.pt" in (tmp_path / "runs" / "cells" / second.job_id / "log.txt").read_text()
