"""Processes that belong together: whoever dies first takes the others along, and none gets away.

Linux has two settings for that (prctl): a signal at the parent's death, which reaches a process in a long C call too,
and becoming the parent of all orphans among one's descendants, so that a detached process can still be found.
Elsewhere a thread watches the parent, and process groups are all there is.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Collection
from pathlib import Path

_SET_PDEATHSIG, _SET_NAME, _SET_CHILD_SUBREAPER = 1, 15, 36  # of linux/prctl.h
_WATCH_S = 0.2
END_S = 10.0
"""How long processes may take to vanish after SIGKILL; one that hangs in the kernel may take for ever."""


def die_with_parent(parent: int, by: signal.Signals = signal.SIGKILL) -> None:
    """Has this process get a signal when its parent is gone, however it went.

    Args:
        parent: process id of the parent; if it is gone already, the signal comes at once.
        by: the signal. SIGKILL also ends the process group where a thread has to watch.
    """
    if not _prctl(_SET_PDEATHSIG, by):
        threading.Thread(target=_watch, args=(parent, by), daemon=True).start()
    if os.getppid() != parent:
        os.kill(os.getpid(), by)


def adopt_orphans() -> bool:
    """Makes this process the parent of every orphan among its descendants, and says whether the system can."""
    return _prctl(_SET_CHILD_SUBREAPER, 1)


def name_process(name: str) -> None:
    """Gives this process a name for ``top`` and ``ps -o comm``, of which Linux keeps 15 letters."""
    _prctl(_SET_NAME, ctypes.create_string_buffer(name.encode()[:15]))


def end_children(keep: Collection[int] = ()) -> dict[int, int]:
    """Ends children of this process, and, if it adopts orphans, their descendants one generation after the other.

    Args:
        keep: process ids of children that stay.

    Returns:
        Process id → wait status of every child that ended meanwhile, of its own accord too.
    """
    deadline, ended = time.monotonic() + END_S, dict[int, int]()
    while time.monotonic() < deadline:
        strangers, known = set(_children()).difference(keep), len(ended)
        for pid in strangers:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        try:
            while (found := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                ended[found[0]] = found[1]
        except ChildProcessError:
            break
        if not strangers and len(ended) == known:  # whoever ended since the look may have left orphans
            break
        time.sleep(0.002)
    return ended


def _children() -> list[int]:
    with contextlib.suppress(OSError, ValueError):
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    import psutil  # a kernel without that file, or another system

    return [child.pid for child in psutil.Process().children()]


def _prctl(option: int, value: int | ctypes.Array[ctypes.c_char]) -> bool:
    if sys.platform != "linux":
        return False
    argument = ctypes.c_ulong(value) if isinstance(value, int) else value
    return bool(ctypes.CDLL(None, use_errno=True).prctl(option, argument, 0, 0, 0) == 0)


def _watch(parent: int, by: signal.Signals) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_S)
    if by == signal.SIGKILL:
        os.killpg(os.getpgid(0), by)
    os.kill(os.getpid(), by)
