"""The guard of a job: a process between the run's warden and the job that lets nothing of the job get away.

A warden (`bench.execution.warden`) forks the guard, the guard forks the job and waits for it. Orphans of the job, such
as a daemon that detached itself, become the guard's children. When the job ends they are ended too. When the warden is
gone, which goes with `bench run`, however that went, the guard ends everything. When somebody kills the guard, the job
dies with it, and the warden ends the orphans.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from bench.system.processes import adopt_orphans, die_with_parent, end_children

EXIT_GRACE_S = 5.0
"""How long Python may take to end after the job's result was written."""


class _Stop(BaseException):
    """The guard's own parent is gone, or asked it to stop."""


def guarded(job: Callable[[], int], parent: int) -> int:
    """Runs a job in a process of its own below this one and returns the exit code, when nothing of it is left.

    A job that a signal ended has this process end by the same signal, so that its parent sees what happened.

    Args:
        job: what to run; its return value is the exit code of its process.
        parent: process id of the warden.
    """
    signal.signal(signal.SIGTERM, _stop)
    adopt_orphans()
    try:
        die_with_parent(parent, signal.SIGTERM)
        process = os.fork()
        if process == 0:
            _work(job)
        status = _wait(process)
    except _Stop:
        status = signal.SIGTERM
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what follows is what a second one would ask for
    end_children()
    if os.WIFEXITED(status):
        return os.WEXITSTATUS(status)
    number = os.WTERMSIG(status)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))  # the job left one
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number  # a signal that does not end a process


def _work(job: Callable[[], int]) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with_parent(os.getppid())
    code = job()
    # Python waits for threads that a model left running, for ever.
    timer = threading.Timer(EXIT_GRACE_S, os._exit, (code,))
    timer.daemon = True
    timer.start()
    sys.exit(code)


def _wait(process: int) -> int:
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == process:
            return status


def _stop(number: int, frame: FrameType | None) -> None:
    raise _Stop
