"""The split audit on the page: one row per split, one per runner, and in plain words what is not known."""

from __future__ import annotations

import json
from collections.abc import Mapping

from bench.report.html.cells import describe_split
from bench.report.html.elements import Html, bullets, code, definitions, element, join, link, plain_table
from bench.report.results.selection import Selection
from bench.report.results.split_audit import CellAudit
from bench.store.jobs import Cell

_UNKNOWN = "not known"


def audit_section(selection: Selection, audits: Mapping[str, CellAudit], command: str) -> Html:
    """The audit of a suite's splits.

    Args:
        selection: the cells of its tables.
        audits: id → audit, of the cells that are done.
        command: audits the fit of a runner.
    """
    audited = [cell for cell in selection.cells if cell.id in audits]
    if not audited:
        return element("p", "No cell is done, so there is no split to audit.")
    groups: dict[str, list[Cell]] = {}
    for cell in audited:
        groups.setdefault(json.dumps(cell.split, sort_keys=True), []).append(cell)
    splits = plain_table(
        "Splits",
        (
            "Split",
            "Cells",
            "Test samples",
            "Same test values in",
            "Train and test share",
            "Unseen test cells",
            "Nearest training cell, km: median, 95 %, max",
        ),
        [_split(cells, audits) for cells in groups.values()],
    )
    problems = [
        join([link(f"cell-{cell.id}", f"{cell.label}"), f": {audits[cell.id].problem}"])
        for cell in audited
        if audits[cell.id].problem
    ]
    found = element("p", "What does not agree:", class_="warning") if problems else None
    return join([splits, found, bullets(problems), _runners(audited, audits, command)])


def _split(cells: list[Cell], audits: Mapping[str, CellAudit]) -> list[str]:
    found = [audits[cell.id] for cell in cells]
    digests = [audit.samples.digest for audit in found if audit.samples is not None]
    same = max((digests.count(digest) for digest in set(digests)), default=0)
    sizes = sorted({audit.samples.n for audit in found if audit.samples is not None})
    geometry = next((audit.geometry for audit in found if audit.geometry is not None), None)
    row = [
        describe_split(cells[0].split),
        str(len(cells)),
        " or ".join(f"{size:,}" for size in sizes) or _UNKNOWN,
        f"{same} of {len(cells)} cells",
    ]
    if geometry is None:
        return [*row, "no sample, by rule: their years differ", _UNKNOWN, _UNKNOWN]
    _, median, high, top = geometry.distance_km
    return [
        *row,
        f"{geometry.shared_samples} samples, rebuilt and counted",
        f"{geometry.unseen_cells:,} of {geometry.unseen_cells + geometry.shared_cells:,}",
        f"{median:.0f}, {high:.0f}, {top:.0f}",
    ]


def _runners(cells: list[Cell], audits: Mapping[str, CellAudit], command: str) -> Html:
    """Of which runners the project's tests prove that a fit reads the training part alone, and how to prove it here."""
    names = {
        covered: sorted({cell.runner for cell in cells if audits[cell.id].covered is covered})
        for covered in (True, False)
    }
    facts = [
        ("Proved by two fits in the project's tests, in the smoke profile", _names(names[True])),
        ("No such test", _names(names[False])),
        ("Command that proves it on these data", code(command)),
    ]
    return join([element("p", "Does a fit depend on its training part alone? No record can tell:"), definitions(facts)])


def _names(names: list[str]) -> Html | None:
    return join(map(code, names), ", ") if names else None
