"""Which stored results belong in one table, and what they say.

A table never mixes data sets, profiles or kinds of split: it shows the cells of the newest run of a suite, completed by
earlier runs of the same data, split and profile. Cells that were planned but are not done stay in it, as missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench.errors import BenchError
from bench.runners import registry
from bench.scoring.metrics import METRICS, STATISTICS
from bench.scoring.uncertainty import Blocks, Floats, Inference, Sample, block_draws, infer, samples_of
from bench.store.jobs import Cell
from bench.store.records import Manifest, Record
from bench.store.store import Store
from bench.suites import ablation


@dataclass(frozen=True)
class Selection:
    """The cells of one table.

    Attributes:
        manifest: of the newest run; it names data set, target and profile.
        cells: every cell that should be in the table, in registry order.
        records: id → record, of those that ended.
        stale: ids of cells that an older version of their runner, its parameters or its packages made.
    """

    manifest: Manifest
    cells: tuple[Cell, ...]
    records: dict[str, Record]
    stale: frozenset[str]

    @property
    def done(self) -> list[Record]:
        """Records of the cells that are done and not stale, in the order of `cells`."""
        found = [self.records.get(cell.id) for cell in self.cells if cell.id not in self.stale]
        return [record for record in found if record is not None and record.status == "done"]


@dataclass(frozen=True)
class Estimate:
    """A metric over repetitions with its interval.

    Attributes:
        value: mean over the repetitions that are done.
        low: lower end of the 95 % interval of that mean.
        high: upper end.
        spread: standard deviation over repetitions (NaN for one).
    """

    value: float
    low: float
    high: float
    spread: float


@dataclass(frozen=True)
class RowKey:
    """What makes one row of a table: repetitions of the same runner, view, sample size and variant.

    Attributes:
        runner: name.
        view: feature view or None.
        train_cells: few-shot sample size or None.
        variant: what is changed in the runner, ablation suite only.
    """

    runner: str
    view: str | None
    train_cells: int | None
    variant: str | None = None


@dataclass(frozen=True)
class RowResult:
    """All that a table needs of one row.

    Attributes:
        key: which row.
        title: as printed.
        family: as printed.
        step_means: whether the model is fitted on means over the training years.
        planned: number of cells that should be there.
        records: those that are done.
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
    def fitted_part(self) -> str:
        """The part that holds errors on what the model was fitted on: raw training samples, or means of them."""
        return "fitted" if self.step_means else "train"


def runs(store: Store, suite: str, dataset: str | None = None, profile: str | None = None) -> list[Manifest]:
    """Manifests of a suite's runs of a data set (with or without its options) and a profile, oldest first."""
    return [
        manifest
        for manifest in store.manifests()
        if manifest.suite == suite
        and manifest.cells
        and (dataset is None or dataset in (manifest.cells[0].dataset, manifest.cells[0].dataset.partition(":")[0]))
        and (profile is None or manifest.cells[0].profile == profile)
    ]


def select(store: Store, suite: str, dataset: str | None = None, profile: str | None = None) -> Selection:
    """The cells of a suite's table.

    Args:
        store: where results are.
        suite: name of the suite.
        dataset: name of the data set; None for that of the newest run.
        profile: name of the profile; None for that of the newest run.

    Raises:
        BenchError: no such run was ever started in this store, or a record is damaged.
    """
    fitting = runs(store, suite, dataset, profile)
    if not fitting:
        asked = "".join(f", {name} {value}" for name, value in (("data set", dataset), ("profile", profile)) if value)
        raise BenchError(
            f"Store {store.root} holds no run of suite {suite!r}{asked}; run `bench run --suite {suite}` first."
        )
    newest = fitting[-1]
    reference = newest.cells[0]
    wanted: dict[tuple[str, ...], Cell] = {}
    current: dict[str, str] = {}
    for manifest in fitting:  # oldest first: the newest version of a cell and of a runner replaces older ones
        for cell in manifest.cells:
            if same_table(cell, reference):
                wanted[cell.address] = cell
                current[cell.runner] = _variant(cell)
    order = {name: index for index, name in enumerate(registry.entries())}
    cells = sorted(
        wanted.values(), key=lambda cell: (order.get(cell.runner, len(order)), cell.view or "", cell.repetition)
    )
    records = {cell.id: record for cell in cells for record in [store.record(cell.id)] if record is not None}
    stale = frozenset(cell.id for cell in cells if _variant(cell) != current[cell.runner])
    return Selection(newest, tuple(cells), records, stale)


def same_table(cell: Cell, reference: Cell) -> bool:
    """Whether two cells of one suite may stand in one table: same data, profile, evaluation and kind of split."""
    return (cell.dataset_fingerprint, cell.profile, cell.evaluation, fixed_split(cell.split)) == (
        reference.dataset_fingerprint,
        reference.profile,
        reference.evaluation,
        fixed_split(reference.split),
    )


def fixed_split(split: dict[str, Any]) -> str:
    """What all cells of a table must have in common of their splits, as text."""
    varying: tuple[str, ...] = ("train_cells", "sample_seed")  # learning curves and repetitions share a table
    if split["kind"] == "ablation":
        varying = ("sample_seed",)
    return json.dumps({key: value for key, value in split.items() if key not in varying}, sort_keys=True)


def _variant(cell: Cell) -> str:
    """What must agree between repetitions that are averaged: version, parameters and packages of the runner.

    Of ablation cells the base must agree: what each changes in it is what the table is about.
    """
    parameters = cell.parameters if cell.override is None else ablation.base_parameters(cell)
    return json.dumps([cell.runner_version, parameters, cell.packages], sort_keys=True)


def rows(selection: Selection) -> list[RowResult]:
    """Rows of a table: cells grouped over repetitions, in registry order."""
    grouped: dict[RowKey, list[Cell]] = {}
    for cell in selection.cells:
        grouped.setdefault(RowKey(cell.runner, cell.view, cell.split.get("train_cells"), cell.variant), []).append(cell)
    found = []
    for key, cells in grouped.items():
        entry = registry.entries().get(key.runner)
        done, problems = [], []
        for cell in cells:
            record = selection.records.get(cell.id)
            if cell.id in selection.stale:
                problems.append(
                    f"{cell.label}: stale (an older version of the runner; `bench why {cell.id}`), run it again"
                )
            elif record is None:
                problems.append(f"{cell.label}: missing (planned, never ended)")
            elif record.status != "done":
                problems.append(f"{cell.label}: {record.status}: {record.reason}")
            else:
                done.append(record)
        title, family = (entry.title, entry.family) if entry else (key.runner, "Reference")
        step_means = entry is not None and entry.step_means
        found.append(RowResult(key, title, family, step_means, len(cells), tuple(done), tuple(problems)))
    return found


@dataclass(frozen=True)
class BlockSums:
    """Sums of one cell, part, group and weighting.

    Attributes:
        blocks: (blocks,) ids, ascending.
        values: (statistics, years, blocks) in the order of `STATISTICS`; one year where years are not told apart.
    """

    blocks: Blocks
    values: Floats

    def on(self, blocks: Blocks) -> Floats:
        """The sums on a larger set of blocks, 0 where there are none."""
        values = np.zeros((*self.values.shape[:2], len(blocks)))
        values[:, :, np.searchsorted(blocks, self.blocks)] = self.values
        return values


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
        cell = self.records[0].cell
        return "samples" if "sample_seed" in cell.split else f"{cell.runner} {cell.view}"


class StatisticsReader:
    """Reads the stored sums of cells and turns them into estimates; keeps what it has read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tables: dict[str, pd.DataFrame] = {}
        self._sums: dict[tuple[str, str], BlockSums] = {}
        self._samples: dict[tuple[Any, ...], dict[str, Sample]] = {}

    @property
    def store(self) -> Store:
        """The store that it reads."""
        return self._store

    def table(self, record: Record) -> pd.DataFrame:
        """The statistics table of a cell.

        Raises:
            BenchError: the file is damaged.
        """
        if record.cell_id not in self._tables:
            frame = pd.read_parquet(self._store.file(record, "statistics.parquet"))
            if "year" not in frame:  # written before years were told apart
                frame["year"] = 0
            self._tables[record.cell_id] = frame
            keys = frame["part"] + "/" + frame["group"] + "/" + frame["weighting"]
            blocks, years = frame["block"].to_numpy(np.int64), frame["year"].to_numpy(np.int64)
            values = frame[list(STATISTICS)].to_numpy(np.float64).T
            for key, rows in keys.groupby(keys, sort=False).indices.items():
                own, column = np.unique(blocks[rows], return_inverse=True)
                of_year, year = np.unique(years[rows], return_inverse=True)
                sums = np.zeros((len(STATISTICS), len(of_year), len(own)))
                sums[:, year, column] = values[:, rows]
                self._sums[record.cell_id, str(key)] = BlockSums(own, sums)
        return self._tables[record.cell_id]

    def sums(self, record: Record, part: str, group: str, weighting: str = "plain") -> BlockSums | None:
        """Sums per spatial block, or None where the cell has no such group."""
        self.table(record)
        return self._sums.get((record.cell_id, f"{part}/{group}/{weighting}"))

    def infer(
        self,
        function: Callable[..., Floats],
        metric: str,
        terms: Sequence[Term],
        *,
        weighting: str = "plain",
        positive: bool = False,
    ) -> Inference | None:
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
        sums = [self._of(term, weighting) for term in terms]
        if not all(sums):
            return None
        blocks = np.unique(np.concatenate([item.blocks for own in sums for item in own]))
        drawn = [self._drawn(term, weighting, own, blocks)[metric] for term, own in zip(terms, sums, strict=True)]
        return infer(function, drawn, block_draws(blocks), positive=positive)

    def estimate(
        self,
        records: Sequence[Record],
        metric: str,
        *,
        part: str = "test",
        group: str = "all",
        weighting: str = "plain",
    ) -> Estimate | None:
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
        value, low, high = found.value, found.low, found.high
        if rest:
            value, low, high = 1 - value, 1 - high, 1 - low
        values = [
            float(METRICS[metric].of(dict(zip(STATISTICS, item.values.sum(axis=(1, 2)), strict=True))))
            for item in self._of(term, weighting)
        ]
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
        return Estimate(value, low, high, spread)

    def _of(self, term: Term, weighting: str) -> list[BlockSums]:
        found = [self.sums(record, term.part, term.group, weighting) for record in term.records]
        return [item for item in found if item is not None]

    def _drawn(self, term: Term, weighting: str, sums: Sequence[BlockSums], blocks: Blocks) -> dict[str, Sample]:
        cells = tuple(record.cell_id for record in term.records)
        key = (cells, term.part, term.group, weighting, blocks.tobytes())
        if key not in self._samples:
            every = [item.on(blocks) for item in sums]
            self._samples[key] = samples_of(every, block_draws(blocks), term.repetitions)
        return self._samples[key]
