"""The registry of runners: typed entries with lazy targets.

An entry is plain data; its target (``module:object``) is imported only in the process that runs it, so the registry is
as light as a list. Runners of others come in four ways: the entry-point group ``climate2gpp_bench.runners`` of an
installed package (each entry point names a `RunnerEntry` or a list of them), a module that ``BENCH_PLUGINS`` names,
`register` from Python, and ``sklearn:module.Class`` in place of a runner's name.

A plug-in that cannot be used is skipped, and `problems` says why; it never disables the rest.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict
from functools import cache
from typing import Any

from bench.errors import BenchError, unknown
from bench.runners.entry import STRONG_WORD, Cost, RunnerEntry
from bench.runners.foreign import NotImportable, imported
from bench.system.arguments import require_texts

ENTRY_POINT_GROUP = "climate2gpp_bench.runners"
PLUGINS_VARIABLE = "BENCH_PLUGINS"
REGISTERED_VARIABLE = "BENCH_REGISTERED"
"""Entries that `register` added, as JSON: the processes of jobs inherit them with the environment."""
SKLEARN_PREFIX = "sklearn:"


class _Skipped(Exception):
    """A plug-in cannot be used; the message says why."""


@cache
def _collected() -> tuple[dict[str, RunnerEntry], tuple[str, ...]]:
    from bench.runners.catalogue import CATALOGUE

    collected: dict[str, RunnerEntry] = {}
    problems: list[str] = []
    _add(collected, CATALOGUE, "the project's catalogue")
    for point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
        package = point.dist.name if point.dist else "an unknown package"
        origin = f"entry point {point.name!r} of {package}"
        try:
            _add(collected, _imported(point.value, origin), origin)
        except _Skipped as problem:
            problems.append(f"{problem}; reinstall or remove {package}.")
    for target in filter(None, (word.strip() for word in os.environ.get(PLUGINS_VARIABLE, "").split(","))):
        origin = f"{PLUGINS_VARIABLE} {target!r}"
        try:
            _add(collected, _imported(target if ":" in target else f"{target}:ENTRIES", origin), origin)
        except _Skipped as problem:
            problems.append(f"{problem}; correct it.")
    for entry in _registered():
        collected[entry.name] = entry
    return collected, tuple(problems)


def entries() -> dict[str, RunnerEntry]:
    """All usable runners by name: the project's own, then those of others."""
    return _collected()[0]


def problems() -> tuple[str, ...]:
    """One sentence for each plug-in that was skipped."""
    return _collected()[1]


def reload() -> None:
    """Looks for runners of others anew, where the environment has changed."""
    _collected.cache_clear()


def get(name: str) -> RunnerEntry:
    """The entry of a runner.

    Raises:
        BenchError: no such runner; the message names the nearest, and plug-ins that were skipped.
    """
    known = entries()
    if name not in known:
        error = unknown("runner", name, list(known), "`bench ls runners` lists them")
        raise BenchError(" ".join([str(error), *(f"Skipped: {problem}" for problem in problems())]))
    return known[name]


def register(
    runner: RunnerEntry | Any, /, name: str | None = None, *, title: str | None = None, **settings: Any
) -> RunnerEntry:
    """Makes a runner known to this process and to the jobs that it starts.

    Args:
        runner: an entry; or a scikit-learn regressor, as ``"module.Class"`` or as an object of a plain class.
        name: of a regressor's row; None for ``sklearn_`` and its class.
        title: of a regressor's row as printed; None for its class.
        **settings: of a regressor, replacing its own; values that JSON can hold.

    Returns:
        The entry.

    Raises:
        BenchError: its target lies where a job cannot import it, a setting does not fit into JSON, or a runner of
            another origin has the name.
    """
    require_texts(name=name, title=title)
    if isinstance(runner, RunnerEntry):
        entry = runner
    else:
        from bench.runners.sklearn import entry_of

        entry = entry_of(runner, name, title, settings)
    module = entry.target.partition(":")[0]
    if module == "__main__":
        raise BenchError(
            f"Runner {entry.name!r} is defined in the program that was started, where the process of a job cannot "
            "import it; put its class into a module of its own and name that in the target."
        )
    own = {item.name: item for item in _registered()}
    if entry.name in entries() and entry.name not in own:
        raise BenchError(f"There is a runner {entry.name!r} already; choose another name.")
    own[entry.name] = entry
    try:
        os.environ[REGISTERED_VARIABLE] = json.dumps([asdict(item) for item in own.values()])
    except (TypeError, ValueError) as error:
        raise BenchError(
            f"Runner {entry.name!r} has parameters that JSON cannot hold ({error}); use numbers, texts and lists."
        ) from error
    reload()
    return entry


def expanded(words: Iterable[str]) -> tuple[str, ...]:
    """The runners and families that words of the command line mean; ``strong`` means the strongest tabular baselines.

    Raises:
        BenchError: a class of scikit-learn's cannot be used.
    """
    from bench.runners.catalogue import STRONG_ROWS

    strong = [entry.name for entry in STRONG_ROWS]
    found = (strong if word == STRONG_WORD else [named(word)] for word in words)
    return tuple(dict.fromkeys(name for names in found for name in names))


def named(name: str) -> str:
    """The name of the runner that a word of the command line means; registers ``sklearn:module.Class``.

    Raises:
        BenchError: the class cannot be used.
    """
    if not name.startswith(SKLEARN_PREFIX):
        return name
    from bench.runners.sklearn import entry_of

    entry = entry_of(name.removeprefix(SKLEARN_PREFIX), None, None, {})
    known = {item.name: item for item in _registered()}.get(entry.name, entry)
    if known.parameters != entry.parameters:
        raise BenchError(
            f"{name} would be called {entry.name}, as another regressor is; give one of them a name of its own from "
            "Python: bench.register(..., name=...)."
        )
    return register(entry).name


def _registered() -> list[RunnerEntry]:
    try:
        found = json.loads(os.environ.get(REGISTERED_VARIABLE, "[]"))
        return [_entry_from(item) for item in found]
    except (TypeError, ValueError, KeyError, AttributeError, BenchError) as error:
        raise BenchError(f"{REGISTERED_VARIABLE} is damaged ({error}); unset it: `bench.register` sets it.") from error


def _entry_from(item: dict[str, Any]) -> RunnerEntry:
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in item.items()}
    return RunnerEntry(**{**fields, "cost": Cost(**item["cost"])})


def _imported(target: str, origin: str) -> Any:
    """What a plug-in names; modules of the current folder are found last, so that they hide nothing."""
    module_name, _, attribute = target.partition(":")
    module_name, attribute = module_name.strip(), attribute.split("[")[0].strip() or "ENTRIES"
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)
    try:
        return imported(module_name, attribute)
    except NotImportable as error:
        raise _Skipped(f"The {origin} cannot be imported ({error})") from error


def _add(collected: dict[str, RunnerEntry], found: object, origin: str) -> None:
    """Adds what a plug-in gives: all of its entries, or none."""
    given: dict[str, RunnerEntry] = {}
    for entry in found if isinstance(found, list | tuple) else [found]:
        if not isinstance(entry, RunnerEntry):
            raise _Skipped(f"The {origin} gives a {type(entry).__name__} where a RunnerEntry is needed")
        if entry.name in collected or entry.name in given:
            raise _Skipped(f"Runner {entry.name!r} is defined twice, the second time by the {origin}")
        given[entry.name] = entry
    collected.update(given)
