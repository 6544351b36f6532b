"""`bench plan`."""

from __future__ import annotations

import json
from typing import Any

import click

from bench import clock
from bench.cli.options import json_option, resolve, suite_options
from bench.terminal import console


@click.command(
    epilog="""\b
Examples:
  bench plan --suite full
  bench plan --suite full --profile paper --dataset simulated:cells=20000,years=20 --memory 8
  bench plan --suite fewshot --weeks 40 --json"""
)
@suite_options
@json_option
def command(as_json: bool, **given: Any) -> int:
    """Show what a run would do: every cell with its state and expected time, memory and disk.

    Cells that cannot fit into their memory cap, or whose model would take hours, are refused here, before anything
    starts. Times are rough until a cell
    of the same runner and size has run; then they come from that run.
    """
    from bench.execution.planning import REFUSED
    from bench.store import Store

    request = resolve(lambda text: click.echo(text, err=True), **given)
    exists = (request.store_path / "store.json").exists()
    planned = request.plan(Store(request.store_path) if exists else None)
    open_cells = [item for item in planned if item.state not in ("done", *REFUSED)]
    seconds = sum(item.estimate.seconds for item in open_cells) / request.jobs
    disk = sum(item.estimate.disk_bytes for item in open_cells)
    if as_json:
        rows = [
            {
                "id": item.cell.id,
                "runner": item.cell.runner,
                "view": item.cell.view,
                "repetition": item.cell.repetition,
                "state": item.state,
                "stale": item.stale,
                "reason": item.reason,
                "seconds": round(item.estimate.seconds, 1),
                "memory_bytes": item.estimate.memory_bytes,
                "disk_bytes": item.estimate.disk_bytes,
            }
            for item in planned
        ]
        click.echo(
            json.dumps(
                {
                    "suite": request.suite,
                    "dataset": request.dataset.spec,
                    "reason": request.dataset.reason,
                    "seconds": round(seconds, 1),
                    "cells": rows,
                },
                indent=1,
            )
        )
        return 0
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=f"{request.suite} on {request.dataset.cube.name}, profile {request.options.profile}", title_justify="left"
    )
    for column in ("cell", "runner", "state"):
        table.add_column(column)
    for column in ("time", "memory", "disk"):
        table.add_column(column, justify="right")
    for item in planned:
        state = item.state + (" (an older version is stored)" if item.stale else "")
        table.add_row(
            item.cell.id,
            Text(item.cell.label),
            state,
            clock.human_seconds(item.estimate.seconds),
            f"{item.estimate.memory_bytes / 1e9:.1f} GB",
            f"{item.estimate.disk_bytes / 1e6:.1f} MB",
        )
    out = console()
    out.print(table)
    for item in planned:
        if item.reason:
            out.print(f"{item.cell.label}: {item.state}: {item.reason}", markup=False, highlight=False)
    click.echo(f"Data: {request.dataset.reason}.")
    click.echo(
        f"About {clock.human_seconds(seconds)} with {request.jobs} jobs, {disk / 1e6:.0f} MB of results in "
        f"{request.store_path}."
    )
    return 0
