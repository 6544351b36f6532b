"""What else a store holds: runs that a table leaves out, because tables never mix data sets, profiles or splits."""

from __future__ import annotations

import json
import shlex
from collections import Counter

from bench.report.results.selection import Selection, fixed_split, same_table
from bench.store.jobs import Cell
from bench.store.store import Store


def remarks(store: Store, selection: Selection) -> tuple[str, ...]:
    """What a reader of the tables of a suite has to be told beside them, one sentence each."""
    return (*(() if selection.done else (nothing_done(selection),)), *left_out(store, selection))


def nothing_done(selection: Selection) -> str:
    """The sentence for a suite of which no cell is done."""
    suite = selection.cells[0].suite
    states = Counter(
        record.status if record is not None else "missing"
        for record in (selection.records.get(cell.id) for cell in selection.cells)
    )
    counted = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    return (
        f"No cell of suite {suite} is done ({counted}), so its tables hold no result of this store; the reasons are "
        f"listed, and `bench run --suite {suite} --retry failed` with the options of that run repeats them."
    )


def left_out(store: Store, selection: Selection) -> tuple[str, ...]:
    """One sentence for each kind of run of the same suite that is not in a selection, with the way to see it."""
    reference = selection.cells[0]
    groups: dict[str, dict[tuple[str, ...], Cell]] = {}
    newest: dict[tuple[str, str], str] = {}
    for manifest in store.manifests():  # oldest first
        for cell in manifest.cells if manifest.suite == reference.suite else ():
            key = _group(cell)
            groups.setdefault(key, {})[cell.address] = cell
        if manifest.suite == reference.suite and manifest.cells:
            first = manifest.cells[0]
            newest[first.dataset, first.profile] = _group(first)
    sentences = []
    for key, cells in sorted(groups.items()):
        first = next(iter(cells.values()))
        if same_table(first, reference):
            continue
        count = f"{len(cells)} planned {'cell' if len(cells) == 1 else 'cells'}"
        what = f"{count} of suite {first.suite} on data set {first.dataset}, profile {first.profile}"
        if newest.get((first.dataset, first.profile)) == key:
            command = [
                "bench",
                "report",
                "--suite",
                first.suite,
                "--dataset",
                first.dataset,
                "--profile",
                first.profile,
            ]
            sentences.append(f"Left out: {what}; `{shlex.join(command)}` shows them.")
        else:
            sentences.append(
                f"Left out: {what}, {_difference(first, reference)}; a table shows the newest run of a data set and "
                "profile only, so repeat that run to see it, best into a store of its own."
            )
    return tuple(sentences)


def _group(cell: Cell) -> str:
    return json.dumps([cell.dataset, cell.profile, cell.dataset_fingerprint, fixed_split(cell.split), cell.evaluation])


def _difference(cell: Cell, reference: Cell) -> str:
    if cell.dataset_fingerprint != reference.dataset_fingerprint:
        return f"with other data (fingerprint {cell.dataset_fingerprint[:12]})"
    if fixed_split(cell.split) != fixed_split(reference.split):
        return f"with another split ({fixed_split(cell.split)})"
    return "made by another version of the evaluation"
