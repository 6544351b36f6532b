"""What else a store holds: runs that a table leaves out, because tables never mix data sets, profiles or splits."""

from __future__ import annotations

import json
import shlex
from collections import Counter

from bench.report.results.selection import Selection, fixed_split, same_table
from bench.store.jobs import Job
from bench.store.store import Store
from bench.system.text import counted


def remarks(store: Store, selection: Selection) -> tuple[str, ...]:
    """What a reader of the tables of a suite has to be told beside them, one sentence each."""
    return (*incomplete(selection), *left_out(store, selection))


def incomplete(selection: Selection) -> tuple[str, ...]:
    """A sentence on the jobs that are not done, if any."""
    done, planned = len(selection.done), len(selection.jobs)
    if done == planned:
        return ()
    if not done:
        return (nothing_done(selection),)
    states = Counter(map(selection.state_of, selection.jobs))
    which = ", ".join(f"{count} {state}" for state, count in sorted(states.items()) if state != "done")
    missing = planned - done
    of_all = f"{missing} of {counted(planned, 'planned job')} {'is' if missing == 1 else 'are'}"
    return (f"Suite {selection.jobs[0].suite} is incomplete: {of_all} not done ({which}); rows that lack some say so.",)


def nothing_done(selection: Selection) -> str:
    """The sentence for a suite of which no job is done."""
    suite = selection.jobs[0].suite
    states = Counter(map(selection.state_of, selection.jobs))
    which = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    return (
        f"No job of suite {suite} is done ({which}), so its tables hold no result of this store; the reasons are "
        f"listed, and `bench run --suite {suite} --retry failed` with the options of that run repeats them."
    )


def left_out(store: Store, selection: Selection) -> tuple[str, ...]:
    """One sentence for each kind of run of the same suite that is not in a selection, with the way to see it."""
    reference = selection.jobs[0]
    examples = {job.split.get("design"): job for job in selection.jobs}
    groups: dict[str, dict[tuple[str, ...], Job]] = {}
    newest: dict[tuple[str, str, str | None, str], str] = {}
    for manifest in store.manifests():  # oldest first
        for job in manifest.jobs if manifest.suite == reference.suite else ():
            key = _group(job)
            groups.setdefault(key, {})[job.address] = job
            newest[job.dataset, job.profile, job.target, job.dataset_fingerprint] = key
    everything = [job for jobs in groups.values() for job in jobs.values()]
    sentences = []
    for key, jobs in sorted(groups.items()):
        first = next(iter(jobs.values()))
        if any(same_table(first, shown) for shown in examples.values()):
            continue
        count = f"{len(jobs)} planned {'job' if len(jobs) == 1 else 'jobs'}"
        what = f"{count} of suite {first.suite} on data set {first.dataset}, profile {first.profile}"
        what += f", target {first.target}" if first.target is not None else ""
        if newest.get((first.dataset, first.profile, first.target, first.dataset_fingerprint)) == key:
            namesake = _namesake(first, reference)
            what += f", with other data of that name (fingerprint {first.dataset_fingerprint[:12]})" if namesake else ""
            several = len({job.dataset_fingerprint for job in everything if job.dataset == first.dataset}) > 1
            dataset = first.dataset + (f"@{first.dataset_fingerprint[:12]}" if several else "")
            words = ["--suite", first.suite, "--dataset", dataset, "--profile", first.profile]
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


def _namesake(job: Job, reference: Job) -> bool:
    """Whether other data have the same name: an older version, or an own folder with the name of a known data set."""
    return job.dataset == reference.dataset and job.dataset_fingerprint != reference.dataset_fingerprint


def _group(job: Job) -> str:
    return json.dumps([job.dataset, job.profile, job.dataset_fingerprint, fixed_split(job.split), job.evaluation])


def _difference(job: Job, reference: Job) -> str:
    if job.dataset_fingerprint != reference.dataset_fingerprint:
        return f"with other data (fingerprint {job.dataset_fingerprint[:12]})"
    if fixed_split(job.split) != fixed_split(reference.split):
        return f"with another split ({fixed_split(job.split)})"
    return "made by another version of the evaluation"
