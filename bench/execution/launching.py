"""Starting guards through wardens, as `bench run` sees it (`bench.execution.warden` is the other side)."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from bench.errors import BenchError
from bench.system.clock import Stopwatch
from bench.system.processes import END_S

_PROGRAM = "import sys; from bench.execution.warden import main; sys.exit(main(*map(int, sys.argv[1:])))"
"""Of a warden: what it forks goes on with the module itself, and not with a copy of it that is called ``__main__``."""
_ANSWER_S = 600.0
"""For a warden's first answer: it imports everything, perhaps from a slow file system."""
_STOPPED_S = 5.0
"""A warden that stays stopped longer than this was stopped by a job: who stops a whole run stops this process, too."""
_LOOK_S = 1.0
_PIECE = 65_536


class Guard:
    """The guard of a job as `bench run` sees it.

    Attributes:
        pid: process id; its process group has the same number.
        returncode: None while it runs; negative for the number of a signal.
    """

    def __init__(self, pid: int, warden: Warden) -> None:
        self.pid, self._warden = pid, warden
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The return code if it has ended, else None."""
        if self.returncode is None:
            self._warden.listen(0)
        return self.returncode

    def kill(self) -> None:
        """Ends its process group at once and waits for it."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        deadline = time.monotonic() + END_S
        while self.returncode is None and (left := deadline - time.monotonic()) > 0:
            self._warden.listen(left)
        if self.returncode is None:
            self._warden.end()


class Warden:
    """A warden's process.

    Args:
        environment: of the process and, but for what an order changes, of its jobs.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._guards: dict[int, Guard] = {}
        self._text = b""
        self._answer: Guard | OSError | None = None
        self._looked = Stopwatch()
        self._stopped: Stopwatch | None = None
        self._connection, theirs = socket.socketpair()
        with theirs:
            # Without -P a folder `bench` or `models` where the user stands would be imported in place of this package.
            self._popen = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM, str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=self._environment,
                start_new_session=True,  # Ctrl-C is for `bench run`, which ends its jobs itself
            )
        self.alive = True

    def start(self, work: Path, environment: Mapping[str, str], log: int) -> Guard | None:
        """Starts a job and returns its guard, or None where the warden is gone.

        Args:
            work: the job's folder.
            environment: its variables.
            log: descriptor of its standard output and error.

        Raises:
            OSError: the system has no room for another process.
        """
        changes: dict[str, str | None] = {name: None for name in self._environment if name not in environment}
        changes |= {name: text for name, text in environment.items() if self._environment.get(name) != text}
        order = json.dumps({"work": str(work), "environment": changes}).encode() + b"\n"
        self._answer = None
        try:
            sent = socket.send_fds(self._connection, [order], [log])
            self._connection.sendall(order[sent:])
        except OSError:
            self.end()
            return None
        deadline = time.monotonic() + _ANSWER_S
        while self.alive and self._answer is None:
            if time.monotonic() > deadline:
                self.end()
            self.listen(_LOOK_S)
        if isinstance(self._answer, OSError):
            raise self._answer
        return self._answer

    def listen(self, wait_s: float) -> None:
        """Takes in what the warden says.

        Args:
            wait_s: seconds to wait for it.
        """
        self._end_if_stopped()
        if not self.alive:
            return
        ready, _, _ = select.select([self._connection], [], [], min(wait_s, _LOOK_S))
        if not ready:
            return
        try:
            piece = self._connection.recv(_PIECE)
        except ConnectionError:
            piece = b""
        if not piece:
            self.end()
            return
        *lines, self._text = (self._text + piece).split(b"\n")
        for line in lines:
            self._take(json.loads(line))

    def _take(self, said: dict[str, int]) -> None:
        if "started" in said:
            self._answer = self._guards[said["started"]] = Guard(said["started"], self)
        elif "refused" in said:
            self._answer = OSError(said["refused"], os.strerror(said["refused"]), "The process of a job")
        else:
            self._guards.pop(said["ended"]).returncode = os.waitstatus_to_exitcode(said["status"])

    def end(self) -> None:
        """Ends the warden, and with it all that it started; it is gone when this returns."""
        self.alive = False
        self._popen.kill()
        self._popen.wait()
        self._connection.close()
        for guard in self._guards.values():  # the kernel tells them, and they end their jobs
            guard.returncode = -signal.SIGKILL
        self._guards.clear()

    def close(self) -> None:
        """Ends a warden that has nothing to do any more."""
        if self.alive:
            self._connection.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(END_S)
            self.end()

    def _end_if_stopped(self) -> None:
        if not self.alive or self._looked.seconds < _LOOK_S:
            return
        self._looked = Stopwatch()
        try:
            stopped = psutil.Process(self._popen.pid).status() == psutil.STATUS_STOPPED
        except psutil.NoSuchProcess:
            stopped = False
        if not stopped:
            self._stopped = None
        elif self._stopped is None:
            self._stopped = Stopwatch()
        elif self._stopped.seconds > _STOPPED_S:
            self.end()


class Wardens:
    """The wardens of a run, one for each number of threads, started when first asked for."""

    def __init__(self) -> None:
        self._wardens: dict[int, Warden] = {}

    def start(self, work: Path, environment: Mapping[str, str], threads: int, log: int) -> Guard:
        """Starts a job and returns its guard.

        Args:
            work: the job's folder.
            environment: its variables.
            threads: numeric threads, which the environment names too.
            log: descriptor of its standard output and error.

        Raises:
            BenchError: no warden answers.
            OSError: the system has no room for another process.
        """
        for _ in range(2):  # a job may have ended the one there is
            warden = self._wardens.get(threads)
            if warden is None or not warden.alive:
                warden = self._wardens[threads] = Warden(environment)
            guard = warden.start(work, environment, log)
            if guard is not None:
                return guard
        raise BenchError(
            "The process that starts jobs ended at once; `bench doctor` says what of this machine or its packages will "
            "not work."
        )

    def close(self) -> None:
        """Ends them."""
        for warden in self._wardens.values():
            warden.close()
        self._wardens.clear()
