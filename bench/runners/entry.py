"""What the registry knows of a runner: a typed entry with a lazy target, and what a job of it may cost."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Literal, get_args

from bench.errors import BenchError, unknown
from bench.system.text import one_line

TRAINING_ROWS = "training_rows"
"""Parameter of a job whose training part has more rows than its runner takes: the size of the sample."""
REFERENCE = "Reference"
"""Family of the rows that every model has to beat; they are never the best of a table."""
PROPOSED = "Proposed"
"""Family of the proposed model's rows."""
DUAL_BRANCH, DUAL_BRANCH_PLUS = "dual_branch", "dual_branch_plus"
"""The proposed model's two rows: the paper's network, and this project's variant of it."""
SEQUENCE_MODELS = "Sequence Models"
"""Family of the networks of the suite `flux`."""
FAMILIES = (
    REFERENCE,
    "Tabular Machine Learning",
    "Tabular Deep Learning",
    "Spatial",
    "Spatiotemporal",
    SEQUENCE_MODELS,
    PROPOSED,
)
"""In the order of the tables; the paper's names where it has them."""
FAMILY_WORDS = {family.lower().replace(" ", "-"): family for family in FAMILIES}
"""What a family is called in the place of a runner's name."""
STRONG_WORD = "strong"
"""In the place of a runner's name, all of the strongest tabular baselines."""

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
        usual_features: climate features of the data that `seconds_per_million` was measured on, of a model that makes a
            token of each, beside two tokens' worth of other work; 0 where time hardly grows with them.
        minutes_in: parameter that says for how many minutes is fitted, whatever the size; all other times come on top.
    """

    seconds: float = 2.0
    seconds_per_million: float = 0.1
    memory_gb: float = 0.3
    bytes_per_value: float = 12.0
    seconds_per_million_pairs: float = 0.0
    seconds_per_billion_comparisons: float = 0.0
    usual_features: int = 0
    minutes_in: str = ""


_EXTRAS = {
    "runners": frozenset(
        (
            *("autogluon.tabular", "catboost", "fastai", "lightgbm", "mgwr", "pytorch-frame", "scikit-learn"),
            *("torch", "torch-geometric", "xgboost-cpu"),
        )
    ),
    "strong": frozenset(("interpret-core", "pytabkit")),
}
"""Extra of this project → distributions that come with it and that runners need."""
NEEDS = (
    "places_per_step",
    "places_per_step_held_out",
    "panel",
    "panel_held_out",
    "seasons",
    "fluxes",
    "fluxes_and_weather",
)
"""What a runner may need of the data; `bench.runners.suitability` has the rules."""
MOST_NAME, MOST_TITLE = 100, 200
"""Characters of a runner's name and title: a store takes no longer ones."""
_KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("name", "title", "family", "target", "summary", "instead"), str),
    **dict.fromkeys(("requires", "withheld", "only_profiles", "needs"), (tuple, list)),
    **dict.fromkeys(
        (
            *("uses_view", "seeded", "step_means", "thread_invariant", "several_processes", "uses_gpu"),
            "by_name",
        ),
        bool,
    ),
    **dict.fromkeys(("parameters", "profiles", "most_rows", "few_and_far"), Mapping),
    "version": int,
    "refused_after": (int, float, type(None)),
    "explains": (str, type(None)),
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
        few_and_far: dotted key → value, parameters instead where few places train and stand far apart
            (`bench.data.spacing`).
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
    few_and_far: Mapping[str, Any] = field(default_factory=dict)
    cost: Cost = Cost()

    def __post_init__(self) -> None:
        for name, kind in _KINDS.items():
            value = getattr(self, name)
            if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
                raise BenchError(
                    f"{name} of runner {one_line(repr(self.name), MOST_NAME)} is a {type(value).__name__}; correct it."
                )
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name) or len(self.name) > MOST_NAME:
            raise BenchError(
                f"Runner name {one_line(self.name, MOST_NAME)!r} may hold only lower-case letters, digits and "
                f"underscores, at most {MOST_NAME}; rename it."
            )
        if self.name in (STRONG_WORD, *FAMILY_WORDS):
            raise BenchError(f"Runner name {self.name!r} means several runners already; rename it.")
        for name in ("title", "summary", "instead"):
            object.__setattr__(self, name, one_line(getattr(self, name)))  # for tables, pages and the terminal alike
        if len(self.title) > MOST_TITLE:
            raise BenchError(f"The title of runner {self.name!r} is longer than {MOST_TITLE} characters; shorten it.")
        if self.family not in FAMILIES:
            raise unknown("family", self.family, FAMILIES, f"runner {self.name!r} must name one of these")
        if self.explains is not None and self.explains not in get_args(Explains):
            raise unknown("kind of explanation", self.explains, get_args(Explains), f"correct runner {self.name!r}")
        words = (*self.requires, *self.withheld, *self.only_profiles, *self.needs)
        if not all(isinstance(word, str) for word in words):
            raise BenchError(f"Runner {self.name!r} names something that is no text among {words!r}; correct it.")
        for need in self.needs:
            if need not in NEEDS:
                raise unknown("need", need, NEEDS, f"correct needs of runner {self.name!r}")
        if not all(isinstance(own, Mapping) for own in self.profiles.values()):
            raise BenchError(f"profiles of runner {self.name!r} must give each profile a mapping; correct them.")
        if not all(isinstance(most, int) and most > 0 for most in self.most_rows.values()):
            raise BenchError(f"most_rows of runner {self.name!r} must give each profile a whole number; correct them.")
        costs = [getattr(self.cost, item.name) for item in fields(Cost) if item.name != "minutes_in"]
        if not all(isinstance(cost, int | float) and 0 <= cost < math.inf for cost in costs):
            raise BenchError(f"cost of runner {self.name!r} must hold positive numbers; correct it.")
        try:
            json.dumps([self.parameters, self.profiles, self.few_and_far], allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise BenchError(
                f"Parameters of runner {self.name!r} are such as JSON cannot hold ({error}); correct them."
            ) from error
        if not _keys_are_texts([self.parameters, self.profiles, self.few_and_far]):
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
        if not missing:
            return None
        extras = [extra for extra, names in _EXTRAS.items() if names & set(missing)]
        wanted = [name for name in missing if not any(name in names for names in _EXTRAS.values())]
        if extras:
            wanted.append(f"'climate2gpp-bench[{','.join(extras)}]' --constraint constraints.txt")
        return f"needs {', '.join(missing)}: pip install {' '.join(wanted)}"

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


def _keys_are_texts(value: Any) -> bool:
    """Whether all mappings within a value have texts for keys; JSON would make texts of others, unasked."""
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _keys_are_texts(inner) for key, inner in value.items())
    return not isinstance(value, list | tuple) or all(map(_keys_are_texts, value))


@cache
def installed_version(distribution: str) -> str | None:
    """The version of an installed distribution, or None."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
