"""The job array of `bench plan --slurm`, run by a plain shell with the index set as SLURM sets it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bench.data.cube_zarr import write_cube
from bench.data.datasets import OpenedDataset
from bench.errors import BenchError
from bench.execution.planning import plan
from bench.execution.process import Limits
from bench.execution.slurm import ArrayOptions, job_array
from bench.store.store import Store
from bench.suites.options import SuiteOptions
from bench.suites.suites import make_jobs
from tests.conftest import Bench, bench_environment, make_cube

PLUGINS = "tests.support.runners:QUICK"
CHOSEN = ("--suite", "full", "--profile", "smoke", "--only", "noise_a,noise_b", "--timeout", "60")


@pytest.fixture
def data(tmp_path: Path) -> str:
    write_cube(tmp_path / "a toy.zarr", make_cube())
    return "a toy.zarr"


def write(bench: Bench, data: str, *options: str, expect: int = 0) -> str:
    result = bench("plan", *CHOSEN, "--dataset", f"./{data}", "--slurm", "array.sh", *options, plugins=PLUGINS)
    assert result.returncode == expect, result.stdout + result.stderr
    return result.stdout + result.stderr


def submit(folder: Path, index: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What SLURM does with one index."""
    environment = bench_environment(folder) | {"SLURM_ARRAY_TASK_ID": str(index)}
    environment.pop("BENCH_STORE")  # the script knows its own
    command = ["bash", str(folder / "array.sh"), *arguments]
    return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, timeout=120)


def ended(folder: Path) -> dict[str, str]:
    return {record.job.runner: record.started for record in Store(folder / "runs").records()}


def test_each_index_runs_its_own_job_and_a_second_submission_only_the_remainder(
    bench: Bench, data: str, tmp_path: Path
) -> None:
    out = write(bench, data)
    assert "sbatch array.sh" in out and (tmp_path / "array.sh.logs").is_dir()
    script = (tmp_path / "array.sh").read_text()
    assert "#SBATCH --array=0-1%16\n" in script
    subprocess.run(["bash", "-n", tmp_path / "array.sh"], check=True)
    alone = subprocess.run(
        ["bash", tmp_path / "array.sh"], capture_output=True, text=True, env={"PATH": os.environ["PATH"]}
    )
    assert alone.returncode != 0 and "submit this script with sbatch" in alone.stderr
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", tmp_path / "array.sh"], check=True)
    first = submit(tmp_path, 0)
    assert first.returncode == 0 and "1 done; 0 done before" in first.stdout, first.stdout + first.stderr
    assert list(ended(tmp_path)) == ["noise_a"]
    before = ended(tmp_path)
    assert [submit(tmp_path, index).returncode for index in (0, 1)] == [0, 0]
    assert set(ended(tmp_path)) == {"noise_a", "noise_b"} and ended(tmp_path)["noise_a"] == before["noise_a"]
    assert len(Store(tmp_path / "runs").manifests()) == 1  # all indices set out to do the same
    assert "every job is done" in write(bench, data, expect=2)


def test_the_script_asks_for_what_the_plan_expects(bench: Bench, data: str, tmp_path: Path) -> None:
    write(bench, data, "--partition", "gpu", "--gpus-per-job", "2", "--jobs-per-index", "2", "--at-once", "3")
    script = (tmp_path / "array.sh").read_text()
    for line in ("array=0-0%3", "partition=gpu", "gpus-per-node=2", "cpus-per-task=2", "time=11", "mem=2001M"):
        assert f"#SBATCH --{line}\n" in script
    [pair] = re.findall(r"^  ([0-9a-f]{16},[0-9a-f]{16})$", script, re.MULTILINE)
    assert len(set(pair.split(","))) == 2
    assert "--timeout=60.0" in script and "--gpus-per-job=2" in script and "--slurm" not in script.partition("exec")[2]
    write(bench, data, "--memory", "3", "--minutes", "5")
    script = (tmp_path / "array.sh").read_text()
    assert "#SBATCH --mem=4001M\n" in script and "--memory 3 " in script  # room for the mapped cube in the job alone
    assert "#SBATCH --time=5\n" in script


def test_refused_jobs_are_in_the_store_as_after_a_run(bench: Bench, data: str, tmp_path: Path) -> None:
    options = ("--slurm", "array.sh", "--only", "noise_a,unavailable")
    both = PLUGINS + ",tests.support.runners:UNAVAILABLE"
    result = bench("plan", *CHOSEN, "--dataset", f"./{data}", *options, plugins=both)
    assert result.returncode == 0 and "1 refused, stored as skipped" in result.stdout, result.stderr
    [record] = Store(tmp_path / "runs").records()
    assert (record.job.runner, record.status) == ("unavailable", "skipped")
    assert "a-package-that-does-not-exist" in (record.reason or "")
    assert "(  # one line per index, 1 jobs" in (tmp_path / "array.sh").read_text()
    assert list((tmp_path / "runs" / "work").iterdir()) == []


def test_mistakes_are_one_sentence(bench: Bench, data: str) -> None:
    with pytest.raises(BenchError, match="--jobs-per-index is 0; it must be at least 1"):
        ArrayOptions(jobs_per_index=0)
    with pytest.raises(BenchError, match="--partition is 'a b'"):
        ArrayOptions(partition="a b")
    result = bench("run", *CHOSEN, "--dataset", f"./{data}", "--job", "0" * 16, plugins=PLUGINS)
    assert result.returncode == 2 and f"has no job {'0' * 16}" in result.stderr


@pytest.mark.parametrize("sign", ["\n", "\r", "\x1b", "\x7f", "\u2028"])
@pytest.mark.parametrize("place", ["store", "logs", "arguments", "variable"])
def test_control_characters_never_enter_a_script(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sign: str, place: str
) -> None:
    hostile = f"x{sign}touch pwned"
    if place == "variable":
        monkeypatch.setenv("BENCH_DATA_DIR", str(tmp_path / hostile))
    cube = make_cube()
    options = SuiteOptions(profile="smoke", only=("climatology",))
    jobs = make_jobs("full", OpenedDataset(cube, tmp_path, "toy", ""), options)
    limits = Limits(1, 10**10, 60.0)
    with pytest.raises(BenchError, match="holds control characters"):
        job_array(
            plan(jobs, cube, None, limits),
            [hostile if place == "arguments" else "--suite=full"],
            tmp_path / (hostile if place == "store" else "runs"),
            limits,
            ArrayOptions(),
            tmp_path / (hostile if place == "logs" else "logs"),
            1000,
        )
