"""One job's process as its parent sees it: started with limits, watched, and ended when it breaks one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.execution.joblog import JobLog
from bench.execution.launching import Wardens
from bench.execution.result import Result, read_result, what_is_missing
from bench.store.jobs import Job
from bench.store.names import LOG
from bench.store.records import Status
from bench.system.clock import Stopwatch
from bench.system.disk import disk_errors, free_bytes
from bench.system.host import Host
from bench.system.memory import MemoryWatch
from bench.system.processes import END_S
from bench.system.untrusted import is_folder, size_of_tree

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
)
GROUP_VARIABLES = (
    "RANK",
    "LOCAL_RANK",
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
    "TORCHELASTIC_USE_AGENT_STORE",
)
"""Of torchrun and of cluster operators: a job that inherited them would wait for processes of another job."""
DISK_FULL_EXIT = 28
"""Exit code of a job that found the disk full (ENOSPC); a result file could not be written then."""
MOST_DISK_BYTES = 50_000_000_000
"""What a job may write into its own folders, unless told otherwise: more than any fitted model of this project."""
_DISK_CHECK_S = 2.0
_DISK_SHARE = 20
"""How much more time must pass than the last look at the folders took."""
_FULL_BYTES = 1_000_000
"""A job that failed on a disk with less room than this failed because of it."""


@dataclass(frozen=True)
class Limits:
    """What one job may use.

    Attributes:
        threads: numeric threads.
        memory_bytes: resident memory of the process and its children.
        timeout_s: wall-clock limit, or None.
        processes: that train the job together, each with these threads, where its runner can use several.
        disk_bytes: of its work folder and its checkpoint.
    """

    threads: int
    memory_bytes: int
    timeout_s: float | None
    processes: int = 1
    disk_bytes: int = MOST_DISK_BYTES


@dataclass(frozen=True)
class Outcome:
    """How a job's process ended.

    Attributes:
        status: as in the record.
        reason: one sentence, unless done.
        interrupted: killed from outside.
        result: what the process said of itself, if it did.
        wall_seconds: lifetime of the process.
        peak_memory_bytes: the most memory that it held.
        obstacle: what is in the way of every other job too (a full disk, data that are gone), as the start of a
            sentence; the run ends then, and nothing is recorded.
        started: UTC, where another machine started it.
        host: that machine.
    """

    status: Status
    reason: str | None
    interrupted: bool
    result: Result | None
    wall_seconds: float
    peak_memory_bytes: int
    started: str | None = None
    host: Host | None = None
    obstacle: str | None = None


def environment_of_job(threads: int, temporary: Path, gpus: Sequence[str] | None) -> dict[str, str]:
    """Environment variables of a job's process: this process's own, without what would change its numbers.

    Args:
        threads: numeric threads.
        temporary: folder for temporary files.
        gpus: as for `JobProcess`.
    """
    environment = {name: value for name, value in os.environ.items() if name not in GROUP_VARIABLES}
    environment |= dict.fromkeys(THREAD_VARIABLES, str(threads))
    environment |= {"PYTHONHASHSEED": "0", "TMPDIR": str(temporary.resolve()), "PYTHONUNBUFFERED": "1"}
    environment["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # read when cuBLAS is loaded: without it its sums vary
    root = str(Path(__file__).resolve().parents[2])
    if not root.endswith("-packages"):  # run from its source: the job must find the same
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, environment.get("PYTHONPATH"))))
    if gpus is not None:
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    return environment


class JobProcess:
    """A running job.

    Args:
        job: what to run.
        cube: folder of the cube.
        work: empty work folder.
        checkpoint: folder that outlives the process, for an unfinished training.
        limits: what it may use.
        wardens: start it.
        gpus: the GPUs that it sees, as ``CUDA_VISIBLE_DEVICES`` names them; None for those that this process sees.
    """

    def __init__(
        self,
        job: Job,
        cube: Path,
        work: Path,
        checkpoint: Path,
        limits: Limits,
        wardens: Wardens,
        gpus: Sequence[str] | None = None,
    ) -> None:
        self.job, self.work, self.limits, self.gpus = job, work, limits, gpus
        task = {
            "cell": job.model_dump(mode="json"),
            "cube": str(cube.resolve()),
            "checkpoint": str(checkpoint.resolve()),
            "threads": limits.threads,
            "processes": limits.processes,
            "memory_bytes": limits.memory_bytes,
            "path": [str(Path(entry).resolve()) for entry in sys.path],
        }
        temporary = work / "tmp"
        with disk_errors(f"Work folder {work}", "stored results are untouched"):
            (work / "task.json").write_text(json.dumps(task))
            temporary.mkdir()
            self._log = JobLog(work / LOG)
        self.watch = Stopwatch()
        self._folders, self._disk_checked = (work, checkpoint), Stopwatch()
        self._memory = MemoryWatch()
        environment = environment_of_job(limits.threads, temporary, gpus)
        self._guard = wardens.start(work.resolve(), environment, limits.threads, self._log.stream.fileno())
        self._process: psutil.Process | None = None
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended at once
            self._process = psutil.Process(self._guard.pid)
        self._members: list[psutil.Process] = []

    @property
    def pid(self) -> int:
        """Process id."""
        return self._guard.pid

    @property
    def running(self) -> bool:
        """Whether it had not ended when it was last looked at."""
        return self._guard.returncode is None

    def log(self) -> bytes:
        """What the job printed, whatever it did to the file."""
        return self._log.content()

    def poll(self) -> Outcome | None:
        """The outcome if the process has ended or had to be ended, else None."""
        code = self._guard.poll()
        if code is not None:
            self.kill()  # what outlived it, where its guard was killed
            return self._ended(code)
        if self.limits.timeout_s is not None and self.watch.seconds > self.limits.timeout_s:
            self.kill()
            return self._outcome(
                "timeout", f"no result within {self.limits.timeout_s:g} s; raise --timeout or use a smaller profile"
            )
        if self._memory.due():
            self._members = self._descendants()
            pids = [self._guard.pid, *(member.pid for member in self._members)]
            if self._memory.measure(pids) > self.limits.memory_bytes:
                self.kill()
                return self._outcome("oom", self._memory_reason())
            self._log.hold()
        if self._disk_checked.seconds > _DISK_CHECK_S:
            watch = Stopwatch()
            used = sum(size_of_tree(folder, self.limits.disk_bytes) for folder in self._folders)
            if used > self.limits.disk_bytes:
                self.kill()
                return self._outcome("failed", self._disk_reason())
            self._disk_checked = Stopwatch(-_DISK_SHARE * watch.seconds)
        return None

    def kill(self) -> None:
        """Ends the process and everything that it started, at once, and waits for it."""
        deadline = time.monotonic() + END_S
        # Its guard is ended last: as long as that lives, no process can leave the family by losing its parent.
        while (members := [*self._descendants(), *self._members]) and time.monotonic() < deadline:
            self._members = [member for member in members if _end(member)]
        self._guard.kill()

    def _descendants(self) -> list[psutil.Process]:
        try:
            return list(self._process.children(recursive=True)) if self._process is not None else []
        except psutil.NoSuchProcess:
            return []

    def _ended(self, code: int) -> Outcome:
        result = read_result(self.work) if is_folder(self.work) else None  # what a link leads to is not the job's
        if code == DISK_FULL_EXIT:
            return self._outcome("failed", "the disk is full", obstacle="found the disk full; free some space")
        if result is not None and result.data_gone:
            obstacle = f"did not find the data of the plan ({(result.reason or '').rstrip('.')}); see to them"
            return self._outcome("failed", result.reason, result=result, obstacle=obstacle)
        if result is not None and result.status == "done":
            # Whole and last to be written: how the process exits after that is no matter.
            missing = what_is_missing(result, self.work)
            return self._outcome("failed" if missing else "done", missing, result=result)
        if free_bytes(self.work) < _FULL_BYTES:
            return self._outcome("failed", "the disk is full", obstacle="found the disk full; free some space")
        if result is not None:
            return self._outcome(result.status, result.reason, result=result)
        if code == -signal.SIGKILL and self._memory.peak > 0.9 * self.limits.memory_bytes:
            return self._outcome("oom", self._memory_reason())
        if code < 0:
            outside = -code in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
            return self._outcome(
                "failed", f"the process ended by {_name(-code)}; the job's log has its last words", interrupted=outside
            )
        return self._outcome("failed", f"the process ended with exit code {code} and no result; see the job's log")

    def _memory_reason(self) -> str:
        used, cap = self._memory.peak / 1e9, self.limits.memory_bytes / 1e9
        return f"used {used:.1f} GB, more than its cap of {cap:.1f} GB; raise --memory or use fewer --jobs"

    def _disk_reason(self) -> str:
        most = self.limits.disk_bytes / 1e9
        return f"wrote more than {most:g} GB into its folders; raise --disk or use a runner that keeps less there"

    def _outcome(
        self,
        status: Status,
        reason: str | None,
        *,
        interrupted: bool = False,
        result: Result | None = None,
        obstacle: str | None = None,
    ) -> Outcome:
        peak = max(self._memory.peak, result.max_rss_bytes if result else 0)
        return Outcome(status, reason, interrupted, result, self.watch.seconds, peak, obstacle=obstacle)


def _end(member: psutil.Process) -> bool:
    """Ends a process and says whether it may still be there."""
    try:
        member.kill()
        return bool(member.is_running() and member.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"  # a real-time signal
