"""`bench why`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bench.cli.options import existing_store, json_option, store_option
from bench.errors import BenchError
from bench.runners import registry
from bench.store.jobs import EVALUATION_VERSION, Cell, differences
from bench.store.records import Record
from bench.suites import ablation


@click.command(
    epilog="""\b
Examples:
  bench why 3f2a9c0d1e4b5a67         # a cell id from `bench plan` or `bench ls cells`
  bench why lightgbm                 # every planned or stored cell of a runner"""
)
@click.argument("name")
@store_option
@json_option
def command(name: str, store_path: Path | None, as_json: bool) -> int:
    """Say why a cell is done, missing, failed or stale.

    A cell is stale when it was stored under another fingerprint: the answer names each part of the fingerprint that
    changed (data, split, parameters, runner version, package versions), with its old and new value.
    """
    store = existing_store(store_path)
    wanted: dict[str, Cell] = {}
    for manifest in store.manifests():  # oldest first: the newest version of an address wins
        for cell in manifest.cells:
            wanted[json.dumps(cell.address)] = cell
    stored, damaged = store.survey()
    chosen = [cell for cell in wanted.values() if name in (cell.id, cell.runner)]
    chosen += [
        record.cell
        for cell_id, record in stored.items()
        if name in (cell_id, record.cell.runner) and record.cell not in chosen
    ]
    chosen += [current for cell in wanted.values() for current in [_current(cell)] if current.id == name != cell.id]
    if not chosen and name not in damaged:
        raise BenchError(
            f"{name!r} is neither a cell nor a runner of a run in {store.root}; `bench ls cells` and `bench plan` "
            "show the ids."
        )
    answers = [_answer(cell, wanted, stored, damaged) for cell in chosen]
    if name in damaged and not chosen:
        answers.append({"id": name, "cell": "?", "state": "corrupt", "because": damaged[name]})
    if as_json:
        click.echo(json.dumps(answers, indent=1))
        return 0
    for answer in answers:
        click.echo(f"{answer['id']} {answer['cell']}: {answer['state']}: {answer['because']}")
        changes = answer.get("changes", {})
        assert isinstance(changes, dict)
        for key, (old, new) in changes.items():
            click.echo(f"    {key}: {old} → {new}")
    return 0


def _current(cell: Cell) -> Cell:
    """The same cell as a run of this version, with the packages installed now, would plan it."""
    entry = registry.entries().get(cell.runner)
    if entry is None:
        return cell  # a plug-in that is not loaded: nothing to compare with
    present = {
        "runner_version": entry.version,
        "parameters": _parameters(cell),
        "packages": entry.package_versions(),
        "evaluation": EVALUATION_VERSION,
    }
    return cell.model_copy(update=present)


def _parameters(cell: Cell) -> dict[str, Any]:
    if cell.override is None:
        return registry.get(cell.runner).parameters_for(cell.profile)
    return ablation.parameters_of(cell.runner, cell.override, cell.profile, cell.split["train_cells"])


def _answer(
    cell: Cell, wanted: dict[str, Cell], stored: dict[str, Record], damaged: dict[str, str]
) -> dict[str, object]:
    answer: dict[str, object] = {"id": cell.id, "cell": f"{cell.label} ({cell.suite}, {cell.dataset}, {cell.profile})"}
    now = _current(cell)
    newest = now if now.id != cell.id else wanted.get(json.dumps(cell.address))
    record = stored.get(cell.id)
    if cell.id in damaged:
        return answer | {"state": "corrupt", "because": damaged[cell.id]}
    if newest is not None and newest.id != cell.id:
        return answer | {
            "state": "stale",
            "because": f"a run would now ask for {newest.id} instead; what changed:",
            "changes": differences(cell, newest),
        }
    if record is None:
        older = [other.cell for other in stored.values() if other.cell.address == cell.address]
        if older:
            return answer | {
                "state": "missing",
                "because": f"only the older {older[-1].id} is stored; what changed:",
                "changes": differences(older[-1], cell),
            }
        return answer | {"state": "missing", "because": "it was planned but never ended; run the same command again"}
    if record.status == "done":
        return answer | {"state": "done", "because": f"ended {record.finished}, fingerprint unchanged"}
    return answer | {"state": record.status, "because": record.reason or "no reason was recorded"}
