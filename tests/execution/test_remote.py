"""A job on a worker, without any cluster: what travels, what comes back, and what is refused."""

from __future__ import annotations

import os
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bench
from bench.data.cube_zarr import write_cube
from bench.data.datasets import OpenedDataset, open_dataset
from bench.errors import BenchError
from bench.execution import ray_cluster, ray_executor, remote
from bench.execution.executors import open_executor
from bench.execution.planning import Estimate
from bench.execution.process import Limits
from bench.runners import registry
from bench.store.jobs import Job
from bench.suites.options import SuiteOptions
from bench.suites.suites import make_jobs
from bench.system.ownership import host_name
from tests.conftest import make_cube

LIMITS = Limits(threads=1, memory_bytes=2_000_000_000, timeout_s=60)
NODE = {"CPU": 8.0, "memory": 60e9}
GPU_NODE = {"CPU": 4.0, "GPU": 2.0, "memory": 30e9}


@pytest.fixture
def dataset(tmp_path: Path) -> OpenedDataset:
    write_cube(tmp_path / "toy.zarr", make_cube())
    return open_dataset(str(tmp_path / "toy.zarr"))


@pytest.fixture
def job(dataset: OpenedDataset) -> Job:
    [job] = make_jobs("full", dataset, SuiteOptions(profile="smoke", only=("climatology",)))
    return job


def task(job: Job, dataset: OpenedDataset, folder: Path) -> Any:
    return remote.task_of(job, dataset, folder / "driver", folder / "checkpoint", LIMITS, gpus=0, scratch=False)


def test_a_job_runs_on_the_worker_and_its_files_come_back(
    job: Job, dataset: OpenedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "worker"))
    root = tmp_path / "worker" / f"climate2gpp-bench-{os.getuid()}"
    abandoned, elsewhere = (root / f"{job.id}-{host}-999999999" for host in (host_name(), "another_node"))
    abandoned.mkdir(parents=True)
    elsewhere.mkdir()  # of a node with which this one shares its temporary folder
    answer = remote.run_on_worker(task(job, dataset, tmp_path))
    assert elsewhere.exists()
    assert not [path for path in (tmp_path / "worker").rglob("*") if path.is_file()] and not abandoned.exists()
    work = tmp_path / "work"
    work.mkdir()
    outcome = remote.receive(answer, work)
    assert outcome.result is not None and (outcome.status, outcome.result.n_test) == ("done", 30 * 46)
    assert outcome.host is not None and outcome.started is not None and outcome.peak_memory_bytes > 0
    assert {path.name for path in work.iterdir()} == {"log.txt", "statistics.parquet", "predictions.parquet"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bench_version": "0.0.1"}, f"climate2gpp-bench is {bench.__version__} here and 0.0.1 at the driver"),
        ({"spec": "/nowhere/toy.zarr"}, "/nowhere/toy.zarr"),
        ({"cell": {"dataset_fingerprint": "0" * 64}}, "differs from the driver's"),
        ({"cell": {"packages": {"lightgbm": "1.0"}}}, "lightgbm missing instead of 1.0"),
        ({"cell": {"runner_version": 99}}, "is another than the driver's (another version)"),
    ],
)
def test_a_worker_that_differs_from_the_driver_says_how(
    job: Job, dataset: OpenedDataset, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    changed = task(job, dataset, tmp_path)
    changed |= change if "cell" not in change else {"cell": changed["cell"] | change["cell"]}
    with pytest.raises(BenchError) as raised:
        remote.receive(remote.run_on_worker(changed), tmp_path)
    assert reason in str(raised.value) and str(raised.value).startswith("On worker ")


@pytest.mark.parametrize(("gpus", "seen"), [(0, "GPUs: \n"), (1, "GPUs: 3\n")])
def test_a_job_that_is_granted_no_gpu_sees_none(
    dataset: OpenedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpus: int, seen: str
) -> None:
    monkeypatch.setenv("BENCH_PLUGINS", "tests.support.runners:LOOKING")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")  # as Ray sets it where GPUs are granted, and the node's owner may
    registry.reload()
    try:
        [job] = make_jobs("full", dataset, SuiteOptions(profile="smoke", only=("looking",)))
        answer = remote.run_on_worker(task(job, dataset, tmp_path) | {"gpus": gpus})
    finally:
        registry.reload()
    assert bytes(answer["files"]["log.txt"]).decode() == seen
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"  # the worker runs other jobs after this one


class FakeRay:
    """Answers every task with the next of some results; without any, no task ever ends."""

    class exceptions:  # noqa: N801 - as Ray names it
        class RayError(Exception):
            pass

        class RayTaskError(RayError):
            pass

    def __init__(self, *answers: Any, nodes: tuple[dict[str, float], ...] = (NODE,)) -> None:
        self.answers, self.sent, self.living = list(answers), 0, nodes
        self.task: Any = None
        self.demand: dict[str, Any] = {}
        self.cancelled: list[int] = []

    def nodes(self) -> list[dict[str, Any]]:
        dead = {"Alive": False, "Resources": {"CPU": 64, "GPU": 8, "memory": 1e12}}
        return [dead, *({"Alive": True, "Resources": node} for node in self.living)]

    def options(self, **demand: Any) -> FakeRay:
        self.demand = demand
        return self

    def remote(self, task: Any = None, **options: Any) -> Any:
        if options:
            return lambda function: self
        self.sent, self.task = self.sent + 1, task
        return self.sent

    def wait(self, references: list[int], timeout: float) -> tuple[list[int], list[int]]:
        return (references, []) if self.answers else ([], references)

    def cancel(self, reference: int, force: bool) -> None:
        self.cancelled.append(reference)

    def get(self, reference: int) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def sent(ray: FakeRay, job: Job, dataset: OpenedDataset, folder: Path) -> tuple[ray_executor.RayJob, list[str]]:
    executor: Any = types.SimpleNamespace(ray=ray, remote=ray, dataset=dataset, keep_artefacts=False)
    demand = {"num_cpus": 1, "num_gpus": 0, "memory": 1}
    told: list[str] = []
    running = ray_executor.RayJob(
        executor, job, folder, folder, LIMITS, demand, lambda label, why: told.append(f"{label}: {why}")
    )
    return running, told


def test_a_lost_worker_is_replaced_a_few_times_and_then_the_job_has_failed(
    job: Job, dataset: OpenedDataset, tmp_path: Path
) -> None:
    ray = FakeRay(*[FakeRay.exceptions.RayError("gone")] * ray_executor.ATTEMPTS)
    running, told = sent(ray, job, dataset, tmp_path)
    outcomes = [running.poll() for _ in range(ray_executor.ATTEMPTS)]
    assert outcomes[:-1] == [None] * (ray_executor.ATTEMPTS - 1) and told == [f"{job.label}: RayError"] * 3
    assert outcomes[-1] is not None and outcomes[-1].status == "failed" and not outcomes[-1].interrupted
    assert "its worker was lost 4 times, at last by RayError" in (outcomes[-1].reason or "")
    assert ray.sent == ray_executor.ATTEMPTS


@pytest.mark.parametrize(
    ("cores", "gpus", "memory_gb", "expected"),
    [
        (2, 0, 1, (2, 0, 1)),  # as it is
        (16, 0, 80, (8, 0, 60)),  # above every node
        (8, 2, 40, (4, 2, 30)),  # cores and memory of one node, GPUs of another
        (12, 0, 100, (2, 0, 100)),  # more cores on one node, the memory on another
        (8, 4, 1, (8, 4, 1)),  # no node has the GPUs: left as it is, for one may come
    ],
)
def test_a_job_asks_for_no_more_than_one_living_node_has(
    cores: int, gpus: int, memory_gb: int, expected: tuple[int, int, int]
) -> None:
    nodes = [NODE, GPU_NODE, *([{"CPU": 2.0, "memory": 120e9}] if memory_gb == 100 else [])]
    demand = ray_executor.demand_of(cores, gpus, memory_gb * 10**9, nodes)
    assert demand == dict(zip(("num_cpus", "num_gpus", "memory"), (*expected[:2], expected[2] * 10**9), strict=True))
    assert any(ray_executor.can_hold(node, demand) for node in nodes) == (gpus < 4)


def executor_of(ray: FakeRay, dataset: OpenedDataset, monkeypatch: pytest.MonkeyPatch) -> ray_executor.RayExecutor:
    monkeypatch.setattr(ray_executor, "connect", lambda address: ray)
    monkeypatch.setattr(ray_executor, "_LOOK_S", -1.0)
    executor = ray_executor.RayExecutor(dataset, gpus=2)
    executor.limits(Limits(1, 1, None, processes=2), capped=False)
    return executor


@pytest.mark.parametrize(("uses_gpu", "gpus", "threads", "cap_gb"), [(True, 2, 2, 30), (False, 0, 4, 60)])
def test_threads_and_memory_cap_are_those_of_a_node_with_the_gpus(
    job: Job,
    dataset: OpenedDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    uses_gpu: bool,
    gpus: int,
    threads: int,
    cap_gb: int,
) -> None:
    # Whether torch is required does not tell whether the runner uses a GPU.
    entry = replace(registry.get(job.runner), uses_gpu=uses_gpu, requires=("torch",))
    monkeypatch.setattr(registry, "get", lambda name: entry)
    ray = FakeRay(nodes=(NODE, GPU_NODE))
    executor = executor_of(ray, dataset, monkeypatch)
    here = Limits(4, 60 * 10**9, None, processes=2)
    running = executor.start(job, Estimate(1.0, 40 * 10**9, 1), tmp_path, tmp_path, here, lambda label, why: None)
    assert ray.demand["num_gpus"] == ray.task["gpus"] == gpus
    assert (running.limits.threads, running.limits.processes) == (threads, 2)
    assert ray.demand["num_cpus"] == 2 * threads
    assert running.limits.memory_bytes == cap_gb * 10**9 and ray.demand["memory"] == min(cap_gb, 40) * 10**9


def test_a_job_that_no_living_node_can_hold_fails_after_a_while(
    job: Job, dataset: OpenedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = FakeRay(nodes=(NODE, GPU_NODE))
    executor = executor_of(ray, dataset, monkeypatch)
    here = Limits(1, 60 * 10**9, None)
    running = executor.start(job, Estimate(1.0, 40 * 10**9, 1), tmp_path, tmp_path, here, lambda label, why: None)
    ray.living = (GPU_NODE,)  # the only node with enough memory dies
    assert running.poll() is None
    monkeypatch.setattr(ray_executor, "GRACE_S", 0.0)
    ray.living = (GPU_NODE, NODE)  # another comes
    assert running.poll() is None
    ray.living = ()
    outcome = running.poll()
    assert outcome is not None and outcome.status == "failed" and not outcome.interrupted
    assert (outcome.reason or "").startswith(
        "no node of the Ray cluster can hold it (cores: 1, GPUs: 0, memory: 40.0 GB)"
    )
    assert ray.cancelled == [1] == executor.cancelled


def test_a_worker_without_this_package_stops_the_run(job: Job, dataset: OpenedDataset, tmp_path: Path) -> None:
    running, _ = sent(FakeRay(FakeRay.exceptions.RayTaskError("No module named 'bench'")), job, dataset, tmp_path)
    with pytest.raises(BenchError, match=r"cannot run jobs \(No module named 'bench'\); install this package"):
        running.poll()


def test_without_ray_one_sentence_names_the_extra(dataset: OpenedDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BenchError, match=r"pip install 'climate2gpp-bench\[ray\]'"):
        open_executor("ray", None, dataset, 1, None, 0, False)


def test_executors_are_named_rightly(dataset: OpenedDataset) -> None:
    with pytest.raises(BenchError, match="Unknown executor 'rya': did you mean 'ray'"):
        open_executor("rya", None, dataset, 1, None, 0, False)
    with pytest.raises(BenchError, match="add --executor ray"):
        open_executor("local", "head:6379", dataset, 1, None, 0, False)


def test_an_address_without_a_cluster_is_one_sentence(dataset: OpenedDataset) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    with pytest.raises(BenchError, match=r"No Ray cluster answers at 127\.0\.0\.1:9 \(.*refused\)"):
        open_executor("ray", "127.0.0.1:9", dataset, 1, None, 0, False)


def test_the_dual_branch_networks_are_trained_by_several_processes_if_asked() -> None:
    assert registry.get("dual_branch").several_processes and registry.get("dual_branch_plus").several_processes
    assert not registry.get("lightgbm").several_processes


@pytest.mark.parametrize("kind", ["link", "file", "writable", "somebody else's"])
def test_a_folder_that_somebody_else_prepared_is_not_used(
    job: Job, dataset: OpenedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "worker"))
    place = tmp_path / "worker" / f"climate2gpp-bench-{os.getuid()}"
    place.parent.mkdir()
    if kind == "link":
        (tmp_path / "theirs").mkdir()
        place.symlink_to(tmp_path / "theirs")
    elif kind == "file":
        place.touch()
    else:
        place.mkdir()
        place.chmod(0o777 if kind == "writable" else 0o755)
    if kind == "somebody else's":
        found = os.getuid()
        monkeypatch.setattr(os, "getuid", lambda: found + 1)
        place.rename(place.with_name(f"climate2gpp-bench-{found + 1}"))
    with pytest.raises(BenchError, match="is not a folder of this user alone"):
        remote.receive(remote.run_on_worker(task(job, dataset, tmp_path)), tmp_path)


@pytest.mark.parametrize("name", ["../../outside", "/outside", "record.json", "scratch/../../outside", "task.json"])
def test_a_worker_writes_nowhere_but_into_its_jobs_folder(tmp_path: Path, name: str) -> None:
    work = tmp_path / "a" / "b"
    work.mkdir(parents=True)
    with pytest.raises(BenchError, match="run on workers that you trust"):
        remote.receive({"files": {name: np.zeros(1, np.uint8)}}, work)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_cluster_of_ones_own_is_on_loopback_and_asks_for_a_token(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {}
    services = types.SimpleNamespace(get_node_ip_address=lambda: "192.0.2.1")

    def init(**options: Any) -> None:
        token = os.environ.get("RAY_AUTH_TOKEN", "")
        asked.update(options, node=services.get_node_ip_address(), token=token, mode=os.environ.get("RAY_AUTH_MODE"))

    private = types.SimpleNamespace(services=services)
    monkeypatch.setitem(sys.modules, "ray", types.SimpleNamespace(init=init, _private=private))
    monkeypatch.setitem(sys.modules, "ray._private", private)
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    ray_cluster.connect(None)
    assert (asked["address"], asked["_node_ip_address"], asked["node"]) == ("local", "127.0.0.1", "127.0.0.1")
    assert asked["mode"] == "token" and len(asked["token"]) == 64
    assert services.get_node_ip_address() == "192.0.2.1"
