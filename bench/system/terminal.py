"""Standard output: a console as wide as the terminal, and a stream that does not mind when nobody reads it any more."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING, Any

from bench.system.text import plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

PIPE_COLUMNS = 200
"""A pipe or file has no width; tables must not break there."""


def console() -> Console:
    """A rich console on standard output."""
    from rich.console import Console

    found = Console()
    return found if found.is_terminal else Console(width=PIPE_COLUMNS)


def cell(text: object, style: str = "") -> Text:
    """Text of unknown origin for a cell of a table on the terminal: no markup, no escape sequence, no new line."""
    from rich.text import Text

    return Text(plain(str(text)).replace("\n", " "), style=style)


def ensure_standard_streams() -> None:
    """Opens what the caller closed (``>&-``): else the next file that is opened would be standard output."""
    for descriptor, flags in enumerate((os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, flags)  # takes the lowest free number, which is this one
    sys.stdout = sys.stdout or os.fdopen(os.dup(1), "w", encoding="utf-8")
    sys.stderr = sys.stderr or os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace")


def go_on_without_reader(faults: type[OSError] = OSError) -> None:
    """From here on a reader that went away, or a disk that is full, ends no output and no work: what is said is lost.

    Args:
        faults: of a write that are met so; others are raised.
    """
    sys.stdout, sys.stderr = _Patient(sys.stdout, faults), _Patient(sys.stderr, faults)


def flush_or_give_up() -> None:
    """Writes out what was said; what nobody takes is dropped, so that the end of the process is not an error."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                _to_nowhere(stream.fileno())


class _Patient(io.TextIOWrapper):
    """A text stream whose descriptor leads nowhere once a write to it has failed."""

    def __init__(self, stream: Any, faults: type[OSError]) -> None:
        super().__init__(
            stream.buffer, stream.encoding or "utf-8", errors="backslashreplace", line_buffering=stream.line_buffering
        )
        self._faults = faults
        self._first = stream  # were it collected, it would close the buffer that both share

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except self._faults:
            _to_nowhere(self.fileno())
        return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except self._faults:
            _to_nowhere(self.fileno())


def _to_nowhere(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
