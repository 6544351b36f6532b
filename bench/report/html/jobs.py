"""Provenance on the page: everything that is known of each job, so that any number can be traced and repeated."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.data.coordinate_units import CoordinateUnits
from bench.data.split_names import describe
from bench.report.html.elements import Child, Html, anchor, code, definitions, element, join, link, plain_table, prose
from bench.report.html.results import row_anchor
from bench.report.results import marks
from bench.report.results.selection import Selection
from bench.report.results.split_audit import JobAudit
from bench.report.table import Table
from bench.runners import registry
from bench.scoring.metrics import METRICS
from bench.store.jobs import Job
from bench.store.records import Record
from bench.system.clock import human_seconds
from bench.system.text import counted


@dataclass(frozen=True)
class JobContext:
    """What the page knows of a job beside its record.

    Attributes:
        state: done, failed, interrupted, timeout, oom, skipped, missing, damaged or stale.
        reason: one sentence for every state but done.
        audit: of its split; None where the job is not done.
        uses: links to the table rows and figures that show it.
        command: runs it again.
        proof: audits the fit of its runner.
        units: of the coordinates of its data.
    """

    state: str
    reason: str
    audit: JobAudit | None
    uses: tuple[Html, ...]
    command: str
    proof: str
    units: CoordinateUnits


def state_of(job: Job, selection: Selection) -> tuple[str, str]:
    """State of a job in a table, and one sentence why where it is not done."""
    state, record = selection.state_of(job), selection.records.get(job.id)
    if state == "stale":
        return state, f"made by an older version of the runner; `bench why {job.id}` says what changed"
    if state == "damaged":
        return state, selection.damaged[job.id]
    if record is None:
        return state, "planned, never ended; the same `bench run` goes on with it"
    return state, "" if state == "done" else record.reason or "no reason was recorded"


def uses_of(tables: Sequence[Table]) -> dict[str, list[Html]]:
    """Job id → links to the rows that show it."""
    uses: dict[str, list[Html]] = {}
    for table in tables:
        for index, row in enumerate(table.rows):
            for job_id in row.jobs:
                uses.setdefault(job_id, []).append(link(row_anchor(table, index), f"{table.title}: {row.label}"))
    return uses


def runner_anchor(job: Job) -> str:
    """Id of the section of a job's runner."""
    return f"runner-{anchor(job.suite)}-{anchor(job.runner)}"


def provenance(selection: Selection, contexts: Mapping[str, JobContext]) -> Html:
    """A section for every runner of a suite and, in it, one for every job."""
    grouped: dict[str, list[Job]] = {}
    for job in selection.jobs:
        grouped.setdefault(job.runner, []).append(job)
    return element(
        "div", *(_runner(name, jobs, selection, contexts) for name, jobs in grouped.items()), class_="runners"
    )


def _runner(name: str, jobs: Sequence[Job], selection: Selection, contexts: Mapping[str, JobContext]) -> Html:
    entry = registry.entries().get(name)
    about = f"{entry.family}: {entry.summary}." if entry else "This runner's plug-in is not loaded here."
    return element(
        "section",
        element("h4", entry.title if entry else name, " ", code(name)),
        element("p", about),
        *(_job(job, selection.records.get(job.id), contexts[job.id]) for job in jobs),
        id=runner_anchor(jobs[0]),
    )


def _job(job: Job, record: Record | None, context: JobContext) -> Html:
    size = f", {job.split['train_cells']:,} training cells" if "train_cells" in job.split else ""
    summary = element(
        "summary",
        code(job.id),
        f" {job.label}{size}: ",
        element("span", context.state, class_=f"state {'good' if context.state == 'done' else 'bad'}"),
    )
    facts: list[tuple[str, Child]] = [
        ("Why it is not done", prose(context.reason) if context.reason else None),
        ("Shown in", join(context.uses, "; ") if context.uses else None),
        ("Runner", f"{job.runner}, version {job.runner_version}"),
        ("Repetition", str(job.repetition)),
        ("Seed", "none: this runner draws no random numbers" if job.seed is None else str(job.seed)),
        ("Parameters", code(_json(job.parameters)) if job.parameters else "the runner's defaults"),
        ("Packages", _pairs(job.packages) or "none beside the core"),
        ("Data set", join([f"{job.dataset}, fingerprint ", code(job.dataset_fingerprint)])),
        ("Split", describe_split(job.split, context.units)),
        ("Profile", job.profile),
        ("Evaluation", f"version {job.evaluation}"),
    ]
    parts = [definitions(facts)]
    if record is not None:
        parts += _recorded(record)
    if context.audit is not None:
        proof = join(["no record can tell; proved by ", code(context.proof)])
        facts = [("Split audit", audit_sentence(context.audit)), ("Fit reads its training part alone", proof)]
        parts.append(definitions(facts))
    parts.append(element("p", "To compute it again:"))
    parts.append(element("pre", code(context.command)))
    return element("details", summary, *parts, id=f"cell-{job.id}", class_="cell")


def _recorded(record: Record) -> list[Html]:
    host = record.host
    machine = (
        f"{host.processor}, {counted(host.logical_cores, 'core')}, {host.memory_bytes / 1e9:.1f} GB; {host.platform}, "
        f"Python {host.python}"
    )
    facts: list[tuple[str, Child]] = [
        ("Training samples", _count(record.n_train)),
        ("Test samples", _count(record.n_test)),
        ("Fit", _seconds(record.fit_seconds)),
        ("Prediction of the test part", _seconds(record.predict_seconds)),
        ("Whole process", _seconds(record.wall_seconds)),
        ("Peak memory", None if record.peak_memory_bytes is None else f"{record.peak_memory_bytes / 1e9:.2f} GB"),
        ("Threads", _count(record.threads)),
        ("Trained on", None if record.device is None else f"{record.device}, {record.precision}"),
        ("Training ended", None if record.training_ended is None else marks.ENDED.get(record.training_ended)),
        ("Ran", f"{record.started} to {record.finished}"),
        ("Machine", machine),
        ("Version of this project", record.bench_version),
        *((f"SHA-256 of {name}", code(digest)) for name, digest in sorted(record.files.items())),
    ]
    found = [definitions(facts)]
    if record.metrics:
        rows = [
            [part, *(_metric(record.metrics[part].get(name)) for name in METRICS)] for part in sorted(record.metrics)
        ]
        heading = ["Part", *(metric.label for metric in METRICS.values())]
        caption = f"All samples of job {record.job_id}, unweighted; errors in the unit of the target"
        found.append(plain_table(caption, heading, rows, "facts numbers"))
    return found


def describe_split(split: Mapping[str, Any], units: CoordinateUnits) -> str:
    """Parameters of a split in words, with the units of the data's coordinates."""
    if "test_year" in split:
        words = [f"test year {split['test_year']}", "all other years train"]
    else:
        words = [f"{describe(split, units)}, all else trains"]
    if "fold" in split:
        words.append(f"fold {split['fold']} of {split['folds']}")
    if split.get("target") is not None:
        words.append(f"target {split['target']}")
    if split.get("max_cells") is not None:
        words.append(f"{split['max_cells']} evenly spaced cells")
    if "weeks" in split:
        words.append(f"{split['train_cells']:,} sampled cells train (sample {split['sample_seed']})")
        words.append(f"weeks (steps of the year) {', '.join(map(str, split['weeks']))} are scored, on all cells")
    known = {"kind", "test_year", "max_cells", "weeks", "train_cells", "sample_seed", "fold", "folds", "target"}
    words += [f"{key} {value}" for key, value in split.items() if key not in known]
    return f"{split.get('kind', '')}: {'; '.join(words)}".removeprefix(": ")


def audit_sentence(audit: JobAudit) -> str:
    """What is known about the split of a job, in words."""
    if audit.samples is None:
        return f"{audit.problem}"
    parts = [f"{audit.samples.n:,} test samples with digest {audit.samples.digest[:16]}"]
    if audit.problem:
        parts.append(f"PROBLEM: {audit.problem}")
    elif audit.geometry is None:
        parts.append("none of them trains, by the rule of the split")
    else:
        parts.append(
            "split rebuilt from its parameters: the same test samples, "
            f"{audit.geometry.shared_samples} shared with training"
        )
    return "; ".join(parts) + "."


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _pairs(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(values.items()))


def _count(value: int | None) -> str | None:
    return None if value is None else f"{value:,}"


def _seconds(value: float | None) -> str | None:
    return None if value is None else human_seconds(value)


def _metric(value: float | None) -> str:
    return "–" if value is None else f"{value:.6f}".replace("-", "−")
