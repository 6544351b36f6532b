"""The split audit on the page: one row per split, and in plain words what is not known."""

from __future__ import annotations

import json
from collections.abc import Mapping

from bench.data.coordinate_units import CoordinateUnits
from bench.report.html.elements import Html, bullets, code, definitions, element, join, link, plain_table
from bench.report.html.jobs import describe_split
from bench.report.results.selection import Selection
from bench.report.results.split_audit import JobAudit
from bench.store.jobs import Job
from bench.system.text import counted

_UNKNOWN = "not known"


def audit_section(selection: Selection, audits: Mapping[str, JobAudit], command: str, units: CoordinateUnits) -> Html:
    """The audit of a suite's splits.

    Args:
        selection: the jobs of its tables.
        audits: id → audit, of the jobs that are done.
        command: audits the fit of a runner.
        units: of the coordinates of the data.
    """
    audited = [job for job in selection.jobs if job.id in audits]
    if not audited:
        return element("p", "No job is done, so there is no split to audit.")
    groups: dict[str, list[Job]] = {}
    for job in audited:
        groups.setdefault(json.dumps(job.split, sort_keys=True), []).append(job)
    splits = plain_table(
        "Splits",
        (
            "Split",
            "Jobs",
            "Test samples",
            "Same test values in",
            "Train and test share",
            "Unseen test places",
            f"Nearest training place, {units.of_distances}: median, 95 %, max",
        ),
        [_split(jobs, audits, units) for jobs in groups.values()],
    )
    problems = [
        join([link(f"cell-{job.id}", f"{job.label}"), f": {audits[job.id].problem}"])
        for job in audited
        if audits[job.id].problem
    ]
    found = element("p", "What does not agree:", class_="warning") if problems else None
    return join([splits, found, bullets(problems), _proof(command)])


def _split(jobs: list[Job], audits: Mapping[str, JobAudit], units: CoordinateUnits) -> list[str]:
    found = [audits[job.id] for job in jobs]
    digests = [audit.samples.digest for audit in found if audit.samples is not None]
    same = max((digests.count(digest) for digest in set(digests)), default=0)
    sizes = sorted({audit.samples.n for audit in found if audit.samples is not None})
    geometry = next((audit.geometry for audit in found if audit.geometry is not None), None)
    row = [
        describe_split(jobs[0].split, units),
        str(len(jobs)),
        " or ".join(f"{size:,}" for size in sizes) or _UNKNOWN,
        f"{same} of {counted(len(jobs), 'job')}",
    ]
    if geometry is None:
        return [*row, "no sample, by the rule of the split", _UNKNOWN, _UNKNOWN]
    _, median, high, top = geometry.distance
    return [
        *row,
        f"{geometry.shared_samples} samples, rebuilt and counted",
        f"{geometry.unseen_cells:,} of {geometry.unseen_cells + geometry.shared_cells:,}",
        f"{median:.0f}, {high:.0f}, {top:.0f}",
    ]


def _proof(command: str) -> Html:
    """How to prove that a fit reads the training part alone."""
    facts = [("Command that proves it on these data", code(command))]
    return join([element("p", "Does a fit depend on its training part alone? No record can tell:"), definitions(facts)])
