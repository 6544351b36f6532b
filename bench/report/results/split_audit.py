"""What a store can say about the split of each of its jobs.

Known of every job that is done: the parameters of its split, which enter its id, and its test samples with their
targets, which lie beside its record. Two jobs with one digest of these samples were scored on the same values. Where
the store also has the data set's record (places and times), the split is rebuilt from its parameters, compared with
what was scored, and audited as `bench data audit` does. Whether a fit depends on the training part alone cannot be seen
from a store: that takes two more fits, which `bench data audit --runner` makes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.data.audit import SplitAudit, audit_places
from bench.data.splits import Split, split_of_layout
from bench.report.results.selection import Selection
from bench.store.columns import read_frame
from bench.store.dataset_record import DatasetRecord, read_dataset_record
from bench.store.names import PREDICTIONS
from bench.store.reading import CorruptRecord
from bench.store.records import Record
from bench.store.store import Store
from bench.system.text import counted


@dataclass(frozen=True)
class TestSamples:
    """The stored test samples of one job.

    Of several targets at once, what was measured at one place and time is one sample.

    Attributes:
        n: how many.
        digest: SHA-256 of their places, times and targets in order.
        places: (n,) int64 cell × 2³² + time of each, ascending.
    """

    __test__ = False  # no test of pytest's

    n: int
    digest: str
    places: npt.NDArray[np.int64]


@dataclass(frozen=True)
class JobAudit:
    """What is known about the split of one job.

    Attributes:
        samples: its stored test samples, or None where they cannot be read.
        problem: why not, or what does not agree; None if nothing is wrong.
        geometry: of the rebuilt split, or None where the store has no record of the data set.
    """

    samples: TestSamples | None
    problem: str | None
    geometry: SplitAudit | None


@dataclass(frozen=True)
class SampleGrid:
    """Places and times of a data set, from its record in the store.

    Attributes:
        record: the record.
        time: (time,) datetime64[D].
    """

    record: DatasetRecord
    time: npt.NDArray[np.datetime64]


def read_grid(store: Store, dataset_fingerprint: str) -> SampleGrid | None:
    """Places and times of a data set, or None where the store has no readable record of them."""
    try:
        record = read_dataset_record(store, dataset_fingerprint)
    except CorruptRecord:
        return None
    if record is None:
        return None
    return SampleGrid(record, record.times["time"].to_numpy().astype("datetime64[D]"))


class SplitAuditor:
    """Audits the jobs of one table; keeps the splits that it has rebuilt.

    Args:
        store: where results are.
        selection: the jobs of the table.
    """

    def __init__(self, store: Store, selection: Selection) -> None:
        self._store = store
        self._selection = selection
        self._rebuilt: dict[str, tuple[Split, SplitAudit]] = {}

    @cached_property
    def grid(self) -> SampleGrid | None:
        """Places and times of the data set, where the store has them."""
        return read_grid(self._store, self._selection.jobs[0].dataset_fingerprint)

    def audit(self, record: Record) -> JobAudit:
        """What is known about the split of a job that is done."""
        try:
            samples = read_samples(self._store.file(record, PREDICTIONS))
        except CorruptRecord as error:
            return JobAudit(None, str(error), None)
        problem = None
        if record.n_test is not None and record.n_test != samples.n:
            problem = f"the record says {record.n_test} test samples, {samples.n} are stored"
        geometry = None
        if self.grid is not None:
            split, geometry = self._split(record.job.split, self.grid)
            expected = _places(*split.test.samples())
            if not np.array_equal(expected, samples.places):
                problem = problem or "the stored test samples are not those of the split"
            elif record.n_train is not None and record.n_train != geometry.n_train:
                problem = problem or (
                    f"the record says {record.n_train} training samples, the split has {geometry.n_train}"
                )
            elif not geometry.passed:
                shared = counted(geometry.shared_samples, "sample is", "samples are")
                problem = problem or f"{shared} in the training and in the test part"
        return JobAudit(samples, problem, geometry)

    def _split(self, parameters: dict[str, Any], grid: SampleGrid) -> tuple[Split, SplitAudit]:
        key = repr(sorted(parameters.items()))
        if key not in self._rebuilt:
            layout = grid.record.layout(parameters.get("target"))
            split = split_of_layout(layout, parameters)
            self._rebuilt[key] = split, audit_places(layout.places, layout.is_planar, grid.time, split)
        return self._rebuilt[key]


def read_samples(path: Path) -> TestSamples:
    """The test samples in a predictions file."""
    import pyarrow.parquet as pq

    several = "variable" in pq.read_schema(path).names
    frame = read_frame(path, ["cell", "time", "target", *(["variable"] if several else [])])
    if not several:
        return _samples(frame)
    found = [_samples(own) for _, own in frame.groupby("variable", sort=True)]
    digest = hashlib.sha256("".join(own.digest for own in found).encode()).hexdigest()
    places = np.unique(np.concatenate([own.places for own in found])) if found else np.zeros(0, np.int64)
    return TestSamples(len(places), digest, places)


def _samples(frame: pd.DataFrame) -> TestSamples:
    """The samples of one target."""
    places = _places(frame["cell"].to_numpy(np.int64), frame["time"].to_numpy(np.int64))
    target = frame["target"].to_numpy(np.float32)
    if np.any(np.diff(places) <= 0):  # stored in order, unless somebody else wrote the file
        order = np.argsort(places, kind="stable")
        places, target = places[order], target[order]
    digest = hashlib.sha256(places.astype("<i8").tobytes() + target.astype("<f4").tobytes()).hexdigest()
    return TestSamples(len(places), digest, places)


def _places(cells: npt.NDArray[np.int64], times: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return (cells.astype(np.int64) << 32) | times.astype(np.int64)
