"""Whatever a job does, it ends as its own status; everything that it started is ended; the others never notice."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bench.data.cube_zarr import write_cube
from bench.store.records import Record
from bench.store.store import Store
from tests.conftest import Bench, bench_environment, make_cube

PLUGINS = "tests.support.hostile,tests.support.runners:QUICK"
FAILED = {
    "surrogate_error": r"FileNotFoundError: [Errno 2] No such file: 'caf\udce9.nc'",
    "control_error": r"RuntimeError: \x1b[2J\x1b]0;title\x07 red\r second line\x00",
    "long_error": "RuntimeError: xxx",
    "mute_error": "_Mute: no message",
    "chained_error": "RuntimeError: number 2999",
    "own_cause": "RuntimeError: its own cause",
    "exit_0": "exit code 0 and no result",
    "exit_text": "exit code 1 and no result",
    "exit_at_once": "exit code 0 and no result",
    "exit_as_if_disk_full_no": "exit code 3 and no result",
    "abort": "SIGABRT",
    "real_time_signal": "signal 35",
    "kills_its_guard": "SIGKILL",
    "result_not_json": "makes no sense",
    "result_list": "makes no sense",
    "result_number_for_text": "makes no sense",
    "result_nan": "makes no sense",
    "result_infinite_time": "makes no sense",
    "result_surrogate": "makes no sense",
    "result_deep": "makes no sense",
    "result_huge": "makes no sense",
    "result_skipped": "makes no sense",
    "result_done_without_files": "left no file statistics.parquet",
    "result_done_without_metrics": "left no train metrics",
    "result_empty": "makes no sense",
    "result_folder": "makes no sense",
    "result_pipe": "makes no sense",
    "result_link": "makes no sense",
    "work_removed": "no result",
    "work_swapped": "no result",
    "no_file_size": "no result",
    "no_files": "no result",
    "complex_predictions": "values of type complex",
    "predictions_of_objects": "values of type object",
    "masked_predictions": "masked values",
}
DONE = (
    "read_only_folders",
    "link_out",
    "deep_folders",
    "log_replaced",
    "log_flood",
    "log_bytes",
    "closed_streams",
    "other_folder",
    "umask",
    "no_core",
    "child_writes_on",
    "daemon",
    "stopped_child",
    "signals_ignored",
    "endless_thread",
)


class Scene:
    """A data set, a store, a folder that no job may harm, and how to run deeds."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench, self.folder, self.outside = bench, folder, folder / "outside"
        self.outside.mkdir()
        (self.outside / "precious").write_text("years of work")
        write_cube(folder / "toy.zarr", make_cube())

    def run(self, *deeds: str, options: tuple[str, ...] = (), expect: int = 1) -> str:
        chosen = ",".join(name if name.startswith("noise_") else f"hostile_{name}" for name in deeds)
        result = self.bench(
            *("run", "--suite", "full", "--profile", "smoke", "--dataset", str(self.folder / "toy.zarr")),
            *("--only", chosen, *options),
            plugins=PLUGINS,
            HOSTILE_OUTSIDE=str(self.outside),
            HOSTILE_CUBE=str(self.folder / "toy.zarr"),
        )
        assert "Traceback" not in result.stderr, result.stderr
        assert result.returncode == expect, result.stdout + result.stderr
        return result.stdout + result.stderr

    @property
    def records(self) -> dict[str, Record]:
        found = Store(self.folder / "runs").records()
        return {record.job.runner.removeprefix("hostile_"): record for record in found}

    def log(self, deed: str) -> bytes:
        return (self.folder / "runs" / "cells" / self.records[deed].job_id / "log.txt").read_bytes()

    def require_nothing_left(self) -> None:
        assert (self.outside / "precious").read_text() == "years of work"
        assert {path.name for path in self.outside.iterdir()} <= {"precious", "pids", "files"}
        pids = (self.outside / "pids").read_text().split() if (self.outside / "pids").exists() else []
        gone = psutil.wait_procs([psutil.Process(int(pid)) for pid in pids if psutil.pid_exists(int(pid))], timeout=2)
        assert not gone[1]


@pytest.fixture
def scene(bench: Bench, tmp_path: Path) -> Scene:
    return Scene(bench, tmp_path)


@pytest.mark.timeout(600)
def test_every_deed_ends_as_a_status_of_its_own(scene: Scene) -> None:
    deeds = (*FAILED, *DONE)
    out = scene.run(*deeds, "noise_a", options=("--timeout", "60", "--memory", "2"))
    found = scene.records
    assert set(found) == {*deeds, "noise_a"}
    wrong = {
        name: (record.status, record.reason)
        for name, record in found.items()
        if (record.status, record.reason) != ("done", None)
        and not (record.status == "failed" and FAILED.get(name, "\0") in (record.reason or ""))
    }
    assert not wrong
    assert {name for name, record in found.items() if record.status == "done"} == {*DONE, "noise_a"}
    assert "\x1b" not in out and "\udce9" not in out
    assert max(len(record.reason or "") for record in found.values()) < 600
    scene.require_nothing_left()
    moved = [path for path in (scene.folder / "runs" / "work").iterdir() if not path.name.endswith("-moved")]
    assert moved == []
    flood = scene.log("log_flood")
    assert flood.startswith(b"first words") and flood.endswith(b"last words\n") and len(flood) <= 20_000_000
    assert b"MB of this log were cut out here]" in flood
    assert scene.log("log_replaced") == b"before\n" and bytes(range(256)) in scene.log("log_bytes")
    assert [record.job.runner for record in found.values() if record.interrupted] == ["hostile_kills_its_guard"]
    for verb in (["ls", "jobs"], ["report", "--no-figures"], ["info", found["surrogate_error"].job_id]):
        shown = scene.bench(*verb, plugins=PLUGINS)
        assert shown.returncode == 0 and "\x1b" not in shown.stdout, shown.stderr


def test_a_job_killed_from_outside_is_counted_as_such_and_no_retry_is_advised(scene: Scene) -> None:
    for _ in range(2):
        out = scene.run("kills_its_guard", "noise_a")
        assert "#0: interrupted - " in out and "1 interrupted" in out and "failed" not in out
        assert "1 job was killed from outside; run the same command" in out and "--retry" not in out
    listed = json.loads(scene.bench("ls", "jobs", "--json", plugins=PLUGINS).stdout)
    assert {row["status"] for row in listed} == {"interrupted", "done"}
    out = scene.run("kills_its_guard", "abort")
    assert "1 failed" in out and "1 interrupted" in out and "repeat them with --retry failed" in out


@pytest.mark.alone
@pytest.mark.timeout(300)
def test_memory_counts_wherever_it_is_held(scene: Scene) -> None:
    from tests.support.hostile import HOARDS

    scene.run(*HOARDS, "shares_much", options=("--timeout", "60", "--memory", "0.55", "--jobs", "1"))
    statuses = {name: record.status for name, record in scene.records.items()}
    assert statuses == dict.fromkeys(HOARDS, "oom") | {"shares_much": "done"}
    scene.require_nothing_left()
    for path in (scene.outside / "files").read_text().split():
        Path(path).unlink(missing_ok=True)


@pytest.mark.parametrize("deed", ["log_on_full_disk", "wrapped_full_disk"])
def test_a_full_disk_ends_the_run_in_a_sentence_and_the_job_is_open(scene: Scene, deed: str) -> None:
    out = scene.run(deed, expect=2)
    assert "found the disk full; free some space and run the same command again" in out
    assert scene.records == {} and list((scene.folder / "runs" / "work").iterdir()) == []


def test_data_that_vanish_in_mid_run_fail_no_job_for_good(scene: Scene) -> None:
    out = scene.run("removes_the_cube", "noise_a", options=("--jobs", "1"), expect=2)
    assert "did not find the data of the plan" in out and "run the same command again" in out
    assert {record.status for record in scene.records.values()} <= {"done"}
    write_cube(scene.folder / "toy.zarr", make_cube())
    assert "done" in scene.run("noise_a", expect=0)


def test_a_done_record_without_files_is_set_aside_and_repeated(scene: Scene) -> None:
    scene.run("noise_a", expect=0)
    [record] = scene.records.values()
    path = scene.folder / "runs" / "cells" / record.job_id / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"files": {}}))
    shown = scene.bench("report", "--no-figures", plugins=PLUGINS)
    assert shown.returncode == 0 and f"{record.job_id} lacks statistics.parquet" in shown.stderr, shown.stderr
    assert "1 done; 0 done before" in scene.run("noise_a", expect=0)
    [again] = scene.records.values()
    assert again.files == record.files


def test_what_killed_runs_were_writing_is_removed_by_the_next(scene: Scene) -> None:
    from bench.system.ownership import host_name, owner

    scene.run("noise_a", expect=0)
    store = scene.folder / "runs"
    [described] = (store / "datasets").iterdir()
    places = (store, store / "manifests", described)
    gone = [place / f".a.json.{host_name()}-999999999" for place in places]
    kept = [place / name for place in places for name in (f".a.json.{owner()}", ".a.json.other_node-1", ".notes-2020")]
    for path in (*gone, *kept):
        path.touch()
    scene.run("noise_a", expect=0)
    assert [path for path in (*gone, *kept) if path.exists()] == kept


def test_a_job_that_stops_its_guard_ends_at_the_time_limit(scene: Scene) -> None:
    scene.run("stops_its_guard", options=("--timeout", "20"))
    assert scene.records["stops_its_guard"].status == "timeout"
    assert len((scene.outside / "pids").read_text().split()) == 2
    scene.require_nothing_left()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("victim", ["run", "warden", "guard"])
def test_a_job_in_a_long_call_dies_with_whoever_is_above_it(scene: Scene, victim: str) -> None:
    command = [
        "run",
        "--suite",
        "full",
        "--profile",
        "smoke",
        "--dataset",
        "toy.zarr",
        "--only",
        "hostile_holds_the_lock",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", *command],
        env=bench_environment(scene.folder, PLUGINS) | {"HOSTILE_OUTSIDE": str(scene.outside)},
        cwd=scene.folder,
        stdout=subprocess.DEVNULL,
    )
    pids = scene.outside / "pids"
    deadline = time.monotonic() + 200
    while (not pids.exists() or len(pids.read_text().split()) < 2) and time.monotonic() < deadline:
        time.sleep(0.05)
    job, daemon = (psutil.Process(int(pid)) for pid in pids.read_text().split())
    guard = job.parent()
    assert guard is not None
    warden = guard.parent()
    assert warden is not None and warden.ppid() == process.pid
    # At once: whether the run ever saw the daemon must not matter.
    {"run": psutil.Process(process.pid), "warden": warden, "guard": guard}[victim].kill()
    _, alive = psutil.wait_procs([job, guard, daemon], timeout=30)
    assert not alive
    process.wait(timeout=60)
    assert not psutil.wait_procs([warden], timeout=10)[1]


@pytest.mark.parametrize("deed", ["kills_its_warden", "stops_its_warden"])
def test_a_job_that_ends_or_stops_its_warden_is_recorded_and_the_others_run(scene: Scene, deed: str) -> None:
    scene.run(deed, "noise_a", "noise_b", options=("--jobs", "1"))
    found = {name: (record.status, record.interrupted) for name, record in scene.records.items()}
    assert found == {deed: ("failed", True), "noise_a": ("done", False), "noise_b": ("done", False)}
    scene.require_nothing_left()


def test_children_of_the_calling_process_are_left_alone(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run from Python: the process has children of its own, and a job whose killed guard lets a daemon go."""
    monkeypatch.setenv("HOSTILE_OUTSIDE", str(scene.outside))
    monkeypatch.setenv("BENCH_PLUGINS", PLUGINS)
    program = (
        "import subprocess, sys, bench\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)'])\n"
        "launch = 'import subprocess, sys; print(subprocess.Popen([sys.executable, \"-c\", '\n"
        "launch += '\"import time; time.sleep(100)\"], stdout=subprocess.DEVNULL).pid)'\n"
        "orphan = int(subprocess.run([sys.executable, '-c', launch], stdout=subprocess.PIPE, check=True).stdout)\n"
        "bench.run('full', profile='smoke', dataset='toy.zarr', only='hostile_leaves_its_guard', store='runs')\n"
        "import psutil\n"
        "print('own', child.poll() is None and psutil.pid_exists(orphan))\n"
        "child.kill(); psutil.Process(orphan).kill()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=bench_environment(scene.folder, PLUGINS) | {"HOSTILE_OUTSIDE": str(scene.outside)},
        cwd=scene.folder,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert "own True" in done.stdout, done.stdout + done.stderr
    assert scene.records["leaves_its_guard"].interrupted
    scene.require_nothing_left()


def test_a_warden_shares_no_threads_for_computing_with_its_jobs(scene: Scene) -> None:
    scene.run("tells_its_modules", expect=0)
    said = json.loads(scene.log("tells_its_modules").decode().splitlines()[0])
    assert "pandas" in said["modules"] and not {"torch", "sklearn", "lightgbm"} & set(said["modules"])
    assert not [name for name in said["libraries"] if name.startswith(("libgomp", "libomp", "libiomp"))]
    others = [name for name in said["threads"] if not name.startswith("python")]
    assert set(others) <= {"jemalloc_bg_thd"}  # Arrow's, which knows of forks
