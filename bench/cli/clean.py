"""`bench clean`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bench.cli.options import json_option, store_option
from bench.errors import BenchError, unknown
from bench.store.cleaning import KINDS, Kind, Leftover, leftovers, remove
from bench.store.store import existing_store
from bench.system.terminal import cell, console

_LINES = 20
"""Of a list on the terminal."""


@click.command(
    epilog="""\b
Examples:
  bench clean                        # lists what may go, and asks
  bench clean failed --yes           # no question; the next run repeats these jobs
  bench clean stale quarantined --json"""
)
@click.argument("kinds", nargs=-1, metavar="[stale] [failed] [quarantined]")
@click.option("--yes", is_flag=True, help="Remove without asking.")
@store_option
@json_option
def command(kinds: tuple[str, ...], yes: bool, store_path: Path | None, as_json: bool) -> int:
    """Remove what a store does not need: stale and failed jobs, and what lies in quarantine.

    A stale job goes only if the one that replaces it is done. Jobs that are done and current never go, nor do jobs that
    a process runs at this moment. With --json and without --yes, it only lists.
    """
    from bench.suites.again import planned_now

    chosen: list[Kind] = []
    for name in kinds or KINDS:
        kind = next((known for known in KINDS if known == name), None)
        if kind is None:
            raise unknown("kind of leftover", name, KINDS, "see `bench clean --help`")
        chosen.append(kind)
    store = existing_store(store_path)
    found = leftovers(store, planned_now, chosen)
    items = found.found
    if not as_json:
        _show(items, [kind for kind in KINDS if kind in chosen])
        if found.unrepeated and "stale" in chosen:
            click.echo(f"{found.unrepeated} stale jobs stay: their successors are not done; run the suite again first.")
    if items and not yes and not as_json:
        total = sum(item.size_bytes for item in items)
        try:
            click.confirm(f"Remove these {len(items)} from {store.root} ({_megabytes(total)})?", abort=True)
        except click.Abort as error:
            raise BenchError("Nothing was removed; answer y, or add --yes.") from error
    gone, stays = remove(store, items, planned_now) if yes or not as_json else ([], [])
    if as_json:
        rows = [{"kind": item.kind, "name": item.name, "what": item.what, "bytes": item.size_bytes} for item in items]
        answer = {"found": rows, "removed": [item.name for item in gone], "stays": stays}
        click.echo(json.dumps(answer | {"stale_without_successor": found.unrepeated}, indent=1))
        return 1 if stays else 0
    if gone:
        click.echo(f"Removed: {len(gone)}, {_megabytes(sum(item.size_bytes for item in gone))}.")
    for sentence in stays:
        click.echo(sentence, err=True)
    return 1 if stays else 0


def _show(items: tuple[Leftover, ...], kinds: list[Kind]) -> None:
    from rich.table import Table

    for kind in kinds:
        own = [item for item in items if item.kind == kind]
        click.echo(f"{kind}: {len(own)}, {_megabytes(sum(item.size_bytes for item in own))}")
        table = Table(box=None, pad_edge=False, show_header=False)
        for item in own[:_LINES]:
            table.add_row(*(cell(text) for text in (item.name, _megabytes(item.size_bytes), item.what)))
        if own:
            console().print(table)
        if len(own) > _LINES:
            click.echo(f"… and {len(own) - _LINES} more; --json lists all.")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
