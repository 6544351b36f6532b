"""Writing files so that they are there completely or not at all, and saying plainly why a write failed."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import BenchError
from bench.system.ownership import is_abandoned, owner
from bench.system.untrusted import is_regular, open_regular

_REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EFBIG: "the file grew larger than the system allows (ulimit -f); raise that limit",
    errno.EROFS: "the file system is read-only; name another folder",
    errno.EACCES: "there is no write permission; grant it or name another folder",
    errno.EPERM: "there is no write permission; grant it or name another folder",
}
_TEMPORARY = re.compile(r"\..+\.\w+-\d{1,9}", re.ASCII)
"""Names of the files that `write_atomically` makes: the file's own, machine and process."""


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


def write_atomically(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Writes a file so that it is there completely or not at all, also after a power cut.

    Args:
        path: of the file.
        content: all of it, or its pieces in order, which need not be in memory together.
    """
    temporary = path.with_name(f".{path.name}.{owner()}")
    try:
        with temporary.open("wb") as stream:
            stream.writelines([content] if isinstance(content, bytes) else content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_abandoned(folder: Path) -> None:
    """Removes what killed processes left of files that they were writing into a folder."""
    with contextlib.suppress(OSError):
        for path in folder.glob(".*-*"):
            if _TEMPORARY.fullmatch(path.name) and is_regular(path) and is_abandoned(path):
                with contextlib.suppress(OSError):
                    path.unlink()


def free_bytes(folder: Path) -> int:
    """Bytes that this user may still write on a folder's file system; many where nobody can tell."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return sys.maxsize
    return found.f_bavail * found.f_frsize


def sha256(path: Path) -> str:
    """SHA-256 of a regular file's content.

    Raises:
        OSError: it is something else, is not there or may not be read.
    """
    with os.fdopen(open_regular(path), "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
