"""A cell on a worker, without any cluster: what travels, what comes back, and what is refused."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import bench
from bench.data.cube_zarr import write_cube
from bench.data.datasets import OpenedDataset, open_dataset
from bench.errors import BenchError
from bench.execution import ray_engine, remote
from bench.execution.engine import open_engine
from bench.execution.process import Limits
from bench.ownership import host_name
from bench.runners import registry
from bench.suites.cells import Cell
from bench.suites.suites import SuiteOptions, make_cells
from tests.conftest import make_cube

LIMITS = Limits(threads=1, memory_bytes=2_000_000_000, timeout_s=60)


@pytest.fixture
def dataset(tmp_path: Path) -> OpenedDataset:
    write_cube(tmp_path / "toy.zarr", make_cube())
    return open_dataset(str(tmp_path / "toy.zarr"))


@pytest.fixture
def cell(dataset: OpenedDataset) -> Cell:
    [cell] = make_cells("full", dataset, SuiteOptions(profile="smoke", only=("climatology",)))
    return cell


def task(cell: Cell, dataset: OpenedDataset, folder: Path) -> Any:
    return remote.task_of(cell, dataset, folder / "driver", folder / "checkpoint", LIMITS, gpus=0, scratch=False)


def test_a_cell_runs_on_the_worker_and_its_files_come_back(
    cell: Cell, dataset: OpenedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "worker"))
    root = tmp_path / "worker" / f"climate2gpp-bench-{os.getuid()}"
    abandoned, elsewhere = (root / f"{cell.id}-{host}-999999999" for host in (host_name(), "another_node"))
    abandoned.mkdir(parents=True)
    elsewhere.mkdir()  # of a node with which this one shares its temporary folder
    answer = remote.run_on_worker(task(cell, dataset, tmp_path))
    assert elsewhere.exists()
    assert not [path for path in (tmp_path / "worker").rglob("*") if path.is_file()] and not abandoned.exists()
    work = tmp_path / "work"
    work.mkdir()
    outcome = remote.receive(answer, work)
    assert outcome.status == "done" and outcome.result["n_test"] == 30 * 46
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
    cell: Cell, dataset: OpenedDataset, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    changed = task(cell, dataset, tmp_path)
    changed |= change if "cell" not in change else {"cell": changed["cell"] | change["cell"]}
    with pytest.raises(BenchError) as raised:
        remote.receive(remote.run_on_worker(changed), tmp_path)
    assert reason in str(raised.value) and str(raised.value).startswith("On worker ")


@pytest.mark.parametrize(("gpus", "seen"), [(0, "GPUs: \n"), (1, "GPUs: 3\n")])
def test_a_cell_that_is_granted_no_gpu_sees_none(
    dataset: OpenedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpus: int, seen: str
) -> None:
    monkeypatch.setenv("BENCH_PLUGINS", "tests.support.runners:LOOKING")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")  # as Ray sets it where GPUs are granted, and the node's owner may
    registry.entries.cache_clear()
    try:
        [cell] = make_cells("full", dataset, SuiteOptions(profile="smoke", only=("looking",)))
        answer = remote.run_on_worker(task(cell, dataset, tmp_path) | {"gpus": gpus})
    finally:
        registry.entries.cache_clear()
    assert bytes(answer["files"]["log.txt"]).decode() == seen
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"  # the worker runs other cells after this one


class FakeRay:
    """Answers every task with the next of some results."""

    class exceptions:  # noqa: N801 - as Ray names it
        class RayError(Exception):
            pass

        class RayTaskError(RayError):
            pass

    def __init__(self, *answers: Any) -> None:
        self.answers, self.sent = list(answers), 0

    def options(self, **demand: Any) -> FakeRay:
        return self

    def remote(self, task: Any) -> int:
        self.sent += 1
        return self.sent

    def wait(self, references: list[int], timeout: float) -> tuple[list[int], list[int]]:
        return references, []

    def get(self, reference: int) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def sent(ray: FakeRay, cell: Cell, dataset: OpenedDataset, folder: Path) -> tuple[ray_engine.RayCell, list[str]]:
    engine: Any = types.SimpleNamespace(ray=ray, remote=ray, dataset=dataset, keep_artefacts=False)
    told: list[str] = []
    running = ray_engine.RayCell(
        engine, cell, folder, folder, LIMITS, {"num_gpus": 0}, lambda label, why: told.append(f"{label}: {why}")
    )
    return running, told


def test_a_lost_worker_is_replaced_a_few_times_and_then_the_cell_has_failed(
    cell: Cell, dataset: OpenedDataset, tmp_path: Path
) -> None:
    ray = FakeRay(*[FakeRay.exceptions.RayError("gone")] * ray_engine.ATTEMPTS)
    running, told = sent(ray, cell, dataset, tmp_path)
    outcomes = [running.poll() for _ in range(ray_engine.ATTEMPTS)]
    assert outcomes[:-1] == [None] * (ray_engine.ATTEMPTS - 1) and told == [f"{cell.label}: RayError"] * 3
    assert outcomes[-1] is not None and outcomes[-1].status == "failed" and not outcomes[-1].interrupted
    assert "its worker was lost 4 times, at last by RayError" in (outcomes[-1].reason or "")
    assert ray.sent == ray_engine.ATTEMPTS


def test_a_worker_without_this_package_stops_the_run(cell: Cell, dataset: OpenedDataset, tmp_path: Path) -> None:
    running, _ = sent(FakeRay(FakeRay.exceptions.RayTaskError("No module named 'bench'")), cell, dataset, tmp_path)
    with pytest.raises(BenchError, match=r"cannot run cells \(No module named 'bench'\); install this package"):
        running.poll()


def test_without_ray_one_sentence_names_the_extra(dataset: OpenedDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BenchError, match=r"pip install 'climate2gpp-bench\[ray\]'"):
        open_engine("ray", None, dataset, 1, None, 0, False)


def test_engines_are_named_rightly(dataset: OpenedDataset) -> None:
    with pytest.raises(BenchError, match="Unknown engine 'rya': did you mean 'ray'"):
        open_engine("rya", None, dataset, 1, None, 0, False)
    with pytest.raises(BenchError, match="add --engine ray"):
        open_engine("local", "head:6379", dataset, 1, None, 0, False)


def test_an_address_without_a_cluster_is_one_sentence(dataset: OpenedDataset) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    with pytest.raises(BenchError, match=r"No Ray cluster answers at 127\.0\.0\.1:9 \(.*refused\)"):
        open_engine("ray", "127.0.0.1:9", dataset, 1, None, 0, False)


def test_the_dual_branch_networks_are_trained_by_several_processes_if_asked() -> None:
    assert registry.get("dual_branch").several_processes and registry.get("dual_branch_plus").several_processes
    assert not registry.get("lightgbm").several_processes
