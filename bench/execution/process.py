"""One job's process as its parent sees it: started with limits, watched, and ended when it breaks one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.store.jobs import Job
from bench.store.records import Status
from bench.system.clock import Stopwatch
from bench.system.disk import disk_errors
from bench.system.host import Host

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
MEMORY_CHECK_S = 0.1
"""How often memory is measured: at 2 GB/s of page faults a job overshoots its cap by about 0.2 GB."""


@dataclass(frozen=True)
class Limits:
    """What one job may use.

    Attributes:
        threads: numeric threads.
        memory_bytes: resident memory of the process and its children.
        timeout_s: wall-clock limit, or None.
        processes: that train the job together, each with these threads, where its runner can use several.
    """

    threads: int
    memory_bytes: int
    timeout_s: float | None
    processes: int = 1


@dataclass(frozen=True)
class Outcome:
    """How a job's process ended.

    Attributes:
        status: as in the record.
        reason: one sentence, unless done.
        interrupted: killed from outside.
        result: what the child left in ``result.json``.
        wall_seconds: lifetime of the process.
        peak_memory_bytes: largest resident memory seen.
        started: UTC, where another machine started it.
        host: that machine.
    """

    status: Status
    reason: str | None
    interrupted: bool
    result: dict[str, Any]
    wall_seconds: float
    peak_memory_bytes: int
    started: str | None = None
    host: Host | None = None

    @property
    def disk_full(self) -> bool:
        """Whether the job ended because nothing more could be written."""
        return bool(self.result.get("disk_full"))


def environment_of_job(threads: int, temporary: Path, gpus: Sequence[str] | None) -> dict[str, str]:
    """Environment variables of a job's process: this process's own, without what would change its numbers.

    Args:
        threads: numeric threads.
        temporary: folder for temporary files.
        gpus: as for `CellProcess`.
    """
    environment = {name: value for name, value in os.environ.items() if name not in GROUP_VARIABLES}
    environment |= dict.fromkeys(THREAD_VARIABLES, str(threads))
    environment |= {"PYTHONHASHSEED": "0", "TMPDIR": str(temporary.resolve()), "PYTHONUNBUFFERED": "1"}
    environment["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # read when cuBLAS is loaded: without it its sums vary
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
        gpus: the GPUs that it sees, as ``CUDA_VISIBLE_DEVICES`` names them; None for those that this process sees.
    """

    def __init__(
        self,
        job: Job,
        cube: Path,
        work: Path,
        checkpoint: Path,
        limits: Limits,
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
            "parent": os.getpid(),
        }
        temporary = work / "tmp"
        with disk_errors(f"Work folder {work}", "stored results are untouched"):
            (work / "task.json").write_text(json.dumps(task))
            (work / "log.txt").touch()
            temporary.mkdir()
        self.watch = Stopwatch()
        self._checked_at = -MEMORY_CHECK_S
        self._peak = 0
        with (work / "log.txt").open("wb") as log:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "bench.execution.child", str(work.resolve())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment_of_job(limits.threads, temporary, gpus),
                start_new_session=True,  # a process group of its own: it can be ended with all its children
            )
        self._process = psutil.Process(self._popen.pid)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether it had not ended when it was last looked at."""
        return self._popen.returncode is None

    def poll(self) -> Outcome | None:
        """The outcome if the process has ended or had to be ended, else None."""
        code = self._popen.poll()
        if code is not None:
            return self._ended(code)
        seconds = self.watch.seconds
        if self.limits.timeout_s is not None and seconds > self.limits.timeout_s:
            self.kill()
            return self._outcome(
                "timeout", f"no result within {self.limits.timeout_s:g} s; raise --timeout or use a smaller profile"
            )
        if seconds - self._checked_at >= MEMORY_CHECK_S:
            self._checked_at = seconds
            if self._measure() > self.limits.memory_bytes:
                self.kill()
                return self._outcome("oom", self._memory_reason())
        return None

    def kill(self) -> None:
        """Ends the process and all its children, at once, and waits for it."""
        children = self._children()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        for child in children:  # those that left the process group
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        self._popen.wait()

    def _children(self) -> list[psutil.Process]:
        try:
            return list(self._process.children(recursive=True))
        except psutil.NoSuchProcess:
            return []

    def _measure(self) -> int:
        total = 0
        for process in (self._process, *self._children()):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                memory = process.memory_info()
                # Mapped file pages (the cube) can be taken back at any time: they are nobody's memory.
                total += memory.rss - getattr(memory, "shared", 0)
        self._peak = max(self._peak, total)
        return total

    def _ended(self, code: int) -> Outcome:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)  # children that outlived it
        result = self._result()
        if code == DISK_FULL_EXIT:
            return self._outcome("failed", "the disk is full", interrupted=True, result={"disk_full": True})
        self._peak = max(self._peak, int(result.get("max_rss_bytes", 0)))
        if result.get("status") == "done":
            return self._outcome("done", None, result=result)  # whole and last to be written: how it exits is no matter
        if result:
            return self._outcome(result["status"], result.get("reason"), result=result)
        if code == -signal.SIGKILL and self._peak > 0.9 * self.limits.memory_bytes:
            return self._outcome("oom", self._memory_reason())
        if code < 0:
            name = signal.Signals(-code).name
            outside = -code in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
            return self._outcome(
                "failed", f"the process ended by {name}; the job's log has its last words", interrupted=outside
            )
        return self._outcome("failed", f"the process ended with exit code {code} and no result; see the job's log")

    def _result(self) -> dict[str, Any]:
        try:
            loaded = json.loads((self.work / "result.json").read_text())
        except (OSError, ValueError):
            return {}  # killed before or while writing: the exit code says the rest
        return loaded if isinstance(loaded, dict) else {}

    def _memory_reason(self) -> str:
        used, cap = self._peak / 1e9, self.limits.memory_bytes / 1e9
        return f"used {used:.1f} GB, more than its cap of {cap:.1f} GB; raise --memory or use fewer --jobs"

    def _outcome(
        self, status: Status, reason: str | None, *, interrupted: bool = False, result: dict[str, Any] | None = None
    ) -> Outcome:
        return Outcome(status, reason, interrupted, result or {}, self.watch.seconds, self._peak)
