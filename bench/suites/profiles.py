"""Profiles: how large a run is. A table's caption names its profile."""

from __future__ import annotations

from dataclasses import dataclass

from bench.errors import unknown


@dataclass(frozen=True)
class Profile:
    """The size of a run; what a profile changes in a runner stands in that runner's registry entry.

    Attributes:
        name: smoke, laptop or paper.
        summary: one line for people.
        max_cells: keep at most this many land cells, evenly spaced; None keeps all.
        timeout_s: default wall-clock limit of one job; None for no limit.
    """

    name: str
    summary: str
    max_cells: int | None
    timeout_s: float | None


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("smoke", "for tests: 600 cells, tiny models, a few minutes", 600, 300.0),
        Profile("laptop", "all cells, library defaults, deep models trained shorter; for 2 cores", None, 7200.0),
        Profile("paper", "all cells, the settings of the paper; no time limit", None, None),
    )
}
SMOKE = "smoke"
"""The profile whose numbers nobody judges."""
DEFAULT_PROFILE = "laptop"


def get(name: str) -> Profile:
    """The profile of that name.

    Raises:
        BenchError: no such profile.
    """
    if name not in PROFILES:
        raise unknown("profile", name, list(PROFILES), "see `bench run --help`")
    return PROFILES[name]
