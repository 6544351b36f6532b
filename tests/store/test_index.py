"""The index of records: as true as the records, whatever happens to it or to them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.store import index, store, survey
from bench.store.index import INDEX
from bench.store.store import Store
from tests.store.test_store import make_job, make_record, publish


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store of six jobs that keeps an index, as it else does of many."""
    monkeypatch.setattr(survey, "FEWEST", 1)
    found = Store(tmp_path / "runs", create=True)
    for number in range(6):
        publish(found, make_job(repetition=number))
    return found


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the jobs whose record was opened."""
    ids: list[str] = []
    plain = Store.record

    def record(self: Store, job_id: str) -> object:
        ids.append(job_id)
        return plain(self, job_id)

    monkeypatch.setattr(Store, "record", record)
    return ids


def test_the_second_look_opens_no_record_and_says_the_same(filled: Store, opened: list[str]) -> None:
    first = filled.survey()
    assert len(opened) == 6 and (filled.root / INDEX).exists()
    assert Store(filled.root).survey() == first and len(opened) == 6
    wanted = list(first[0])[:2]
    assert filled.records_of([*wanted, "0" * 16]) == ({job_id: first[0][job_id] for job_id in wanted}, {})


def test_replaced_new_and_removed_jobs_are_seen_at_once(filled: Store, opened: list[str]) -> None:
    filled.survey()
    opened.clear()
    failed, fresh, gone = make_job(repetition=0), make_job(repetition=7), make_job(repetition=1)
    filled.publish(filled.new_work_folder(failed.id), make_record(failed, status="failed", reason="it broke"))
    publish(filled, fresh)
    filled.remove(gone.id)
    records, damaged = filled.survey()
    assert records[failed.id].status == "failed" and fresh.id in records and gone.id not in records and not damaged
    assert set(opened) == {failed.id, fresh.id}


def test_damage_behind_the_index_is_found(filled: Store) -> None:
    first, second = (make_job(repetition=number).id for number in (0, 1))
    filled.survey()
    (filled.jobs_dir / first / "statistics.parquet").unlink()
    path = filled.jobs_dir / second / "record.json"
    path.write_text(path.read_text().replace("climatology", "climatolohy"))  # as long as before
    records, damaged = filled.survey()
    assert set(damaged) == {first, second} and len(records) == 4
    assert set(filled.records_of([first])[1]) == {first}


def test_files_are_hashed_once_and_again_when_touched(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    plain = Store.file
    monkeypatch.setattr(Store, "file", lambda self, record, name: hashed.append(name) or plain(self, record, name))
    ids = filled.ids()
    assert filled.survey(ids)[1] == {} and len(hashed) == 6
    assert filled.survey(ids)[1] == {} and len(hashed) == 6
    (filled.jobs_dir / ids[0] / "statistics.parquet").write_bytes(b"Numbers")  # as long as before
    assert set(filled.survey(ids)[1]) == {ids[0]}


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes().replace(b"climatology", b"climatolohy", 1)),
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\xff\n\t\n"),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_a_damaged_index_is_passed_over(filled: Store, damage: object) -> None:
    first = filled.survey()
    damage(filled.root / INDEX)  # type: ignore[operator]
    assert Store(filled.root).survey() == first


def test_an_index_of_another_version_is_passed_over(filled: Store, opened: list[str]) -> None:
    filled.survey()
    path = filled.root / INDEX
    head, _, rest = path.read_bytes().partition(b"\n")
    path.write_bytes(json.dumps(json.loads(head) | {"bench_version": "0.0"}).encode() + b"\n" + rest)
    opened.clear()
    assert len(filled.survey()[0]) == 6 and len(opened) == 6


def test_small_stores_have_none(tmp_path: Path) -> None:
    small = Store(tmp_path / "runs", create=True)
    publish(small, make_job())
    assert len(small.survey()[0]) == 1 < index.FEWEST and not (small.root / INDEX).exists()


def test_a_copied_job_has_an_id_of_its_own() -> None:
    job = make_job()
    before = job.id
    copied = job.model_copy(update={"runner_version": 2})
    assert copied.id != before == job.id and copied.id == make_job(runner_version=2).id
    assert job == make_job() and "id" not in job.model_dump()


def test_tables_are_checked_once_when_many_jobs_have_ended(
    filled: Store, monkeypatch: pytest.MonkeyPatch, opened: list[str]
) -> None:
    ids, looked_into = filled.ids(), []
    plain = Store.file

    def file(self: Store, record: object, name: str) -> Path:
        looked_into.append(name)
        return plain(self, record, name)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "file", file)
    filled.note_checked(ids)
    assert not (filled.root / INDEX).exists() and not looked_into
    monkeypatch.setattr(store, "FEWEST", 6)
    filled.note_checked(ids)
    assert looked_into and len(opened) == 6
    looked_into.clear()
    assert set(filled.survey(ids)[0]) == set(ids) and not looked_into and len(opened) == 6
