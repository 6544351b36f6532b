"""The one console: as wide as the terminal, or wide enough for a table where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

PIPE_COLUMNS = 200
"""A pipe or file has no width; tables must not break there."""


def console() -> Console:
    """A rich console on standard output."""
    from rich.console import Console

    found = Console()
    return found if found.is_terminal else Console(width=PIPE_COLUMNS)
