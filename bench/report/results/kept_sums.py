"""The sums of many jobs in little memory: what jobs of one split have in common is kept once.

A table of sums has some thousand rows. Its keys (part, group, weighting, block, year) and the sums of the targets are
the same in every job of a split; what is left is three numbers a row, some 100 kB a job, so that a thousand fit.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.arrays import Doubles
from bench.report.results.sums_file import OWN, SumsFile
from bench.scoring.metrics import STATISTICS
from bench.scoring.places import Blocks
from bench.store.records import Record
from bench.store.results import Results
from bench.system.host import available_cores

_KEYS = ("part", "group", "weighting", "block", "year")
_TEXTS = _KEYS[:3]
_AT_ONCE = 64
"""Jobs that are read together, so that their totals are added in one pass."""
_MOST_BYTES = 40_000_000
"""Of sums per block that are kept: those of 350 jobs with 4,800 rows each. To fill memory takes longer than to read."""
_MOST_KNOWN_BYTES = 50_000_000
"""Of keys and sums of the targets that files are compared with; a few-shot suite has as many as samples of cells."""
_FEWEST_FOR_THREADS, _MOST_THREADS = 8, 4
Rows = npt.NDArray[np.int64]
GroupKey = tuple[str, str, str]


@dataclass(frozen=True)
class SumsLayout:
    """Which part, group, weighting, block and year each row of a table of sums is of.

    Attributes:
        keys: those columns.
        groups: ``part/group/weighting`` → its rows, its blocks, the block of each row, its number of years, and the
            year of each row.
        group_keys: part, group and weighting of each group, in alphabetical order.
        group_of_row: (rows,) index into `group_keys`.
    """

    keys: pd.DataFrame
    groups: dict[str, tuple[Rows, Blocks, Rows, int, Rows]]
    group_keys: tuple[GroupKey, ...]
    group_of_row: Rows


@dataclass(frozen=True)
class _KnownFile:
    """What files have in common with one that was read.

    Attributes:
        layout: what their rows are.
        shared: the sums that do not depend on the prediction, by name.
    """

    layout: SumsLayout
    shared: dict[str, Doubles]

    @property
    def bytes(self) -> int:
        """Of numbers and of the keys' columns."""
        return sum(column.nbytes for column in self.shared.values()) + self.layout.keys.size * 8


@dataclass(frozen=True)
class JobSums:
    """The sums of a job.

    Attributes:
        layout: what its rows are.
        columns: one array per name in `STATISTICS`, with a number per row.
    """

    layout: SumsLayout
    columns: tuple[Doubles, ...]

    @property
    def own_bytes(self) -> int:
        """Bytes of the columns that it shares with no other job."""
        return sum(values.nbytes for name, values in zip(STATISTICS, self.columns, strict=True) if name in OWN)

    def frame(self) -> pd.DataFrame:
        """The table as it is stored."""
        columns = {name: self.layout.keys[name].to_numpy() for name in _KEYS}
        columns |= dict(zip(STATISTICS, self.columns, strict=True))
        return pd.DataFrame(columns | {"n": columns["n"].astype(np.int64)})

    def of_group(self, part: str, group: str, weighting: str) -> tuple[Blocks, Doubles] | None:
        """The blocks of a group, ascending, and its sums (statistics, years, blocks); None where it is not there."""
        found = self.layout.groups.get(f"{part}/{group}/{weighting}")
        if found is None:
            return None
        rows, blocks, column, n_years, year = found
        sums = np.zeros((len(STATISTICS), n_years, len(blocks)))
        sums[:, year, column] = np.stack([values[rows] for values in self.columns])
        return blocks, sums


@dataclass(frozen=True)
class GroupTotals:
    """The sums of a job over all blocks and years.

    Attributes:
        keys: part, group and weighting of each, in alphabetical order.
        columns: one array per name in `STATISTICS`, with a number per key.
    """

    keys: tuple[GroupKey, ...]
    columns: tuple[Doubles, ...]


class KeptSums:
    """The sums of jobs, read when they are asked for.

    Totals stay in memory, some kB a job. Of the sums per block the latest `_MOST_BYTES` stay; others are read again.

    Args:
        results: where the sums are.
    """

    def __init__(self, results: Results) -> None:
        self._results = results
        self._jobs: OrderedDict[str, JobSums] = OrderedDict()
        self._bytes = 0
        self._totals: dict[str, GroupTotals] = {}
        # Of these, what neither a kept job nor a known file has goes.
        self._layouts: WeakValueDictionary[bytes, SumsLayout] = WeakValueDictionary()
        self._shared: WeakValueDictionary[bytes, Doubles] = WeakValueDictionary()
        self._known_files: dict[bytes, _KnownFile] = {}
        self._last_file: tuple[bytes, bytes] | None = None

    def of(self, records: Sequence[Record]) -> Iterator[JobSums]:
        """The sums of each of some done jobs.

        Raises:
            BenchError: a file is damaged.
        """
        for start in range(0, len(records), _AT_ONCE):
            some = records[start : start + _AT_ONCE]
            missing = [record for record in some if record.job_id not in self._jobs]
            read = dict(zip((record.job_id for record in missing), self._read_all(missing), strict=True))
            self._forget_files()
            found = {record.job_id: read.get(record.job_id) or self._jobs[record.job_id] for record in some}
            self._add_totals({job_id: sums for job_id, sums in found.items() if job_id not in self._totals})
            for job_id, sums in found.items():
                self._keep(job_id, sums)
            yield from (found[record.job_id] for record in some)

    def totals(self, records: Sequence[Record]) -> Iterator[GroupTotals]:
        """The totals of each of some done jobs.

        Raises:
            BenchError: a file is damaged.
        """
        for start in range(0, len(records), _AT_ONCE):
            some = records[start : start + _AT_ONCE]
            for _ in self.of([record for record in some if record.job_id not in self._totals]):
                pass
            yield from (self._totals[record.job_id] for record in some)

    def fit(self, records: Sequence[Record]) -> bool:
        """Whether the sums per block of all of some jobs are kept together, judged by those that were read last."""
        return not self._jobs or len(records) * self._bytes <= _MOST_BYTES * len(self._jobs)

    def _keep(self, job_id: str, sums: JobSums) -> None:
        if job_id in self._jobs:
            self._jobs.move_to_end(job_id)
            return
        self._jobs[job_id] = sums
        self._bytes += sums.own_bytes
        while self._bytes > _MOST_BYTES and len(self._jobs) > 1:
            self._bytes -= self._jobs.popitem(last=False)[1].own_bytes

    def _forget_files(self) -> None:
        total = sum(known.bytes for known in self._known_files.values())
        while total > _MOST_KNOWN_BYTES and len(self._known_files) > 1:
            total -= self._known_files.pop(next(iter(self._known_files))).bytes

    def _add_totals(self, jobs: Mapping[str, JobSums]) -> None:
        for layout in {id(sums.layout): sums.layout for sums in jobs.values()}.values():
            alike = {job_id: sums for job_id, sums in jobs.items() if sums.layout is layout}
            columns = {id(column): column for sums in alike.values() for column in sums.columns}
            wide = pd.DataFrame(np.stack(list(columns.values())).T)  # as pandas keeps it: nothing is copied again
            added = dict(zip(columns, wide.groupby(layout.group_of_row, sort=True).sum().to_numpy().T, strict=True))
            for job_id, sums in alike.items():
                self._totals[job_id] = GroupTotals(layout.group_keys, tuple(added[id(own)] for own in sums.columns))

    def _read_all(self, records: Sequence[Record]) -> list[JobSums]:
        if len(records) < _FEWEST_FOR_THREADS:
            return [self._read(record) for record in records]
        first = self._read(records[0])  # what the others have in common with it is decoded once
        # Hashing and decoding let go of the interpreter's lock.
        with ThreadPoolExecutor(min(_MOST_THREADS, available_cores())) as pool:
            return [first, *pool.map(self._read, records[1:])]

    def _read(self, record: Record) -> JobSums:
        content = self._results.statistics_file(record)
        if content is None:
            return self._decoded(self._results.statistics(record))
        try:
            file = SumsFile(content)
            others = file.others()
            # Most files are as the last one: to compare takes a tenth of the time of a hash.
            last = self._last_file
            digest = last[1] if last is not None and last[0] == others else hashlib.sha256(others).digest()
            self._last_file = others, digest
            known = self._known_files.get(digest)
            if known is not None:
                columns = known.shared | dict(zip(OWN, file.own(), strict=True))
                return JobSums(known.layout, tuple(columns[name] for name in STATISTICS))
        except ValueError:  # `statistics` says what is wrong with the file
            return self._decoded(self._results.statistics(record))
        found = self._decoded(self._results.statistics(record))
        shared = {name: own for name, own in zip(STATISTICS, found.columns, strict=True) if name not in OWN}
        self._known_files[digest] = _KnownFile(found.layout, shared)
        return found

    def _decoded(self, frame: pd.DataFrame) -> JobSums:
        digest = _digest(frame)
        layout = self._layouts.get(digest) or self._layouts.setdefault(digest, _layout(frame))
        return JobSums(layout, tuple(self._column(frame, name) for name in STATISTICS))

    def _column(self, frame: pd.DataFrame, name: str) -> Doubles:
        values = frame[name].to_numpy(np.float64, copy=True)
        return values if name in OWN else self._shared.setdefault(_hash(values), values)


def _hash(values: npt.NDArray[np.generic]) -> bytes:
    return hashlib.blake2b(values.tobytes()).digest()


def _digest(frame: pd.DataFrame) -> bytes:
    """A hash of the keys of a table of sums."""
    found = hashlib.blake2b()
    for name in _KEYS:
        column = frame[name]
        if name in _TEXTS:
            column = column.astype("category")
            found.update("\n".join(map(str, column.cat.categories)).encode())
        numbers = column.cat.codes if name in _TEXTS else column
        found.update(b"\0" + numbers.to_numpy(np.int64).tobytes())
    return found.digest()


def _layout(frame: pd.DataFrame) -> SumsLayout:
    keys = frame[list(_KEYS)].astype(dict.fromkeys(_TEXTS, object)).reset_index(drop=True)
    names = keys["part"] + "/" + keys["group"] + "/" + keys["weighting"]
    blocks, years = keys["block"].to_numpy(np.int64), keys["year"].to_numpy(np.int64)
    groups: dict[str, tuple[Rows, Blocks, Rows, int, Rows]] = {}
    for name, found in names.groupby(names, sort=False).indices.items():
        rows = np.asarray(found, np.int64)
        own, column = np.unique(blocks[rows], return_inverse=True)
        of_year, year = np.unique(years[rows], return_inverse=True)
        groups[str(name)] = (rows, own, column.astype(np.int64), len(of_year), year.astype(np.int64))
    by_text = keys.groupby(list(_TEXTS), sort=True)
    group_keys = tuple(sorted(set(zip(*(keys[name].tolist() for name in _TEXTS), strict=True))))
    return SumsLayout(keys, groups, group_keys, by_text.ngroup().to_numpy().astype(np.int64))
