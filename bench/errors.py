"""The one exception that a user is meant to read, and its form for unknown names."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence

_MOST_VALUE, _MOST_MESSAGE = 200, 4000
"""Characters of a value or a path that a message quotes, and of the whole message."""
_QUOTED = re.compile(r"""(?<!\w)(?:'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*")(?!\w)""", re.DOTALL)
_ENDLESS = re.compile(rf"\S{{{_MOST_MESSAGE},}}")
"""A value without quotes; a path is shorter."""


class BenchError(Exception):
    """A mistake or an obstacle that the user can act on.

    The message is one clear sentence: what is wrong, where, and what to do. The command line prints it without a
    traceback and exits with code 2. Long values in it are cut: nobody reads a field of 20 MB.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(shortened(message))


def shortened(message: str) -> str:
    """A message whose long values are cut; of one that is still too long, the middle."""
    if len(message) <= _MOST_VALUE:
        return message
    message = _ENDLESS.sub(_cut, _QUOTED.sub(_cut, message))
    half = _MOST_MESSAGE // 2
    return message if len(message) <= _MOST_MESSAGE else f"{message[:half]} … {message[-half:]}"


def _cut(found: re.Match[str]) -> str:
    value = found[0]
    return value if len(value) <= _MOST_VALUE else f"{value[: _MOST_VALUE // 2]}…{value[-1]}"


_SAID = {"missing": "is missing", "extra_forbidden": "is not known here"}
"""Kinds of pydantic's errors → what it means, said of a field; of other kinds pydantic's own words are plain."""


def what_is_wrong(error: Exception) -> str:
    """Returns the first thing that is wrong with the content of a file, as a clause: ``'job.seed' is missing``.

    Args:
        error: pydantic's or of another parser; only its first line is kept.
    """
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, KeyError):
        return f"{str(error)} is missing"
    if isinstance(error, json.JSONDecodeError):
        return f"it is no JSON: {error.msg[:1].lower()}{error.msg[1:]} in line {error.lineno}"
    details = getattr(error, "errors", None)
    if details is None:
        return shortened(str(error).partition("\n")[0].rstrip("."))
    first = details(include_url=False, include_input=False, include_context=False)[0]
    place, said = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ").rstrip(".")
    if first["type"] in _SAID:
        return f"{place!r} {_SAID[first['type']]}"
    return shortened(f"{f'{place!r}: ' if place else ''}{said[:1].lower()}{said[1:]}")


def unknown(kind: str, name: str, known: Sequence[str], remedy: str) -> BenchError:
    """The error for a name that is not known: it says what was meant, or lists what there is.

    Args:
        kind: what the name should have been, such as ``runner``.
        name: what was given.
        known: all valid names; where there is none, the message says so.
        remedy: how to find the valid names, as the end of the sentence.
    """
    if not known:
        return BenchError(f"Unknown {kind} {name!r}: there is none; {remedy}.")
    name = shortened(name)  # closeness to a text of megabytes would take minutes
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    if not close:
        folded = {candidate.lower(): candidate for candidate in known}
        close = [folded[match] for match in difflib.get_close_matches(name.lower(), list(folded), n=2, cutoff=0.4)]
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"choose one of {', '.join(known)};"
    return BenchError(f"Unknown {kind} {name!r}: {hint} {remedy[0].upper() + remedy[1:] if close else remedy}.")
