"""Jobs that several processes train."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data.cube_zarr import write_cube
from bench.errors import BenchError
from bench.execution import child
from bench.execution.planning import limits_for
from bench.store.store import Store
from tests.conftest import Bench, make_cube

pytestmark = pytest.mark.runners
SMOKE = ("--suite", "full", "--profile", "smoke", "--dataset", "./toy.zarr", "--processes-per-job", "2")


@pytest.fixture(autouse=True)
def data(tmp_path: Path) -> None:
    write_cube(tmp_path / "toy.zarr", make_cube())


def test_two_processes_train_one_job(bench: Bench, tmp_path: Path) -> None:
    result = bench("run", *SMOKE, "--only", "dual_branch_plus,climatology", OMP_NUM_THREADS="1")
    assert result.returncode == 0, result.stdout
    records = {record.job.runner: record for record in Store(tmp_path / "runs").records()}
    assert records["dual_branch_plus"].processes == 2 and records["climatology"].processes == 1
    folder = tmp_path / "runs" / "cells" / records["dual_branch_plus"].job_id
    assert {path.name for path in folder.iterdir()} == {"record.json", "log.txt", *records["dual_branch_plus"].files}
    assert np.isfinite(pd.read_parquet(folder / "predictions.parquet")["prediction"]).all()
    log = (folder / "log.txt").read_text()
    assert log.count("epoch 2/2") == 2, log  # of two members: the first process reports for both


def test_a_companion_that_dies_ends_the_job(bench: Bench, tmp_path: Path) -> None:
    result = bench("run", *SMOKE, "--only", "parting", plugins="tests.support.runners:PARTING")
    assert result.returncode == 1, result.stdout
    [record] = Store(tmp_path / "runs").records()
    assert record.status == "failed" and (record.wall_seconds or 0) < 60
    assert "process 2 of 2 of the training ended with exit code 9" in (record.reason or "")


def test_the_word_of_a_companion_that_failed_counts(tmp_path: Path) -> None:
    (tmp_path / "result-1.json").write_text('{"status": "done"}')
    assert child._word_of_companions(tmp_path) is None
    (tmp_path / "result-2.json").write_text('{"status": "oom", "reason": "no memory"}')
    word = child._word_of_companions(tmp_path)
    assert word is not None and (word.status, word.reason) == ("oom", "no memory")


def test_no_process_is_no_number_of_processes() -> None:
    with pytest.raises(BenchError, match="--processes-per-job is 0; it must be at least 1"):
        limits_for(1, None, None, processes=0)
