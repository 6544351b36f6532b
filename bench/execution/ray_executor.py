"""Jobs on a Ray cluster: each is one task of it, asks for what it needs, and is sent again if its worker is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.data.datasets import OpenedDataset
from bench.errors import BenchError
from bench.execution.executor import OnLost
from bench.execution.planning import Estimate
from bench.execution.process import Limits, Outcome
from bench.execution.ray_cluster import connect, last_line
from bench.execution.remote import receive, run_on_worker, task_of
from bench.runners import registry
from bench.store.jobs import Job
from bench.store.names import LOG
from bench.system.clock import Stopwatch

ATTEMPTS = 4
"""How often a job is sent out before a lost worker is held to be its own fault."""
CANCEL_S = 15.0
"""How long jobs may take to end after Ctrl-C before their workers are ended."""
GRACE_S = 600.0
"""How long a job waits for a node that can hold it: a cluster that grows by itself may be about to bring one."""
_LOOK_S = 2.0  # between two looks at the nodes of the cluster
_HEADROOM = 2  # memory cap of a job as a multiple of what it is expected to need
Resources = Mapping[str, float]
"""Of a node, by Ray's names: ``CPU``, ``GPU``, ``memory`` (bytes)."""


def demand_of(cores: int, gpus: int, memory_bytes: int, nodes: Sequence[Resources]) -> dict[str, int]:
    """What a job asks the cluster for, so that it can start: of cores and memory no more than the best node has.

    Args:
        cores: that it can use.
        gpus: that it needs.
        memory_bytes: that it is expected to need.
        nodes: resources of the living nodes. Where none has the GPUs, nothing is cut down.

    Returns:
        ``num_cpus``, ``num_gpus`` and ``memory`` (bytes), as Ray names them.
    """

    def of_use(node: Resources) -> tuple[float, float]:
        return min(node.get("memory", 0), memory_bytes), min(node["CPU"], cores)

    best = max(_with_gpus(nodes, gpus), key=of_use, default=None)
    if best is not None:
        cores, memory_bytes = min(cores, int(best["CPU"])), min(memory_bytes, int(best.get("memory", 0)))
    return {"num_cpus": cores, "num_gpus": gpus, "memory": memory_bytes}


def can_hold(node: Resources, demand: Mapping[str, int]) -> bool:
    """Whether a node without any other work has what a job asks for."""
    names = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
    return all(node.get(name, 0) >= demand[wanted] for wanted, name in names.items())


def _with_gpus(nodes: Sequence[Resources], gpus: int) -> list[Resources]:
    return [node for node in nodes if node.get("CPU", 0) >= 1 and node.get("GPU", 0) >= gpus]


class RayExecutor:
    """A Ray cluster.

    Args:
        dataset: the data; workers open the same by its spec.
        address: of the cluster; None for ``RAY_ADDRESS``, a cluster that runs on this machine, or one of its own.
        at_once: jobs at once; None for one per core of the cluster.
        gpus: that each job asks for if its runner can use them.
        keep_artefacts: bring back what runners wrote.

    Raises:
        BenchError: Ray is not installed, no cluster answers, or no node has so many GPUs.
    """

    def __init__(
        self,
        dataset: OpenedDataset,
        *,
        address: str | None = None,
        at_once: int | None = None,
        gpus: int = 0,
        keep_artefacts: bool = False,
    ) -> None:
        self.ray = connect(address)
        self.dataset, self.gpus, self.keep_artefacts = dataset, gpus, keep_artefacts
        self._at_once, self._threads, self._capped = at_once, 1, False
        self.remote = self.ray.remote(max_retries=0)(run_on_worker)
        self.cancelled: list[Any] = []
        self._known: list[Resources] = []
        self._looked = Stopwatch()
        if gpus and all(node.get("GPU", 0) < gpus for node in self.nodes()):
            self.close()
            raise BenchError(f"--gpus-per-job is {gpus}, but no node of the Ray cluster has as many; ask for fewer.")

    def limits(self, here: Limits, capped: bool) -> Limits:
        """See `Executor`: without a cap, a job may grow up to the largest node.

        Raises:
            BenchError: no node has as many cores as a job has processes.
        """
        nodes, self._capped = self.nodes(), capped
        cores = [int(node.get("CPU", 0)) for node in nodes]
        if max(cores) < here.processes:
            raise BenchError(
                f"A job is to have {here.processes} processes, but no node of the Ray cluster has as many cores; use "
                "a lower --processes-per-job or --gpus-per-job."
            )
        if self._at_once:
            self._threads = max(1, min(sum(cores) // self._at_once, max(cores) // here.processes))
        largest = int(max(node.get("memory", 0) for node in nodes))
        memory = here.memory_bytes if capped else largest
        return Limits(self._threads, memory, here.timeout_s, here.processes, here.disk_bytes)

    def room(self) -> int:
        """See `Executor`: grows and shrinks with the cluster."""
        return self._at_once or max(1, int(sum(node.get("CPU", 0) for node in self.nodes())) // self._threads)

    def takes(self, job: Job, limits: Limits) -> bool:
        """See `Executor`: the cluster keeps jobs that wait for a GPU."""
        return True

    def start(
        self, job: Job, expected: Estimate, work: Path, checkpoint: Path, limits: Limits, on_lost: OnLost
    ) -> RayJob:
        """See `Executor`."""
        gpus = min(self.gpus, limits.processes) if registry.get(job.runner).uses_gpu else 0
        demand = demand_of(limits.threads * limits.processes, gpus, expected.memory_bytes, self.nodes())
        cores, cap = demand["num_cpus"], limits.memory_bytes
        nodes = _with_gpus(self.nodes(), gpus)
        if nodes and not self._capped:
            share = max(node.get("memory", 0) * min(1, cores / node["CPU"]) for node in nodes)
            most = max(node.get("memory", 0) for node in nodes)
            cap = min(cap, int(most), max(_HEADROOM * expected.memory_bytes, int(share)))
        own = replace(limits, threads=max(1, cores // limits.processes), memory_bytes=cap)
        return RayJob(self, job, work, checkpoint, own, demand, on_lost)

    def close(self) -> None:
        """Waits for jobs that were taken back to end, and leaves the cluster."""
        watch, waiting = Stopwatch(), self.cancelled
        while waiting and watch.seconds < CANCEL_S:
            _, waiting = self.ray.wait(waiting, num_returns=len(waiting), timeout=0.2)
        for reference in waiting:
            self.ray.cancel(reference, force=True)
        self.ray.shutdown()

    def nodes(self) -> list[Resources]:
        """Resources of every living node, at most a moment ago."""
        if not self._known or self._looked.seconds > _LOOK_S:
            self._looked = Stopwatch()
            alive = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
            self._known = alive or [{}]  # whoever runs the cluster may bring another
        return self._known


class RayJob:
    """A job that was sent to the cluster; see `RunningJob`."""

    def __init__(
        self,
        executor: RayExecutor,
        job: Job,
        work: Path,
        checkpoint: Path,
        limits: Limits,
        demand: Mapping[str, int],
        on_lost: OnLost,
    ) -> None:
        self.job, self.work, self.limits, self.watch = job, work, limits, Stopwatch()
        self._executor, self._demand, self._on_lost, self._attempts = executor, demand, on_lost, 0
        self._without_node: Stopwatch | None = None
        self._task = task_of(
            job, executor.dataset, work, checkpoint, limits, demand["num_gpus"], executor.keep_artefacts
        )
        self._send()

    def poll(self) -> Outcome | None:
        """The outcome if the job has ended, else None.

        Raises:
            BenchError: the worker cannot run jobs of this driver.
        """
        ray = self._executor.ray
        if not ray.wait([self.reference], timeout=0)[0]:
            return self._given_up()
        try:
            answer = ray.get(self.reference)
        except ray.exceptions.RayTaskError as error:
            raise BenchError(
                f"A worker of the Ray cluster cannot run jobs ({last_line(error)}); install this package and its "
                "runners on every node and run the same command again."
            ) from error
        except ray.exceptions.RayError as error:  # worker, node or result is lost
            why = type(error).__name__
            if self._attempts < ATTEMPTS:
                self._on_lost(self.job.label, why)
                self._send()
                return None
            reason = f"its worker was lost {ATTEMPTS} times, at last by {why}; look at the nodes, then --retry failed"
            return Outcome("failed", reason, False, None, self.watch.seconds, 0)
        return receive(answer, self.work)

    def _given_up(self) -> Outcome | None:
        """The end of a job that no living node could hold for `GRACE_S`, else None: Ray itself would wait for ever."""
        if any(can_hold(node, self._demand) for node in self._executor.nodes()):
            self._without_node = None
            return None
        self._without_node = self._without_node or Stopwatch()
        if self._without_node.seconds <= GRACE_S:
            return None
        self.kill()
        cores, gpus, memory = (self._demand[name] for name in ("num_cpus", "num_gpus", "memory"))
        reason = (
            f"no node of the Ray cluster can hold it (cores: {cores}, GPUs: {gpus}, memory: {memory / 1e9:.1f} GB) and "
            f"none came within {GRACE_S / 60:g} minutes; add one, then --retry failed"
        )
        return Outcome("failed", reason, False, None, self.watch.seconds, 0)

    def log(self) -> bytes:
        """See `RunningJob`."""
        path = self.work / LOG
        return path.read_bytes() if path.exists() else b""

    def kill(self) -> None:
        """Takes the job back; `RayExecutor.close` waits until it has ended."""
        self._executor.ray.cancel(self.reference, force=False)
        self._executor.cancelled.append(self.reference)

    def _send(self) -> None:
        self._attempts += 1
        self.reference = self._executor.remote.options(name=self.job.label, **self._demand).remote(self._task)
