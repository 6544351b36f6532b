"""What `bench clean` removes, and what it never touches."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli import cli
from bench.store.cleaning import leftovers, remove
from bench.store.jobs import Job
from bench.store.store import Store
from tests.store.test_store import make_job, make_record, publish


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs", create=True)


def version_2(job: Job) -> Job:
    """A plan of today, in which every runner has version 2."""
    return job.model_copy(update={"runner_version": 2})


def fail(store: Store, job: Job, status: str = "failed") -> None:
    store.publish(store.new_work_folder(job.id), make_record(job, status=status, reason="it broke"), log=b"x" * 9000)


def test_only_what_has_a_successor_failed_or_lies_in_quarantine_is_found(store: Store) -> None:
    old, new, alone = make_job(), make_job(runner_version=2), make_job(runner="ridge")
    for job in (old, new, alone):
        publish(store, job)
    failed, skipped = make_job(repetition=1), make_job(repetition=2)
    fail(store, failed, "oom")
    fail(store, skipped, "skipped")
    publish(store, make_job(repetition=3))
    aside = store.quarantine(make_job(repetition=3).id)
    (store.root / "quarantine" / "notes of mine").write_text("keep")
    found = leftovers(store, version_2)
    assert [(item.kind, item.name) for item in found.found] == [
        ("stale", old.id),
        ("failed", failed.id),
        ("quarantined", aside.name),
    ]
    assert found.unrepeated == 1  # `alone`, whose version 2 is not there
    assert found.found[0].what.endswith(f"replaced by {new.id}") and found.found[1].size_bytes >= 9000
    gone, stays = remove(store, found.found, version_2)
    assert len(gone) == 3 and stays == []
    assert store.ids() == sorted([new.id, alone.id, skipped.id])
    assert [path.name for path in (store.root / "quarantine").iterdir()] == ["notes of mine"]
    assert not list(store.work_dir.iterdir())


def test_a_running_job_stays_and_so_does_one_that_has_changed_meanwhile(store: Store) -> None:
    running, repeated = make_job(), make_job(repetition=1)
    for job in (running, repeated):
        fail(store, job)
    found = leftovers(store, lambda job: job)
    publish(store, repeated)
    with Store(store.root).try_lock(running.id) as free:
        assert free
        gone, stays = remove(store, found.found, lambda job: job)
    assert gone == [] and store.ids() == sorted([running.id, repeated.id])
    assert sorted(sentence.partition(": ")[2] for sentence in stays) == [
        "another process runs it at this moment.",
        "it has changed meanwhile.",
    ]


def test_the_checkpoint_of_a_failed_job_goes_with_it(store: Store) -> None:
    fail(store, make_job())
    (store.checkpoint_folder(make_job().id) / "state").write_text("half")
    remove(store, leftovers(store, lambda job: job).found, lambda job: job)
    assert list((store.root / "checkpoints").iterdir()) == []


def test_the_command_asks_first(store: Store) -> None:
    fail(store, make_job())
    words = ["clean", "failed", "--store", str(store.root)]
    refused = CliRunner().invoke(cli, words, input="n\n")
    assert refused.exit_code and "Nothing was removed" in str(refused.exception) and store.ids()
    assert "failed: 1" in refused.output and "it broke" in refused.output
    listed = CliRunner().invoke(cli, [*words, "--json"])
    assert [row["name"] for row in json.loads(listed.output)["found"]] == store.ids()
    done = CliRunner().invoke(cli, [*words, "--yes"])
    assert done.exit_code == 0 and "Removed: 1" in done.output and store.ids() == []
    assert CliRunner().invoke(cli, words).exit_code == 0  # nothing to ask about
    wrong = CliRunner().invoke(cli, ["clean", "fialed", "--store", str(store.root)])
    assert "did you mean 'failed'" in str(wrong.exception)
