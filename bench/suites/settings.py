"""Settings of runners from the command line: ``--set runner.key=value``."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from bench.errors import BenchError, unknown
from bench.runners import registry
from bench.runners.autogluon_names import steps_to
from bench.runners.entry import TRAINING_ROWS
from bench.runners.known import known_parameters, refuse_mistyped, refuse_unknown

_LONGEST = 10_000  # characters of a setting
_DEEPEST = 50
"""Levels of a setting: records of jobs are written as JSON, whose writer gives up at a few hundred."""
_OF_A_CLASS = "sklearn_"
"""Begins the names of runners that `--only sklearn:module.Class` makes."""


def parse_settings(words: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Runner → dotted key → value.

    Args:
        words: such as ``gnnwr.options.ridge=0.1``; a value is JSON, or else a text.

    Raises:
        BenchError: a word has another form, or names no runner.
    """
    found: dict[str, dict[str, Any]] = {}
    for word in words:
        target, equals, text = word.partition("=")
        runner, dot, key = target.strip().partition(".")
        if not (equals and dot and runner and key and all(key.split(".")) and text.strip()):
            raise BenchError(f"--set {word!r} is not of the form runner.key=value, such as gnnwr.ridge=0.1.")
        if runner not in registry.entries():
            if runner.startswith(_OF_A_CLASS) and not any(name.startswith(_OF_A_CLASS) for name in registry.entries()):
                raise BenchError(f"--set {word}: no class is named; name it, as --only sklearn:module.Class.")
            raise unknown("runner", runner, list(registry.entries()), f"--set {word} must begin with one")
        if not word.isprintable() or len(word) > _LONGEST:
            raise BenchError(f"--set {word[:80]!r} holds signs that cannot be stored, or is too long; correct it.")
        if key.split(".")[0] == TRAINING_ROWS:
            raise BenchError(f"--set {word!r}: {TRAINING_ROWS} follows from the runner's limit; set another parameter.")
        value, own = _value(word, text), found.setdefault(runner, {})
        if key.count(".") + _depth(value) > _DEEPEST:
            raise BenchError(f"--set {word[:80]!r} is nested too deeply; correct it.")
        if key in own and own[key] != value:
            raise BenchError(f"--set gives {runner}.{key} two values ({own[key]!r}, {value!r}); name one.")
        within = next((other for other in own if other.startswith(f"{key}.")), None)
        if within is not None:
            raise BenchError(
                f"--set {runner}.{key} replaces {runner}.{within}, which was set before it; name {runner}.{key} first."
            )
        own[key] = value
    return found


def require_planned(words: Sequence[str], planned: Collection[str]) -> None:
    """Refuses a setting that would change nothing.

    Args:
        words: as for `parse_settings`.
        planned: runners that have a job.

    Raises:
        BenchError: one is of a runner without a job.
    """
    for runner, given in parse_settings(words).items():
        if runner not in planned:
            raise BenchError(
                f"--set {runner}.{next(iter(given))}: no job of this run is of {runner!r}; name it with --only or "
                "--with, or leave the setting out."
            )


def require_known(words: Sequence[str], profile: str) -> None:
    """Checks settings as far as no data are needed.

    Args:
        words: as for `parse_settings`.
        profile: of the run.

    Raises:
        BenchError: one cannot be read, or its runner knows no such parameter.
    """
    for runner, given in parse_settings(words).items():
        entry = registry.get(runner)
        own = entry.parameters_for(profile)
        known = known_parameters(entry, with_settings(own, given, runner))
        if known is not None:
            refuse_unknown(runner, given, known, own)
            refuse_mistyped(entry, given, known)


def _value(word: str, text: str) -> Any:
    def refuse(constant: str) -> Any:
        raise BenchError(f"--set {word!r} has a value that is no number; give a finite one.")

    def finite(number: str) -> float:
        value = float(number)
        return value if math.isfinite(value) else refuse(number)

    try:
        return json.loads(text, parse_constant=refuse, parse_float=finite)
    except RecursionError as error:
        raise BenchError(f"--set {word[:80]!r} is nested too deeply; correct it.") from error
    except ValueError:
        return text.strip()


def _depth(value: Any) -> int:
    """How many lists and mappings stand within each other, at most."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, (list, dict))]:
        depth += 1
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return depth


def without(parameters: Mapping[str, Any], dotted: Iterable[str]) -> dict[str, Any]:
    """Parameters less some of them, nested ones by dotted key; a group that is left empty goes, too."""
    kept = dict(parameters)
    for key in dotted:
        head, _, rest = key.partition(".")
        inner = kept.get(head)
        if not rest:
            kept.pop(head, None)
        elif isinstance(inner, Mapping):
            kept[head] = without(inner, [rest])
            if not kept[head]:
                del kept[head]
    return kept


def with_settings(parameters: Mapping[str, Any], settings: Mapping[str, Any], runner: str) -> dict[str, Any]:
    """Parameters of a runner with some of them set, nested ones by dotted key.

    Raises:
        BenchError: a key goes through something that holds no further keys.
    """
    changed = dict(parameters)
    for dotted, value in settings.items():
        *path, last = steps_to(dotted)
        place = changed
        for key in path:
            inner = place.get(key, {})
            if not isinstance(inner, Mapping):
                raise BenchError(f"--set {runner}.{dotted}: {key} is {inner!r} and holds no further settings.")
            place[key] = dict(inner)
            place = place[key]
        place[last] = value
    return changed
