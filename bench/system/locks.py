"""Locks between processes: ``flock`` on a file, which vanishes with the process that holds it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from bench.errors import BenchError

_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)


class ProcessLock:
    """A lock that one process holds at a time; as a context manager it waits for its turn.

    Args:
        path: the file; its folder must exist when the lock is taken. The file stays.
    """

    def __init__(self, path: Path) -> None:
        # The marker file that filelock would use instead of a missing flock outlives a process that is killed.
        self._path, self._lock = path, FileLock(str(path), fallback_to_soft=False)

    def try_acquire(self) -> bool:
        """Takes the lock unless somebody holds it, and returns whether it is taken.

        Raises:
            BenchError: the file system has no such locks.
        """
        try:
            with self._explained():
                self._lock.acquire(timeout=0)
        except Timeout:
            return False
        return True

    def release(self) -> None:
        """Gives the lock back."""
        self._lock.release()

    def __enter__(self) -> ProcessLock:
        with self._explained():
            self._lock.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            raise BenchError(
                f"{self._path.parent} lies on a file system without file locks (flock); name a folder on another one, "
                "or have this one mounted with locks (on Lustre by the option `flock`)."
            ) from error
