"""Rows of the flux suite: what each is called, and which other row it is compared with.

A row is a runner and what is changed in it (`Job.override`): the backbone is the runner, and the key ``variant`` says
what it knows. Keys beside ``variant`` make an ablation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.report.results.selection import RowResult, Selection, rows
from bench.store.jobs import Job

SUITE = "flux"
PLACES, YEARS, FEW, TROPICS, IMPUTATION = "places", "years", "few", "tropics", "imputation"
"""Designs: what kind of question a split asks."""
DESIGNS = {
    PLACES: "tested at towers never seen, in folds of whole towers",
    YEARS: "tested in the published months of towers that also train",
    FEW: "tested at towers never seen, trained with few labelled towers",
    TROPICS: "tested at the published tropical towers, trained at all others",
    IMPUTATION: "tested in hidden months of towers whose other months are known",
}
"""Design → how it tests, in words for captions."""
BASELINE, BASELINE_SHARES, KGML, KGML_SHARES, DERE = "baseline", "baseline_shares", "kgml", "kgml_shares", "dere"
VARIANTS = {
    BASELINE: "baseline",
    BASELINE_SHARES: "baseline + shares",
    KGML: "KGML",
    KGML_SHARES: "KGML + shares",
    DERE: "DERE",
}
"""What a backbone knows, in words, in the order of the tables."""
FROZEN = {"variant": DERE, "tuned": "frozen"}
"""DERE as published: its branches stay as the process model made them."""
LIGHTGBM, LIGHTGBM_SHARES = "flux_lightgbm", {"process": False}
PROCESS = "flux_process"
IMPUTER = "flux_imputation"
LINEAR = {"method": "linear"}
_OF_REFERENCES: Mapping[str, Mapping[Any, str]] = {
    "process": {False: "+ shares", True: "+ shares + process outputs"},
    "calibrated": {False: "raw", True: "calibrated"},
    "method": {"csdi": "CSDI", "linear": "linear interpolation", "climatology": "climatology"},
}
_SETTINGS: Mapping[tuple[str, Any], str] = {
    ("shares", "predicted"): "shares predicted",
    ("shares", "none"): "no shares",
    ("competition", False): "no competition network",
    ("branches", "one"): "one branch",
    ("tuned", "frozen"): "branches frozen (as published)",
    ("balance", "penalty"): "balance by penalty (as published)",
    ("imputation", "median"): "with imputed medians",
    ("imputation", "weighted"): "with imputed months, weighted",
    ("omega", "published"): "ω as published",
    ("schedule", "published"): "schedule as published",
    ("missing", "zero"): "missing months as zero error (as published)",
}
"""What an ablation changes, in words."""


@dataclass(frozen=True)
class FluxRow:
    """One row with its name.

    Attributes:
        result: what is stored of it.
        override: what is changed in its runner; empty for nothing.
        is_backbone: whether it is one of the sequence networks, with or without knowledge.
        label: what is changed, in words; of rows without a change the runner's title.
        backbone: the runner's title.
    """

    result: RowResult
    override: Mapping[str, Any]
    is_backbone: bool
    label: str
    backbone: str

    @property
    def name(self) -> str:
        """Name of the whole row within a sentence: ``Transformer, DERE``."""
        return f"{self.backbone}, {self.label}" if self.is_backbone else self.label

    @property
    def is_ablation(self) -> bool:
        """Whether something beside its variant is changed; DERE with frozen branches is a row of its own as well."""
        return self.is_backbone and not set(self.override) <= {"variant"}

    @property
    def is_main(self) -> bool:
        """Whether it stands in the table of all methods."""
        return not self.is_ablation or dict(self.override) == FROZEN

    @property
    def variant(self) -> str:
        """What a backbone knows: a key of `VARIANTS`; "" for other rows."""
        return str(self.override.get("variant", "")) if self.is_backbone else ""

    @property
    def base_variant(self) -> str | None:
        """The variant without knowledge that has the same inputs; None where the row is that, or no backbone."""
        if not self.is_backbone or self.variant in (BASELINE, BASELINE_SHARES):
            return None
        unseen = self.variant == KGML or self.override.get("shares") == "none"
        return BASELINE if unseen else BASELINE_SHARES


def flux_rows(selection: Selection, design: str, labelled: int | None = None) -> list[FluxRow]:
    """The rows of one design, in the order of the registry and of `VARIANTS`.

    Args:
        selection: the jobs of the suite.
        design: one of `DESIGNS`.
        labelled: of design ``few``: the number of labelled towers; None for any.
    """
    overrides = {json.dumps([job.runner, job.variant]): job.override or {} for job in selection.jobs}
    found = [
        _named(row, overrides[json.dumps([row.key.runner, row.key.variant])])
        for row in rows(selection)
        if row.key.design == design and labelled in (None, row.key.train_cells)
    ]
    runners = list(dict.fromkeys(row.result.key.runner for row in found))
    return sorted(found, key=lambda row: (runners.index(row.result.key.runner), _place(row)))


def designs(selection: Selection) -> list[str]:
    """The designs that have jobs, in the order of `DESIGNS`."""
    present = {job.split.get("design") for job in selection.jobs}
    return [name for name in DESIGNS if name in present]


def targets_of(selection: Selection) -> tuple[str, ...]:
    """What the jobs predict: GPP, RECO, NEE."""
    found: Sequence[str] = selection.jobs[0].split["targets"]
    return tuple(found)


def find(found: Sequence[FluxRow], runner: str, override: Mapping[str, Any]) -> FluxRow | None:
    """The row of a runner with this change and results, or None."""
    for row in found:
        if row.result.records and row.result.key.runner == runner and dict(row.override) == dict(override):
            return row
    return None


def same_inputs(found: Sequence[FluxRow], row: FluxRow) -> FluxRow | None:
    """The row of the same backbone with the same inputs that knows nothing, or None."""
    if row.base_variant is None:
        return None
    return find(found, row.result.key.runner, {"variant": row.base_variant})


def base_of_ablation(found: Sequence[FluxRow], row: FluxRow) -> FluxRow | None:
    """The row that an ablation is changed from: the same backbone and variant with every setting as it is, or None."""
    return find(found, row.result.key.runner, {"variant": row.variant}) if row.is_ablation else None


def tower_count(job: Job) -> int | None:
    """Number of labelled towers that a job was allowed; None for all."""
    labelled: int | None = job.split.get("labelled")
    return labelled


def _named(row: RowResult, override: Mapping[str, Any]) -> FluxRow:
    is_backbone = "variant" in override
    if is_backbone:
        label = VARIANTS.get(str(override["variant"]), str(override["variant"]))
        changed = [(key, value) for key, value in override.items() if key != "variant"]
        words = [_SETTINGS.get(item, f"{item[0]}={item[1]}") for item in sorted(changed)]
        label = ", ".join([label, *words])
        return FluxRow(row, override, True, label[:1].upper() + label[1:], row.title)
    if row.key.runner == IMPUTER and "method" in override:
        method = str(override["method"])
        title = _OF_REFERENCES["method"].get(method, method)
        return FluxRow(row, override, False, title[:1].upper() + title[1:], row.title)
    words = [_OF_REFERENCES.get(key, {}).get(value, f"{key}={value}") for key, value in override.items()]
    joint = " " if all(text.startswith("+") for text in words) else ", "
    return FluxRow(row, override, False, joint.join([row.title, *words]), row.title)


def _place(row: FluxRow) -> tuple[int, int, str]:
    order = list(VARIANTS)
    known = order.index(row.variant) if row.variant in order else len(order)
    return known, len(row.override), row.label
