"""The smoke suite on a Ray cluster of two nodes on this machine: interrupted, and with a node killed in the middle."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.data.cube_zarr import write_cube
from bench.store.store import Store
from tests.conftest import bench_environment, make_cube
from tests.support.runners import GATES

pytest.importorskip("ray", reason="ray is not installed")
pytestmark = [pytest.mark.alone, pytest.mark.timeout(300)]

FILES = ("table1.tex", "table1.csv", "table1.md")
NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}


class Scene:
    """A cluster of two nodes with one core each, and a data set."""

    def __init__(self, folder: Path, cluster: Any) -> None:
        self.folder, self.cluster, self.gates = folder, cluster, Path(os.environ[GATES])
        self.second = cluster.add_node(**NODE)
        self.environment = bench_environment(folder, "tests.support.runners:GATED,tests.support.runners:BAD")

    def start(self, store: str, only: str, *options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "bench", "run", "--suite", "full", "--profile", "smoke"]
        command += ["--dataset", str(self.folder / "toy.zarr"), "--only", only, "--store", str(self.folder / store)]
        return subprocess.Popen(
            [*command, *options],
            env=self.environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def on_ray(self, store: str, only: str) -> subprocess.Popen[str]:
        return self.start(store, only, "--executor", "ray", "--address", self.cluster.address)

    def jobs_of(self, node: Any) -> list[psutil.Process]:
        """Processes of jobs that run on a node."""
        raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
        return [item for item in raylet.children(recursive=True) if item.name().startswith("job-")]

    def wait_for_a_gated_job_of(self, node: Any) -> list[psutil.Process]:
        """Processes of jobs on a node of which one cannot end before the gate is opened."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            begun = {path.name for path in self.gates.iterdir()}
            try:
                found = self.jobs_of(node)
            except psutil.NoSuchProcess:
                continue  # one ended between two looks
            if any(str(item.pid) in begun for item in found):
                return found
            time.sleep(0.05)
        raise AssertionError("no gated job ever ran on the node")

    def tables(self, store: str) -> dict[str, bytes]:
        command = [sys.executable, "-m", "bench", "report", "--no-figures", "--store", str(self.folder / store)]
        subprocess.run(command, env=self.environment, cwd=self.folder, check=True, capture_output=True, timeout=90)
        return {name: (self.folder / store / "report" / name).read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("ray")
    short = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # Ray's sockets lie in it: their paths must be short
    write_cube(folder / "toy.zarr", make_cube())
    (folder / "gates").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in bench_environment(folder).items():
            patch.setenv(name, value)
        patch.setenv("RAY_TMPDIR", short)
        patch.setenv(GATES, str(folder / "gates"))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args=NODE | {"include_dashboard": False})
        yield Scene(folder, cluster)
        cluster.shutdown()
    shutil.rmtree(short, ignore_errors=True)


def test_ctrl_c_ends_the_jobs_on_the_cluster(scene: Scene) -> None:
    process = scene.on_ray("interrupted", "endless")
    nodes = [scene.cluster.head_node, scene.second]
    deadline = time.monotonic() + 90
    while not (jobs := [item for node in nodes for item in scene.jobs_of(node)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert jobs
    os.kill(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "Run the same command to resume" in out
    _, alive = psutil.wait_procs(jobs, timeout=5)
    assert not alive
    assert list((scene.folder / "interrupted" / "work").iterdir()) == []


def test_a_node_killed_in_the_middle_leaves_the_tables_of_the_local_engine(scene: Scene) -> None:
    chosen = "gated_a,gated_b,gated_c,raising,climatology"
    process = scene.on_ray("cluster", chosen)
    lost = scene.wait_for_a_gated_job_of(scene.second)
    scene.cluster.remove_node(scene.second, allow_graceful=False)
    _, alive = psutil.wait_procs(lost, timeout=30)
    assert not alive, "jobs must not outlive their node"
    (scene.gates / "open").touch()  # not before: a worker needs a moment to see that its node is gone
    local = scene.start("local", chosen, "--jobs", "2")
    out, _ = process.communicate(timeout=200)
    assert process.returncode == 1, out  # one of the jobs fails wherever it runs
    assert "again  " in out and "its worker was lost" in out
    local.communicate(timeout=120)
    stores = [Store(scene.folder / name) for name in ("cluster", "local")]
    statuses, reasons = (
        [{r.job_id: getattr(r, field) for r in s.records()} for s in stores] for field in ("status", "reason")
    )
    assert statuses[0] == statuses[1] and len(statuses[0]) == 5
    assert reasons[0] == reasons[1]
    assert scene.tables("cluster") == scene.tables("local")
    assert all((folder / "log.txt").exists() for folder in stores[0].jobs_dir.iterdir())
