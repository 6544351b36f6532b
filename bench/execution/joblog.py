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
_WHILE_WRITTEN = 10
"""So many times as long a log may become before it is cut beside its writers: no look is the last one for sure, so that
a cut beside them may lose what is written at that moment. When nobody writes any more, nothing can be lost."""
_LAST_LOOKS = 50
"""A writer that never pauses is cut off after so many."""
_MOST_CHARACTER = 4
"""Bytes of a character in UTF-8, at most."""


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
        self._head_bytes = 0  # found at the first cut: later ones leave its note's place as it is

    def hold(self) -> None:
        """Cuts a log that has grown far too long while it is written."""
        self._cut(_WHILE_WRITTEN * MOST_LOG_BYTES)

    def _cut(self, most: int) -> None:
        """Cuts the middle out of a log that has grown too long, and leaves a line that says so."""
        descriptor = self.stream.fileno()
        size = os.fstat(descriptor).st_size
        if size <= most:
            return
        if not self._head_bytes:
            before = os.pread(descriptor, _MOST_CHARACTER, _HEAD_BYTES - _MOST_CHARACTER + 1)
            self._head_bytes = _HEAD_BYTES - _within_character(before[::-1])
        tail = os.pread(descriptor, _TAIL_BYTES, size - _TAIL_BYTES)
        for _ in range(_LAST_LOOKS):  # what was written while the tail was read, perhaps a job's last words
            grown = os.pread(descriptor, _TAIL_BYTES, size)
            if not grown:
                break
            tail, size = (tail + grown)[-_TAIL_BYTES:], size + len(grown)
        tail = tail[_within_character(tail) :]
        os.ftruncate(descriptor, self._head_bytes)
        self.cut_bytes += size - self._head_bytes - len(tail)
        note = f"\n[bench: {self.cut_bytes / 1e6:.0f} MB of this log were cut out here]\n"
        with contextlib.suppress(OSError):  # the disk is full: the head is kept
            os.write(descriptor, note.encode() + tail)

    def content(self) -> bytes:
        """What is in it, cut to its size; to be asked for when nobody writes any more."""
        self._cut(MOST_LOG_BYTES)
        return os.pread(self.stream.fileno(), 2 * MOST_LOG_BYTES, 0)

    def close(self) -> None:
        """Gives the descriptor back."""
        self.stream.close()


def _within_character(data: bytes) -> int:
    """How many bytes at the beginning continue a character of UTF-8; 0 of what is no such text."""
    continuing = (byte & 0b1100_0000 == 0b1000_0000 for byte in data[:_MOST_CHARACTER])
    return next((count for count, goes_on in enumerate(continuing) if not goes_on), 0)
