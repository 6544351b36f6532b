"""`bench why`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bench.cli.options import json_option, store_option
from bench.errors import BenchError
from bench.runners import registry
from bench.store.jobs import Job, differences
from bench.store.records import Record
from bench.store.store import existing_store
from bench.suites.again import planned_now
from bench.system.text import one_line


@click.command(
    epilog="""\b
Examples:
  bench why 3f2a9c0d1e4b5a67         # a job id from `bench plan` or `bench ls jobs`
  bench why lightgbm                 # every planned or stored job of a runner"""
)
@click.argument("name")
@store_option
@json_option
def command(name: str, store_path: Path | None, as_json: bool) -> int:
    """Say why a job is done, missing, failed or stale.

    A job is stale when it was stored under another fingerprint: the answer names each part of the fingerprint that
    changed (data, split, parameters, runner version, package versions), with its old and new value.
    """
    store = existing_store(store_path)
    wanted: dict[str, Job] = {}
    for manifest in store.manifests():  # oldest first: the newest version of an address wins
        for job in manifest.jobs:
            wanted[json.dumps(job.address)] = job
    stored, damaged = store.survey()
    chosen = [job for job in wanted.values() if name in (job.id, job.runner)]
    chosen += [
        record.job
        for job_id, record in stored.items()
        if name in (job_id, record.job.runner) and record.job not in chosen
    ]
    chosen += [current for job in wanted.values() for current in [planned_now(job)] if current.id == name != job.id]
    if not chosen and name not in damaged:
        raise BenchError(
            f"{name!r} is neither a job nor a runner of a run in {store.root}; `bench ls jobs` and `bench plan` "
            "show the ids."
        )
    answers = [_answer(job, wanted, stored, damaged) for job in chosen]
    if name in damaged and not chosen:
        answers.append({"id": name, "job": "?", "state": "corrupt", "because": damaged[name]})
    if as_json:
        click.echo(json.dumps(answers, indent=1))
        return 0
    for answer in answers:
        click.echo(one_line(f"{answer['id']} {answer['job']}: {answer['state']}: {answer['because']}"))
        changes = answer.get("changes", {})
        assert isinstance(changes, dict)
        for key, (old, new) in changes.items():
            click.echo("    " + one_line(f"{key}: {old} → {new}"))
    return 0


def _answer(job: Job, wanted: dict[str, Job], stored: dict[str, Record], damaged: dict[str, str]) -> dict[str, object]:
    answer: dict[str, object] = {"id": job.id, "job": f"{job.label} ({job.suite}, {job.dataset}, {job.profile})"}
    now = planned_now(job)
    newest = now if now.id != job.id else wanted.get(json.dumps(job.address))
    record = stored.get(job.id)
    if job.id in damaged:
        return answer | {"state": "corrupt", "because": damaged[job.id]}
    if newest is not None and newest.id != job.id:
        return answer | {
            "state": "stale",
            "because": f"a run would now ask for {newest.id} instead; what changed:",
            "changes": differences(job, newest),
        }
    if record is None:
        older = [other.job for other in stored.values() if other.job.address == job.address]
        if older:
            return answer | {
                "state": "missing",
                "because": f"only the older {older[-1].id} is stored; what changed:",
                "changes": differences(older[-1], job),
            }
        return answer | {"state": "missing", "because": "it was planned but never ended; run the same command again"}
    if record.status == "done":
        if job.runner not in registry.entries():
            gone = f"no runner of the name {job.runner!r} is here now, so that no run would ask for it"
            return answer | {"state": "done", "because": f"ended {record.finished}; {gone}"}
        return answer | {"state": "done", "because": f"ended {record.finished}, fingerprint unchanged"}
    reason = record.reason or "no reason was recorded"
    if record.interrupted:
        return answer | {"state": "interrupted", "because": f"{reason}; the next run repeats it unasked"}
    return answer | {"state": record.status, "because": reason}
