"""Memory that a set of processes holds: what the machine would have back if they ended.

Private pages and shared memory count, pages of mapped files do not: the system takes those back whenever it needs them.
What several processes share counts once. A file in a memory file system (``/dev/shm``, a memory file descriptor) counts
while one of them has it open or mapped, and after that as long as it is there.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import psutil

LEAST_PAUSE_S = 0.1
"""Between two measurements: at 2 GB/s of page faults a job overshoots its cap by about 0.2 GB."""
_SHARE_OF_TIME = 0.05
"""Of the measuring: exact sizes of large processes take the kernel a while, so that they are asked for less often."""
_MEMORY_SYSTEMS = ("tmpfs", "ramfs")


class MemoryWatch:
    """Measures the memory of a changing set of processes, and remembers the most that it saw.

    Attributes:
        peak: bytes, the largest measurement.
    """

    def __init__(self) -> None:
        self.peak = 0
        self._next = 0.0
        self._files: dict[tuple[int, int], str] = {}

    def due(self) -> bool:
        """Whether enough time has passed since the last measurement."""
        return time.monotonic() >= self._next

    def measure(self, pids: Sequence[int]) -> int:
        """Bytes that these processes hold; exact where it is more than was seen before, else an upper bound.

        Args:
            pids: of processes, of which some may have ended.
        """
        begun = time.monotonic()
        outside = self._unmapped(pids)
        total = sum(map(_resident, pids)) + outside
        if total > self.peak:
            private, shared = (sum(sizes) for sizes in zip(*map(_proportional, pids), strict=True)) if pids else (0, 0)
            total = private + max(shared, outside)
            self.peak = max(self.peak, total)
        took = time.monotonic() - begun
        self._next = begun + max(LEAST_PAUSE_S, took / _SHARE_OF_TIME)
        return total

    def _unmapped(self, pids: Sequence[int]) -> int:
        """Bytes of files in memory that the processes opened and that are still there, mapped or not."""
        devices, sizes = _memory_devices(), dict[tuple[int, int], int]()
        for pid in pids:
            with contextlib.suppress(OSError):
                for entry in os.scandir(f"/proc/{pid}/fd"):
                    with contextlib.suppress(OSError):
                        found = os.stat(entry.path)
                        if found.st_dev in devices and stat.S_ISREG(found.st_mode):
                            key = (found.st_dev, found.st_ino)
                            sizes[key] = found.st_blocks * 512
                            self._files[key] = os.readlink(entry.path)
        for key, path in list(self._files.items()):  # closed since, but perhaps not removed
            if key in sizes:
                continue
            try:
                found = os.lstat(path)
            except OSError:
                del self._files[key]
                continue
            if (found.st_dev, found.st_ino) == key:
                sizes[key] = found.st_blocks * 512
            else:
                del self._files[key]
        return sum(sizes.values())


def _resident(pid: int) -> int:
    """Private and shared memory of a process in bytes: no less than its share of it."""
    try:
        fields = _fields(f"/proc/{pid}/status")
        return fields["RssAnon"] + fields["RssShmem"]
    except KeyError:  # a zombie has no memory
        return 0
    except OSError:
        return 0 if Path("/proc/self/status").exists() else _resident_elsewhere(pid)


def _proportional(pid: int) -> tuple[int, int]:
    """Bytes of private and of shared memory of a process, what it shares with others divided among them."""
    try:
        fields = _fields(f"/proc/{pid}/smaps_rollup")
        return fields["Pss_Anon"], fields["Pss_Shmem"]
    except (OSError, KeyError):  # ended, another user's, or a kernel that does not divide
        return _resident(pid), 0


def _resident_elsewhere(pid: int) -> int:
    with contextlib.suppress(psutil.Error):
        return int(psutil.Process(pid).memory_info().rss)
    return 0


def _fields(path: str) -> dict[str, int]:
    """Sizes in bytes by name, of a file of lines such as ``RssAnon:  1024 kB``."""
    found = {}
    with open(path, "rb") as stream:
        for line in stream:
            if line.endswith(b" kB\n"):
                name, _, value = line.partition(b":")
                found[name.decode()] = int(value[:-3]) * 1024
    return found


@cache
def _memory_devices() -> frozenset[int]:
    """Device numbers of file systems that lie in memory, that of memory file descriptors included."""
    devices = set()
    with contextlib.suppress(OSError, AttributeError):
        descriptor = os.memfd_create("bench")
        devices.add(os.fstat(descriptor).st_dev)
        os.close(descriptor)
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mounts").read_text().splitlines():
            _, place, kind, *_ = line.split(" ")
            if kind in _MEMORY_SYSTEMS:
                with contextlib.suppress(OSError):
                    devices.add(os.stat(place).st_dev)
    return frozenset(devices)
