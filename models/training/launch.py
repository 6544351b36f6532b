"""Processes of one training on one machine, without ``torchrun``: the first starts the others as copies of itself."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

_LOOPBACK = "127.0.0.1"


@contextmanager
def companions(
    processes: int, command: Sequence[str], on_failure: Callable[[int, int], None]
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Makes this process the first of a group for the time of a block, and starts the others.

    Everything in the block that calls ``train`` must be done by ``command`` too, in the same order, and both sides
    call ``group.leave`` after it. The others are ended where the block fails.

    Args:
        processes: of the group, this one included.
        command: program and arguments of the others; it sees ``RANK`` and the other variables of ``torchrun``.
        on_failure: called from another thread with rank and exit code of one that fails. The first may then wait for
            it for ever, so this should end the program.
    """
    from torch.distributed import TCPStore  # type: ignore[attr-defined]  # public, but not listed for type checkers

    # The meeting point is opened here, on a port that is free for certain, and not by the first to join.
    store = TCPStore(_LOOPBACK, 0, processes, is_master=True, wait_for_workers=False)
    variables = {
        "RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": _LOOPBACK,
        "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "GLOO_SOCKET_IFNAME": "lo",  # a machine without a network can train, too
    }
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    others: list[subprocess.Popen[bytes]] = []
    stopping = threading.Event()

    def watch(rank: int, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        if code != 0 and not stopping.is_set():
            on_failure(rank, code)

    try:
        for rank in range(1, processes):
            own = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            others.append(subprocess.Popen(command, env=os.environ | own, stdin=subprocess.DEVNULL))
            threading.Thread(target=watch, args=(rank, others[-1]), daemon=True).start()
        yield others
    finally:
        stopping.set()
        for process in others:
            process.kill()
            process.wait()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
