"""What the registry knows of a runner: a typed entry with a lazy target, and what a job of it may cost."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, get_args

from bench.errors import BenchError, unknown

TRAINING_ROWS = "training_rows"
"""Parameter of a job whose training part has more rows than its runner takes: the size of the sample."""
REFERENCE = "Reference"
"""Family of the rows that every model has to beat; they are never the best of a table."""
PROPOSED = "Proposed"
"""Family of the proposed model's rows."""
DUAL_BRANCH, DUAL_BRANCH_PLUS = "dual_branch", "dual_branch_plus"
"""The proposed model's two rows: the paper's network, and this project's variant of it."""
FAMILIES = (REFERENCE, "Tabular Machine Learning", "Tabular Deep Learning", "Spatial", "Spatiotemporal", PROPOSED)
"""In the order of the tables; the paper's names where it has them."""

Explains = Literal["sensitivity", "contribution", "share"]
"""What the numbers of `Runner.explain` mean: the change of the prediction per standard deviation of the feature, the
part of the prediction that is due to the feature's value, or an unsigned share in what the model knows."""


@dataclass(frozen=True)
class Cost:
    """A rough prediction of what a job needs, for planning only; it never changes a result.

    Attributes:
        seconds: start-up and other fixed time.
        seconds_per_million: time on one core per million training values (samples × columns); of what `models.training`
            trains, for its usual number of epochs.
        memory_gb: fixed memory.
        bytes_per_value: memory per value (samples × columns, training and test).
        seconds_per_million_pairs: time on one core per million pairs of training cells and scored step, for models
            whose time grows with the square of the sample.
        seconds_per_billion_comparisons: time on one core per billion pairs of a training row and a predicted row (of
            the test or the scored training part), for models that compare every one with every other.
    """

    seconds: float = 2.0
    seconds_per_million: float = 0.1
    memory_gb: float = 0.3
    bytes_per_value: float = 12.0
    seconds_per_million_pairs: float = 0.0
    seconds_per_billion_comparisons: float = 0.0


_KINDS: dict[str, type | tuple[type, ...]] = {
    "title": str,
    "summary": str,
    "target": str,
    "version": int,
    "requires": (tuple, list),
    "withheld": (tuple, list),
    "only_profiles": (tuple, list),
    "parameters": Mapping,
    "profiles": Mapping,
    "most_rows": Mapping,
    "cost": Cost,
}
"""What fields of an entry must be: plug-ins are not type-checked."""


@dataclass(frozen=True)
class RunnerEntry:
    """One runner.

    Attributes:
        name: unique, lower case, letters, digits and underscores.
        title: as printed in tables; the paper's name where it has one.
        family: one of `FAMILIES`.
        target: ``module:object``, a `Runner` subclass (or any callable from a `Task` to a `Runner`).
        summary: one line for `bench ls runners`.
        version: raise it when the runner's numbers change; stored results then count as stale.
        requires: distributions it needs; their versions enter the fingerprint.
        uses_view: whether it reads a feature view.
        withheld: withheld arrays of the cube that it may read.
        seeded: whether the seed changes its numbers; if not, one repetition is planned.
        step_means: whether it is fitted on means over the training years instead of raw samples; its training error as
            published is then on these means (`Runner.fitted`).
        thread_invariant: whether its numbers are the same for any number of threads; if not, it gets one thread.
        several_processes: whether it is trained by `models.training`, which several processes can do together.
        uses_gpu: whether it computes on a GPU where its process sees one; executors hand GPUs to such runners only.
        needs: what the data must have, names in `bench.runners.suitability.NEEDS`; where they have it not, a plan says
            so and the job is skipped.
        by_name: whether a suite plans it only where ``--only`` or ``--with`` names it.
        refused_after: seconds; a job that is expected to take longer is refused; None for never.
        instead: what to do where a job is refused.
        most_rows: profile → training rows that it takes at most; where a training part has more, it learns from a
            seeded sample of so many, the same for every runner with that limit, and the table says so. Profiles that
            are not named take all rows.
        only_profiles: profiles in which a suite plans it; empty for all.
        explains: what its importance weights mean, so that they are scored against the right truth; None where it has
            none, or none that should be scored.
        parameters: passed to the runner in the task.
        profiles: per profile, parameters that replace or add to `parameters`.
        cost: for planning.
    """

    name: str
    title: str
    family: str
    target: str
    summary: str
    version: int = 1
    requires: tuple[str, ...] = ()
    uses_view: bool = True
    withheld: tuple[str, ...] = ()
    seeded: bool = True
    step_means: bool = False
    thread_invariant: bool = False
    several_processes: bool = False
    uses_gpu: bool = False
    needs: tuple[str, ...] = ()
    by_name: bool = False
    refused_after: float | None = None
    instead: str = ""
    only_profiles: tuple[str, ...] = ()
    most_rows: Mapping[str, int] = field(default_factory=dict)
    explains: Explains | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cost: Cost = Cost()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise BenchError(
                f"Runner name {self.name!r} may hold only lower-case letters, digits and underscores; rename it."
            )
        if self.family not in FAMILIES:
            raise unknown("family", self.family, FAMILIES, f"runner {self.name!r} must name one of these")
        if self.explains is not None and self.explains not in get_args(Explains):
            raise unknown("kind of explanation", self.explains, get_args(Explains), f"correct runner {self.name!r}")
        for name, kind in _KINDS.items():
            if not isinstance(getattr(self, name), kind):
                raise BenchError(
                    f"{name} of runner {self.name!r} is a {type(getattr(self, name)).__name__}; correct it."
                )
        words = (*self.requires, *self.withheld, *self.only_profiles)
        if not all(isinstance(word, str) for word in words):
            raise BenchError(f"Runner {self.name!r} names something that is no text among {words!r}; correct it.")
        try:
            json.dumps([self.parameters, self.profiles], allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise BenchError(
                f"Parameters of runner {self.name!r} are such as JSON cannot hold ({error}); correct them."
            ) from error
        if not all(isinstance(key, str) for key in (*self.parameters, *self.profiles)):
            raise BenchError(f"Parameters of runner {self.name!r} have keys that are no texts; correct them.")
        if ":" not in self.target:
            raise BenchError(
                f"Target {self.target!r} of runner {self.name!r} is not of the form module:object; correct it."
            )

    def parameters_for(self, profile: str, n_train: int = 0) -> dict[str, Any]:
        """Parameters of this runner in a profile.

        Args:
            profile: name of the profile.
            n_train: training samples; where they are more than the runner takes, ``training_rows`` says how many.
        """
        most = self.most_rows.get(profile, n_train)
        sampled = {TRAINING_ROWS: most} if n_train > most else {}
        return {**self.parameters, **self.profiles.get(profile, {}), **sampled}

    def package_versions(self) -> dict[str, str]:
        """Installed version of each required distribution; missing ones are left out."""
        versions = {name: installed_version(name) for name in self.requires}
        return {name: version for name, version in versions.items() if version is not None}

    def unavailable(self) -> str | None:
        """Why the runner cannot run here, with the remedy, or None if it can."""
        missing = [name for name in self.requires if installed_version(name) is None]
        if missing:
            return f"needs {', '.join(missing)}: pip install 'climate2gpp-bench[runners]' --constraint constraints.txt"
        return None

    def load(self) -> Callable[..., Any]:
        """Imports and returns the target.

        Raises:
            BenchError: the module or the object does not exist.
        """
        module_name, _, attribute = self.target.partition(":")
        try:
            loaded: Callable[..., Any] = getattr(importlib.import_module(module_name), attribute)
        except (ImportError, AttributeError, SyntaxError, ValueError) as error:
            raise BenchError(
                f"Runner {self.name!r}: target {self.target!r} cannot be imported ({error}); reinstall its package."
            ) from error
        return loaded


@cache
def installed_version(distribution: str) -> str | None:
    """The version of an installed distribution, or None."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
