"""`bench ls`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click

from bench.cli.options import json_option, store_option
from bench.errors import unknown
from bench.store.store import existing_store
from bench.system.terminal import cell, console

Rows = list[dict[str, object]]


def _suites(store: Path | None) -> Rows:
    from bench.suites.suites import SUITES

    return [{"name": name, "summary": (make.__doc__ or "").splitlines()[0]} for name, make in SUITES.items()]


def _runners(store: Path | None) -> Rows:
    from bench.runners import registry

    for problem in registry.problems():
        click.echo(f"A plug-in was skipped. {problem}", err=True)
    return [
        {
            "name": entry.name,
            "family": entry.family,
            "title": entry.title,
            "summary": entry.summary,
            "unavailable": entry.unavailable(),
        }
        for entry in registry.entries().values()
    ]


def _datasets(store: Path | None) -> Rows:
    from bench.data import datasets

    rows: Rows = []
    for entry in datasets.entries().values():
        where = datasets.at_hand(entry).reason
        rows.append({"name": entry.name, "options": dict(entry.options), "at hand": where, "summary": entry.summary})
    return rows


def _profiles(store: Path | None) -> Rows:
    from bench.suites.profiles import PROFILES

    return [
        {"name": profile.name, "summary": profile.summary, "timeout_s": profile.timeout_s}
        for profile in PROFILES.values()
    ]


def _views(store: Path | None) -> Rows:
    from bench.data.views import VIEWS, WINDOW_LENGTH

    summary = {
        "point": "this step's climate and land cover",
        "located": "point + longitude, latitude, sine and cosine of the season",
        "window": f"located + the climate of the {WINDOW_LENGTH - 1} earlier steps",
    }
    return [{"name": name, "summary": summary[name]} for name in VIEWS]


def _jobs(store_path: Path | None) -> Rows:
    records, damaged = existing_store(store_path).survey()
    rows: Rows = [
        {
            "id": job_id,
            "suite": record.job.suite,
            "dataset": record.job.dataset,
            "job": record.job.label,
            "profile": record.job.profile,
            "status": record.ended,
            "test_rmse": record.metrics.get("test", {}).get("rmse"),
            "reason": record.reason,
        }
        for job_id, record in records.items()
    ]
    return rows + [{"id": job_id, "status": "corrupt", "reason": reason} for job_id, reason in damaged.items()]


_LISTS: dict[str, Callable[[Path | None], Rows]] = {
    "suites": _suites,
    "runners": _runners,
    "datasets": _datasets,
    "profiles": _profiles,
    "views": _views,
    "jobs": _jobs,
}


@click.command(
    epilog="""\b
Examples:
  bench ls runners
  bench ls datasets
  bench ls jobs --store runs --json"""
)
@click.argument("what", metavar="WHAT")
@store_option
@json_option
def command(what: str, store_path: Path | None, as_json: bool) -> int:
    """List suites, runners, datasets, profiles, views or (stored) jobs."""
    what = "jobs" if what == "cells" else what  # its name in version 0.1
    if what not in _LISTS:
        raise unknown("list", what, list(_LISTS), "write for example `bench ls runners`")
    rows = _LISTS[what](store_path)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return 0
    from rich.table import Table

    columns = list(dict.fromkeys(key for row in rows for key in row))
    columns = [column for column in columns if any(row.get(column) not in (None, {}) for row in rows)]
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(cell(_text(row.get(column))) for column in columns))
    console().print(table)
    return 0


def _text(value: object) -> str:
    if value in (None, {}):
        return ""
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, dict):
        return ",".join(f"{key}={item}" for key, item in value.items())
    return str(value)
