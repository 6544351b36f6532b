"""A job: one runner on one split of one data set. Its id is a hash of exactly what changes the numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bench.data.splits import require_parameters
from bench.system.text import is_name, one_line

if TYPE_CHECKING:
    from bench.data.datasets import OpenedDataset

MOST_REPETITION = 1_000_000_000
"""Largest number of a repetition."""
EVALUATION_VERSION = 1
"""Raise it when the stored statistics change their meaning; all stored jobs then count as stale."""


def _title(text: str) -> str:
    if not is_name(text):
        raise ValueError("a data set's name is printable, without a slash and at most 200 characters long")
    return text


def _split(parameters: dict[str, Any]) -> dict[str, Any]:
    require_parameters(parameters)
    return parameters


_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)]
"""Becomes part of a file's name, and so does a fingerprint."""
_OF_ADDRESS = ("train_cells", "weeks", "sample_seed", "fold", "folds", "target")
"""Parameters of a split by which people tell its jobs apart."""


class Job(BaseModel):
    """A job. Every field changes the numbers; device, worker count and paths are recorded beside it.

    Attributes:
        suite: name of the suite.
        dataset: name of the data set.
        dataset_fingerprint: SHA-256 of its content.
        split: parameters that rebuild the split.
        runner: name of the runner.
        runner_version: its version in the registry.
        parameters: its resolved parameters.
        view: feature view, or None where the runner reads none.
        profile: smoke, laptop or paper.
        repetition: 0, 1, …; the seed derives from it.
        seed: derived seed; None for a runner without randomness.
        packages: versions of the distributions that the runner requires.
        evaluation: version of the statistics that are stored.
        override: the settings in which the job departs from its runner's base (ablation) or entry (`--set`), or None.
            It names the variant; what it does to the numbers stands in `parameters`, so that it is no part of the id.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    suite: _Name
    dataset: Annotated[str, AfterValidator(_title)]
    dataset_fingerprint: Annotated[str, Field(pattern="^[0-9a-f]{1,64}$")]
    split: Annotated[dict[str, Any], AfterValidator(_split)]
    runner: _Name
    runner_version: int
    parameters: dict[str, Any]
    view: _Name | None
    profile: _Name
    repetition: Annotated[int, Field(ge=0, le=MOST_REPETITION)]
    seed: int | None
    packages: dict[str, str]
    evaluation: int = EVALUATION_VERSION
    override: dict[str, Any] | None = None

    @cached_property
    def id(self) -> str:
        """16 hexadecimal digits, the same on every machine."""
        canonical = json.dumps(
            self.model_dump(mode="json", exclude={"override"}), sort_keys=True, separators=(",", ":")
        )
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with changed fields, and an id of its own."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("id", None)  # what is cached of the original is no field, and may be wrong of the copy
        return copied

    @property
    def address(self) -> tuple[str, ...]:
        """What a person would call the same job: two ids with one address mean that the older one is stale."""
        sample = {key: value for key, value in self.split.items() if key in _OF_ADDRESS}
        return (
            self.suite,
            self.dataset,
            json.dumps(sample),
            self.runner,
            self.view or "",
            self.profile,
            str(self.repetition),
            self.variant or "",
        )

    @property
    def variant(self) -> str | None:
        """What `override` changes, such as ``n_nodes=100`` (``base`` for an empty one), or None."""
        return None if self.override is None else variant_of(self.override)

    @property
    def label(self) -> str:
        """Short text for people: ``lightgbm [located] #0``, or ``gwr #0, NEE, fold 2/5``."""
        fold = f"fold {self.split['fold']}/{self.split['folds']}" if "fold" in self.split else None
        of_split = "".join(f", {part}" for part in (self.target, fold) if part)
        return f"{self.runner}{self.detail} #{self.repetition}{of_split}"

    @property
    def detail(self) -> str:
        """View and variant as they stand behind the name of its runner: `` [located]``, or nothing."""
        detail = one_line(", ".join(filter(None, (self.view, self.variant))), 100)
        return f" [{detail}]" if detail else ""

    @property
    def target(self) -> str | None:
        """Which of several targets it predicts; None where the data have but one."""
        target: str | None = self.split.get("target")
        return target


def variant_of(override: Mapping[str, Any]) -> str:
    """``base``, or what an override changes: ``n_nodes=100``."""
    return ", ".join(f"{key}={override[key]}" for key in sorted(override)) or "base"


def name_of(dataset: OpenedDataset) -> str:
    """A data set's name in a job: a built one is named with its options; a folder's path stays out of the id."""
    return dataset.spec if dataset.spec.partition(":")[0] == dataset.cube.name else dataset.cube.name


def differences(old: Job, new: Job) -> dict[str, tuple[Any, Any]]:
    """Fields in which two jobs differ, nested ones by dotted name, as (old value, new value)."""
    before, after = _flat(old.model_dump(mode="json")), _flat(new.model_dump(mode="json"))
    return {
        key: (before.get(key, "(absent)"), after.get(key, "(absent)"))
        for key in sorted({*before, *after})
        if before.get(key, "(absent)") != after.get(key, "(absent)")
    }


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, item in value.items():
        flat |= _flat(item, f"{prefix}.{key}" if prefix else str(key))
    return flat
