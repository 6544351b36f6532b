"""What the scheduler asks of an executor, the place where jobs run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from bench.execution.planning import Estimate
from bench.execution.process import Limits, Outcome
from bench.store.jobs import Job
from bench.system.clock import Stopwatch

OnLost = Callable[[str, str], None]


class RunningJob(Protocol):
    """A job that was handed to an executor.

    Attributes:
        job: what runs.
        work: folder that holds its result once `poll` returned an outcome.
        limits: what it may use.
        watch: time since it was handed over.
    """

    job: Job
    work: Path
    limits: Limits
    watch: Stopwatch

    def poll(self) -> Outcome | None:
        """The outcome if the job has ended, else None."""

    def log(self) -> bytes:
        """What the job printed, once it has ended."""

    def kill(self) -> None:
        """Ends the job."""


class Executor(Protocol):
    """A place for jobs to run."""

    def limits(self, here: Limits, capped: bool) -> Limits:
        """What one job may use there.

        Args:
            here: limits of a job on this machine.
            capped: whether the user named the memory cap.
        """

    def room(self) -> int:
        """How many jobs may be in its hands at once."""

    def takes(self, job: Job, limits: Limits) -> bool:
        """Whether it takes this job now; of those that it does not take, another may have to end first.

        Args:
            job: what would run.
            limits: of the jobs of this run.
        """

    def start(
        self, job: Job, expected: Estimate, work: Path, checkpoint: Path, limits: Limits, on_lost: OnLost
    ) -> RunningJob:
        """Takes a job.

        Args:
            job: what to run.
            expected: what it will probably need.
            work: empty folder for its result.
            checkpoint: folder that outlives the run, for an unfinished training.
            limits: what it may use.
            on_lost: is told the label of a job that lost its worker and starts again, and why.
        """

    def close(self) -> None:
        """Gives back whatever the executor holds."""
