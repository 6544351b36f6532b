"""The suite `flux`: does knowledge lower the error of carbon fluxes at towers never seen?

A *design* is a question with its own splits; a *row* is a line of a table: a runner and what departs in it. `PORTIONS`
says which rows a profile runs in which design. All rows of a split have the same learning and validation towers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.data.cube import Cube
from bench.data.datasets import OpenedDataset
from bench.data.own_split import TESTS, TRAINS
from bench.data.split_names import PUBLISHED, parse_split, split_parameters
from bench.data.splits import DESIGN, TARGETS, make_split
from bench.data.tower_roles import HIDDEN_SEED, HIDDEN_SHARE, LABELLED, LABELLED_SEED, VALIDATION_SHARE
from bench.errors import BenchError, unknown
from bench.runners import registry
from bench.runners.catalogue.fluxes import BACKBONE_TITLES, PREFIX
from bench.runners.entry import FAMILY_WORDS, RunnerEntry
from bench.runners.flux_inputs import FLUX_TARGETS
from bench.seeds import derive_seed
from bench.store.jobs import Job, name_of
from bench.suites import profiles
from bench.suites.options import SuiteOptions

SUITE = "flux"
DATASET = "towers"
"""What `--dataset auto` means for this suite."""
PLACES, YEARS, FEW, TROPICS, IMPUTATION = "places", "years", "few", "tropics", "imputation"
DESIGNS: Mapping[str, str] = {
    PLACES: "whole towers tested, every one once",
    YEARS: "the published halves of each tower's months",
    FEW: "whole towers tested, few labelled ones to learn from",
    TROPICS: "tropical towers tested, all others to learn from",
    IMPUTATION: "months hidden at whole test towers",
}
"""Design → what it asks."""
FOLDS = 5
LABELLED_TOWERS = (10, 20, 40, 80)
VALIDATING = 0.1
"""Share of the labelled towers that decide when a training ends."""
HIDDEN = 0.3
"""Share of the months of a test tower that an imputation is to find."""
TROPICAL_TOWERS = (
    "AU-Ade", "AU-DaP", "AU-DaS", "AU-Dry", "AU-Fog", "AU-How", "AU-RDF", "AU-Rob", "BR-Sa1", "BR-Sa3", "CG-Tch",
    "GF-Guy", "GH-Ank", "MY-PSO", "PA-SPn", "PA-SPs", "ZM-Mon",
)  # fmt: skip
"""The target towers of MetaFlux (Nathaniel et al. 2023), whose months are those of CARDAMOM-FLUXVAL, too."""


@dataclass(frozen=True)
class FluxRow:
    """A line of a table.

    Attributes:
        name: as in ``--only``.
        title: as printed.
        runner: name of the runner.
        override: settings in which it departs from the runner's; None for a runner with one row.
        kind: variant of a backbone (``baseline``, ``dere``, …), ``reference``, ``ablation`` or ``imputation``.
    """

    name: str
    title: str
    runner: str
    override: Mapping[str, Any] | None
    kind: str


VARIANTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "baseline": ("baseline", {"variant": "baseline"}),
    "baseline_shares": ("baseline + shares", {"variant": "baseline_shares"}),
    "kgml": ("KGML", {"variant": "kgml"}),
    "kgml_shares": ("KGML + shares", {"variant": "kgml_shares"}),
    "dere": ("DERE", {"variant": "dere"}),
    "dere_frozen": ("DERE, branches frozen", {"variant": "dere", "tuned": "frozen"}),
}
"""Variant → title and settings, in the order of the tables."""
_ABLATED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "shares_predicted": ("shares predicted", {"shares": "predicted"}),
    "shares_none": ("shares unknown", {"shares": "none"}),
    "no_competition": ("no competition", {"competition": False}),
    "one_branch": ("one branch", {"branches": "one"}),
    "penalty": ("balance by penalty", {"balance": "penalty"}),
    "missing_zero": ("missing months count as 0", {"missing": "zero"}),
    "imputation_median": ("imputed months, equal weights", {"imputation": "median"}),
    "imputation_weighted": ("imputed months, by their uncertainty", {"imputation": "weighted"}),
    "omega_published": ("imputed months, ω as published", {"imputation": "weighted", "omega": "published"}),
    "schedule_published": ("published schedule", {"schedule": "published"}),
}
ABLATED_BACKBONE = "transformer"
"""The published one."""
ABLATIONS: tuple[FluxRow, ...] = (
    *(
        FluxRow(name, f"DERE, {title}", PREFIX + ABLATED_BACKBONE, {"variant": "dere", **override}, "ablation")
        for name, (title, override) in _ABLATED.items()
    ),
    FluxRow(
        "baseline_schedule_published",
        "baseline, published schedule",
        PREFIX + ABLATED_BACKBONE,
        {"variant": "baseline", "schedule": "published"},
        "ablation",
    ),
)
"""Departures from the row ``transformer_dere`` (the last from ``transformer_baseline``)."""
REFERENCES: tuple[FluxRow, ...] = (
    FluxRow("mean", "Training mean", f"{PREFIX}mean", None, "reference"),
    FluxRow("climatology", "Class × month climatology", f"{PREFIX}climatology", None, "reference"),
    FluxRow("process", "Process model", f"{PREFIX}process", {"calibrated": False}, "reference"),
    FluxRow("process_calibrated", "Process model, calibrated", f"{PREFIX}process", {"calibrated": True}, "reference"),
    FluxRow("lightgbm", "LightGBM + shares", f"{PREFIX}lightgbm", {"process": False}, "reference"),
    FluxRow(
        "lightgbm_process", "LightGBM + shares + process model", f"{PREFIX}lightgbm", {"process": True}, "reference"
    ),
    FluxRow("dual_branch", "Dual-branch (paper)", f"{PREFIX}dual_branch", None, "reference"),
    FluxRow("dual_branch_plus", "Dual-branch plus", f"{PREFIX}dual_branch_plus", None, "reference"),
)
IMPUTATIONS: tuple[FluxRow, ...] = tuple(
    FluxRow(f"imputation_by_{method}", title, f"{PREFIX}imputation", {"method": method}, "imputation")
    for method, title in (("csdi", "CSDI"), ("linear", "linear interpolation"), ("climatology", "climatology"))
)
NETWORKS: tuple[FluxRow, ...] = tuple(
    FluxRow(f"{backbone}_{variant}", f"{title}, {of_variant}", PREFIX + backbone, override, variant)
    for backbone, title in BACKBONE_TITLES.items()
    for variant, (of_variant, override) in VARIANTS.items()
)
ROWS: tuple[FluxRow, ...] = (*REFERENCES, *NETWORKS, *ABLATIONS, *IMPUTATIONS)
"""All rows, in the order of the tables."""
_BY_NAME = {row.name: row for row in ROWS}


@dataclass(frozen=True)
class Portion:
    """What a profile runs of a design.

    Attributes:
        design: one of `DESIGNS`.
        rows: their names.
        folds: that are run; None for all.
        labelled: numbers of labelled towers, of the design `FEW`.
    """

    design: str
    rows: tuple[str, ...]
    folds: tuple[int, ...] | None = None
    labelled: tuple[int, ...] = ()


def _names(rows: Sequence[FluxRow], *kinds: str) -> tuple[str, ...]:
    return tuple(row.name for row in rows if not kinds or row.kind in kinds)


def _variants_of(backbones: Sequence[str], *variants: str) -> tuple[str, ...]:
    return tuple(f"{backbone}_{variant}" for backbone in backbones for variant in variants)


_IMPUTATIONS, _REFERENCES, _ABLATIONS = _names(IMPUTATIONS), _names(REFERENCES), _names(ABLATIONS)
_CHEAP = ("mean", "climatology", "process", "process_calibrated", "lightgbm", "lightgbm_process")
_LEARNED = ("climatology", "process_calibrated", "lightgbm", "lightgbm_process")
_QUICK = ("itransformer", "timexer")
"""Backbones that a laptop can train at every fold, beside the published one; an epoch of the others takes twice as long
and more."""
_OF_ABLATED = _variants_of((ABLATED_BACKBONE,), *VARIANTS)
PORTIONS: Mapping[str, tuple[Portion, ...]] = {
    "smoke": (
        Portion(PLACES, ("climatology", "process", "lightgbm", "transformer_baseline", "transformer_dere"), (1,)),
        Portion(YEARS, ("climatology", "simpletm_baseline")),
        Portion(FEW, ("climatology", "transformer_dere"), (1,), (10, 20)),
        Portion(TROPICS, ("climatology",)),
        Portion(IMPUTATION, _IMPUTATIONS, (1,)),
    ),
    "laptop": (
        Portion(PLACES, (*_CHEAP, "dual_branch_plus", *_OF_ABLATED, *_variants_of(_QUICK, "baseline_shares", "dere"))),
        Portion(PLACES, ("dual_branch", *_names(NETWORKS, "baseline_shares", "dere")), (1,)),
        Portion(YEARS, (*_CHEAP, "transformer_baseline", "transformer_dere")),
        Portion(FEW, (*_LEARNED, "transformer_baseline_shares", "transformer_dere"), (1, 2, 3), LABELLED_TOWERS),
        Portion(FEW, (*_OF_ABLATED, *_ABLATIONS), (1, 2), (40,)),
        Portion(TROPICS, (*_CHEAP, "transformer_baseline", "transformer_dere")),
        Portion(IMPUTATION, _IMPUTATIONS, (1, 2)),
    ),
    "paper": (
        Portion(PLACES, (*_REFERENCES, *_names(NETWORKS), *_ABLATIONS)),
        Portion(YEARS, (*_REFERENCES, *_names(NETWORKS))),
        Portion(FEW, (*_REFERENCES, *_names(NETWORKS)), None, LABELLED_TOWERS),
        Portion(FEW, _ABLATIONS, None, (40,)),
        Portion(TROPICS, (*_REFERENCES, *_names(NETWORKS))),
        Portion(IMPUTATION, _IMPUTATIONS),
    ),
}
"""Profile → what of the suite it can afford."""


def row_of(job: Job) -> FluxRow:
    """The row that a job belongs to.

    Raises:
        BenchError: it belongs to none.
    """
    for row in ROWS:
        if row.runner == job.runner and dict(row.override or {}) == dict(job.override or {}):
            return row
    raise BenchError(f"Job {job.id} ({job.label}) belongs to no row of suite {SUITE!r}; it is of another version.")


def parameters_of(runner: str, override: Mapping[str, Any], profile: str) -> dict[str, Any]:
    """Parameters of a job: those of the runner in that profile, with what departs in its row.

    Args:
        runner: name of the runner.
        override: of the row.
        profile: name of the profile.
    """
    given = registry.get(runner).parameters_for(profile)
    if "options" in given:
        return given | {"options": {**given["options"], **override}}
    return given | dict(override)


def flux(dataset: OpenedDataset, options: SuiteOptions) -> list[Job]:
    """Carbon fluxes at towers: sequence models with and without a process model's knowledge, and references.

    ``only``, ``skip`` and ``extra`` name rows, variants, backbones, runners or families; ``designs`` chooses questions;
    ``split`` says how many folds, or which one: ``places:5`` or ``places:2/5``.
    """
    _require_fluxes(dataset.cube)
    _refuse_foreign(options)
    makers = _Splits(dataset.cube, options)
    jobs: dict[str, Job] = {}
    for portion in PORTIONS[options.profile]:
        if portion.design not in makers.designs:
            continue
        for repetition in range(options.first_repetition, options.first_repetition + options.repetitions):
            rows = _rows(portion, options)
            for split in makers.of(portion, repetition) if rows else ():
                for row in rows:
                    job = _job(dataset, row, split, options.profile, repetition)
                    jobs.setdefault(job.id, job)
    return list(jobs.values())


def _job(dataset: OpenedDataset, row: FluxRow, split: dict[str, Any], profile: str, repetition: int) -> Job:
    """A job of a row."""
    entry = registry.get(row.runner)
    override = dict(row.override or {})
    parameters = parameters_of(row.runner, override, profile)
    repeated = entry.seeded or split[DESIGN] == FEW  # a sample of towers depends on the repetition, too
    number = repetition if repeated else 0  # of others, all repetitions are the same job
    return Job(
        suite=SUITE,
        dataset=name_of(dataset),
        dataset_fingerprint=dataset.cube.fingerprint,
        split=split,
        runner=row.runner,
        runner_version=entry.version,
        parameters=parameters,
        view=None,
        profile=profile,
        repetition=number,
        # One seed for all rows, so that those with a stage in common have the same numbers in it.
        seed=derive_seed(dataset.cube.name, SUITE, number) if entry.seeded else None,
        packages=entry.package_versions(),
        override=None if row.override is None else override,
    )


def _rows(portion: Portion, options: SuiteOptions) -> list[FluxRow]:
    """Rows of a portion that are wanted, in the order of the tables."""
    of_imputation = portion.design == IMPUTATION
    added = {row.name for row in ROWS if _is_named(row, options.extra) and (row.kind == "imputation") == of_imputation}
    wanted = [row for row in ROWS if row.name in portion.rows or row.name in added]
    kept = [row for row in wanted if not options.only or _is_named(row, options.only)]
    return [row for row in kept if not _is_named(row, options.skip)]


def _is_named(row: FluxRow, names: Sequence[str]) -> bool:
    entry: RunnerEntry = registry.get(row.runner)
    family = entry.family.lower().replace(" ", "-")
    backbone = row.runner.removeprefix(PREFIX)
    return any(name.lower() in (row.name, row.kind, row.runner, backbone, family) for name in names)


def _refuse_foreign(options: SuiteOptions) -> None:
    """Raises where an option is not for this suite, or names nothing in it."""
    for option, given in (("--weeks", options.weeks), ("--train-cells", options.train_cells)):
        if given:
            raise BenchError(f"{option} is for the suites fewshot and ablation; leave it out with --suite {SUITE}.")
    words = {*_BY_NAME, *(row.kind for row in ROWS), *(row.runner for row in ROWS), *BACKBONE_TITLES, *FAMILY_WORDS}
    for name in (*options.only, *options.skip, *options.extra):
        if name.lower() not in words:
            raise unknown(f"row of suite {SUITE}", name, sorted(words), "`bench plan --suite flux` lists its rows")
    for name in options.designs:
        if name not in DESIGNS:
            raise unknown("design", name, list(DESIGNS), "--designs chooses questions of the suite flux")


def _require_fluxes(cube: Cube) -> None:
    if cube.target_names != FLUX_TARGETS:
        raise BenchError(
            f"--suite {SUITE} predicts {', '.join(FLUX_TARGETS)}; data set {cube.name!r} has the target "
            f"{', '.join(cube.target_names)}. Use --dataset {DATASET}, or import data with these targets in this order."
        )


def split_of_design(cube: Cube, design: str, options: SuiteOptions) -> dict[str, Any]:
    """Parameters of the first split of a design.

    Args:
        cube: the data.
        design: one of `DESIGNS`.
        options: profile and folds.

    Raises:
        BenchError: there is no such design, or the data do not allow it.
    """
    _require_fluxes(cube)
    if design not in DESIGNS:
        raise unknown("design", design, list(DESIGNS), "--design chooses a question of the suite flux")
    splits = _Splits(cube, replace(options, designs=(design,)))
    found = splits.of(Portion(design, (), None, LABELLED_TOWERS), options.first_repetition)
    if not found:
        raise BenchError(f"Data set {cube.name!r} has too few towers for the design {design!r}; use another one.")
    return found[0]


class _Splits:
    """The splits of the designs that the data allow.

    Args:
        cube: the data.
        options: what was chosen.
    """

    def __init__(self, cube: Cube, options: SuiteOptions) -> None:
        self._cube = cube
        self._max_cells = profiles.get(options.profile).max_cells
        self._name = parse_split(options.split or f"places:{FOLDS}")
        if self._name.kind != "places":
            raise BenchError(f"--suite {SUITE} takes --split places:FOLDS or places:FOLD/FOLDS; see --designs, too.")
        self._chosen = options.split is not None
        possible = [PLACES, FEW, IMPUTATION]
        possible += [YEARS] if PUBLISHED in cube.provenance and _has_halves(cube) else []
        possible += [TROPICS] if len(self._tropical) else []
        for design in options.designs:
            if design not in possible:
                raise BenchError(
                    f"Data set {cube.name!r} does not allow the design {design!r} ({DESIGNS[design]}); it allows "
                    f"{', '.join(name for name in DESIGNS if name in possible)}."
                )
        self.designs = options.designs or tuple(possible)

    @property
    def _tropical(self) -> list[int]:
        names = self._cube.place_names or ()
        return [row for row, name in enumerate(names) if name in TROPICAL_TOWERS]

    def of(self, portion: Portion, repetition: int) -> list[dict[str, Any]]:
        """Parameters of the splits of a portion.

        Args:
            portion: of the suite.
            repetition: number of the sample of towers.
        """
        common = {DESIGN: portion.design, TARGETS: list(FLUX_TARGETS), VALIDATION_SHARE: VALIDATING}
        if portion.design == YEARS:
            splits = split_parameters(self._cube, parse_split("published"), self._max_cells)
        elif portion.design == TROPICS:
            splits = [{"kind": "cells", "test_cells": self._tropical, "max_cells": None}]
        else:
            splits = split_parameters(self._cube, self._name, self._max_cells)
            if portion.folds is not None and not self._chosen:
                splits = [split for split in splits if split["fold"] in portion.folds]
        more: list[dict[str, Any]] = [{}]
        if portion.design == FEW:
            more = [{LABELLED: number, LABELLED_SEED: repetition} for number in portion.labelled]
        if portion.design == IMPUTATION:
            more = [{HIDDEN_SHARE: HIDDEN, HIDDEN_SEED: 0}]
        return [split | common | item for item in more for split in splits if self._is_large_enough(split, item)]

    def _is_large_enough(self, split: dict[str, Any], more: dict[str, Any]) -> bool:
        """Whether there are as many training towers as are to be labelled; the larger samples are left out."""
        if LABELLED not in more:
            return True
        wanted: int = more[LABELLED]
        return len(make_split(self._cube, split | {TARGETS: list(FLUX_TARGETS)}).train.cells) >= wanted


def _has_halves(cube: Cube) -> bool:
    """Whether the published split parts the months of towers, not the towers."""
    if cube.split is None:
        return False
    trains, tests = ((cube.split == code).any(axis=1) for code in (TRAINS, TESTS))
    return np.flatnonzero(trains & tests).size > 0
