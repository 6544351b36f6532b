"""Which stored results belong in one table, and what they say.

A table never mixes data sets, profiles or kinds of split: it shows the jobs of the newest run of a suite, completed by
earlier runs of the same data, split and profile. Jobs that were planned but are not done stay in it, as missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.data.datasets import parse_spec
from bench.errors import BenchError, unknown
from bench.runners import registry
from bench.store.jobs import Job
from bench.store.records import Manifest, Record, RowTitle
from bench.store.results import Results
from bench.suites import ablation
from bench.suites.settings import without


@dataclass(frozen=True)
class Selection:
    """The jobs of one table.

    Attributes:
        manifest: of the newest run; it names data set, the target of these jobs and the profile.
        jobs: every job that should be in the table, in registry order.
        records: id → record, of those that ended.
        stale: ids of jobs that an older version of their runner, its parameters or its packages made.
        titles: runner → how its row is printed, as the runs said: this process may not know the runner.
        damaged: id → what is wrong with the stored job; it is left out.
    """

    manifest: Manifest
    jobs: tuple[Job, ...]
    records: dict[str, Record]
    stale: frozenset[str]
    titles: Mapping[str, RowTitle] = field(default_factory=dict)
    damaged: Mapping[str, str] = field(default_factory=dict)

    @property
    def done(self) -> list[Record]:
        """Records of the jobs that are done and not stale, in the order of `jobs`."""
        found = [self.records.get(job.id) for job in self.jobs if job.id not in self.stale]
        return [record for record in found if record is not None and record.status == "done"]

    def state_of(self, job: Job) -> str:
        """How a job stands in a table: how it ended, or stale, damaged or missing."""
        if job.id in self.stale:
            return "stale"
        if job.id in self.damaged:
            return "damaged"
        record = self.records.get(job.id)
        return "missing" if record is None else record.ended


@dataclass(frozen=True)
class RowKey:
    """What makes one row of a table: repetitions of the same runner, view, sample size and variant.

    Attributes:
        runner: name.
        view: feature view or None.
        train_cells: few-shot sample size, of fluxes the number of labelled towers, or None.
        variant: what is changed in the runner: of ablations, of fluxes, and by ``--set``.
        design: what kind of question the split asks, where a suite asks several: ``places``, ``few``; else None.
    """

    runner: str
    view: str | None
    train_cells: int | None
    variant: str | None = None
    design: str | None = None

    @property
    def detail(self) -> str:
        """What tells apart rows of one runner, in words."""
        unit = "cells" if self.design is None else "towers"
        size = f"{self.train_cells} {unit}" if self.train_cells else None
        return ", ".join(filter(None, (self.view, self.design, size, self.variant)))

    @classmethod
    def of(cls, job: Job) -> RowKey:
        """The row that a job is in."""
        size = job.split.get("train_cells", job.split.get("labelled"))
        return cls(job.runner, job.view, size, job.variant, job.split.get("design"))


def runs(store: Results, suite: str, dataset: str | None = None, profile: str | None = None) -> list[Manifest]:
    """Manifests of a suite's runs, oldest first.

    Args:
        store: where results are.
        suite: name of the suite.
        dataset: name of the data set, with or without its options; ``NAME@FINGERPRINT`` where several have one name.
        profile: name of the profile.
    """
    dataset, _, fingerprint = (dataset or "").rpartition("@") if _names_a_version(dataset) else (dataset, "", "")
    known = None if dataset is None else _spellings(dataset)
    return [
        manifest
        for manifest in store.manifests()
        if manifest.suite == suite
        and manifest.jobs
        and (known is None or known & {manifest.jobs[0].dataset, manifest.jobs[0].dataset.partition(":")[0]})
        and (profile is None or manifest.jobs[0].profile == profile)
        and manifest.jobs[0].dataset_fingerprint.startswith(fingerprint)
    ]


def _names_a_version(dataset: str | None) -> bool:
    """Whether a text is ``NAME@FINGERPRINT``, or the start of a fingerprint there: several data sets have one name."""
    return dataset is not None and re.fullmatch(r".+@[0-9a-f]{8,64}", dataset) is not None


def _spellings(dataset: str) -> set[str]:
    """What runs may call a data set that `bench run --dataset` would take under this text."""
    if "/" in dataset or dataset.endswith(".zarr"):
        return {dataset, Path(dataset).name, Path(dataset).name.removesuffix(".zarr")}
    try:
        name, options = parse_spec(dataset)
    except BenchError:  # of a folder, or made by another version
        return {dataset}
    if ":" not in dataset:
        return {dataset}
    return {dataset, f"{name}:{','.join(f'{key}={value}' for key, value in options.items())}"}


def select(
    store: Results, suite: str, dataset: str | None = None, profile: str | None = None, target: str | None = None
) -> Selection:
    """The jobs of a suite's table, of one target.

    Args:
        store: where results are.
        suite: name of the suite.
        dataset: name of the data set; None for that of the newest run.
        profile: name of the profile; None for that of the newest run.
        target: of data with several; None for the first.

    Raises:
        BenchError: no such run was ever started in this store, or it has no such target.
    """
    fitting = runs(store, suite, dataset, profile)
    if not fitting:
        asked = "".join(f", {name} {value}" for name, value in (("data set", dataset), ("profile", profile)) if value)
        raise BenchError(
            f"Store {store.root} holds no run of suite {suite!r}{asked}; run `bench run --suite {suite}` first."
        )
    newest = _of_target(fitting[-1], target)
    # Of a suite with several designs, each has its own split: that of the newest run with it.
    examples = {_design(job): job for manifest in fitting for job in reversed(manifest.jobs)}
    examples |= {_design(job): job for job in reversed(newest.jobs)}
    fixed = {design: fixed_split(job.split) for design, job in examples.items()}
    wanted: dict[tuple[str, ...], tuple[Job, dict[tuple[str | None, ...], str]]] = {}
    current: dict[tuple[str | None, ...], str] = {}
    for manifest in fitting:  # oldest first: the newest version of a job and of a runner replaces older ones
        for job in manifest.jobs:
            design = _design(job)
            alike = _same_run(job, examples[design]) and _same_run(job, newest.jobs[0])
            if alike and fixed_split(job.split) == fixed[design]:
                variants = _variants(job)
                current |= variants
                wanted[job.address] = job, variants
    order = {name: index for index, name in enumerate(registry.entries())}
    found = sorted(
        wanted.values(),
        key=lambda item: (order.get(item[0].runner, len(order)), item[0].view or "", item[0].repetition),
    )
    jobs = [job for job, _ in found]
    records, damaged = store.records_of(job.id for job in jobs)
    stale = frozenset(job.id for job, variants in found if any(current[key] != own for key, own in variants.items()))
    titles = {name: row for manifest in fitting for name, row in manifest.rows.items()}
    return Selection(newest, tuple(jobs), records, stale, titles, damaged)


def _of_target(manifest: Manifest, target: str | None) -> Manifest:
    """A manifest with the jobs, name and units of one target only.

    Raises:
        BenchError: the run has no job of that target.
    """
    known = manifest.several_targets or {manifest.target_name: manifest.target_units}
    wanted = target or manifest.target_name
    if wanted not in known:
        raise unknown("target", wanted, list(known), "name one of the run's targets with --target")
    if not manifest.several_targets or all("targets" in job.split for job in manifest.jobs):
        return manifest  # jobs with `targets` predict all of them together, and their tables show all
    jobs = [job for job in manifest.jobs if job.target == wanted]
    if not jobs:
        raise BenchError(f"The newest run of suite {manifest.suite} has no job of target {wanted!r}.")
    return manifest.model_copy(update={"jobs": jobs, "target_name": wanted, "target_units": known[wanted]})


def same_table(job: Job, reference: Job) -> bool:
    """Whether two jobs of one suite may stand in one table: same data, profile, evaluation and kind of split."""
    return _same_run(job, reference) and fixed_split(job.split) == fixed_split(reference.split)


def _same_run(job: Job, reference: Job) -> bool:
    return (job.dataset_fingerprint, job.profile, job.evaluation) == (
        reference.dataset_fingerprint,
        reference.profile,
        reference.evaluation,
    )


def _design(job: Job) -> str | None:
    design: str | None = job.split.get("design")
    return design


def fixed_split(split: dict[str, Any]) -> str:
    """What all jobs of a table must have in common of their splits, as text."""
    # Learning curves, repetitions and folds share a table.
    varying: tuple[str, ...] = ("train_cells", "sample_seed", "fold", "labelled", "labelled_seed", "hidden_seed")
    if split["kind"] == "ablation":
        varying = ("sample_seed",)
    return json.dumps({key: value for key, value in split.items() if key not in varying}, sort_keys=True)


def _row_of(job: Job) -> tuple[str | None, ...]:
    """What repetitions with one variant share; of ablations all variants of a runner, which have one base."""
    key = RowKey.of(job)
    size = str(key.train_cells) if key.design is not None else None
    return job.runner, None if job.suite == ablation.SUITE else job.variant, key.design, size


def _variants(job: Job) -> dict[tuple[str | None, ...], str]:
    """What must agree between repetitions that are averaged: version, parameters and packages of the runner.

    Of ablation jobs the base must agree: what each changes in it is what the table is about. What distances between
    places decide (`RunnerEntry.few_and_far`) may differ between sizes of the sample, and must agree within one.
    """
    parameters = ablation.base_parameters(job) if job.suite == ablation.SUITE else job.parameters
    entry = registry.entries().get(job.runner)
    of_row = without(parameters, () if entry is None else entry.few_and_far)
    row, size = _row_of(job), str(RowKey.of(job).train_cells)
    return {
        ("row", *row): json.dumps([job.runner_version, of_row, job.packages], sort_keys=True),
        ("size", size, *row): json.dumps(parameters, sort_keys=True),
    }
