"""Writing files so that they are there completely or not at all, and saying plainly why a write failed."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import BenchError
from bench.system.ownership import owner

_REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EFBIG: "the file grew larger than the system allows (ulimit -f); raise that limit",
    errno.EROFS: "the file system is read-only; name another folder",
    errno.EACCES: "there is no write permission; grant it or name another folder",
    errno.EPERM: "there is no write permission; grant it or name another folder",
}


@contextmanager
def disk_errors(what: str, consolation: str) -> Iterator[None]:
    """Turns a failed write into one sentence for the user.

    Args:
        what: what was written, as the start of the sentence.
        consolation: what was not lost, as its end.

    Raises:
        BenchError: the disk is full, read-only, or may not be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or error.errno not in _REMEDIES:
            raise
        raise BenchError(
            f"{what} cannot be written: {_REMEDIES[error.errno]} and run the same command again; {consolation}."
        ) from error


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file so that it is there completely or not at all, also after a power cut."""
    temporary = path.with_name(f".{path.name}.{owner()}")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sha256(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
