"""Files and folders that somebody else made: a job, another user, another machine.

Nothing is followed, waited for or believed: a link may lead anywhere, a pipe may never answer, a folder may be
unreadable or nested without end.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from pathlib import Path


class NotRegular(OSError):
    """Something else than a regular file of a sensible size lies where a file should be."""


def open_regular(path: Path) -> int:
    """A descriptor for reading a regular file; a link in the last place of the path is not followed.

    Raises:
        NotRegular: it is a link, a pipe, a folder or a device.
        OSError: it is not there or may not be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link; a socket
            raise NotRegular(error.errno, "is no regular file", str(path)) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotRegular(errno.EINVAL, "is no regular file", str(path))
    return descriptor


def read_regular(path: Path, most: int) -> bytes:
    """The content of a regular file of at most so many bytes.

    Raises:
        NotRegular: it is no regular file, or larger.
        OSError: it is not there or may not be read.
    """
    with os.fdopen(open_regular(path), "rb") as stream:
        size = os.fstat(stream.fileno()).st_size  # the buffer has room for what is asked for
        content = stream.read(min(size, most) + 1)
    if len(content) > most:
        raise NotRegular(errno.EFBIG, f"is larger than {most / 1e6:g} MB", str(path))
    return content


def is_regular(path: Path) -> bool:
    """Whether a regular file is there, and no link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def make_readable(path: Path) -> None:
    """Gives this user access to a file or folder of theirs that a job closed (by its umask, say); links stay."""
    with contextlib.suppress(OSError):
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode):
            os.chmod(path, stat.S_IMODE(mode) | (0o700 if stat.S_ISDIR(mode) else 0o600))


def remove_tree(path: Path) -> None:
    """Removes a folder, or whatever lies in its place: read-only folders and any depth too, links as links.

    What may not be removed (another user's) is left. Subfolders are first moved to the top, so that the depth of the
    nesting needs neither a deep recursion nor a long path.
    """
    if not is_folder(path):
        with contextlib.suppress(OSError):
            path.unlink()
        return
    numbers, waiting, emptied = itertools.count(), [path], []
    while waiting:
        folder = waiting.pop()
        emptied.append(folder)
        make_readable(folder)
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in list(entries):
                with contextlib.suppress(OSError):
                    found = Path(entry.path)
                    if not entry.is_dir(follow_symlinks=False):
                        found.unlink()
                        continue
                    make_readable(found)
                    if folder != path:
                        found = found.rename(path / f".removed-{next(numbers)}")
                    waiting.append(found)
    for folder in reversed(emptied):
        with contextlib.suppress(OSError):
            folder.rmdir()


def size_of_tree(path: Path, most: int) -> int:
    """Bytes on disk in a folder, counted until they are more than `most`; links count as themselves.

    Args:
        path: the folder; 0 where there is none.
        most: where counting stops.
    """
    total, waiting = 0, [path]
    while waiting and total <= most:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    total += entry.stat(follow_symlinks=False).st_blocks * 512  # as POSIX counts them
    return total


def is_folder(path: Path) -> bool:
    """Whether a folder is there, and no link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False
