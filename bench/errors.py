"""The one exception that a user is meant to read."""

from __future__ import annotations


class BenchError(Exception):
    """A mistake or an obstacle that the user can act on.

    The message is one clear sentence: what is wrong, where, and what to do. The command line prints it without a
    traceback and exits with code 2.
    """
