"""Kill it anywhere: afterwards the same command finishes the remainder, and the tables are those of an undisturbed
run."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from bench.data.cube_zarr import write_cube
from bench.store.store import Store
from bench.system.ownership import host_name
from tests.conftest import bench_environment, make_cube

KILLS = int(os.environ.get("BENCH_TEST_KILLS", "8"))
"""Of each kind; 20 take three times as long."""
RUNNERS = "noise_a,noise_b,noise_c,climatology"
FILES = ("table1.tex", "table1.csv", "table1.md")


class Scene:
    """A data set, a store, and the command that is killed again and again."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.folder = folder
        self.arguments = [
            "--suite",
            "full",
            "--profile",
            "smoke",
            "--dataset",
            str(data),
            "--only",
            RUNNERS,
            "--jobs",
            "2",
        ]
        self.environment = bench_environment(folder, "tests.support.runners:QUICK")

    def start(self, store: Path) -> subprocess.Popen[bytes]:
        with (self.folder / "errors.txt").open("ab") as errors:
            return subprocess.Popen(
                [sys.executable, "-m", "bench", "run", "--store", str(store), *self.arguments],
                env=self.environment,
                cwd=self.folder,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )

    @property
    def errors(self) -> str:
        """What all runs so far said on standard error."""
        return (self.folder / "errors.txt").read_text()

    def finish(self, store: Path) -> None:
        assert self.start(store).wait(timeout=120) == 0, self.errors
        assert {record.status for record in Store(store).records()} == {"done"}
        assert list((store / "work").iterdir()) == []

    def tables(self, store: Path) -> dict[str, bytes]:
        command = [sys.executable, "-m", "bench", "report", "--no-figures", "--store", str(store)]
        subprocess.run(command, env=self.environment, cwd=self.folder, check=True, capture_output=True, timeout=60)
        return {name: (store / "report" / name).read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("kill")
    write_cube(folder / "toy.zarr", make_cube())
    yield Scene(folder, folder / "toy.zarr")


@pytest.fixture(scope="module")
def undisturbed(scene: Scene) -> tuple[dict[str, bytes], float]:
    start = time.monotonic()
    scene.finish(scene.folder / "undisturbed")
    duration = time.monotonic() - start
    return scene.tables(scene.folder / "undisturbed"), duration


def kill_a_job(process: subprocess.Popen[bytes], generator: random.Random) -> bool:
    children = psutil.Process(process.pid).children(recursive=True)  # wardens, guards and jobs
    if not children:
        return False
    generator.choice(children).send_signal(signal.SIGKILL)
    process.wait(timeout=120)  # the others go on
    return True


def kill_the_runner(process: subprocess.Popen[bytes], generator: random.Random) -> bool:
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive, "jobs must not outlive the run that started them"
    return True


def kill_the_whole_tree(process: subprocess.Popen[bytes], generator: random.Random) -> bool:
    tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for item in tree:
        with contextlib.suppress(psutil.NoSuchProcess):
            item.kill()
    process.wait()
    psutil.wait_procs(tree[1:], timeout=10)
    return True


@pytest.mark.alone
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kill", [kill_a_job, kill_the_runner, kill_the_whole_tree])
def test_after_kills_at_random_moments_the_tables_are_the_same(
    scene: Scene,
    undisturbed: tuple[dict[str, bytes], float],
    kill: Callable[[subprocess.Popen[bytes], random.Random], bool],
) -> None:
    expected, duration = undisturbed
    generator = random.Random(20 + len(kill.__name__))
    landed = in_the_middle = attempt = 0
    store = scene.folder / f"{kill.__name__}-0"
    while landed < KILLS or in_the_middle == 0:  # on a busy machine many in a row hit none that had finished some jobs
        attempt += 1
        assert attempt < 4 * KILLS, f"{landed} kills hit the run, {in_the_middle} of them with some jobs finished"
        process = scene.start(store)
        time.sleep(generator.uniform(0.3, duration))
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.poll() is None and kill(process, generator):
                landed += 1
        process.wait(timeout=120)
        finished = _count(store)
        in_the_middle += 0 < finished < 4
        if finished == 4 or landed % 5 == 0:  # several kills may hit one store before it is finished and compared
            scene.finish(store)
            assert scene.tables(store) == expected
            store = scene.folder / f"{kill.__name__}-{attempt}"
    if (store / "store.json").exists():
        scene.finish(store)
        assert scene.tables(store) == expected


def _count(store: Path) -> int:
    if not (store / "store.json").exists():
        return 0
    return sum(record.status == "done" for record in Store(store).records())


def test_ctrl_c_ends_jobs_and_leaves_a_store_to_resume(
    scene: Scene, undisturbed: tuple[dict[str, bytes], float]
) -> None:
    store = scene.folder / "interrupted"
    process = scene.start(store)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not psutil.Process(process.pid).children():
        time.sleep(0.02)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(timeout=30) == 130
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive
    assert list((store / "work").iterdir()) == []
    scene.finish(store)
    assert scene.tables(store) == undisturbed[0]


def test_two_runs_at_once_share_the_work_and_finish_it(
    scene: Scene, undisturbed: tuple[dict[str, bytes], float]
) -> None:
    store = scene.folder / "shared"
    first, second = scene.start(store), scene.start(store)
    assert (first.wait(timeout=120), second.wait(timeout=120)) == (0, 0), scene.errors
    started = [record.started for record in Store(store).records()]
    assert len(started) == 4
    assert list((store / "quarantine").iterdir()) == []
    assert scene.tables(store) == undisturbed[0]


def test_an_unpublished_result_of_a_killed_run_is_not_taken_for_done(scene: Scene) -> None:
    store = scene.folder / "half"
    scene.finish(store)
    [record] = [item for item in Store(store).records() if item.job.runner == "noise_a"]
    folder = store / "cells" / record.job_id
    half = store / "work" / f"{record.job_id}-{host_name()}-999999999"
    folder.rename(half)  # a complete result that was never moved into place, its process gone
    scene.finish(store)
    assert Store(store).record(record.job_id) is not None
    assert not half.exists()
