"""The index of a store: all its records in one file, so that thousands of jobs are listed without opening each.

``index.jsonl`` is a copy for speed and nothing else: it may be deleted at any time. An entry counts only while folder
and record are, by inode, size and times, those that it was made of; whatever does not is read from its record. The
first line has the hash of the rest, without which nothing of a damaged file counts.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from bench.store.names import RECORD
from bench.store.records import Record
from bench.system.disk import write_atomically
from bench.system.untrusted import read_regular
from bench.version import __version__

INDEX = "index.jsonl"
FEWEST = 100
"""Jobs from which on there is an index; fewer are read one by one as quickly."""
_MOST_BYTES = 4_000_000_000
_CHECKS = 3
"""Raise it when files beside a record are checked for more: those that were checked before are checked again."""
Stamp = tuple[int, ...]


@dataclass(frozen=True)
class Entry:
    """What the index knows of a job.

    Attributes:
        stamp: of folder and record, as `stamp_of` gives it.
        record: the record, checked when the entry was made.
        files: name → stamp, of the files beside the record whose hashes were checked.
    """

    stamp: Stamp
    record: Record
    files: Mapping[str, Stamp]


def stamp_of(folder: Path | str) -> Stamp | None:
    """What changes whenever a job is replaced or a file of it comes or goes; None where there is no whole job."""
    try:
        outer, inner = os.lstat(folder), os.lstat(f"{folder}/{RECORD}")
    except OSError:
        return None
    if not stat.S_ISDIR(outer.st_mode) or not stat.S_ISREG(inner.st_mode):
        return None
    return outer.st_ino, outer.st_mtime_ns, inner.st_ino, inner.st_size, inner.st_mtime_ns, inner.st_ctime_ns


def stamp_of_file(path: Path | str) -> Stamp | None:
    """What changes whenever a file's content does; None where there is no regular file."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    regular = stat.S_ISREG(found.st_mode)
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns) if regular else None


def read_index(root: Path, wanted: Iterable[str]) -> dict[str, Entry]:
    """The entries of some jobs of a store; none where the index is missing, damaged or another version's.

    Args:
        root: of the store.
        wanted: ids.
    """
    try:
        content = read_regular(root / INDEX, _MOST_BYTES)
    except OSError:
        return {}
    lines = io.BytesIO(content)  # shares the content, of which there is no second copy
    head = lines.readline()
    if head.rstrip(b"\n") != _head(memoryview(content)[len(head) :]):
        return {}
    entries, ids = {}, set(wanted)
    for line in lines:
        job_id, stamps, record = line.split(b"\t", 2)
        if job_id.decode() not in ids:
            continue
        stamp, files = json.loads(stamps)
        try:
            entries[job_id.decode()] = Entry(
                tuple(stamp), Record.model_validate_json(record), {name: tuple(own) for name, own in files.items()}
            )
        except ValidationError:  # a rule of records is stricter than when the entry was made: the record itself decides
            continue
    return entries


def write_index(root: Path, entries: Mapping[str, Entry]) -> None:
    """Writes the index; where the store may not be written, there is none."""
    lines = [
        b"\t".join(
            (
                job_id.encode(),
                json.dumps([entry.stamp, dict(entry.files)], separators=(",", ":")).encode(),
                entry.record.model_dump_json().encode(),
            )
        )
        for job_id, entry in sorted(entries.items())
    ]
    rest = b"\n".join(lines)
    with contextlib.suppress(OSError):
        write_atomically(root / INDEX, _head(rest) + b"\n" + rest)


def _head(rest: bytes | memoryview) -> bytes:
    return json.dumps(
        {"bench_version": __version__, "checks": _CHECKS, "sha256": hashlib.sha256(rest).hexdigest()}
    ).encode()
