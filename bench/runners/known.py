"""Which parameters a runner knows, so that a mistyped one is noticed before any data are opened."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from bench.errors import BenchError
from bench.runners.entry import RunnerEntry

_MOST_LISTED = 30
"""Names in a message: LightGBM has three hundred."""
_NAMES_THE_MODEL = ("model", "options.model", "estimator")
Known = Mapping[str, Collection[str] | None]
"""Name of a parameter → names of what it may hold; None where that is free."""
_OWN = "bench.runners."
"""Module of the runners that can be asked; importing a plug-in's class may do anything."""
_CLOSE = 0.6
_MISTYPED = 0.88
"""Likeness from which a name is a slip of the keyboard: ``epoch`` is one of ``epochs``, ``num_leaf`` is none of
``num_leaves`` (LightGBM knows both)."""


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


def refuse_unknown(runner: str, set_: Mapping[str, Any], known: Known, own: Mapping[str, Any]) -> None:
    """Raises where a setting is none of what a runner knows, or one value in the place of several parameters.

    Args:
        runner: its name.
        set_: dotted key → value.
        known: what it knows.
        own: parameters of its entry, without what was set.

    Raises:
        BenchError: it does not know one; the message has the nearest.
    """
    for name, value in set_.items():
        holds_several = known.get(name) is not None or isinstance(own.get(name), Mapping)
        if holds_several and not isinstance(value, Mapping):
            raise BenchError(
                f"--set {runner}.{name}: {name} holds parameters of its own and cannot be {value!r}; set one of them, "
                f"as {runner}.{name}.KEY=VALUE."
            )
    refuse_words_for_numbers(runner, set_, own)
    _refuse_another_model(runner, set_, own)
    for dotted in _leaves(set_):
        name, dot, within = dotted.partition(".")
        inner = known.get(name)
        if name in known and (inner is None or not dot or within in inner or within.partition(".")[0] in inner):
            continue
        every = list(_names(known))
        if not every:
            raise BenchError(f"--set {runner}.{dotted}: runner {runner!r} has no parameters; leave it out.")
        free = [name for name, inner in known.items() if inner is None and isinstance(own.get(name), Mapping)]
        near = _nearest(dotted, every) or [f"{name}.{dotted}" for name in free if not dot]
        listed = _of_group(dotted, every) or every
        names = ", ".join(listed) if len(listed) <= _MOST_LISTED else f"{len(listed)} others, see its library's"
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"it knows {names}."
        raise BenchError(f"--set {runner}.{dotted}: runner {runner!r} knows no parameter {dotted!r}; {hint}")
    _refuse_no_model(runner, set_, own)


def refuse_mistyped(entry: RunnerEntry, set_: Mapping[str, Any], known: Known) -> None:
    """Raises where a setting that a library takes unread is almost one that the registry has.

    Half of AutoGluon's models ignore what they do not know: the row would have the setting in its label, and the
    numbers of the row without it.

    Args:
        entry: of the runner.
        set_: dotted key → value.
        known: what the runner knows; groups whose names it knows are none that a library takes unread.

    Raises:
        BenchError: a name is that of a registered one but for a letter or two.
    """
    registered = {
        f"{name}.{within}"
        for held in (entry.parameters, *entry.profiles.values())
        for name, value in held.items()
        if isinstance(value, Mapping) and known.get(name) is None
        for within in value
    }
    for dotted in _leaves(set_):
        alike = [name for name in registered if name.partition(".")[0] == dotted.partition(".")[0]]
        ends = {_end(name): name for name in alike}
        close = difflib.get_close_matches(_end(dotted), list(ends), n=1, cutoff=_MISTYPED)
        if close and dotted not in registered and dotted != ends[close[0]]:
            raise BenchError(f"--set {entry.name}.{dotted}: did you mean {ends[close[0]]!r}?")


def refuse_words_for_numbers(runner: str, set_: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Raises where a text is set in the place of a number, or of true and false.

    Args:
        runner: its name.
        set_: dotted key → value.
        own: parameters of its entry, without what was set.

    Raises:
        BenchError: a text stands where the entry has a number, or a truth value.
    """
    for dotted in _leaves(set_):
        value, registered = _held(set_, dotted), held_at(own, dotted)
        if isinstance(value, str) and isinstance(registered, (bool, int, float)):
            kind = "true or false" if isinstance(registered, bool) else "a number"
            shown = str(registered).lower() if isinstance(registered, bool) else registered
            raise BenchError(f"--set {runner}.{dotted}: it is {kind} ({shown} as registered) and cannot be {value!r}.")


def _refuse_another_model(runner: str, set_: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Raises where a setting puts another model under a row's name."""
    for dotted in _leaves(set_):
        registered = held_at(own, dotted)
        if dotted in _NAMES_THE_MODEL and registered is not None and _held(set_, dotted) != registered:
            raise BenchError(
                f"--set {runner}.{dotted}: row {runner!r} is of {registered}; run the row of another model (`bench ls "
                "runners`), or register one of your own."
            )


def _refuse_no_model(runner: str, set_: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Raises where a group that is set as a whole leaves the model of a row out."""
    for dotted in _NAMES_THE_MODEL:
        group, _, within = dotted.partition(".")
        registered, whole = held_at(own, dotted), set_.get(group)
        if registered is None or dotted in set_ or not isinstance(whole, Mapping) or within in whole:
            continue
        raise BenchError(
            f"--set {runner}.{group} leaves {within} out, and row {runner!r} is of {registered}; set its {group} "
            f"one by one, as {runner}.{group}.KEY=VALUE."
        )


def _held(set_: Mapping[str, Any], dotted: str) -> Any:
    """The value of a leaf, set by itself or within the mapping that was set as a whole."""
    name, _, within = dotted.partition(".")
    return set_[dotted] if dotted in set_ else set_[name][within]


def held_at(own: Mapping[str, Any], dotted: str) -> Any:
    """What parameters hold at a dotted key, or None."""
    held: Any = own
    for key in dotted.split("."):
        held = held.get(key) if isinstance(held, Mapping) else None
    return held


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


def _of_group(dotted: str, names: Collection[str]) -> list[str]:
    """The names that stand in the same group; none where a key has no group, or one that is not known."""
    group = dotted.rpartition(".")[0]
    return [name for name in names if group and name.rpartition(".")[0] == group]


def _nearest(dotted: str, names: Collection[str]) -> list[str]:
    """The names that may be meant: those that end alike, else those that are spelled alike, of the same group first."""
    last = _end(dotted)
    alike = [name for name in names if _end(name) == last]
    if alike:
        return alike
    group = _of_group(dotted, names)
    for among in (group, names):
        # Of the ends alone: what a group's names have in common is no likeness.
        ends = {_end(name): name for name in among}
        close = difflib.get_close_matches(last, list(ends), n=2, cutoff=_CLOSE)
        if close:
            return [ends[end] for end in close]
    return [] if group else difflib.get_close_matches(dotted, names, n=2, cutoff=_CLOSE)


def _end(dotted: str) -> str:
    return dotted.rpartition(".")[2].casefold()
