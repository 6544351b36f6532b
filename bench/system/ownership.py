"""Whose a file or folder is: its name ends by the machine and the process that made it.

Several machines may share a file system. Process ids repeat between them, and whether a process still runs can be told
on its own machine only.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from pathlib import Path

import psutil

ABANDONED_AFTER_S = 30 * 86_400.0
"""Another machine's folder in which nothing was written for so long is held to be left over."""
_OWNER = re.compile(r"[-.](\w+)-(\d{1,9})(?:\.(?:partial|replaced))?$", re.ASCII)


def host_name() -> str:
    """Name of this machine, with an underscore for everything that is no letter or digit."""
    return re.sub(r"[^A-Za-z0-9]", "_", socket.gethostname()) or "unnamed"


def owner() -> str:
    """What the names of this process's files end by: machine and process id."""
    return f"{host_name()}-{os.getpid()}"


def is_abandoned(path: Path) -> bool:
    """Whether the process that made a file or folder is surely gone.

    Args:
        path: whose name ends by an `owner`. A name that does not is treated as another machine's.
    """
    match = _OWNER.search(path.name)
    if match is not None and match[1] == host_name():
        return not _is_running(int(match[2]))
    return time.time() - _last_written(path) > ABANDONED_AFTER_S


def _is_running(pid: int) -> bool:
    if not psutil.pid_exists(pid):
        return False
    with contextlib.suppress(psutil.Error):  # it may be another user's, and hidden
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return True


def _last_written(path: Path) -> float:
    """Time of the last change in a folder, s since 1970."""
    last = 0.0
    for item in (path, *path.rglob("*")):
        with contextlib.suppress(FileNotFoundError):
            last = max(last, item.lstat().st_mtime)
    return last or time.time()  # somebody else removes it at this moment
