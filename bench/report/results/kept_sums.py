"""The sums of many jobs in little memory: what jobs of one split have in common is kept once.

A table of sums has some thousand rows. Its keys (part, group, weighting, block, year) and the sums of the targets are
the same in every job of a split; what is left is three numbers a row, some 60 kB a job, so that thousands fit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.arrays import Doubles
from bench.scoring.metrics import STATISTICS
from bench.scoring.places import Blocks

_KEYS = ("part", "group", "weighting", "block", "year")
_TEXTS = _KEYS[:3]
_OF_TARGETS = ("n", "weight", "target", "squared_target")
"""Sums that do not depend on the prediction."""
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SumsLayout:
    """Which part, group, weighting, block and year each row of a table of sums is of.

    Attributes:
        keys: those columns.
        groups: ``part/group/weighting`` → its rows, its blocks, the block of each row, its number of years, and the
            year of each row.
    """

    keys: pd.DataFrame
    groups: dict[str, tuple[Rows, Blocks, Rows, int, Rows]]


@dataclass(frozen=True)
class JobSums:
    """The sums of a job.

    Attributes:
        layout: what its rows are.
        columns: one array per name in `STATISTICS`, with a number per row.
    """

    layout: SumsLayout
    columns: tuple[Doubles, ...]

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


class KeptSums:
    """The sums of jobs that were read, by id."""

    def __init__(self) -> None:
        self._jobs: dict[str, JobSums] = {}
        self._layouts: dict[bytes, SumsLayout] = {}
        self._shared: dict[bytes, Doubles] = {}

    def of(self, job_id: str, read: Callable[[], pd.DataFrame]) -> JobSums:
        """The sums of a job.

        Args:
            job_id: its id.
            read: reads them, where they are not here yet.
        """
        if job_id not in self._jobs:
            frame = read()
            digest = _digest(frame)
            if digest not in self._layouts:
                self._layouts[digest] = _layout(frame)
            columns = tuple(self._column(frame, name) for name in STATISTICS)
            self._jobs[job_id] = JobSums(self._layouts[digest], columns)
        return self._jobs[job_id]

    def _column(self, frame: pd.DataFrame, name: str) -> Doubles:
        values = frame[name].to_numpy(np.float64, copy=True)
        return self._shared.setdefault(_hash(values), values) if name in _OF_TARGETS else values


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
    return SumsLayout(keys, groups)
