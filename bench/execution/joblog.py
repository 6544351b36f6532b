"""A job's log while it is written: read and cut through the parent's own descriptor, whatever lies at its path."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import BinaryIO

MOST_LOG_BYTES = 20_000_000
"""Of a log: what is more is cut out of its middle."""
_HEAD_BYTES = MOST_LOG_BYTES // 2
_TAIL_BYTES = MOST_LOG_BYTES // 4
_LAST_LOOKS = 50
"""A writer that never pauses is cut off after so many."""


class JobLog:
    """A file that a job's processes append to, held below a size.

    Args:
        path: of the file, which must not be there yet.
    """

    def __init__(self, path: Path) -> None:
        # Every writer appends: after a cut they go on at the new end.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self.stream: BinaryIO = os.fdopen(descriptor, "r+b", buffering=0)
        self.cut_bytes = 0

    def hold(self) -> None:
        """Cuts the middle out of a log that has grown too long, and leaves a line that says so."""
        descriptor = self.stream.fileno()
        size = os.fstat(descriptor).st_size
        if size <= MOST_LOG_BYTES:
            return
        tail = os.pread(descriptor, _TAIL_BYTES, size - _TAIL_BYTES)
        for _ in range(_LAST_LOOKS):  # what was written while the tail was read, perhaps a job's last words
            grown = os.pread(descriptor, _TAIL_BYTES, size)
            if not grown:
                break
            tail, size = (tail + grown)[-_TAIL_BYTES:], size + len(grown)
        os.ftruncate(descriptor, _HEAD_BYTES)
        self.cut_bytes += size - _HEAD_BYTES - len(tail)
        note = f"\n[bench: {self.cut_bytes / 1e6:.0f} MB of this log were cut out here]\n"
        with contextlib.suppress(OSError):  # the disk is full: the head is kept
            os.write(descriptor, note.encode() + tail)

    def content(self) -> bytes:
        """Everything that is in it."""
        self.hold()
        return os.pread(self.stream.fileno(), 2 * MOST_LOG_BYTES, 0)

    def close(self) -> None:
        """Gives the descriptor back."""
        self.stream.close()
