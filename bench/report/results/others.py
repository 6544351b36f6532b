"""What else a store holds: runs that a table leaves out, because tables never mix data sets, profiles or splits."""

from __future__ import annotations

import json
import shlex
from collections import Counter

from bench.report.results.selection import Selection, fixed_split, same_table
from bench.store.jobs import Job
from bench.store.store import Store


def remarks(store: Store, selection: Selection) -> tuple[str, ...]:
    """What a reader of the tables of a suite has to be told beside them, one sentence each."""
    return (*(() if selection.done else (nothing_done(selection),)), *left_out(store, selection))


def nothing_done(selection: Selection) -> str:
    """The sentence for a suite of which no job is done."""
    suite = selection.jobs[0].suite
    states = Counter(
        record.status if record is not None else "damaged" if job_id in selection.damaged else "missing"
        for job_id, record in ((job.id, selection.records.get(job.id)) for job in selection.jobs)
    )
    counted = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    return (
        f"No job of suite {suite} is done ({counted}), so its tables hold no result of this store; the reasons are "
        f"listed, and `bench run --suite {suite} --retry failed` with the options of that run repeats them."
    )


def left_out(store: Store, selection: Selection) -> tuple[str, ...]:
    """One sentence for each kind of run of the same suite that is not in a selection, with the way to see it."""
    reference = selection.jobs[0]
    examples = {job.split.get("design"): job for job in selection.jobs}
    groups: dict[str, dict[tuple[str, ...], Job]] = {}
    newest: dict[tuple[str, str, str | None], str] = {}
    for manifest in store.manifests():  # oldest first
        for job in manifest.jobs if manifest.suite == reference.suite else ():
            key = _group(job)
            groups.setdefault(key, {})[job.address] = job
        if manifest.suite == reference.suite and manifest.jobs:
            for job in manifest.jobs:
                newest[job.dataset, job.profile, job.target] = _group(job)
    sentences = []
    for key, jobs in sorted(groups.items()):
        first = next(iter(jobs.values()))
        if any(same_table(first, shown) for shown in examples.values()):
            continue
        count = f"{len(jobs)} planned {'job' if len(jobs) == 1 else 'jobs'}"
        what = f"{count} of suite {first.suite} on data set {first.dataset}, profile {first.profile}"
        what += f", target {first.target}" if first.target is not None else ""
        if newest.get((first.dataset, first.profile, first.target)) == key:
            words = ["--suite", first.suite, "--dataset", first.dataset, "--profile", first.profile]
            words += ["--target", first.target] if first.target is not None else []
            command = ["bench", "report", *words]
            sentences.append(f"Left out: {what}; `{shlex.join(command)}` shows them.")
        else:
            shown = examples.get(first.split.get("design"), reference)
            sentences.append(
                f"Left out: {what}, {_difference(first, shown)}; a table shows the newest run of a data set and "
                "profile only, so repeat that run to see it, best into a store of its own."
            )
    return tuple(sentences)


def _group(job: Job) -> str:
    return json.dumps([job.dataset, job.profile, job.dataset_fingerprint, fixed_split(job.split), job.evaluation])


def _difference(job: Job, reference: Job) -> str:
    if job.dataset_fingerprint != reference.dataset_fingerprint:
        return f"with other data (fingerprint {job.dataset_fingerprint[:12]})"
    if fixed_split(job.split) != fixed_split(reference.split):
        return f"with another split ({fixed_split(job.split)})"
    return "made by another version of the evaluation"
