"""Many records at once: by the index as far as it holds, which is brought up to date."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from bench.store.index import FEWEST, Entry, Stamp, read_index, stamp_of, stamp_of_file, write_index
from bench.store.reading import CorruptRecord
from bench.store.records import Record
from bench.store.stored_jobs import StoredJobs

_CHANGES = 50
"""The index is written again once more than a fiftieth of its entries is out of date."""


def look_up(
    store: StoredJobs, ids: Sequence[str], check_files_of: Collection[str] = (), *, prune: bool = False
) -> Iterator[tuple[str, Record | CorruptRecord]]:
    """The records of jobs, or what is wrong with them: by the index as far as it holds; it is brought up to date.

    Args:
        store: whose.
        ids: of the jobs; those that never ended are left out.
        check_files_of: ids of jobs whose files are also checked by their hashes, unless that was done before and
            nothing has touched them since.
        prune: `ids` are all there are: what else the index has may go.
    """
    indexed = len(ids) >= FEWEST
    entries = read_index(store.root, ids) if indexed else {}
    fresh = {} if prune or not indexed else entries
    changed = 0
    for job_id in ids:
        stamp, entry = stamp_of(store.folder_of(job_id)), entries.get(job_id)
        try:
            if entry is None or entry.stamp != stamp:
                record = store.record(job_id)
                if record is None:
                    continue
                entry, changed = Entry(stamp or (), record, {}), changed + 1
            if job_id in check_files_of:
                checked = _checked_files(store, entry)
                changed += checked != entry.files
                entry = Entry(entry.stamp, entry.record, checked)
        except CorruptRecord as error:
            yield job_id, error
            continue
        if indexed and entry.stamp:
            fresh[job_id] = entry
        yield job_id, entry.record
    if indexed and changed > len(ids) // _CHANGES:
        write_index(store.root, fresh)


def _checked_files(store: StoredJobs, entry: Entry) -> dict[str, Stamp]:
    """The stamps of a job's files, each of which has the hash that the record says.

    Raises:
        CorruptRecord: one has another.
    """
    stamps, folder = {}, store.folder_of(entry.record.job_id)
    for name in entry.record.files:
        stamp = stamp_of_file(f"{folder}/{name}")
        if stamp is None or entry.files.get(name) != stamp:
            store.file(entry.record, name)
        stamps[name] = stamp or ()
    return stamps
