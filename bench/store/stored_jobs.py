"""The finished jobs of a store, read one by one: nothing that is read is believed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.store.extent import Extent, read_extent
from bench.store.index import Stamp, stamp_of_file
from bench.store.names import DATASET, RECORD, STATISTICS, checked_job_id, is_job_id
from bench.store.reading import MOST_BYTES, CorruptRecord, parsed_record
from bench.store.records import Record
from bench.store.result_tables import damaged_file, require_table, sums_in
from bench.system.disk import sha256
from bench.system.untrusted import is_regular, read_regular

if TYPE_CHECKING:
    import pandas as pd

_MOST_SUMS = 4_000_000_000
"""Of a file of sums, which grows with blocks × groups: some 100 kB on a region, 200 MB on the globe."""


class StoredJobs:
    """The folder ``cells/`` of a store.

    Args:
        root: of the store.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.jobs_dir = root / "cells"
        self._sound: dict[Path, tuple[Stamp, str]] = {}
        self._extents: dict[str, tuple[Stamp | None, Extent | None]] = {}

    def record(self, job_id: str) -> Record | None:
        """The record of a job, or None if it never ended.

        Raises:
            CorruptRecord: the record or one of its files is damaged.
            BenchError: it was written by a newer version.
        """
        folder = self.folder_of(job_id)
        path = folder / RECORD
        try:
            content = read_regular(path, MOST_BYTES)
        except FileNotFoundError:
            if os.path.lexists(folder):
                if path.exists():
                    return self.record(job_id)  # another run published it between two looks
                raise CorruptRecord(
                    f"Stored job {folder} has no {RECORD}; `bench run` sets it aside and repeats it."
                ) from None
            return None
        except PermissionError as error:
            raise BenchError(f"{path} may not be read; grant read permission on it.") from error
        except OSError as error:  # a folder, link or pipe in place of one of the two
            raise CorruptRecord(
                f"{path} is damaged ({error.strerror}); `bench run` sets a damaged job aside and repeats it."
            ) from error
        record = parsed_record(content, path, job_id)
        needed = {STATISTICS} if record.status == "done" else set()
        for name in sorted({*record.files, *needed}):
            if name not in record.files or not is_regular(folder / name):
                raise CorruptRecord(f"Stored job {folder} lacks {name}; `bench run` sets it aside and repeats it.")
        return record

    def file(self, record: Record, name: str) -> Path:
        """Path of a file beside a record, after checking its content.

        Raises:
            CorruptRecord: the file is missing, its SHA-256 differs, or it is not the table that it should be.
        """
        path = self.folder_of(record.job_id) / name
        expected = record.files.get(name)
        if expected is None or not is_regular(path) or sha256(path) != expected:
            raise damaged_file(path)
        stamp = stamp_of_file(path)
        if stamp is None or self._sound.get(path) != (stamp, expected):
            require_table(path, name, record, self._extent(record.job.dataset_fingerprint))
            if stamp is not None:
                self._sound[path] = stamp, expected
        return path

    def _extent(self, fingerprint: str) -> Extent | None:
        """The extent of a data set, read again once its record is another one."""
        folder = self.root / "datasets" / fingerprint
        stamp = stamp_of_file(folder / DATASET)
        known = self._extents.get(fingerprint)
        if known is None or known[0] != stamp:
            known = self._extents[fingerprint] = stamp, read_extent(folder)
        return known[1]

    def statistics(self, record: Record) -> pd.DataFrame:
        """The sums of a done job, as `docs/results-format.md` describes them; always with the column ``year``.

        Returns:
            A row per key; ``part``, ``group`` and ``weighting`` are categories, which are read in a third of the time.

        Raises:
            CorruptRecord: the file is missing, its SHA-256 differs, or it is no table of sums.
        """
        return sums_in(self.statistics_file(record), self.folder_of(record.job_id) / STATISTICS)

    def statistics_file(self, record: Record) -> bytes:
        """The content of the Parquet file with the sums of a done job.

        Raises:
            CorruptRecord: the file is missing or its SHA-256 differs.
        """
        path = self.folder_of(record.job_id) / STATISTICS
        try:
            content = read_regular(path, _MOST_SUMS)
        except OSError as error:
            raise damaged_file(path) from error
        if hashlib.sha256(content).hexdigest() != record.files.get(STATISTICS):
            raise damaged_file(path)
        return content

    def ids(self) -> list[str]:
        """Ids of all stored jobs, in order."""
        if not self.jobs_dir.is_dir():
            return []
        return sorted(item.name for item in self.jobs_dir.iterdir() if is_job_id(item.name))

    def records(self) -> Iterator[Record]:
        """All readable and unreadable records in order of id.

        Raises:
            CorruptRecord: at the first damaged one.
        """
        for job_id in self.ids():
            record = self.record(job_id)
            if record is not None:
                yield record

    def folder_of(self, job_id: str) -> Path:
        """Where a job is, or would be."""
        return self.jobs_dir / checked_job_id(job_id)
