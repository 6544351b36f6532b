"""Settings of runners from the command line: ``--set runner.key=value``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bench.errors import BenchError, unknown
from bench.runners import registry


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
        if not (equals and dot and runner and key and all(key.split("."))):
            raise BenchError(f"--set {word!r} is not of the form runner.key=value, such as ridge.alpha=2.")
        if runner not in registry.entries():
            raise unknown("runner", runner, list(registry.entries()), f"--set {word} must begin with one")
        try:
            value = json.loads(text)
        except ValueError:
            value = text.strip()
        if isinstance(value, float) and value != value or value in (float("inf"), float("-inf")):
            raise BenchError(f"--set {word!r} has a value that is no number; give a finite one.")
        found.setdefault(runner, {})[key] = value
    return found


def with_settings(parameters: Mapping[str, Any], settings: Mapping[str, Any], runner: str) -> dict[str, Any]:
    """Parameters of a runner with some of them set, nested ones by dotted key.

    Raises:
        BenchError: a key goes through something that holds no further keys.
    """
    changed = dict(parameters)
    for dotted, value in settings.items():
        *path, last = dotted.split(".")
        place = changed
        for key in path:
            inner = place.get(key, {})
            if not isinstance(inner, Mapping):
                raise BenchError(f"--set {runner}.{dotted}: {key} is {inner!r} and holds no further settings.")
            place[key] = dict(inner)
            place = place[key]
        place[last] = value
    return changed
