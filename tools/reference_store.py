"""A store made of a committed reference and of further runs, so that a reference gets rows without losing any.

A store has the predictions of its jobs and is too large to keep; a reference has their sums. What follows from sums is
made anew of both together. What takes predictions or weights is kept as it was committed: figures, tables of
explanations.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from bench.errors import BenchError
from bench.store.names import RECORD, STATISTICS
from bench.store.records import Record
from bench.store.reference import Reference
from bench.store.store import Store
from bench.suites.flux import SUITE as FLUX
from bench.system.disk import sha256

_KEPT = ("figures/*", "interpretability_*", "tables.tex")
"""Files of a reference that are not made of sums, or that name such files."""
_TABLES = {"full": ("table1.*",), "fewshot": ("table2.*", "table3.*")}
"""Suite → its tables that are not named after it."""
_OF_PREDICTIONS = "extrapolation:"
"""How a note begins that a table has of predictions."""
_LISTING = "files.json"


def joined(reference: Reference, further: Store, place: Path) -> Store:
    """Makes a store of a reference's jobs, without predictions, and of those that another store has beside them.

    Args:
        reference: whose jobs stay what they are.
        further: a store of the same data and profile.
        place: of the new store.

    Raises:
        BenchError: the store has no further job, or is of other data or of another profile; or tables that are to
            change have what is made of predictions.
    """
    theirs, own = reference.manifests(), [manifest for manifest in further.manifests() if manifest.jobs]
    jobs = {job.id: job for manifest in theirs for job in manifest.jobs}
    added = {job.id: job for manifest in own for job in manifest.jobs if job.id not in jobs}
    if not added:
        raise BenchError(f"Reference {reference.root.name} has all jobs of store {further.root}; there is none to add.")
    for suite in {job.suite for job in added.values()}:
        tables = (path for pattern in _TABLES.get(suite, ()) for path in reference.root.glob(f"{pattern[:-1]}md"))
        if suite == FLUX or any(_OF_PREDICTIONS in path.read_text() for path in tables):
            raise BenchError(
                f"Tables of suite {suite} in reference {reference.root.name} say what only predictions tell; make it "
                "anew of a store that has all of its jobs."
            )
    begun = {(manifest.created, manifest.suite) for manifest in theirs}
    for manifest in own:
        if (manifest.created, manifest.suite) in begun:
            raise BenchError(
                f"A run of suite {manifest.suite} began at {manifest.created} in both; they cannot be told apart."
            )
    about = {(job.dataset_fingerprint, job.profile) for job in jobs.values()}
    for job in added.values():
        if (job.dataset_fingerprint, job.profile) not in about:
            raise BenchError(
                f"Store {further.root} has jobs of {job.dataset}, profile {job.profile}, and {reference.root.name} is "
                "of other data or of another profile (another version of the data has another fingerprint)."
            )
    store = Store(place, create=True)
    if (further.root / "datasets").is_dir():
        shutil.copytree(further.root / "datasets", place / "datasets", dirs_exist_ok=True)
    for job_id in jobs:
        record = reference.record(job_id)
        if record is not None:
            _put(reference, record, store)
    for job_id in added:
        if further.record(job_id) is not None:
            shutil.copytree(further.folder_of(job_id), store.folder_of(job_id))
    for manifest in (*theirs, *own):
        store.add_manifest(manifest)
    return store


def _put(reference: Reference, record: Record, store: Store) -> None:
    """Puts a job of a reference into a store, with its sums only."""
    folder = store.folder_of(record.job_id)
    folder.mkdir(parents=True)
    reference.statistics(record).to_parquet(folder / STATISTICS, index=False)
    known = record.model_copy(update={"files": {STATISTICS: sha256(folder / STATISTICS)}})
    (folder / RECORD).write_text(known.model_dump_json(indent=1))


def keep(old: Path, made: Path) -> None:
    """Copies from a reference into a new one what cannot be made of sums, and its records as they were.

    Args:
        old: the reference.
        made: the new one, complete but for that.
    """
    same = [suite for suite in _TABLES if _jobs_of(old, suite) == _jobs_of(made, suite)]
    kept = [*_KEPT, *(pattern for suite in same for pattern in (f"*_{suite}.*", *_TABLES[suite]))]
    for path in (old / "records").glob("*.json"):
        if (made / "records" / path.name).exists():
            shutil.copyfile(path, made / "records" / path.name)
    listing = json.loads((made / _LISTING).read_text())
    before = json.loads((old / _LISTING).read_text())["files"]
    for pattern in kept:
        for path in made.glob(pattern):
            path.unlink()
        for path in old.glob(pattern):
            (made / path.relative_to(old)).parent.mkdir(exist_ok=True)
            shutil.copyfile(path, made / path.relative_to(old))
    # Of kept files those of before, figures that are not committed too; of all others those of now.
    new = {name: digest for name, digest in listing["files"].items() if not _is_one_of(name, kept)}
    old_ones = {name: digest for name, digest in before.items() if _is_one_of(name, kept)}
    listing["files"] = dict(sorted((new | old_ones).items()))
    (made / _LISTING).write_text(json.dumps(listing, indent=1) + "\n")


def _is_one_of(name: str, patterns: Iterable[str]) -> bool:
    return any(Path(name).match(pattern) for pattern in patterns)


def _jobs_of(folder: Path, suite: str) -> set[str]:
    """Ids of the jobs of a suite whose records a reference has."""
    records = (json.loads(path.read_text()) for path in (folder / "records").glob("*.json"))
    return {record["cell_id"] for record in records if record["cell"]["suite"] == suite}
