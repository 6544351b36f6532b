"""The result store: a folder of finished jobs. Nothing in it is pickled, and nothing is overwritten in place.

Layout: ``store.json`` (format version), ``manifests/`` (one JSON file per run), ``cells/<id>/`` (record.json,
statistics.parquet, predictions.parquet, log.txt), ``work/`` (jobs in progress), ``checkpoints/`` (unfinished
trainings), ``locks/``, ``quarantine/`` (damaged jobs, kept for inspection). A job appears under ``cells/`` by one
rename of a complete folder, so a reader sees all of it or nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from bench.errors import BenchError
from bench.store.index import FEWEST, Entry, Stamp, read_index, stamp_of, stamp_of_file, write_index
from bench.store.names import ARTEFACTS, LOG, RECORD, STATISTICS
from bench.store.place import FOLDERS, place_of, require_place
from bench.store.records import SCHEMA_VERSION, Manifest, Record
from bench.system.disk import disk_errors, remove_abandoned, sha256, write_atomically
from bench.system.locks import ProcessLock
from bench.system.ownership import is_abandoned, owner
from bench.system.text import one_line
from bench.system.untrusted import is_folder, is_regular, make_readable, read_regular, remove_tree

if TYPE_CHECKING:
    import pandas as pd

STORED_STAYS = "stored results are untouched"
ModelT = TypeVar("ModelT", bound=BaseModel)
_CHANGES = 50
"""The index is written again once more than a fiftieth of its entries is out of date."""
_ID = re.compile(r"[0-9a-f]{16}")
_MOST_BYTES = 200_000_000
"""Of a record or manifest; the largest manifest of this project's suites has less than a thousandth."""
_MOST_SUMS = 4_000_000_000
"""Of a file of sums, which grows with blocks × groups: some 100 kB on a region, 200 MB on the globe."""


class CorruptRecord(BenchError):
    """A stored job that cannot be read; a re-issued `bench run` sets it aside and repeats the job."""


class Store:
    """A result store on disk.

    Args:
        root: its folder.
        create: make it if it is not there.

    Attributes:
        damaged_manifests: path → what is wrong with it, of those that `manifests` left out when it was last called.

    Raises:
        BenchError: the folder is no store, may not be written, or was written by a newer version.
    """

    def __init__(self, root: Path, *, create: bool = False) -> None:
        self.root = root
        self.jobs_dir, self.work_dir = root / "cells", root / "work"
        self._manifests: dict[Path, tuple[Stamp, Manifest]] = {}
        self.damaged_manifests: dict[Path, str] = {}
        marker = root / "store.json"
        require_place(root, create=create)
        if create and not marker.exists():
            with disk_errors(f"Store {root}", STORED_STAYS):
                root.mkdir(parents=True, exist_ok=True)
                self._make_folders()
                write_atomically(marker, json.dumps({"schema_version": SCHEMA_VERSION}).encode())
        try:
            version = json.loads(read_regular(marker, _MOST_BYTES))["schema_version"]
        except FileNotFoundError as error:
            raise BenchError(
                f"There is no result store in {root}; run `bench run` first or name the store with --store."
            ) from error
        except PermissionError as error:
            raise BenchError(f"{marker} may not be read; grant read permission on it.") from error
        except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
            raise BenchError(
                f'{marker} is damaged; write {{"schema_version": {SCHEMA_VERSION}}} into it, the results beside it '
                "are untouched."
            ) from error
        if not isinstance(version, int) or version > SCHEMA_VERSION:
            raise BenchError(
                f"Store {root} was written by a newer version (schema {version}, this one reads {SCHEMA_VERSION}); "
                "update climate2gpp-bench."
            )
        if create:
            self._make_folders()

    def _make_folders(self) -> None:
        """Makes the folders that are missing, be the store new or somebody has removed an empty one."""
        with disk_errors(f"Store {self.root}", STORED_STAYS):
            for name in FOLDERS:
                (self.root / name).mkdir(exist_ok=True)

    def record(self, job_id: str) -> Record | None:
        """The record of a job, or None if it never ended.

        Raises:
            CorruptRecord: the record or one of its files is damaged.
            BenchError: it was written by a newer version.
        """
        folder = self._folder(job_id)
        path = folder / RECORD
        try:
            content = read_regular(path, _MOST_BYTES)
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
        record = _record(content, path, job_id)
        needed = {STATISTICS} if record.status == "done" else set()
        for name in sorted({*record.files, *needed}):
            if name not in record.files or not is_regular(folder / name):
                raise CorruptRecord(f"Stored job {folder} lacks {name}; `bench run` sets it aside and repeats it.")
        return record

    def file(self, record: Record, name: str) -> Path:
        """Path of a file beside a record, after checking its content.

        Raises:
            CorruptRecord: the file is missing or its SHA-256 differs.
        """
        path = self._folder(record.job_id) / name
        expected = record.files.get(name)
        if expected is None or not is_regular(path) or sha256(path) != expected:
            raise _damaged_file(path)
        return path

    def statistics(self, record: Record) -> pd.DataFrame:
        """The sums of a done job, as `docs/results-format.md` describes them; always with the column ``year``.

        Returns:
            A row per key; ``part``, ``group`` and ``weighting`` are categories, which are read in a third of the time.

        Raises:
            CorruptRecord: the file is missing, its SHA-256 differs, or it is no table of sums.
        """
        return sums_in(self.statistics_file(record), self._folder(record.job_id) / STATISTICS)

    def statistics_file(self, record: Record) -> bytes:
        """The content of the Parquet file with the sums of a done job.

        Raises:
            CorruptRecord: the file is missing or its SHA-256 differs.
        """
        path = self._folder(record.job_id) / STATISTICS
        try:
            content = read_regular(path, _MOST_SUMS)
        except OSError as error:
            raise _damaged_file(path) from error
        if hashlib.sha256(content).hexdigest() != record.files.get(STATISTICS):
            raise _damaged_file(path)
        return content

    def ids(self) -> list[str]:
        """Ids of all stored jobs, in order."""
        if not self.jobs_dir.is_dir():
            return []
        return sorted(item.name for item in self.jobs_dir.iterdir() if _ID.fullmatch(item.name))

    def records(self) -> Iterator[Record]:
        """All readable and unreadable records in order of id.

        Raises:
            CorruptRecord: at the first damaged one.
        """
        for job_id in self.ids():
            record = self.record(job_id)
            if record is not None:
                yield record

    def survey(self, check_files_of: Collection[str] = ()) -> tuple[dict[str, Record], dict[str, str]]:
        """All readable records by id, and what is wrong with the unreadable ones.

        Args:
            check_files_of: ids of jobs whose files are also checked by their hashes.
        """
        records: dict[str, Record] = {}
        damaged: dict[str, str] = {}
        for job_id, found in self._look_up(self.ids(), frozenset(check_files_of), prune=True):
            if isinstance(found, CorruptRecord):
                damaged[job_id] = str(found)
            else:
                records[job_id] = found
        return records, damaged

    def records_of(self, ids: Iterable[str]) -> tuple[dict[str, Record], dict[str, str]]:
        """As `survey`, of those of some jobs that ended; their files are checked by their hashes."""
        records: dict[str, Record] = {}
        damaged: dict[str, str] = {}
        wanted = list(ids)
        for job_id, found in self._look_up(wanted, frozenset(wanted)):
            if isinstance(found, CorruptRecord):
                damaged[job_id] = str(found)
            else:
                records[job_id] = found
        return records, damaged

    def _look_up(
        self, ids: Sequence[str], check_files_of: Collection[str] = (), *, prune: bool = False
    ) -> Iterator[tuple[str, Record | CorruptRecord]]:
        """The records of jobs, or what is wrong with them: by the index as far as it holds; it is brought up to date.

        Args:
            ids: of the jobs; those that never ended are left out.
            check_files_of: ids of jobs whose files are also checked by their hashes, unless that was done before and
                nothing has touched them since.
            prune: `ids` are all there are: what else the index has may go.
        """
        indexed = len(ids) >= FEWEST
        entries = read_index(self.root, ids) if indexed else {}
        fresh = {} if prune or not indexed else entries
        changed = 0
        for job_id in ids:
            stamp, entry = stamp_of(self._folder(job_id)), entries.get(job_id)
            try:
                if entry is None or entry.stamp != stamp:
                    record = self.record(job_id)
                    if record is None:
                        continue
                    entry, changed = Entry(stamp or (), record, {}), changed + 1
                if job_id in check_files_of:
                    checked = self._checked_files(entry)
                    changed += checked != entry.files
                    entry = Entry(entry.stamp, entry.record, checked)
            except CorruptRecord as error:
                yield job_id, error
                continue
            if indexed and entry.stamp:
                fresh[job_id] = entry
            yield job_id, entry.record
        if indexed and changed > len(ids) // _CHANGES:
            write_index(self.root, fresh)

    def _checked_files(self, entry: Entry) -> dict[str, Stamp]:
        """The stamps of a job's files, each of which has the hash that the record says.

        Raises:
            CorruptRecord: one has another.
        """
        stamps = {}
        folder = self._folder(entry.record.job_id)
        for name in entry.record.files:
            stamp = stamp_of_file(os.path.join(folder, name))
            if stamp is None or entry.files.get(name) != stamp:
                self.file(entry.record, name)
            stamps[name] = stamp or ()
        return stamps

    def manifests(self) -> list[Manifest]:
        """All manifests that can be read, oldest first; one that is unchanged is read once."""
        found = []
        self.damaged_manifests = {}
        for path in sorted((self.root / "manifests").glob("*.json")):
            stamp = stamp_of_file(path)
            known = self._manifests.get(path)
            if known is None or stamp is None or known[0] != stamp:
                try:
                    known = self._manifests[path] = stamp or (), read_manifest(path)
                except CorruptRecord as error:
                    self.damaged_manifests[path] = str(error)
                    continue
            found.append(known[1])
        return found

    def set_damaged_manifests_aside(self) -> list[Path]:
        """Moves unreadable manifests into quarantine, so that they block no table; returns where they lay."""
        moved = []
        for path in sorted((self.root / "manifests").glob("*.json")):
            try:
                read_manifest(path)
            except CorruptRecord:
                with disk_errors(f"Store {self.root}", STORED_STAYS):
                    os.replace(path, self.root / "quarantine" / f"{path.stem}-{time.time_ns()}.json")
                moved.append(path)
        return moved

    def add_manifest(self, manifest: Manifest) -> Path:
        """Stores a manifest under its time of creation."""
        stamp = re.sub(r"[^0-9TZ]", "", manifest.created)
        path = self.root / "manifests" / f"{stamp}-{manifest.suite}-{os.getpid()}.json"
        with disk_errors(f"Store {self.root}", STORED_STAYS):
            write_atomically(path, manifest.model_dump_json(indent=1).encode())
        return path

    def new_work_folder(self, job_id: str) -> Path:
        """An empty folder for a job in progress."""
        folder = self.work_dir / f"{_checked(job_id)}-{owner()}"
        with disk_errors(f"Store {self.root}", STORED_STAYS):
            remove_tree(folder)
            folder.mkdir(parents=True)
        return folder

    def checkpoint_folder(self, job_id: str) -> Path:
        """A folder for a job's unfinished training; it outlives the process and is the job's own."""
        folder = self.root / "checkpoints" / _checked(job_id)
        with disk_errors(f"Store {self.root}", STORED_STAYS):
            if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
                remove_tree(folder)  # what a job made of its folder
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def remove_checkpoint(self, job_id: str) -> None:
        """Removes a finished job's checkpoint folder."""
        remove_tree(self.root / "checkpoints" / _checked(job_id))

    def publish(self, work: Path, record: Record, *, log: bytes | None = None, artefacts: str | None = None) -> None:
        """Stores a job: files and record are on disk before the one rename that shows them.

        They are moved into a fresh folder first: what else a job made of its work folder, or still does, is no matter.

        Args:
            work: folder of the job; it is removed.
            record: its record, which names the files to keep.
            log: what it printed; None for the work folder's ``log.txt``.
            artefacts: name of the folder in the work folder that is kept beside the record, if it is there.

        Raises:
            BenchError: the disk is full or may not be written; what was stored before is untouched.
        """
        target = self._folder(record.job_id)
        fresh = self.work_dir / f"publish-{record.job_id}-{owner()}"
        with disk_errors(f"Store {self.root}", STORED_STAYS):
            remove_tree(fresh)
            fresh.mkdir(parents=True)
            for name in record.files:
                os.replace(work / name, fresh / name)
                _sync(fresh / name)
            if log is not None:
                (fresh / LOG).write_bytes(log)
            elif is_regular(work / LOG):
                os.replace(work / LOG, fresh / LOG)
            if artefacts is not None and is_folder(work / artefacts):
                make_readable(work / artefacts)
                os.replace(work / artefacts, fresh / ARTEFACTS)
            write_atomically(fresh / RECORD, record.model_dump_json(indent=1).encode())
            if os.path.lexists(target):
                # Two renames: a kill between them leaves no record, and the next run repeats the job.
                self._set_aside(target, self.work_dir / f"replaced-{record.job_id}-{owner()}")
            os.replace(fresh, target)
            _sync(self.jobs_dir)
        remove_tree(self.work_dir / f"replaced-{record.job_id}-{owner()}")
        remove_tree(work)

    def quarantine(self, job_id: str) -> Path:
        """Moves a damaged job out of the way, keeping its files."""
        target = self.root / "quarantine" / f"{_checked(job_id)}-{time.time_ns()}"
        with disk_errors(f"Store {self.root}", STORED_STAYS):
            self._set_aside(self._folder(job_id), target)
        return target

    def remove(self, job_id: str) -> None:
        """Removes a stored job and its checkpoint: by one rename, so that a reader sees all of it or nothing."""
        gone = self.work_dir / f"removed-{_checked(job_id)}-{owner()}"
        with disk_errors(f"Store {self.root}", STORED_STAYS):
            self.work_dir.mkdir(exist_ok=True)
            self._set_aside(self._folder(job_id), gone)
        remove_tree(gone)
        self.remove_checkpoint(job_id)

    def clean_work(self) -> None:
        """Removes what killed runs left: work folders of processes that are surely gone, their jobs' locks free.

        A free lock alone does not tell: some file systems keep locks from other machines. Files that were being written
        go too.
        """
        for place in (self.root, self.root / "manifests", *(self.root / "datasets").glob("*"), self.root / "report"):
            remove_abandoned(place)
        for folder in self.work_dir.iterdir():
            match = re.search(r"[0-9a-f]{16}", folder.name)
            if match is None:
                continue
            with self.try_lock(match[0]) as free:
                if free and is_abandoned(folder):
                    remove_tree(folder)

    @contextmanager
    def try_lock(self, job_id: str) -> Iterator[bool]:
        """Tries to become the one process that runs a job; the lock vanishes with the process that holds it."""
        lock = self.lock(job_id)
        if not lock.try_acquire():
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def lock(self, job_id: str) -> ProcessLock:
        """The lock of a job, not yet acquired."""
        return ProcessLock(self.root / "locks" / f"{_checked(job_id)}.lock")

    def _folder(self, job_id: str) -> Path:
        return self.jobs_dir / _checked(job_id)

    @staticmethod
    def _set_aside(folder: Path, target: Path) -> None:
        remove_tree(target)
        os.replace(folder, target)


def existing_store(path: os.PathLike[str] | str | None) -> Store:
    """The store that the user means: ``$BENCH_STORE`` or ``./runs`` for None.

    Raises:
        BenchError: there is none.
    """
    return Store(place_of(path))


def store_of_plan(path: os.PathLike[str] | str | None) -> Store | None:
    """The store that a run would go on with, or None where it would make one.

    Raises:
        BenchError: a run would refuse the place.
    """
    root = place_of(path)
    require_place(root, create=True)
    return Store(root) if (root / "store.json").exists() else None


def is_job_id(text: str) -> bool:
    """Whether a text has the form of a job's id."""
    return _ID.fullmatch(text) is not None


def _checked(job_id: str) -> str:
    """A name from outside never becomes a path unchecked."""
    if not is_job_id(job_id):
        raise BenchError(f"{job_id!r} is no job id (16 hexadecimal digits); `bench ls jobs` lists them.")
    return job_id


def read_record(path: Path, job_id: str) -> Record:
    """The record of a job in a file.

    Raises:
        CorruptRecord: it is damaged, or that of another job.
        BenchError: it was written by a newer version.
        OSError: it is no regular file, or may not be read.
    """
    return _record(read_regular(path, _MOST_BYTES), path, job_id)


def _record(content: bytes, path: Path, job_id: str) -> Record:
    record = _parse(Record, content, path)
    if record.job_id != job_id or record.job.id != job_id:
        raise CorruptRecord(
            f"Record {path} describes another job ({record.job.id}); `bench run` sets it aside and repeats it."
        )
    return record


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file.

    Raises:
        CorruptRecord: it is damaged.
        BenchError: it may not be read, or was written by a newer version.
    """
    try:
        content = read_regular(path, _MOST_BYTES)
    except PermissionError as error:
        raise BenchError(f"{path} may not be read; grant read permission on it.") from error
    except OSError as error:
        raise CorruptRecord(f"{path} is damaged ({error.strerror}); `bench run` sets it aside.") from error
    return _parse(Manifest, content, path)


def _parse(model: type[ModelT], content: bytes, path: Path) -> ModelT:
    try:
        version = json.loads(content)["schema_version"]
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise BenchError(
                f"{path} was written by a newer version (schema {version}, this one reads {SCHEMA_VERSION}); update "
                "climate2gpp-bench."
            )
        return model.model_validate_json(content)
    except (ValueError, KeyError, TypeError, ValidationError, RecursionError) as error:
        first = one_line(str(error).partition("\n")[0], 200)
        raise CorruptRecord(
            f"{path} is damaged ({first}); `bench run` sets a damaged job aside and repeats it."
        ) from error


def sums_in(content: bytes, path: Path) -> pd.DataFrame:
    """The table of sums in the content of a Parquet file.

    Args:
        content: of the file.
        path: where it comes from.

    Returns:
        As `Store.statistics`.

    Raises:
        CorruptRecord: it is no table of sums.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from bench.scoring.metrics import KEYS
    from bench.scoring.metrics import STATISTICS as SUMS

    try:
        table = pq.read_table(pa.BufferReader(content), read_dictionary=["part", "group", "weighting"])
        frame: pd.DataFrame = table.to_pandas()
    except (pa.ArrowException, ValueError, OSError) as error:
        raise _damaged_file(path) from error
    if not {*KEYS, *SUMS} - {"year"} <= set(frame):
        raise _damaged_file(path)
    if "year" not in frame:  # written before years were told apart
        frame["year"] = 0
    return frame


def _damaged_file(path: Path) -> CorruptRecord:
    return CorruptRecord(f"File {path} is missing or damaged; `bench run` sets the job aside and repeats it.")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
