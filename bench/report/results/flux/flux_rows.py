"""Rows of the flux suite: what each is called, and which other row it is compared with.

`bench.suites.flux` names the rows; a row that only an older or newer version knows is named by its settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.errors import BenchError
from bench.report.results.rows import RowResult, rows
from bench.report.results.selection import Selection
from bench.runners.catalogue.fluxes import BACKBONE_TITLES, PREFIX
from bench.store.jobs import Job
from bench.suites.flux import FEW, IMPUTATION, PLACES, ROWS, TROPICS, VARIANTS, YEARS, FluxRow, row_of

TESTED = {
    PLACES: "tested at towers never seen, in folds of whole towers",
    YEARS: "tested in the published months of towers that also train",
    FEW: "tested at towers never seen, trained with few labelled towers",
    TROPICS: "tested at the published tropical towers, trained at all others",
    IMPUTATION: "tested in hidden months of towers whose other months are known",
}
"""Design → how it tests, in words for captions."""
BASELINE, BASELINE_SHARES, KGML, KGML_SHARES, DERE = "baseline", "baseline_shares", "kgml", "kgml_shares", "dere"
FROZEN: Mapping[str, Any] = VARIANTS["dere_frozen"][1]
"""DERE as published: its branches stay as the process model made them."""
LIGHTGBM, LIGHTGBM_SHARES = f"{PREFIX}lightgbm", {"process": False}
IMPUTER, LINEAR, CSDI = f"{PREFIX}imputation", {"method": "linear"}, {"method": "csdi"}
_RULES = tuple(f"{PREFIX}{name}" for name in ("mean", "climatology", "process"))


@dataclass(frozen=True)
class FluxRowResult:
    """One row with its name.

    Attributes:
        result: what is stored of it.
        override: what is changed in its runner; empty for nothing.
        is_backbone: whether it is one of the sequence networks, with or without knowledge.
        label: what is changed, in words; of rows without a change the runner's title.
        backbone: title of the network; of other rows that of the runner.
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
    def folds(self) -> frozenset[int | None]:
        """The folds that its results are of; {None} where the split has none."""
        return frozenset(record.job.split.get("fold") for record in self.result.records)

    def on_folds(self, folds: frozenset[int | None]) -> FluxRowResult:
        """The same row with the results of some folds only."""
        if self.folds <= folds:
            return self
        kept = tuple(record for record in self.result.records if record.job.split.get("fold") in folds)
        return replace(self, result=replace(self.result, records=kept))

    @property
    def is_rule(self) -> bool:
        """Whether it is a rule to compare with, which may not be the best of a table."""
        return self.result.key.runner in _RULES

    @property
    def is_ablation(self) -> bool:
        """Whether something beside its variant is changed; DERE with frozen branches is a row of its own as well."""
        return self.is_backbone and not set(self.override) <= {"variant"}

    @property
    def is_main(self) -> bool:
        """Whether it stands in the table of all methods."""
        return not self.is_ablation or dict(self.override) == dict(FROZEN)

    @property
    def variant(self) -> str:
        """What a backbone knows: a key of `VARIANTS`, frozen or not; "" for other rows."""
        return str(self.override.get("variant", "")) if self.is_backbone else ""

    @property
    def base_variant(self) -> str | None:
        """The variant without knowledge that has the same inputs; None where the row is that, or no backbone."""
        if not self.is_backbone or self.variant in (BASELINE, BASELINE_SHARES):
            return None
        unseen = self.variant == KGML or self.override.get("shares") == "none"
        return BASELINE if unseen else BASELINE_SHARES


def flux_rows(selection: Selection, design: str, labelled: int | None = None) -> list[FluxRowResult]:
    """The rows of one design, in the order of `bench.suites.flux.ROWS`.

    Args:
        selection: the jobs of the suite.
        design: one of `TESTED`.
        labelled: of design ``few``: the number of labelled towers; None for any.
    """
    examples = {(job.runner, job.variant): job for job in selection.jobs}
    found = [
        _named(row, examples[row.key.runner, row.key.variant])
        for row in rows(selection)
        if row.key.design == design and labelled in (None, row.key.train_cells)
    ]
    return sorted(found, key=_place)


def designs(selection: Selection) -> list[str]:
    """The designs that have jobs, in the order of `TESTED`."""
    present = {job.split.get("design") for job in selection.jobs}
    return [name for name in TESTED if name in present]


def targets_of(selection: Selection) -> tuple[str, ...]:
    """What the jobs predict: GPP, RECO, NEE."""
    found: Sequence[str] = selection.jobs[0].split["targets"]
    return tuple(found)


def every_fold(found: Sequence[FluxRowResult]) -> frozenset[int | None]:
    """The folds that some row has results of: rows with fewer were tested at other towers, and are told apart."""
    return frozenset().union(*(row.folds for row in found))


def whole(found: Sequence[FluxRowResult]) -> list[FluxRowResult]:
    """The rows that have results of every fold, so that their errors are of the same towers."""
    folds = every_fold(found)
    return [row for row in found if row.result.records and row.folds == folds]


def find(found: Sequence[FluxRowResult], runner: str, override: Mapping[str, Any]) -> FluxRowResult | None:
    """The row of a runner with this change and results, or None."""
    for row in found:
        if row.result.records and row.result.key.runner == runner and dict(row.override) == dict(override):
            return row
    return None


def same_inputs(found: Sequence[FluxRowResult], row: FluxRowResult) -> FluxRowResult | None:
    """The row of the same backbone with the same inputs that knows nothing, or None."""
    if row.base_variant is None:
        return None
    return find(found, row.result.key.runner, {"variant": row.base_variant})


def base_of_ablation(found: Sequence[FluxRowResult], row: FluxRowResult) -> FluxRowResult | None:
    """The row that an ablation is changed from: the same backbone and variant with every setting as it is, or None."""
    return find(found, row.result.key.runner, {"variant": row.variant}) if row.is_ablation else None


def _named(row: RowResult, job: Job) -> FluxRowResult:
    override = job.override or {}
    is_backbone = "variant" in override
    name = row.key.runner.removeprefix(PREFIX)
    backbone = BACKBONE_TITLES.get(name, row.title)
    known = _known(job)
    title = known.title if known is not None else _by_settings(row, override)
    label = title.removeprefix(f"{backbone}, ") if is_backbone else title
    return FluxRowResult(row, override, is_backbone, label[:1].upper() + label[1:], backbone)


def _known(job: Job) -> FluxRow | None:
    try:
        return row_of(job)
    except BenchError:  # of another version
        return None


def _by_settings(row: RowResult, override: Mapping[str, Any]) -> str:
    """Title of a row that this version does not plan."""
    variant = str(override.get("variant", ""))
    words = [VARIANTS[variant][0] if variant in VARIANTS else variant] if variant else [row.title]
    return ", ".join([*words, *(f"{key}={value}" for key, value in sorted(override.items()) if key != "variant")])


def _place(row: FluxRowResult) -> tuple[int, str, str]:
    """Place in the tables: as in the suite; what it does not plan stands behind, by name."""
    for place, known in enumerate(ROWS):
        if known.runner == row.result.key.runner and dict(known.override or {}) == dict(row.override):
            return place, "", ""
    return len(ROWS), row.backbone, row.label
