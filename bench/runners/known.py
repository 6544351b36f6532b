"""Which parameters a runner knows, so that a mistyped one is noticed before any data are opened."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from bench.errors import BenchError
from bench.runners.entry import RunnerEntry

Known = Mapping[str, Collection[str] | None]
"""Name of a parameter → names of what it may hold; None where that is free."""
_OWN = "bench.runners."
"""Module of the runners that can be asked; importing a plug-in's class may do anything."""
_CLOSE = 0.6


def arguments_of(make: Callable[..., Any], *given: str) -> tuple[str, ...]:
    """Returns the names of what a class takes.

    Args:
        make: the class.
        *given: names that the runner gives itself.
    """
    return tuple(name for name in inspect.signature(make).parameters if name not in given)


def known_parameters(entry: RunnerEntry, parameters: Mapping[str, Any]) -> Known | None:
    """Returns what the parameters of a runner may hold, or None where it cannot be known.

    Args:
        entry: of the runner.
        parameters: of a job, with all that was set.

    Raises:
        BenchError: the runner cannot be imported, or a class that they name.
    """
    if not entry.target.startswith(_OWN) or entry.unavailable() is not None:
        return None
    ask = getattr(entry.load(), "known_parameters", None)
    known: Known | None = None if ask is None else ask(parameters)
    if known is None:
        return None
    registered = {name for held in (entry.parameters, *entry.profiles.values()) for name in held}
    return {**dict.fromkeys(registered - known.keys()), **known}


def refuse_unknown(runner: str, set_: Mapping[str, Any], known: Known, parameters: Mapping[str, Any]) -> None:
    """Raises where a setting is none of what a runner knows.

    Args:
        runner: its name.
        set_: dotted key → value.
        known: what it knows.
        parameters: of a job, with all that was set.

    Raises:
        BenchError: it does not know one; the message has the nearest.
    """
    for dotted in _leaves(set_):
        name, _, within = dotted.partition(".")
        inner = known.get(name)
        if name in known and (inner is None or not within or within.partition(".")[0] in inner):
            continue
        every = list(_names(known))
        if not every:
            raise BenchError(f"--set {runner}.{dotted}: runner {runner!r} has no parameters; leave it out.")
        free = [name for name, inner in known.items() if inner is None and isinstance(parameters.get(name), Mapping)]
        near = _nearest(dotted, every) or [f"{name}.{dotted}" for name in free if not within]
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"it knows {', '.join(every)}."
        raise BenchError(f"--set {runner}.{dotted}: runner {runner!r} knows no parameter {dotted!r}; {hint}")


def _leaves(set_: Mapping[str, Any]) -> Iterator[str]:
    """Dotted keys; of a mapping that is set as a whole, those within it."""
    for dotted, value in set_.items():
        if "." not in dotted and isinstance(value, Mapping) and value:
            yield from (f"{dotted}.{name}" for name in value)
        else:
            yield dotted


def _names(known: Known) -> Iterator[str]:
    for name, inner in known.items():
        yield from [name] if inner is None else [f"{name}.{within}" for within in inner]


def _nearest(dotted: str, names: Collection[str]) -> list[str]:
    """The names that may be meant: those that end alike, else those that are spelled alike."""
    last = dotted.rpartition(".")[2]
    alike = [name for name in names if name.rpartition(".")[2] == last]
    if alike:
        return alike
    close = difflib.get_close_matches(dotted, names, n=2, cutoff=_CLOSE)
    if not close:  # the group may be right, or forgotten
        ends = {name.rpartition(".")[2]: name for name in names}
        close = [ends[end] for end in difflib.get_close_matches(last, list(ends), n=2, cutoff=_CLOSE)]
    return close
