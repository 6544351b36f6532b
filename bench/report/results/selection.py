"""Which stored results belong in one table, and what they say.

A table never mixes data sets, profiles or kinds of split: it shows the jobs of the newest run of a suite, completed by
earlier runs of the same data, split and profile. Jobs that were planned but are not done stay in it, as missing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.arrays import Doubles
from bench.data.datasets import parse_spec
from bench.errors import BenchError, unknown
from bench.report.results.kept_sums import GroupKey, GroupTotals, KeptSums
from bench.report.table import UNTRAINED
from bench.runners import registry
from bench.scoring.draws import block_draws
from bench.scoring.interval import Interval
from bench.scoring.metrics import METRICS
from bench.scoring.places import Blocks
from bench.scoring.samples import Sample, samples_of
from bench.scoring.uncertainty import infer
from bench.store.jobs import Job
from bench.store.records import Manifest, Record, RowTitle
from bench.store.results import Results
from bench.store.store import Store
from bench.suites import ablation

_MOST_SAMPLE_BYTES = 100_000_000
"""Of samples of metrics that are kept for the next table: those of some 500 terms."""
_LATEST_ROWS = 2
"""Rows whose sums per repetition are kept: of a comparison, both."""
_LATEST_ROW_KEYS = 100
"""Rows whose ids are hashed once."""
_MOST_TOGETHER = 8
"""Groups whose sums are taken from one reading of a row that is too long to be kept."""


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


@dataclass(frozen=True)
class RowResult:
    """All that a table needs of one row.

    Attributes:
        key: which row.
        title: as printed.
        family: as printed.
        step_means: whether the model is fitted on means over the training years.
        planned: number of jobs that should be there: repetitions, times folds where the split has some.
        records: those that are done; of repetitions whose folds are not all done, none.
        problems: status and reason of the others.
    """

    key: RowKey
    title: str
    family: str
    step_means: bool
    planned: int
    records: tuple[Record, ...]
    problems: tuple[str, ...]

    @property
    def marked_title(self) -> str:
        """The title, with the mark of a training that its budget ended, as figures show it."""
        return self.title + (UNTRAINED if any(item.training_ended == "budget" for item in self.records) else "")

    @property
    def runs(self) -> int:
        """Number of whole repetitions: the folds of one make one run."""
        return len({record.job.repetition for record in self.records})

    @property
    def fitted_part(self) -> str:
        """The part that holds errors on what the model was fitted on: raw training samples, or means of them."""
        return "fitted" if self.step_means else "train"


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
    wanted: dict[tuple[str, ...], tuple[Job, str]] = {}
    current: dict[tuple[str | None, ...], str] = {}
    for manifest in fitting:  # oldest first: the newest version of a job and of a runner replaces older ones
        for job in manifest.jobs:
            design = _design(job)
            alike = _same_run(job, examples[design]) and _same_run(job, newest.jobs[0])
            if alike and fixed_split(job.split) == fixed[design]:
                variant = current[_row_of(job)] = _variant(job)
                wanted[job.address] = job, variant
    order = {name: index for index, name in enumerate(registry.entries())}
    found = sorted(
        wanted.values(),
        key=lambda item: (order.get(item[0].runner, len(order)), item[0].view or "", item[0].repetition),
    )
    jobs = [job for job, _ in found]
    records, damaged = store.records_of(job.id for job in jobs)
    stale = frozenset(job.id for job, variant in found if variant != current[_row_of(job)])
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


def _variant(job: Job) -> str:
    """What must agree between repetitions that are averaged: version, parameters and packages of the runner.

    Of ablation jobs the base must agree: what each changes in it is what the table is about.
    """
    parameters = ablation.base_parameters(job) if job.suite == ablation.SUITE else job.parameters
    return json.dumps([job.runner_version, parameters, job.packages], sort_keys=True)


def rows(selection: Selection) -> list[RowResult]:
    """Rows of a table: jobs grouped over repetitions, in registry order."""
    grouped: dict[RowKey, list[Job]] = {}
    for job in selection.jobs:
        grouped.setdefault(RowKey.of(job), []).append(job)
    found = []
    for key, jobs in grouped.items():
        entry = registry.entries().get(key.runner)
        done: list[Record] = []
        problems: list[str] = []
        for job in jobs:
            record = selection.records.get(job.id)
            if job.id in selection.stale:
                problems.append(
                    f"{job.label}: stale (an older version of the runner; `bench why {job.id}`), run it again"
                )
            elif job.id in selection.damaged:
                problems.append(f"{job.label}: damaged: {selection.damaged[job.id]}")
            elif record is None:
                problems.append(f"{job.label}: missing (planned, never ended)")
            elif record.status != "done":
                problems.append(f"{job.label}: {record.status}: {record.reason}")
            else:
                done.append(record)
        done, broken = _whole_repetitions(jobs, done)
        problems += broken
        row = entry or selection.titles.get(key.runner)
        title, family = (row.title, row.family) if row else (key.runner, "Tabular Machine Learning")
        step_means = row is not None and row.step_means
        found.append(RowResult(key, title, family, step_means, len(jobs), tuple(done), tuple(problems)))
    return found


def _whole_repetitions(jobs: Sequence[Job], done: Sequence[Record]) -> tuple[list[Record], list[str]]:
    """The records of repetitions of which every fold is done, and a sentence for each of the others.

    A number over some of the folds is a number over other samples than its neighbours' in the table.
    """
    if not any("fold" in job.split for job in jobs):
        return list(done), []
    folds = {job.split["fold"] for job in jobs}
    have: dict[int, set[int]] = {}
    for record in done:
        have.setdefault(record.job.repetition, set()).add(record.job.split["fold"])
    partial = {repetition for repetition, known in have.items() if known != folds}
    sentences = [
        f"repetition {repetition} of {jobs[0].runner}: folds "
        f"{', '.join(map(str, sorted(folds - have[repetition])))} are not done, so that it is left out"
        for repetition in sorted(partial)
    ]
    return [record for record in done if record.job.repetition not in partial], sentences


@dataclass(frozen=True)
class BlockSums:
    """Sums of one repetition, part, group and weighting.

    Attributes:
        blocks: (blocks,) ids, ascending.
        values: (statistics, years, blocks) in the order of `STATISTICS`; one year where years are not told apart.
    """

    blocks: Blocks
    values: Doubles

    def on(self, blocks: Blocks) -> Doubles:
        """The sums on a larger set of blocks, 0 where there are none."""
        if len(blocks) == len(self.blocks):
            return self.values
        values = np.zeros((*self.values.shape[:2], len(blocks)))
        values[:, :, np.searchsorted(blocks, self.blocks)] = self.values
        return values


def _pooled(parts: Sequence[BlockSums]) -> BlockSums:
    """The sums of all folds of a repetition."""
    if len(parts) == 1:
        return parts[0]
    blocks = np.unique(np.concatenate([part.blocks for part in parts]))
    return BlockSums(blocks, np.sum([part.on(blocks) for part in parts], axis=0))


@dataclass(frozen=True)
class Term:
    """What an estimate is of: a part and group of the repetitions of one row.

    Attributes:
        records: of the repetitions.
        part: train, test or fitted.
        group: such as ``all`` or ``week:40``.
    """

    records: tuple[Record, ...]
    part: str = "test"
    group: str = "all"

    @property
    def repetitions(self) -> str:
        """What a repetition repeats: few-shot a sample of cells, which all rows share, else the seed of one row."""
        job = self.records[0].job
        return "samples" if "sample_seed" in job.split else f"{job.runner} {job.view}"


class StatisticsReader:
    """Reads the stored sums of jobs and turns them into intervals.

    It keeps totals and the latest sums that it has read, as `KeptSums`, and the latest samples of metrics, so that a
    report reads each job once or a few times, and its memory does not grow with the number of repetitions.

    Args:
        results: where the sums are.
    """

    def __init__(self, results: Results) -> None:
        self._results = results
        self._kept = KeptSums(results)
        self._blocks: dict[_TermKey, Blocks | None] = {}
        self._latest: OrderedDict[_TermKey, list[BlockSums]] = OrderedDict()
        self._asked: dict[GroupKey, dict[str, None]] = {}  # group → its metrics, as a set in order
        self._rows: OrderedDict[int, tuple[Sequence[Record], bytes]] = OrderedDict()
        self._samples: OrderedDict[tuple[Any, ...], dict[str, Sample]] = OrderedDict()
        self._sample_bytes = 0

    @property
    def store(self) -> Store:
        """The store that it reads; a reference has sums and no other files."""
        assert isinstance(self._results, Store)
        return self._results

    def table(self, record: Record) -> pd.DataFrame:
        """The statistics table of a job, made anew by each call.

        Raises:
            BenchError: the file is damaged.
        """
        [found] = self._kept.of([record])
        return found.frame()

    def totals(self, records: Sequence[Record]) -> Iterator[GroupTotals]:
        """The sums over all blocks and years of each of some jobs, by part, group and weighting.

        Raises:
            BenchError: a file is damaged.
        """
        return self._kept.totals(records)

    def test_blocks(self, records: Sequence[Record]) -> int:
        """Number of spatial blocks that the test cells of some jobs lie in.

        Raises:
            BenchError: a file is damaged.
        """
        found = [own.of_group("test", "all", "plain") for own in self._kept.of(records)]
        blocks = [item[0] for item in found if item is not None]
        return len(np.unique(np.concatenate(blocks))) if blocks else 0

    def sums(self, record: Record, part: str, group: str, weighting: str = "plain") -> BlockSums | None:
        """Sums per spatial block, or None where the job has no such group."""
        [own] = self._kept.of([record])
        found = own.of_group(part, group, weighting)
        return BlockSums(*found) if found is not None else None

    def infer(
        self,
        function: Callable[..., Doubles],
        metric: str,
        terms: Sequence[Term],
        *,
        weighting: str = "plain",
        positive: bool = False,
    ) -> Interval | None:
        """A function of one metric of several terms with its interval; all terms are scored under the same draws.

        Args:
            function: of the metric's mean over the repetitions of each term, such as a difference.
            metric: name in `METRICS`.
            terms: what the function is of.
            weighting: plain or area.
            positive: as in `bench.scoring.uncertainty.infer`.

        Returns:
            None where a term has no results.
        """
        return infer_across(function, metric, [(self, term) for term in terms], weighting=weighting, positive=positive)

    def estimate(
        self,
        records: Sequence[Record],
        metric: str,
        *,
        part: str = "test",
        group: str = "all",
        weighting: str = "plain",
    ) -> Interval | None:
        """A metric over the repetitions of a row with its interval, or None without results."""
        if not records:
            return None
        term = Term(tuple(records), part, group)
        better = METRICS[metric].lower_is_better
        rest = better is False  # R²: 1 − R² is positive like an error
        found = self.infer(
            (lambda mean: 1 - mean) if rest else (lambda mean: mean),
            metric,
            [term],
            weighting=weighting,
            positive=better is not None,
        )
        if found is None:
            return None
        return found.one_minus() if rest else found

    def _sums_of(self, term: Term, weighting: str) -> list[BlockSums]:
        """The sums of each repetition of a term."""
        key = self._key(term, weighting)
        if key not in self._latest:
            together: dict[GroupKey, dict[tuple[Any, ...], list[BlockSums]]] = {
                group: {} for group in self._asked_with(key, term.records)
            }
            for record, own in zip(term.records, self._kept.of(term.records), strict=True):
                split = record.job.split
                run = (record.job.repetition, split.get("sample_seed")) if "fold" in split else (record.job_id,)
                for group, by_repetition in together.items():
                    found = own.of_group(*group)
                    if found is not None:
                        by_repetition.setdefault(run, []).append(BlockSums(*found))
            for group, by_repetition in together.items():
                sums = [_pooled(parts) for parts in by_repetition.values()]
                self._latest[key[0], *group] = sums
                self._blocks[key[0], *group] = (
                    np.unique(np.concatenate([item.blocks for item in sums])) if sums else None
                )
            while len(self._latest) > _LATEST_ROWS * len(together):
                self._latest.popitem(last=False)
        return self._latest[key]

    def _asked_with(self, key: _TermKey, records: Sequence[Record]) -> list[GroupKey]:
        """The group of a term, and with it those that a row too long to be kept will be asked for next.

        These are what other rows were asked for: the rows of a table have the same columns.
        """
        own = key[1:]
        self._asked.setdefault(own, {})
        if self._kept.fit(records):
            return [own]
        next_ones = [group for group in self._asked if group != own and (key[0], *group) not in self._blocks]
        return [own, *next_ones[: _MOST_TOGETHER - 1]]

    def _blocks_of(self, term: Term, weighting: str) -> Blocks | None:
        """The blocks that the samples of a term lie in; None where it has no results."""
        key = self._key(term, weighting)
        if key not in self._blocks:
            self._sums_of(term, weighting)
        return self._blocks[key]

    def _drawn(self, term: Term, weighting: str, blocks: Blocks, metric: str) -> Sample:
        """The sample of a metric; with it those that other rows were asked for in this group are made."""
        own = self._key(term, weighting)
        asked = self._asked.setdefault(own[1:], {})
        asked[metric] = None
        key = (*own, blocks.tobytes())
        made = self._samples.setdefault(key, {})
        self._samples.move_to_end(key)
        if metric not in made:
            sums = [item.on(blocks) for item in self._sums_of(term, weighting)]
            missing = [name for name in asked if name not in made]
            new = samples_of(sums, block_draws(blocks), term.repetitions, missing)
            made.update(new)
            self._sample_bytes += _bytes_of(new)
            while self._sample_bytes > _MOST_SAMPLE_BYTES and len(self._samples) > 1:
                _, dropped = self._samples.popitem(last=False)
                self._sample_bytes -= _bytes_of(dropped)
        return made[metric]

    def _key(self, term: Term, weighting: str) -> _TermKey:
        known = self._rows.get(id(term.records))
        if known is None:  # rows have thousands of records, and are asked for hundreds of times
            ids = ",".join(record.job_id for record in term.records)
            known = term.records, hashlib.sha256(ids.encode()).digest()
            self._rows[id(term.records)] = known  # its records live on, so that their identity stays theirs
            if len(self._rows) > _LATEST_ROW_KEYS:
                self._rows.popitem(last=False)
        return known[1], term.part, term.group, weighting


_TermKey = tuple[bytes, str, str, str]


def _bytes_of(samples: Mapping[str, Sample]) -> int:
    arrays = [value for sample in samples.values() for value in vars(sample).values() if isinstance(value, np.ndarray)]
    return sum(array.nbytes for array in arrays)


def infer_across(
    function: Callable[..., Doubles],
    metric: str,
    terms: Sequence[tuple[StatisticsReader, Term]],
    *,
    weighting: str = "plain",
    positive: bool = False,
) -> Interval | None:
    """As `StatisticsReader.infer`, of terms that are read from different places.

    Args:
        function: of the metric's mean over the repetitions of each term.
        metric: name in `METRICS`.
        terms: what the function is of, and who reads it.
        weighting: plain or area.
        positive: as in `bench.scoring.uncertainty.infer`.
    """
    parts = [reader._blocks_of(term, weighting) for reader, term in terms]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    blocks = np.unique(np.concatenate(known))
    drawn = [reader._drawn(term, weighting, blocks, metric) for reader, term in terms]
    return infer(function, drawn, block_draws(blocks), positive=positive)
