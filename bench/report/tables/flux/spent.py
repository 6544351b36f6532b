"""Time and memory of the rows of the flux suite."""

from __future__ import annotations

from bench.report.results.flux.flux_rows import FluxRowResult, designs, flux_rows
from bench.report.results.selection import Selection
from bench.report.table import Column, Row, Table, Value
from bench.report.tables.flux.wording import jobs_of

NAME = "costs_flux"


def spent_table(selection: Selection) -> Table:
    """Mean time of a job of every row and its largest memory, by design."""
    lines = [
        _line(row, design if row.result.key.train_cells is None else f"{design}, {row.result.key.train_cells} towers")
        for design in designs(selection)
        for row in flux_rows(selection, design)
        if row.result.records
    ]
    columns = (
        Column("fit_seconds", "Fit (s)", 1),
        Column("wall_seconds", "Whole job (s)", 1),
        Column("peak_memory_gb", "Memory (GB)", 1),
        Column("threads", "Threads", 0),
        Column("jobs", "Jobs", 0),
    )
    first = selection.jobs[0]
    caption = (
        "Means over jobs, a fold each; the largest memory. Stages that jobs share "
        "count in the job that made them. Times of one machine under one load: they compare roughly. Data set "
        f"{first.dataset}, profile {first.profile}."
    )
    return Table(NAME, "Time and memory of the flux suite", caption, "Method", columns, tuple(lines))


def _line(row: FluxRowResult, family: str) -> Row:
    records = row.result.records
    values = {
        name: Value(sum(getattr(record, name) or 0.0 for record in records) / len(records))
        for name in ("fit_seconds", "wall_seconds")
    }
    values["peak_memory_gb"] = Value(max(record.peak_memory_bytes or 0 for record in records) / 1e9)
    values["threads"] = Value(max(record.threads or 0 for record in records))
    values["jobs"] = Value(len(records))
    return Row(row.name, family, values, ranked=False, jobs=jobs_of(row))
