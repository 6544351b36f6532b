"""A committed reference: the numbers of finished runs without their predictions, small enough for a repository.

``manifests/`` and ``records/`` hold what a store has under the same names (a record is named by its job), and
``sums_<suite>.parquet`` the sums of all its jobs, one under the other, with a column ``job``.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from bench.errors import BenchError, unknown
from bench.scoring.metrics import STATISTICS
from bench.store.agreement import Totals, require_sums_of
from bench.store.columns import UNREADABLE, TableColumns, read_frame
from bench.store.reading import CorruptRecord, read_manifest, read_record
from bench.store.records import Manifest, Record
from bench.store.result_tables import require_sums
from bench.store.results import Results
from bench.store.store import Store
from bench.system import paths
from bench.system.untrusted import is_regular

SUMS = "sums_{suite}.parquet"
COMMANDS = "commands.txt"
"""File with the commands that made the reference, one a line."""
_KEYS = ("part", "group", "weighting", "block", "year", "job")
"""In this order equal sums of the targets lie together, so that the file takes a quarter of the jobs' own."""
_SHARED = ("n", "weight", "target", "squared_target")
"""Sums that do not depend on the prediction: the same in all jobs of a split."""
_LEVEL = 19
"""Of Zstandard, its highest ordinary one: written once, read often."""


class Reference:
    """The committed numbers of some runs; read only.

    Args:
        root: the folder.

    Raises:
        BenchError: it is no reference, or one without sums.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        if not (root / "records").is_dir() or not (root / "manifests").is_dir():
            raise BenchError(f"{root} is no reference: it lacks the folders records and manifests.")
        if not list(root.glob(SUMS.format(suite="*"))):
            raise BenchError(
                f"Reference {root} has no sums ({SUMS.format(suite='<suite>')}), so nothing can be compared with it; "
                "it was made before they were kept, and a maintainer makes it anew with tools/update_reference.py."
            )
        self._sums: dict[str, dict[str, pd.DataFrame]] = {}
        self.damaged_manifests: dict[Path, str] = {}  # a committed one is restored, not left out

    def commands_of(self, suite: str) -> list[str]:
        """The commands that made its numbers of a suite; none where nobody wrote them down."""
        path = self.root / COMMANDS
        lines = path.read_text().splitlines() if is_regular(path) else []
        return [line for line in lines if f" --suite {suite} " in line]

    def manifests(self) -> list[Manifest]:
        """All manifests, oldest first.

        Raises:
            CorruptRecord: one is damaged.
        """
        with _restoring():
            return [read_manifest(path) for path in sorted((self.root / "manifests").glob("*.json"))]

    def record(self, job_id: str) -> Record | None:
        """The record of a job, or None if it is not in the reference.

        Raises:
            CorruptRecord: it is damaged.
        """
        path = self.root / "records" / f"{job_id}.json"
        with _restoring():
            return read_record(path, job_id) if is_regular(path) else None

    def records_of(self, ids: Iterable[str]) -> tuple[dict[str, Record], dict[str, str]]:
        """The records of those of some jobs that are in the reference, by id; none of them may be damaged.

        Raises:
            CorruptRecord: at the first damaged one; a committed file is restored.
        """
        found = ((job_id, self.record(job_id)) for job_id in ids)
        return {job_id: record for job_id, record in found if record is not None}, {}

    def statistics_file(self, record: Record) -> bytes | None:
        """None: the sums of all jobs of a suite are in one file."""
        return None

    def statistics(self, record: Record) -> pd.DataFrame:
        """The sums of a job.

        Raises:
            CorruptRecord: the reference has none of it, or they are not what its record says.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        suite = record.job.suite
        if suite not in self._sums:
            path = self.root / SUMS.format(suite=suite)
            try:
                with pq.ParquetFile(path) as file:
                    require_sums(TableColumns(file, path.stat().st_size), owner="job")
                frame = read_frame(path)
                self._sums[suite] = {str(job): own.drop(columns="job") for job, own in frame.groupby("job", sort=False)}
            except (pa.ArrowException, *UNREADABLE) as error:
                raise CorruptRecord(f"{path} is missing or damaged; restore it from the repository.") from error
        if record.job_id not in self._sums[suite]:
            raise CorruptRecord(f"{self.root / SUMS.format(suite=suite)} has no sums of job {record.job_id}.")
        own = self._sums[suite][record.job_id].reset_index(drop=True)
        try:
            require_sums_of(record, partial(_totals, own))
        except ValueError as error:
            raise CorruptRecord(
                f"Record {record.job_id} of reference {self.root} is not that of its sums ({error}); restore both from "
                "the repository."
            ) from error
        return own


@contextlib.contextmanager
def _restoring() -> Iterator[None]:
    """A damaged committed file is restored: no run repeats its job."""
    try:
        yield
    except CorruptRecord as error:
        what = str(error).rpartition("; `bench run`")[0] or str(error).rstrip(".")
        raise CorruptRecord(f"{what}; restore it from the repository.") from error


def _totals(sums: pd.DataFrame, part: str, group: str) -> Totals | None:
    """As `CheckedSums.totals`, of the sums of one job."""
    rows = sums[(sums["part"] == part) & (sums["group"] == group) & (sums["weighting"] == "plain")]
    return {name: float(rows[name].sum()) for name in STATISTICS} if len(rows) else None


def sums_file(tables: Mapping[str, pd.DataFrame]) -> bytes:
    """The Parquet file of all sums of a suite.

    Args:
        tables: id of a job → its sums.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    together = pd.concat([frame.assign(job=job_id) for job_id, frame in tables.items()], ignore_index=True)
    together = together.sort_values(list(_KEYS), kind="stable")[[*_KEYS, *STATISTICS]]
    together["n"] = together["n"].astype(np.int64)
    stream = io.BytesIO()
    pq.write_table(
        pa.Table.from_pandas(together, preserve_index=False),
        stream,
        compression="zstd",
        compression_level=_LEVEL,
        row_group_size=max(1, len(together)),
        use_dictionary=[*_KEYS, *_SHARED],
        column_encoding={name: "BYTE_STREAM_SPLIT" for name in STATISTICS if name not in _SHARED},
    )
    return stream.getvalue()


def name_of(dataset: str, profile: str) -> str:
    """Name of the reference of a data set and profile: ``simulated:cells=800`` is no name of a folder."""
    return f"{re.sub(r'[^a-z0-9]+', '-', dataset)}-{profile}"


def committed_references() -> list[str]:
    """Names of the references in ``tables/reference/``."""
    return sorted(path.parent.name for path in (paths.tables_dir() / "reference").glob("*/records"))


def open_reference(name: str) -> Reference:
    """A reference by its name in ``tables/reference/``, or by its folder.

    Raises:
        BenchError: there is none of that name, or it has no sums.
    """
    if Path(name).is_dir():
        return Reference(Path(name))
    known = committed_references()
    if name not in known:
        raise unknown("reference", name, known, "name one of them, or a folder")
    return Reference(paths.tables_dir() / "reference" / name)


def open_results(place: str | Path) -> Results:
    """A store or a reference: a folder, or the name of a committed reference.

    Raises:
        BenchError: it is neither.
    """
    path = Path(place)
    if not path.is_dir() and (paths.tables_dir() / "reference" / str(place)).is_dir():
        return open_reference(str(place))
    return Reference(path) if (path / "records").is_dir() else Store(path)
