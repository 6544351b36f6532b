"""The warden of a run: the process from which the guards of its jobs are forked, everything that all need imported.

    bench run → warden → a guard per job → the job and whatever it starts

It does two things that no guard can. Its imports are paid once and not by every job. And whatever a killed guard lets
go of becomes the warden's child: all others are guards that it knows, so that it ends exactly the strangers. The
process that runs `bench run` may be a user's own, with children of its own; it adopts nothing.

Nothing that starts threads of its own for computing (torch, OpenMP) is imported here: their locks would be copied in
whatever state they are in. BLAS reads its number of threads when it is loaded, hence a warden per number of threads.

Messages are lines of JSON over a socket, one order at a time: ``{"work": …, "environment": …}`` with the log's
descriptor, answered by ``{"started": pid}`` or ``{"refused": errno}``; later ``{"ended": pid, "status": …}``.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from bench.execution.guard import guarded
from bench.system.processes import adopt_orphans, die_with_parent, end_children, name_process

_AHEAD = (
    "bench.execution.child",
    "bench.execution.inprocess",
    "bench.execution.process",
    "bench.runners.history",
    "bench.scoring.metrics",
    "pyarrow.parquet",
)
"""What every job imports."""
_PIECE = 65_536


@dataclass(frozen=True)
class Order:
    """A job to start.

    Attributes:
        work: its work folder.
        environment: variables that differ from the warden's; None for those that it must not have.
        log: descriptor of its standard output and error.
    """

    work: Path
    environment: dict[str, str | None]
    log: int


class _Ended(BaseException):
    """`bench run` is gone, or asked the warden to stop."""


def main(descriptor: int, parent: int) -> int:
    """Runs a warden and returns its exit code; in the processes that it forks, that of the guard.

    Args:
        descriptor: of the socket to `bench run`.
        parent: process id of `bench run`.
    """
    signal.signal(signal.SIGTERM, _stop)
    own = os.getpid()
    order = None
    try:
        adopt_orphans()
        die_with_parent(parent, signal.SIGTERM)
        _import_ahead()
        with socket.socket(fileno=descriptor) as connection, _Deaths() as deaths:
            order = _serve(connection, deaths)
        if order is not None:
            return _guard(order, own)
    except _Ended:
        pass
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what follows is what a second one would ask for
    end_children()
    return 0


def _import_ahead() -> None:
    """Imports what every job needs, where forks of a process are safe with it."""
    if sys.platform == "linux":
        for name in _AHEAD:
            importlib.import_module(name)
        gc.collect()
        gc.freeze()  # a collection in a fork would copy every page that all share


def _serve(connection: socket.socket, deaths: _Deaths) -> Order | None:
    """Forks guards as they are ordered; returns None when there will be no more, and in a fork its order."""
    guards: set[int] = set()
    watched: list[socket.socket | _Deaths] = [connection, deaths]
    while True:
        ready, _, _ = select.select(watched, [], [])
        try:
            if deaths in ready:
                deaths.drain()
                # A child that is no guard is what a killed one let go of: it is ended before that one's end is told.
                for pid, status in end_children(keep=guards).items():
                    if pid in guards:
                        guards.remove(pid)
                        _say(connection, {"ended": pid, "status": status})
            if connection not in ready:
                continue
            order = _receive(connection)
            if order is None:
                return None
            try:
                pid = os.fork()
            except OSError as error:
                os.close(order.log)
                _say(connection, {"refused": error.errno})
                continue
            if pid == 0:
                return order
            guards.add(pid)
            os.close(order.log)
            _say(connection, {"started": pid})
        except ConnectionError:
            return None


def _receive(connection: socket.socket) -> Order | None:
    """The next order, or None when `bench run` closed its end."""
    text, descriptors = b"", list[int]()
    while not text.endswith(b"\n"):
        piece, found, _, _ = socket.recv_fds(connection, _PIECE, 1)
        descriptors += found
        if not piece:
            return None
        text += piece
    said = json.loads(text)
    [log] = descriptors
    return Order(Path(said["work"]), said["environment"], log)


def _say(connection: socket.socket, message: dict[str, int | None]) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def _guard(order: Order, warden: int) -> int:
    """Becomes the guard of an ordered job, in a session of its own, and returns its exit code."""
    name_process(f"guard-{order.work.name[:8]}")
    os.setsid()  # a process group of its own: it can be ended with all its children
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for stream in (1, 2):
        os.dup2(order.log, stream)
    os.close(order.log)
    for name, value in order.environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    tempfile.tempdir = None  # it is asked for again: TMPDIR is another
    return guarded(lambda: _job(order.work), warden)


def _job(work: Path) -> int:
    from bench.execution.child import main as run

    name_process(f"job-{work.name[:8]}")
    return run(work)


def _stop(number: int, frame: FrameType | None) -> None:
    raise _Ended


class _Deaths:
    """Something to select on that is readable after a child of this process ended."""

    def __enter__(self) -> _Deaths:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, *error: object) -> None:
        signal.set_wakeup_fd(-1)
        self._reader.close()
        self._writer.close()

    def fileno(self) -> int:
        """Descriptor to wait for."""
        return self._reader.fileno()

    def drain(self) -> None:
        """Forgets what was noted."""
        with contextlib.suppress(BlockingIOError):
            while self._reader.recv(_PIECE):
                pass
