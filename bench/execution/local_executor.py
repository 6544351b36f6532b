"""Jobs on this machine, each a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.execution.executor import OnLost
from bench.execution.launching import Wardens
from bench.execution.planning import Estimate
from bench.execution.process import JobProcess, Limits
from bench.runners import registry
from bench.store.jobs import Job


class LocalExecutor:
    """One process per job on this machine, and one job per GPU.

    Several trainings at once on one GPU would run out of its memory, which no limit of a process bounds.

    Args:
        cube: folder of the cube.
        at_once: jobs at once.
        gpus: names of the GPUs. Runners that use a GPU get one for each of their processes, the others see none;
            without any GPU nobody's environment is touched.
    """

    def __init__(self, cube: Path, at_once: int, gpus: Sequence[str] = ()) -> None:
        self._cube, self._at_once, self._gpus = cube, at_once, tuple(gpus)
        self._holding: list[JobProcess] = []
        self._wardens = Wardens()

    def limits(self, here: Limits, capped: bool) -> Limits:
        """See `Executor`."""
        return here

    def room(self) -> int:
        """See `Executor`."""
        return self._at_once

    def takes(self, job: Job, limits: Limits) -> bool:
        """See `Executor`: a job waits for its GPUs."""
        return len(self._free_gpus()) >= self._wanted_gpus(job, limits)

    def start(
        self, job: Job, expected: Estimate, work: Path, checkpoint: Path, limits: Limits, on_lost: OnLost
    ) -> JobProcess:
        """See `Executor`."""
        gpus = self._free_gpus()[: self._wanted_gpus(job, limits)] if self._gpus else None
        process = JobProcess(job, self._cube, work, checkpoint, limits, self._wardens, gpus)
        self._holding = [process, *(other for other in self._holding if other.running)]
        return process

    def _wanted_gpus(self, job: Job, limits: Limits) -> int:
        entry = registry.get(job.runner)
        wanted = limits.processes if entry.several_processes else 1
        return min(wanted, len(self._gpus)) if entry.uses_gpu else 0

    def _free_gpus(self) -> list[str]:
        taken = {gpu for process in self._holding if process.running for gpu in process.gpus or ()}
        return [gpu for gpu in self._gpus if gpu not in taken]

    def close(self) -> None:
        """Ends what jobs were started through."""
        self._wardens.close()
