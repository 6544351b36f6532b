"""Which stored results belong in one table, and what they say.

A table never mixes data sets, profiles or kinds of split: it shows the cells of the newest run of a suite, completed by
earlier runs of the same data, split and profile. Cells that were planned but are not done stay in it, as missing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench.errors import BenchError
from bench.metrics import METRICS, STATISTICS, bootstrap, bootstrap_weights
from bench.records import Manifest, Record
from bench.runners import registry
from bench.seeds import BOOTSTRAP_SEED
from bench.store import Store
from bench.suites import ablation
from bench.suites.cells import Cell

DRAWS = 1000
"""Bootstrap draws."""
CONFIDENCE = 0.95


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
        low: lower end of the bootstrap interval of that mean.
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


class StatisticsReader:
    """Reads the stored sums of cells and turns them into estimates; keeps what it has read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tables: dict[str, pd.DataFrame] = {}

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
            path = self._store.file(record, "statistics.parquet")
            frame = pd.read_parquet(path)
            frame["key"] = frame["part"] + "/" + frame["group"] + "/" + frame["weighting"]
            self._tables[record.cell_id] = frame.set_index("key")
        return self._tables[record.cell_id]

    def block_sums(self, record: Record, part: str, group: str, weighting: str) -> pd.DataFrame | None:
        """Sums per spatial block, ordered by block, or None where the cell has no such group."""
        frame = self.table(record)
        key = f"{part}/{group}/{weighting}"
        if key not in frame.index:
            return None
        return frame.loc[[key]].sort_values("block")

    def estimate(
        self,
        records: Sequence[Record],
        metric: str,
        *,
        part: str = "test",
        group: str = "all",
        weighting: str = "plain",
    ) -> Estimate | None:
        """A metric over the repetitions of a row, with a spatial block bootstrap interval, or None without results."""
        values, draws = [], []
        for record in records:
            sums = self.block_sums(record, part, group, weighting)
            if sums is None:
                continue
            total = {name: np.asarray(sums[name].sum()) for name in STATISTICS}
            values.append(float(METRICS[metric].of(total)))
            draws.append(bootstrap(sums, metric, bootstrap_weights(len(sums), DRAWS, BOOTSTRAP_SEED)))
        if not values:
            return None
        with np.errstate(invalid="ignore"):
            low, high = _interval(np.mean(draws, axis=0))
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
        return Estimate(float(np.mean(values)), low, high, spread)


def _interval(draws: np.ndarray) -> tuple[float, float]:
    finite = draws[np.isfinite(draws)]
    if len(finite) < 0.9 * len(draws):  # too many draws without variation to say anything
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
