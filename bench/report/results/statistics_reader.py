"""Stored sums of jobs, read and turned into intervals."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench.arrays import Doubles
from bench.report.results.kept_sums import GroupKey, GroupTotals, KeptSums
from bench.scoring.draws import block_draws
from bench.scoring.interval import Interval
from bench.scoring.metrics import METRICS
from bench.scoring.places import Blocks
from bench.scoring.samples import Sample, samples_of
from bench.scoring.uncertainty import infer
from bench.store.records import Record
from bench.store.results import Results
from bench.store.store import Store

_MOST_SAMPLE_BYTES = 100_000_000
"""Of samples of metrics that are kept for the next table: those of some 500 terms."""
_LATEST_ROWS = 2
"""Rows whose sums per repetition are kept: of a comparison, both."""
_LATEST_ROW_KEYS = 100
"""Rows whose ids are hashed once."""
_MOST_TOGETHER = 8
"""Groups whose sums are taken from one reading of a row that is too long to be kept."""


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
