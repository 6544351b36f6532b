"""Opening the executor that the user named: this machine or a Ray cluster."""

from __future__ import annotations

from bench.data.datasets import OpenedDataset
from bench.errors import BenchError, unknown
from bench.execution.executor import Executor
from bench.execution.local_executor import LocalExecutor
from bench.execution.ray_executor import RayExecutor
from bench.system.host import visible_gpus

EXECUTORS = ("local", "ray")


def open_executor(
    name: str,
    address: str | None,
    dataset: OpenedDataset,
    at_once: int,
    asked_at_once: int | None,
    gpus: int,
    keep_artefacts: bool,
) -> Executor:
    """The executor that the user named.

    Args:
        name: one of `EXECUTORS`.
        address: of a cluster, or None.
        dataset: what all jobs read.
        at_once: jobs at once on this machine.
        asked_at_once: what the user asked for, or None.
        gpus: that a job asks a cluster for, if its runner can use them.
        keep_artefacts: whether what runners wrote is wanted back.

    Raises:
        BenchError: no such executor, or it cannot be used here.
    """
    if name not in EXECUTORS:
        raise unknown("executor", name, EXECUTORS, "see `bench run --help`")
    if name == "local":
        if address is not None:
            raise BenchError("--address names a Ray cluster; add --executor ray.")
        return LocalExecutor(dataset.path, at_once, visible_gpus())
    return RayExecutor(dataset, address=address, at_once=asked_at_once, gpus=gpus, keep_artefacts=keep_artefacts)
