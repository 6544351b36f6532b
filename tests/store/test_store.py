from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path

import pandas as pd
import pytest

from bench.errors import BenchError
from bench.store.dataset_record import parquet_bytes
from bench.store.jobs import Job, differences
from bench.store.reading import CorruptRecord
from bench.store.records import Record
from bench.store.store import Store
from bench.system.disk import sha256, write_atomically
from bench.system.host import Host
from bench.system.ownership import host_name

HOST = Host(python="3.11", platform="Linux", processor="x", logical_cores=2, memory_bytes=1)


def make_job(**changes: object) -> Job:
    fields = {
        "suite": "full",
        "dataset": "toy",
        "dataset_fingerprint": "f" * 64,
        "split": {"kind": "full", "test_year": 2020, "max_cells": None},
        "runner": "climatology",
        "runner_version": 1,
        "parameters": {"a": {"b": 1}},
        "view": None,
        "profile": "smoke",
        "repetition": 0,
        "seed": None,
        "packages": {},
    }
    return Job.model_validate(fields | changes)


def make_record(job: Job, **changes: object) -> Record:
    fields = {
        "cell_id": job.id,
        "cell": job,
        "status": "done",
        "started": "a",
        "finished": "b",
        "host": HOST,
        "bench_version": "0",
    }
    return Record.model_validate(fields | changes)


def sums(error: float = 1.0) -> bytes:
    """A table of sums with one row."""
    keys = {"part": "test", "group": "all", "weighting": "plain", "block": 3, "year": 0, "n": 2}
    numbers = {"weight": 2.0, "error": error, "absolute_error": error, "squared_error": error**2}
    row = keys | numbers | {"target": 4.0, "squared_target": 9.0}
    return parquet_bytes(pd.DataFrame([row]))


def publish(store: Store, job: Job, content: bytes | None = None) -> Record:
    content = sums() if content is None else content
    work = store.new_work_folder(job.id)
    (work / "statistics.parquet").write_bytes(content)
    (work / "log.txt").write_text("said")
    (work / "scratch").mkdir()
    record = make_record(job, files={"statistics.parquet": sha256(work / "statistics.parquet")})
    store.publish(work, record)
    return record


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs", create=True)


def test_the_id_is_a_hash_of_what_changes_the_numbers() -> None:
    assert make_job().id == make_job().id
    for change in (
        {"seed": 3},
        {"view": "point"},
        {"packages": {"torch": "2"}},
        {"parameters": {"a": {"b": 2}}},
        {"runner_version": 2},
    ):
        assert make_job(**change).id != make_job().id


def test_differences_name_the_nested_field() -> None:
    assert differences(make_job(), make_job(parameters={"a": {"b": 2}})) == {"parameters.a.b": (1, 2)}
    newer = make_job(packages={"torch": "2"})
    assert differences(make_job(packages={"torch": "1"}), newer) == {"packages.torch": ("1", "2")}
    assert differences(make_job(), newer) == {"packages.torch": ("(absent)", "2")}


def test_a_published_job_comes_back_without_its_scratch(store: Store) -> None:
    record = publish(store, make_job())
    assert store.record(record.job_id) == record
    assert store.file(record, "statistics.parquet").read_bytes() == sums()
    assert sorted(item.name for item in (store.jobs_dir / record.job_id).iterdir()) == [
        "log.txt",
        "record.json",
        "statistics.parquet",
    ]
    assert list(store.work_dir.iterdir()) == []


def test_a_job_is_replaced_as_a_whole(store: Store) -> None:
    publish(store, make_job(), sums(2.0))
    record = publish(store, make_job(), sums(3.0))
    assert store.file(record, "statistics.parquet").read_bytes() == sums(3.0)
    assert list(store.work_dir.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "record.json").write_text("{"),
        lambda folder: (folder / "record.json").write_bytes(b"\xff\xfe"),
        lambda folder: (folder / "record.json").write_text("[]"),
        lambda folder: (folder / "record.json").unlink(),
        lambda folder: (folder / "statistics.parquet").unlink(),
        lambda folder: (folder / "record.json").write_text(
            (folder / "record.json").read_text().replace("climatology", "other")
        ),
        lambda folder: (folder / "record.json").write_text(
            (folder / "record.json").read_text().replace('"done"', '"finished"')
        ),
    ],
)
def test_damage_is_recognised_and_can_be_set_aside(store: Store, damage: object) -> None:
    record = publish(store, make_job())
    damage(store.jobs_dir / record.job_id)  # type: ignore[operator]
    with pytest.raises(CorruptRecord, match="bench run"):
        store.record(record.job_id)
    kept = store.quarantine(record.job_id)
    assert store.record(record.job_id) is None
    assert (kept / "log.txt").read_text() == "said"


def test_a_changed_file_is_recognised_by_its_hash(store: Store) -> None:
    record = publish(store, make_job())
    (store.jobs_dir / record.job_id / "statistics.parquet").write_bytes(b"Numbers")
    with pytest.raises(CorruptRecord, match="missing or damaged"):
        store.file(record, "statistics.parquet")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"schema_version": 1, "created": 3}', r"'\w+' is missing|'created': input should be a valid string"),
        ("[]", "it holds no object of JSON"),
        ("{}", "'schema_version' is missing"),
        ("", "it is no JSON: expecting value in line 1"),
    ],
)
def test_a_damaged_run_is_named_in_words(store: Store, content: str, why: str) -> None:
    path = store.root / "manifests" / "20260101T000000Z-full-1.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    assert store.manifests() == []
    [said] = store.damaged_manifests.values()
    assert re.search(why, said) and said.endswith("; `bench run` sets it aside.") and "validation error" not in said


def test_newer_stores_and_records_are_refused(store: Store) -> None:
    record = publish(store, make_job())
    path = store.jobs_dir / record.job_id / "record.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"schema_version": 99, "new_field": 1}))
    with pytest.raises(BenchError, match="written by a newer version"):
        store.record(record.job_id)
    (store.root / "store.json").write_text('{"schema_version": 99}')
    with pytest.raises(BenchError, match="written by a newer version"):
        Store(store.root)
    (store.root / "store.json").write_text("nonsense")
    with pytest.raises(BenchError, match="is damaged"):
        Store(store.root)


def test_a_folder_with_other_files_is_not_taken_for_a_store(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(BenchError, match=r"holds other files \(thesis.tex"):
        Store(tmp_path, create=True)
    with pytest.raises(BenchError, match="no result store"):
        Store(tmp_path)
    assert [item.name for item in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_store_that_another_run_is_just_making_is_not_taken_for_foreign_files(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    (root / "cells").mkdir(parents=True)
    (root / ".store.json.4711").write_text("{")  # the other run's marker, not yet in place
    assert Store(root, create=True).ids() == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "0123", "ABCDEF0123456789", "0123456789abcdef/..", ""])
def test_names_from_outside_never_become_paths(store: Store, name: str) -> None:
    for call in (store.record, store.new_work_folder, store.quarantine, store.lock):
        with pytest.raises(BenchError, match="is no job id"):
            call(name)


@pytest.mark.parametrize("failing", ["replace", "fsync"])
def test_a_full_disk_is_one_sentence_and_loses_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    kept = publish(store, make_job())

    def full(*arguments: object, **keywords: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, failing, full)
    with pytest.raises(BenchError, match=r"the disk is full; free some space and run the same command again"):
        publish(store, make_job(repetition=1))
    monkeypatch.undo()
    assert store.record(kept.job_id) == kept
    assert store.record(make_job(repetition=1).id) is None


def test_a_failed_write_leaves_the_old_file_and_no_remains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomically(tmp_path / "a", b"old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "broken")))
    with pytest.raises(OSError, match="broken"):
        write_atomically(tmp_path / "a", b"new")
    assert [item.name for item in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_work_of_killed_runs_is_removed_and_of_living_ones_kept(store: Store) -> None:
    running, killed = make_job().id, make_job(repetition=1).id
    mine = store.new_work_folder(running)
    held, left_behind = (store.work_dir / f"{job}-{host_name()}-999999999" for job in (running, killed))
    held.mkdir()
    left_behind.mkdir()
    (store.checkpoint_folder(killed) / "training.pt").touch()
    with store.try_lock(running) as locked:
        assert locked
        store.clean_work()
        assert mine.exists() and held.exists() and not left_behind.exists()
    store.clean_work()
    assert mine.exists() and not held.exists()
    assert (store.checkpoint_folder(killed) / "training.pt").exists()  # the same for whichever machine repeats the job


def test_work_of_another_machine_is_kept_though_its_lock_is_not_seen_here(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job()
    monkeypatch.setattr("socket.gethostname", lambda: "node-1")
    work = store.new_work_folder(job.id)
    monkeypatch.setattr("socket.gethostname", lambda: "node-2")
    with store.try_lock(job.id) as free:
        assert free  # where flock is local to a node
    store.clean_work()
    assert work.exists() and store.new_work_folder(job.id) != work
    monkeypatch.setattr("socket.gethostname", lambda: "node-1")
    store.publish(work, make_record(job, status="failed"))
    assert store.record(job.id) is not None


def test_one_job_has_one_owner(store: Store) -> None:
    with store.try_lock(make_job().id) as first:
        assert first
        with store.try_lock(make_job(repetition=1).id) as other:
            assert other
