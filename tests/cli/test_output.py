"""Whoever reads what is said, or does not: the run goes on; and nothing of what is said is obeyed by a terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.data.cube_zarr import write_cube
from bench.store.store import Store
from tests.conftest import Bench, bench_environment, make_cube

CHOSEN = "--suite full --profile smoke --only noise_a,noise_b --dataset toy.zarr --jobs 2"
READERS = {
    "reader leaves": "{run} | head -n 1",
    "reader takes nothing": "{run} | true",
    "both to a reader that leaves": "{run} 2>&1 | head -c 5",
    "full disk": "{run} > /dev/full",
    "full disk for both": "{run} > /dev/full 2>&1",
    "output closed": "{run} >&-",
    "errors closed": "{run} 2>&-",
    "everything closed": "{run} <&- >&- 2>&-",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_cube(tmp_path / "toy.zarr", make_cube())
    return tmp_path


@pytest.mark.parametrize("name", READERS)
def test_a_run_goes_on_without_a_reader_and_stores_its_results(folder: Path, name: str) -> None:
    command = READERS[name].format(run=f"{sys.executable} -m bench run {CHOSEN}")
    shell = f"set -o pipefail; {command}"
    environment = bench_environment(folder, "tests.support.runners:QUICK")
    ended = subprocess.run(
        ["bash", "-c", shell], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr and "Exception ignored" not in ended.stderr
    records = list(Store(folder / "runs").records())
    assert [record.status for record in records] == ["done", "done"]
    for record in records:
        log = Store(folder / "runs").jobs_dir / record.job_id / "log.txt"
        assert b"done" not in log.read_bytes()  # what the run says went nowhere else either


def test_a_report_is_whole_without_a_reader_but_not_silent_on_a_full_disk(folder: Path) -> None:
    environment = bench_environment(folder, "tests.support.runners:QUICK")

    def shell(command: str) -> subprocess.CompletedProcess[str]:
        words = ["bash", "-c", f"set -o pipefail; {sys.executable} -m bench {command}"]
        return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)

    assert shell(f"run {CHOSEN}").returncode == 0
    ended = shell("report --out left 2>&1 | true")
    assert ended.returncode == 0 and "Traceback" not in ended.stderr, ended.stderr
    written = {str(path.relative_to(folder / "left")) for path in (folder / "left").rglob("*") if path.is_file()}
    listed = set(json.loads((folder / "left" / "files.json").read_text())["files"])
    assert len(listed) > 5 and written - {"files.json"} == listed
    ended = shell("report --json > /dev/full")
    assert ended.returncode == 2 and "No space left" in ended.stderr, ended.stderr


@pytest.mark.parametrize("after_s", [0.15, 0.4, 0.8])
def test_sigterm_ends_a_run_that_has_not_begun_by_130(folder: Path, after_s: float) -> None:
    environment = bench_environment(folder, "tests.support.slow_import")
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", "run", *CHOSEN.split()],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    marker = folder / "imported"
    deadline = time.monotonic() + 60
    while not marker.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(after_s)
    os.kill(process.pid, signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130 and "Traceback" not in said, said


def test_a_folder_named_like_a_package_of_this_project_is_not_imported(folder: Path, bench: Bench) -> None:
    for name in ("bench", "models"):
        (folder / name).mkdir()
        (folder / name / "data.csv").touch()
    for module in ("models/__init__.py", "numpy.py", "pandas.py"):
        (folder / module).write_text("raise SystemExit('the wrong module')\n")
    (folder / "own_runner.py").write_text("from tests.support.runners import QUICK as ENTRIES\n")
    result = bench("run", *CHOSEN.split(), plugins="own_runner")  # a plug-in that lies where the user stands
    assert result.returncode == 0, result.stdout + result.stderr
    assert [record.status for record in Store(folder / "runs").records()] == ["done", "done"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--memory", "1e10"], "--memory is 1e+10 GB"),
        (["--memory", "1e308"], "--memory is 1e+308 GB"),
        (["--memory", "inf"], "--memory is inf GB"),
        (["--memory", "nan"], "--memory is nan GB"),
        (["--memory", "-1"], "--memory is -1 GB"),
        (["--repeats", str(10**30)], "--repeats"),
        (["--first-repeat", str(10**30)], "--first-repeat"),
        (["--dataset", "auto:"], "auto takes no options"),
        (["--dataset", "auto:cells=3"], "auto takes no options"),
        (["--dataset", "northchina:x=1"], "'northchina' takes no options"),
    ],
)
def test_numbers_and_names_out_of_range_are_one_sentence(
    folder: Path, bench: Bench, options: list[str], said: str
) -> None:
    result = bench("plan", *CHOSEN.split(), *options, plugins="tests.support.runners:QUICK")
    assert result.returncode == 2 and said in result.stderr and "Traceback" not in result.stderr, result.stderr


def test_a_limit_of_the_shell_below_the_cap_is_one_sentence(folder: Path) -> None:
    environment = bench_environment(folder, "tests.support.runners:QUICK")
    for limit, options, code in ((3_000_000, "--memory 8", 2), (3_000_000, "", 0)):
        shell = f"ulimit -d {limit}; {sys.executable} -m bench run {CHOSEN} {options}"
        ended = subprocess.run(["bash", "-c", shell], cwd=folder, env=environment, capture_output=True, text=True)
        assert ended.returncode == code and "Traceback" not in ended.stderr, ended.stderr
        assert code == 0 or "(ulimit -d)" in ended.stderr
