"""One job per GPU, and what a job's process sees of GPUs and of other trainings."""

from __future__ import annotations

import importlib.metadata
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.data.cube_zarr import write_cube
from bench.data.datasets import OpenedDataset
from bench.execution import child
from bench.execution.local_executor import LocalExecutor
from bench.execution.planning import Estimate, plan
from bench.execution.process import Limits, environment_of_job
from bench.execution.progress import PlainProgress
from bench.execution.schedule import run_jobs
from bench.runners import registry
from bench.store.jobs import Job
from bench.store.store import Store
from bench.suites.options import SuiteOptions
from bench.suites.suites import make_jobs
from bench.system import host
from tests.conftest import make_cube

LIMITS = Limits(1, 2_000_000_000, 60)


@pytest.fixture(autouse=True)
def seeing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(registry.PLUGINS_VARIABLE, "tests.support.runners:SEEING")
    registry.reload()
    yield
    registry.reload()


def jobs_of(*runners: str) -> list[Job]:
    dataset = OpenedDataset(make_cube(), Path(), "toy", "")
    return make_jobs("full", dataset, SuiteOptions(profile="smoke", only=runners))


def test_jobs_that_use_a_gpu_take_turns_and_others_do_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "3")  # of a job that this run is a part of
    write_cube(tmp_path / "toy.zarr", make_cube())
    store = Store(tmp_path / "runs", create=True)
    planned = plan(jobs_of("seeing_a", "seeing_b", "seeing_nothing"), make_cube(), store, LIMITS)
    local = LocalExecutor(tmp_path / "toy.zarr", 3, ("5",))
    summary = run_jobs(planned, store, local, LIMITS, PlainProgress(3, stream=io.StringIO()))
    assert summary.counts == {"done": 3}
    seen: dict[str, dict[str, Any]] = {}
    for record in store.records():
        log = (store.jobs_dir / record.job_id / "log.txt").read_text()
        seen[record.job.runner] = json.loads(log.partition("seeing ")[2].splitlines()[0])
    assert {name: item["CUDA_VISIBLE_DEVICES"] for name, item in seen.items()} == {
        "seeing_a": "5",
        "seeing_b": "5",
        "seeing_nothing": "",
    }
    first, second = sorted((seen["seeing_a"], seen["seeing_b"]), key=lambda item: item["begin"])
    assert first["end"] < second["begin"]
    assert seen["seeing_nothing"]["begin"] < second["begin"]
    assert {item["RANK"] for item in seen.values()} == {None}


class FakeProcess:
    """A job's process that runs until it is told otherwise."""

    def __init__(self, job: Job, cube: Path, work: Path, checkpoint: Path, limits: Limits, gpus: Any) -> None:
        self.gpus, self.running = gpus, True


def test_each_process_of_a_job_has_a_gpu_and_an_ended_job_gives_them_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.execution.local_executor.JobProcess", FakeProcess)
    single, together, blind = jobs_of("seeing_a", "seeing_together", "seeing_nothing")
    two = Limits(1, 10**9, None, processes=2)

    def start(local: LocalExecutor, job: Job) -> Any:
        assert local.takes(job, two)
        return local.start(job, Estimate(0, 0, 0), Path(), Path(), two, lambda label, why: None)

    local = LocalExecutor(Path(), 9, ("0", "1", "GPU-3"))
    pair = start(local, together)
    assert pair.gpus == ["0", "1"] and not local.takes(together, two)
    assert start(local, single).gpus == ["GPU-3"] and not local.takes(single, two)
    assert start(local, blind).gpus == []
    pair.running = False
    assert start(local, single).gpus == ["0"]
    assert start(LocalExecutor(Path(), 9, ("0",)), together).gpus == ["0"]  # its second process says what is missing
    assert start(LocalExecutor(Path(), 9), single).gpus is None


@pytest.mark.parametrize(
    ("torch", "installed", "named", "visible"),
    [
        ("2.13.0", 2, None, ("0", "1")),
        ("2.13.0", 4, "2,3", ("2", "3")),
        ("2.13.0", 4, "GPU-1a2b,MIG-3c", ("GPU-1a2b", "MIG-3c")),
        ("2.13.0", 4, "1,-1,2", ("1",)),
        ("2.13.0", 1, "0,1", ("0",)),
        ("2.13.0", 4, "", ()),
        ("2.13.0", 4, "NoDevFiles", ()),
        ("2.13.0", 0, "0", ()),
        ("2.13.0+cpu", 4, None, ()),
    ],
)
def test_visible_gpus_are_those_that_torch_would_see(
    monkeypatch: pytest.MonkeyPatch, torch: str, installed: int, named: str | None, visible: tuple[str, ...]
) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: torch)
    monkeypatch.setattr(host, "_installed_gpus", lambda: installed)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert host.visible_gpus() == visible


def test_gpus_are_counted_by_the_drivers_own_program_where_the_kernel_lists_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if Path("/proc/driver/nvidia/gpus").is_dir():
        pytest.skip("the kernel lists the GPUs of this machine")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert host._installed_gpus() == 0
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: One (UUID: GPU-1)'\necho '  MIG 1g'\necho 'GPU 1: Two (UUID: GPU-2)'\n")
    program.chmod(0o755)
    assert host._installed_gpus() == 2


def test_a_job_does_not_inherit_a_group_and_adds_up_in_a_fixed_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inherited = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "elsewhere", "MASTER_PORT": "1"}
    for name, value in inherited.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    environment = environment_of_job(1, tmp_path, None)
    assert not environment.keys() & inherited.keys()
    assert environment["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8" and environment["CUDA_VISIBLE_DEVICES"] == "7"
    assert environment_of_job(1, tmp_path, ("2", "3"))["CUDA_VISIBLE_DEVICES"] == "2,3"


@pytest.mark.parametrize(
    "message",
    [
        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory",
    ],
)
def test_a_gpu_without_memory_is_out_of_memory_and_no_failure(message: str) -> None:
    error = ValueError("training failed")
    error.__cause__ = RuntimeError(message)
    assert child._in_chain(RuntimeError(message), child._is_memory_error) and child._in_chain(
        error, child._is_memory_error
    )
    assert not child._in_chain(RuntimeError("CUDA error: invalid device ordinal"), child._is_memory_error)
