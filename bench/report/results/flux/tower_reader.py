"""Sums per tower from stored predictions: what every number of the flux tables is a function of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.arrays import Doubles
from bench.data.climate_classes import UNKNOWN
from bench.data.folds import NEAR_KM, near_groups
from bench.report.results.flux.flux_rows import FluxRowResult
from bench.report.results.statistics_reader import StatisticsReader
from bench.scoring.interval import Interval
from bench.scoring.metrics import METRICS, STATISTICS
from bench.scoring.towers import MEDIAN_R2, Towers, TowerSums, infer_towers, sums_of_values
from bench.store.columns import read_frame
from bench.store.dataset_record import DatasetRecord, read_dataset_record
from bench.store.jobs import Job
from bench.store.names import PREDICTIONS
from bench.store.reading import CorruptRecord
from bench.store.records import Record
from bench.store.store import Store

CLIMATE = "climate"
"""Column of a tower's climate, by which results are grouped like by the data's own categories."""
SCORES = ("crps", "inside_50", "inside_90")
"""Columns of an imputation's predictions beside the usual ones: their metric is the mean over months."""
_ALL = ""
"""Group of all towers."""
_Sums = dict[str, tuple[Towers, Doubles]]
"""Target → towers and (statistic, tower) sums; after the statistics of metrics come those of `SCORES`."""


@dataclass(frozen=True)
class _PooledTowers:
    """Sums of the repetitions of a row at all its test towers.

    Attributes:
        towers: (tower,) rows of the cube, ascending.
        repetitions: which they are.
        values: (repetition, statistic, tower), those of `SCORES` after those of metrics.
    """

    towers: Towers
    repetitions: tuple[int, ...]
    values: Doubles


_READERS: WeakKeyDictionary[StatisticsReader, TowerReader] = WeakKeyDictionary()


def towers_of(reader: StatisticsReader) -> TowerReader:
    """The reader of predictions of the store that another reader reads the sums of; the same at every call."""
    if reader not in _READERS:
        _READERS[reader] = TowerReader(reader.store)
    return _READERS[reader]


class TowerReader:
    """Reads predictions of the flux suite as sums per tower, and makes intervals of them.

    It keeps the sums of every job that it has read, some ten kilobytes each.

    Args:
        store: where the predictions are.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._jobs: dict[str, _Sums] = {}
        self._rows: dict[tuple[tuple[str, ...], str], _PooledTowers | None] = {}
        self._groups: dict[str, Towers | None] = {}
        self._datasets: dict[str, DatasetRecord | None] = {}

    def predictions(self, record: Record) -> pd.DataFrame:
        """The test predictions of a job: cell, time, variable, target, prediction, deviation, and scores if any.

        Raises:
            CorruptRecord: the file is damaged, or is none of this suite.
        """
        return read_frame(self.store.file(record, PREDICTIONS))

    def towers(self, row: FluxRowResult, target: str) -> Towers:
        """Test towers of a row."""
        found = self._of(row, target)
        return found.towers if found is not None else np.arange(0)

    def count(self, record: Record) -> dict[str, int]:
        """Number of test towers of a job by target."""
        return {target: len(towers) for target, (towers, _) in self._sums(record).items()}

    def of_each_tower(self, row: FluxRowResult, target: str, metric: str) -> tuple[Towers, Doubles]:
        """Test towers of a row, and (repetition, tower) a metric over the months of each of them alone.

        Args:
            row: with results.
            target: GPP, RECO or NEE.
            metric: of `METRICS`.
        """
        found = self._of(row, target)
        if found is None:
            return np.arange(0), np.zeros((0, 0))
        sums = dict(zip(STATISTICS, np.moveaxis(found.values, 1, 0), strict=False))
        return found.towers, METRICS[metric].of(sums)

    def estimate(self, row: FluxRowResult, target: str, metric: str, group: str = _ALL) -> Interval | None:
        """A metric of a row with its interval over towers and repetitions, or None without results.

        Args:
            row: the row.
            target: GPP, RECO or NEE.
            metric: of `METRICS`, `MEDIAN_R2` or one of `SCORES`.
            group: such as ``IGBP:ENF``; all towers by default.
        """
        if metric in ("r2", MEDIAN_R2):  # 1 − R² is positive like an error
            rest = self.infer(lambda value: 1 - value, [row], target, metric, group, positive=True)
            return rest.one_minus() if rest is not None else None
        signed = metric in SCORES[1:] or (metric in METRICS and METRICS[metric].lower_is_better is None)
        found = self.infer(lambda value: value, [row], target, metric, group, positive=not signed)
        return found.within(0, 1) if found is not None and found.known and metric in SCORES[1:] else found

    def ratio(
        self, row: FluxRowResult, other: FluxRowResult, target: str, metric: str = "rmse", group: str = _ALL
    ) -> Interval | None:
        """Error of a row ÷ error of another at the same towers (of R²: of 1 − R²), or None."""
        rest = metric in ("r2", MEDIAN_R2)

        def divided(own: Doubles, theirs: Doubles) -> Doubles:
            return np.asarray((1 - own) / (1 - theirs) if rest else own / theirs)

        return self.infer(divided, [row, other], target, metric, group, positive=True)

    def mean_ratio(
        self, pairs: Sequence[tuple[FluxRowResult, FluxRowResult]], target: str, metric: str = "rmse", group: str = _ALL
    ) -> Interval | None:
        """Geometric mean of the ratios of several pairs, such as of all backbones, or None."""
        n = len(pairs)

        def mean(*values: Doubles) -> Doubles:
            ratios = [np.log(values[at] / values[n + at]) for at in range(n)]
            return np.asarray(np.exp(np.mean(ratios, axis=0)))

        together = [*(own for own, _ in pairs), *(other for _, other in pairs)]
        return self.infer(mean, together, target, metric, group, positive=True) if pairs else None

    def infer(
        self,
        function: Callable[..., Doubles],
        found: Sequence[FluxRowResult],
        target: str,
        metric: str,
        group: str = _ALL,
        *,
        positive: bool,
    ) -> Interval | None:
        """A function of one metric of some rows with its interval, or None where one has no result.

        All rows have one seed in a repetition, and the same labelled towers: they are compared over the repetitions
        that all of them have. What no seed changes has a single run. Rows are compared over the folds that all have.
        """
        folds = frozenset.intersection(*(row.folds for row in found))
        if not folds:
            return None
        found = [row.on_folds(folds) for row in found]
        read = [self._of(row, target) for row in found]
        present = [own for own in read if own is not None]
        if len(present) < len(read):
            return None
        shared = [_repeats(row.result.records[0].job) for row in found]
        if any(shared):
            common = set.intersection(*(set(own.repetitions) for own in present))
            present = [_only(own, common) for own in present]
            if not common:
                return None
        terms = [
            self._term(own, row, metric, group, "repetitions" if paired else "")
            for own, row, paired in zip(present, found, shared, strict=True)
        ]
        return infer_towers(function, "mae" if metric in SCORES else metric, terms, positive=positive)

    def groups(self, row: FluxRowResult, target: str) -> dict[str, int]:
        """Groups of a row's test towers, such as ``IGBP:ENF``, and how many towers each has, the largest first."""
        labels = self._labels(row.result.records[0])
        counts: dict[str, int] = {}
        for category, of_tower in labels.items():
            levels, n = np.unique(of_tower[self.towers(row, target)], return_counts=True)
            order = np.argsort(-n, kind="stable")
            counts |= {f"{category}:{levels[at]}": int(n[at]) for at in order if levels[at] != UNKNOWN}
        return counts

    def dataset(self, record: Record) -> DatasetRecord | None:
        """What the store knows of a job's data set; None where it knows nothing."""
        fingerprint = record.job.dataset_fingerprint
        if fingerprint not in self._datasets:
            self._datasets[fingerprint] = read_dataset_record(self.store, fingerprint)
        return self._datasets[fingerprint]

    def _near(self, record: Record) -> Towers | None:
        """(tower,) groups of near towers, which the data set's record tells; None without one."""
        fingerprint = record.job.dataset_fingerprint
        if fingerprint not in self._groups:
            described = self.dataset(record)
            places = None if described is None else described.cells[["lon", "lat"]].to_numpy(np.float64)
            planar = described is not None and described.description.crs is not None
            known = None if places is None else near_groups(places, 0.0 if planar else NEAR_KM, planar)
            self._groups[fingerprint] = known
        return self._groups[fingerprint]

    def _labels(self, record: Record) -> dict[str, npt.NDArray[np.str_]]:
        described = self.dataset(record)
        if described is None:
            return {}
        names = dict.fromkeys((*described.description.groupings, CLIMATE))
        return {name: described.cells[name].to_numpy(str) for name in names}

    def _term(self, own: _PooledTowers, row: FluxRowResult, metric: str, group: str, name: str) -> TowerSums:
        inside = np.ones(len(own.towers), bool)
        if group:
            category, _, level = group.partition(":")
            inside = self._labels(row.result.records[0])[category][own.towers] == level
        towers, values = own.towers[inside], own.values[:, :, inside]
        groups = self._near(row.result.records[0])
        near = groups[towers] if groups is not None else None
        key = row.result.key
        name = name or f"{key.runner} {key.variant}"
        if metric in SCORES:
            total = values[:, len(STATISTICS) + SCORES.index(metric)]
            return sums_of_values(towers, values[:, 0], total, near, name)
        return TowerSums(towers, values[:, : len(STATISTICS)], near, name)

    def _of(self, row: FluxRowResult, target: str) -> _PooledTowers | None:
        records = row.result.records
        key = tuple(record.job_id for record in records), target
        if key not in self._rows:
            self._rows[key] = self._read(records, target)
        return self._rows[key]

    def _read(self, records: Sequence[Record], target: str) -> _PooledTowers | None:
        by_repetition: dict[int, list[tuple[Towers, Doubles]]] = {}
        for record in records:
            sums = self._sums(record)
            if target in sums:
                by_repetition.setdefault(record.job.repetition, []).append(sums[target])
        if not by_repetition:
            return None
        pooled = [_pooled(parts) for parts in by_repetition.values()]
        towers = pooled[0][0]
        for other, _ in pooled[1:]:
            if not np.array_equal(other, towers):
                raise CorruptRecord(
                    f"Repetitions of {records[0].job.label} were tested at different towers; run it again, best into "
                    "a store of its own."
                )
        return _PooledTowers(towers, tuple(by_repetition), np.stack([values for _, values in pooled]))

    def _sums(self, record: Record) -> _Sums:
        if record.job_id not in self._jobs:
            self._jobs[record.job_id] = sums_per_tower(self.predictions(record))
        return self._jobs[record.job_id]


def _repeats(job: Job) -> bool:
    """Whether another repetition would give other numbers: by the seed, or by the labelled towers."""
    return job.seed is not None or "labelled_seed" in job.split


def sums_per_tower(predictions: pd.DataFrame) -> _Sums:
    """Sums of a job's predictions over the months of each tower.

    Args:
        predictions: cell, variable, target and prediction, and `SCORES` where they were made.
    """
    found: _Sums = {}
    for target, frame in predictions.groupby("variable", sort=False, observed=True):
        towers, at = np.unique(frame["cell"].to_numpy(np.int64), return_inverse=True)
        truth = frame["target"].to_numpy(np.float64)
        error = frame["prediction"].to_numpy(np.float64) - truth
        one = np.ones_like(error)
        columns = [one, one, error, np.abs(error), error**2, truth, truth**2]
        columns += [frame[name].to_numpy(np.float64) for name in SCORES if name in frame.columns]
        found[str(target)] = towers, np.stack([np.bincount(at, own, len(towers)) for own in columns])
    return found


def _pooled(parts: Sequence[tuple[Towers, Doubles]]) -> tuple[Towers, Doubles]:
    """The sums of all folds of a repetition."""
    towers = np.unique(np.concatenate([own for own, _ in parts]))
    values = np.zeros((len(parts[0][1]), len(towers)))
    for own, sums in parts:
        values[:, np.searchsorted(towers, own)] += sums
    return towers, values


def _only(own: _PooledTowers, repetitions: set[int]) -> _PooledTowers:
    order = [own.repetitions.index(number) for number in sorted(repetitions)]
    return replace(own, repetitions=tuple(sorted(repetitions)), values=own.values[order])
