"""Importing code of others, which may do anything at its import."""

from __future__ import annotations

import importlib
import signal
import threading
from types import FrameType
from typing import Any

from bench.system.text import one_line, text_of

_MOST_REASON = 300  # characters


class NotImportable(Exception):
    """Code of others cannot be imported; the message says why, on one line."""


def imported(module: str, attribute: str) -> Any:
    """An attribute of a module.

    Raises:
        NotImportable: there is no such module or attribute, or it raised something: an exception of any kind, also
            one that would end or interrupt this process.
        KeyboardInterrupt: the user pressed Ctrl-C meanwhile.
    """
    pressed = []

    def note(number: int, frame: FrameType | None) -> None:
        pressed.append(number)
        handler = terminates if number == signal.SIGTERM else before
        if callable(handler):
            handler(number, frame)
        raise KeyboardInterrupt

    # A module can raise KeyboardInterrupt of its own accord: whether the user meant it, only the signal tells.
    before = signal.getsignal(signal.SIGINT)
    listens = threading.current_thread() is threading.main_thread() and callable(before)
    terminates = signal.getsignal(signal.SIGTERM)  # `bench run` ends by it with what it raises in its handler
    ends = threading.current_thread() is threading.main_thread() and callable(terminates)
    if listens:
        signal.signal(signal.SIGINT, note)
    if ends:
        signal.signal(signal.SIGTERM, note)
    try:
        found = importlib.import_module(module)
        for name in attribute.split("."):
            found = getattr(found, name)
        return found
    except BaseException as error:
        unheard = not listens and before != signal.SIG_IGN  # a background job of a shell ignores Ctrl-C
        if pressed or (isinstance(error, KeyboardInterrupt) and unheard):
            raise
        raise NotImportable(one_line(f"{type(error).__name__}: {text_of(error)}", _MOST_REASON)) from error
    finally:
        if listens:
            signal.signal(signal.SIGINT, before)
        if ends:
            signal.signal(signal.SIGTERM, terminates)
