"""The result store: a folder of finished jobs. Nothing in it is pickled, and nothing is overwritten in place.

Layout: ``store.json`` (format version), ``manifests/`` (one JSON file per run), ``cells/<id>/`` (record.json,
statistics.parquet, predictions.parquet, log.txt), ``work/`` (jobs in progress), ``checkpoints/`` (unfinished
trainings), ``locks/``, ``quarantine/`` (damaged jobs, kept for inspection). A job appears under ``cells/`` by one
rename of a complete folder, so a reader sees all of it or nothing.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.store.index import FEWEST
from bench.store.manifests import Manifests
from bench.store.names import ARTEFACTS, LOG, RECORD, checked_job_id
from bench.store.place import FOLDERS, MARKER, STORED_STAYS, place_of, require_marker, require_place
from bench.store.reading import CorruptRecord
from bench.store.records import SCHEMA_VERSION, Manifest, Record
from bench.store.stored_jobs import StoredJobs
from bench.store.survey import look_up
from bench.system.disk import disk_errors, remove_abandoned, write_atomically
from bench.system.locks import ProcessLock
from bench.system.ownership import is_abandoned, owner
from bench.system.untrusted import is_folder, is_regular, make_readable, remove_tree


class Store(StoredJobs):
    """A result store on disk.

    Args:
        root: its folder.
        create: make it if it is not there.

    Raises:
        BenchError: the folder is no store, may not be written, or was written by a newer version.
    """

    def __init__(self, root: Path, *, create: bool = False) -> None:
        super().__init__(root)
        self.work_dir = root / "work"
        self._manifests = Manifests(root)
        marker = root / MARKER
        require_place(root, create=create)
        if create and not marker.exists():
            with disk_errors(f"Store {root}", STORED_STAYS):
                root.mkdir(parents=True, exist_ok=True)
                self._make_folders()
                write_atomically(marker, json.dumps({"schema_version": SCHEMA_VERSION}).encode())
        require_marker(root)
        if create:
            self._make_folders()

    def _make_folders(self) -> None:
        """Makes the folders that are missing, be the store new or somebody has removed an empty one."""
        with disk_errors(f"Store {self.root}", STORED_STAYS):
            for name in FOLDERS:
                (self.root / name).mkdir(exist_ok=True)

    def survey(self, check_files_of: Collection[str] = ()) -> tuple[dict[str, Record], dict[str, str]]:
        """All readable records by id, and what is wrong with the unreadable ones.

        Args:
            check_files_of: ids of jobs whose files are also checked by their hashes.
        """
        records: dict[str, Record] = {}
        damaged: dict[str, str] = {}
        for job_id, found in look_up(self, self.ids(), frozenset(check_files_of), prune=True):
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
        for job_id, found in look_up(self, wanted, frozenset(wanted)):
            if isinstance(found, CorruptRecord):
                damaged[job_id] = str(found)
            else:
                records[job_id] = found
        return records, damaged

    def note_checked(self, ids: Collection[str]) -> None:
        """Looks into the tables of jobs that have just ended, and notes it, so that the next command need not.

        Args:
            ids: of the jobs; of a few it is not worth it.
        """
        if len(ids) >= FEWEST:
            self.survey(ids)

    def manifests(self) -> list[Manifest]:
        """All manifests that can be read, oldest first; one that is unchanged is read once."""
        return self._manifests.all()

    @property
    def damaged_manifests(self) -> dict[Path, str]:
        """Path → what is wrong with it, of those that `manifests` left out when it was last called."""
        return self._manifests.damaged

    def set_damaged_manifests_aside(self) -> list[Path]:
        """Moves unreadable manifests into quarantine, so that they block no table; returns where they lay."""
        return self._manifests.set_damaged_aside()

    def add_manifest(self, manifest: Manifest) -> Path:
        """Stores a manifest under its time of creation."""
        return self._manifests.add(manifest)

    def new_work_folder(self, job_id: str) -> Path:
        """An empty folder for a job in progress."""
        folder = self.work_dir / f"{checked_job_id(job_id)}-{owner()}"
        with disk_errors(f"Store {self.root}", STORED_STAYS):
            remove_tree(folder)
            folder.mkdir(parents=True)
        return folder

    def checkpoint_folder(self, job_id: str) -> Path:
        """A folder for a job's unfinished training; it outlives the process and is the job's own."""
        folder = self.root / "checkpoints" / checked_job_id(job_id)
        with disk_errors(f"Store {self.root}", STORED_STAYS):
            if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
                remove_tree(folder)  # what a job made of its folder
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def remove_checkpoint(self, job_id: str) -> None:
        """Removes a finished job's checkpoint folder."""
        remove_tree(self.root / "checkpoints" / checked_job_id(job_id))

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
        target = self.folder_of(record.job_id)
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
        target = self.root / "quarantine" / f"{checked_job_id(job_id)}-{time.time_ns()}"
        with disk_errors(f"Store {self.root}", STORED_STAYS):
            self._set_aside(self.folder_of(job_id), target)
        return target

    def remove(self, job_id: str) -> None:
        """Removes a stored job and its checkpoint: by one rename, so that a reader sees all of it or nothing."""
        gone = self.work_dir / f"removed-{checked_job_id(job_id)}-{owner()}"
        with disk_errors(f"Store {self.root}", STORED_STAYS):
            self.work_dir.mkdir(exist_ok=True)
            self._set_aside(self.folder_of(job_id), gone)
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
        return ProcessLock(self.root / "locks" / f"{checked_job_id(job_id)}.lock")

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
    return Store(root) if (root / MARKER).exists() else None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
