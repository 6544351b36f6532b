"""What a store may lose without losing a result: stale jobs with a successor, failures, what lies in quarantine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.store.jobs import Job
from bench.store.reading import CorruptRecord
from bench.store.records import Record
from bench.store.store import Store
from bench.system.untrusted import remove_tree, size_of_tree

Kind = Literal["stale", "failed", "quarantined"]
KINDS: tuple[Kind, ...] = ("stale", "failed", "quarantined")
FAILED = ("failed", "timeout", "oom")
"""Without `skipped`, which says why a job was refused, and is looked at again by each run."""
_MOST_BYTES = 1 << 60
_OF_QUARANTINE = re.compile(r"([0-9a-f]{16}-\d+)|([\w-]+\.json)", re.ASCII)
"""Names that `Store` gives to what it sets aside; what a user put there stays."""


@dataclass(frozen=True)
class Leftover:
    """Something that may go.

    Attributes:
        kind: see `KINDS`.
        name: id of the job, or name in the quarantine.
        path: where it is.
        what: for people.
        size_bytes: on disk.
    """

    kind: Kind
    name: str
    path: Path
    what: str
    size_bytes: int


@dataclass(frozen=True)
class Leftovers:
    """What was found.

    Attributes:
        found: what may go, in order of kind and name.
        unrepeated: stale jobs that stay, because nothing has replaced them yet.
    """

    found: tuple[Leftover, ...]
    unrepeated: int


def leftovers(store: Store, now: Callable[[Job], Job], kinds: Iterable[Kind] = KINDS) -> Leftovers:
    """What may go.

    A done job is stale where a run of today would ask for another one in its place, and it goes only if that one is
    done: other packages, or a plug-in that is not loaded, must not cost a result that nothing has replaced.

    Args:
        store: where to look.
        now: a job as a run of this version would plan it.
        kinds: what to look for.
    """
    wanted = set(kinds)
    records, _ = store.survey()
    done = {job_id for job_id, record in records.items() if record.status == "done"}
    found, unrepeated = [], 0
    for job_id, record in records.items():
        successor = now(record.job).id if record.status == "done" else job_id
        kind = _kind(record, successor, done)
        unrepeated += kind is None and successor != job_id
        if kind in wanted and kind is not None:
            reason = f"replaced by {successor}" if kind == "stale" else record.reason
            what = f"{record.job.label} ({record.job.suite}, {record.job.dataset}, {record.job.profile}): {reason}"
            found.append(_leftover(kind, job_id, store.jobs_dir / job_id, what))
    if "quarantined" in wanted:
        for path in sorted((store.root / "quarantine").glob("*")):
            if _OF_QUARANTINE.fullmatch(path.name):
                found.append(_leftover("quarantined", path.name, path, "damaged, set aside by a run"))
    return Leftovers(tuple(sorted(found, key=lambda item: (KINDS.index(item.kind), item.name))), unrepeated)


def remove(store: Store, chosen: Iterable[Leftover], now: Callable[[Job], Job]) -> tuple[list[Leftover], list[str]]:
    """Removes what still is what it was when it was found; a job only while no other process runs it.

    Args:
        store: where.
        chosen: what to remove.
        now: as in `leftovers`.

    Returns:
        What is gone, and a sentence for each thing that stays.

    Raises:
        BenchError: the store may not be written.
    """
    gone, stays = [], []
    for item in chosen:
        if item.kind == "quarantined":
            remove_tree(item.path)
            kept = "not all of it may be removed; check its permissions" if item.path.exists() else None
        else:
            kept = _remove_job(store, item, now)
        gone += [item] if kept is None else []
        stays += [f"{item.name} stays: {kept}."] if kept is not None else []
    return gone, stays


def _remove_job(store: Store, item: Leftover, now: Callable[[Job], Job]) -> str | None:
    """Removes a job and returns None, or why it stays."""
    with store.try_lock(item.name) as free:
        if not free:
            return "another process runs it at this moment"
        try:
            record = store.record(item.name)
            if record is None:
                return "it is gone already"
            successor = now(record.job).id
            following = store.record(successor)
        except CorruptRecord as error:
            return f"it has changed meanwhile ({error})".rstrip(".")
        done = {successor} if following is not None and following.status == "done" else set()
        if _kind(record, successor, done) != item.kind:
            return "it has changed meanwhile"
        store.remove(item.name)
    return None


def _kind(record: Record, successor: str, done: set[str]) -> Kind | None:
    if record.status in FAILED:
        return "failed"
    replaced = record.status == "done" and successor != record.job_id and successor in done
    return "stale" if replaced else None


def _leftover(kind: Kind, name: str, path: Path, what: str) -> Leftover:
    size = size_of_tree(path, _MOST_BYTES) if path.is_dir() else path.lstat().st_size
    return Leftover(kind, name, path, what, size)
