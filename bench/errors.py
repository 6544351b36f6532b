"""The one exception that a user is meant to read, and its form for unknown names."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


class BenchError(Exception):
    """A mistake or an obstacle that the user can act on.

    The message is one clear sentence: what is wrong, where, and what to do. The command line prints it without a
    traceback and exits with code 2.
    """


def unknown(kind: str, name: str, known: Sequence[str], remedy: str) -> BenchError:
    """The error for a name that is not known: it says what was meant, or lists what there is.

    Args:
        kind: what the name should have been, such as ``runner``.
        name: what was given.
        known: all valid names.
        remedy: how to find the valid names, as the end of the sentence.
    """
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    if not close:
        folded = {candidate.lower(): candidate for candidate in known}
        close = [folded[match] for match in difflib.get_close_matches(name.lower(), list(folded), n=2, cutoff=0.4)]
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"choose one of {', '.join(known)};"
    return BenchError(f"Unknown {kind} {name!r}: {hint} {remedy[0].upper() + remedy[1:] if close else remedy}.")
