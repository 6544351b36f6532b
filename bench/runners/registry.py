"""The registry of runners: typed entries with lazy targets.

An entry is plain data; its target (``module:object``) is imported only in the process that runs it, so the registry is
as light as a list. A third party's package adds runners through the entry-point group ``climate2gpp_bench.runners``
(each entry point names a `RunnerEntry` or a list of them); a module on the Python path does so through
``BENCH_PLUGINS``.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
from functools import cache

from bench.errors import BenchError, unknown
from bench.runners.entry import RunnerEntry

ENTRY_POINT_GROUP = "climate2gpp_bench.runners"
PLUGINS_VARIABLE = "BENCH_PLUGINS"


@cache
def entries() -> dict[str, RunnerEntry]:
    """All runners by name: the project's own, then those of installed packages and of ``BENCH_PLUGINS``.

    Raises:
        BenchError: a plug-in cannot be imported or repeats a name.
    """
    from bench.runners.catalogue import CATALOGUE

    collected: dict[str, RunnerEntry] = {}
    _add(collected, CATALOGUE, "the project's catalogue")
    for point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
        origin = f"entry point {point.name!r} of {point.dist.name if point.dist else 'an unknown package'}"
        try:
            loaded = point.load()
        except (ImportError, AttributeError, SyntaxError, ValueError) as error:
            raise BenchError(f"The {origin} cannot be imported ({error}); reinstall or remove that package.") from error
        _add(collected, loaded, origin)
    for target in filter(None, os.environ.get(PLUGINS_VARIABLE, "").split(",")):
        module_name, _, attribute = target.partition(":")
        try:
            loaded = getattr(importlib.import_module(module_name), attribute or "ENTRIES")
        except (ImportError, AttributeError, SyntaxError, ValueError) as error:
            raise BenchError(
                f"{PLUGINS_VARIABLE} names {target!r}, which cannot be imported ({error}); correct it."
            ) from error
        _add(collected, loaded, f"{PLUGINS_VARIABLE} {target!r}")
    return collected


def get(name: str) -> RunnerEntry:
    """The entry of a runner.

    Raises:
        BenchError: no such runner; the message names the nearest.
    """
    known = entries()
    if name not in known:
        raise unknown("runner", name, list(known), "`bench ls runners` lists them")
    return known[name]


def _add(collected: dict[str, RunnerEntry], found: object, origin: str) -> None:
    for entry in found if isinstance(found, list | tuple) else [found]:
        if not isinstance(entry, RunnerEntry):
            raise BenchError(
                f"The {origin} gives a {type(entry).__name__} where a RunnerEntry is needed; correct or remove it."
            )
        if entry.name in collected:
            raise BenchError(
                f"Runner {entry.name!r} is defined twice, the second time by the {origin}; rename or remove one."
            )
        collected[entry.name] = entry
