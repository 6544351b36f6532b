"""Arguments of functions that users call: another type than the one asked for is a sentence, not a `TypeError`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from bench.errors import BenchError, shortened


def require(value: object, kind: type | tuple[type, ...], name: str, wanted: str, *, optional: bool = False) -> None:
    """Checks the type of an argument; ``True`` is no number.

    Args:
        value: as given.
        kind: that it must be of.
        name: of the argument.
        wanted: what to give, as the end of a sentence.
        optional: whether None will do.

    Raises:
        BenchError: it is of another type.
    """
    kinds = kind if isinstance(kind, tuple) else (kind,)
    fits = isinstance(value, kinds) and not (isinstance(value, bool) and bool not in kinds)
    if not fits and not (optional and value is None):
        raise BenchError(f"{name} is {shortened(repr(value))}, a {type(value).__name__}; give {wanted}.")


def require_texts(**values: object) -> None:
    """Checks that each argument is a text or None.

    Raises:
        BenchError: one is something else.
    """
    for name, value in values.items():
        require(value, str, name, "a text", optional=True)


def texts(value: object, name: str) -> list[str]:
    """A text or several as a list.

    Raises:
        BenchError: something among them is no text.
    """
    items = [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)
    for item in items:
        require(item, str, name, f"texts, such as {name}=['a', 'b']")
    return [str(item) for item in items]


def path(value: object, name: str) -> Path:
    """A path.

    Raises:
        BenchError: it is none.
    """
    if not isinstance(value, str | os.PathLike) or not isinstance(found := os.fspath(value), str) or "\0" in found:
        raise BenchError(f"{name} is {shortened(repr(value))}; give a path.")
    return Path(found)
