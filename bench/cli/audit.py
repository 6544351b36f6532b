"""What `bench data audit` says on a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from bench.data.audit import SplitAudit
from bench.data.coordinate_units import units_of
from bench.data.cube import Cube
from bench.data.parts import Split
from bench.data.split_names import describe, text_of
from bench.system.terminal import cell, console


def print_audit(cube: Cube, split: Split, found: SplitAudit, runner: str | None, reads_training_only: bool) -> None:
    """Prints an audit as a table of two columns.

    Args:
        cube: the data.
        split: what was audited.
        found: what was found.
        runner: whose fit was audited too; None for none.
        reads_training_only: what came of that.
    """
    from rich.table import Table

    units = units_of(cube.crs)
    table = Table(box=None, pad_edge=False, show_header=False)
    if "folds" in split.parameters:
        fold, folds = split.parameters["fold"], split.parameters["folds"]
        table.add_row(cell("Fold"), cell(f"{fold} of {folds}; --split {text_of(split.parameters)}"))
    for what, value in _lines(found, units.of_distances):
        table.add_row(cell(what), cell(value))
    if runner is not None:
        verdict = "reads its training part alone" if reads_training_only else "LEAK: depends on other values"
        table.add_row(cell(f"Fit of {runner}"), cell(verdict))
    table.add_row(cell("Split"), cell("no leak" if found.passed else "LEAK"))
    out = console()
    out.print(cell(f"{cube.name}, {describe(split.parameters, units)}", style="bold"))
    out.print(table)


def _lines(found: SplitAudit, unit: str) -> Iterator[tuple[str, str]]:
    yield "Training samples", f"{found.n_train:,}"
    yield "Test samples", f"{found.n_test:,}"
    yield "Samples in both", f"{found.shared_samples:,}"
    twins = "not counted: the values are not at hand" if found.twins is None else f"{found.twins:,}"
    yield "Test samples that train under another place or time", twins
    yield "Test cells that also train, at other times", f"{found.shared_cells:,}"
    yield "Test cells that never train", f"{found.unseen_cells:,}"
    yield "Distance of a test cell to the nearest training cell", _distances(found.distance, unit)
    if found.unseen_distance is not None:
        yield "The same of cells that never train", _distances(found.unseen_distance, unit)
    interleaved = " (training and test interleave)" if found.days_between < 0 else ""
    yield "Days from the last training step to the first test step", f"{found.days_between:,}{interleaved}"


def _distances(spread: tuple[float, float, float, float], unit: str) -> str:
    least, median, high, most = (f"{value:,.4g}" for value in spread)
    return f"{least} to {most} {unit}, median {median}, 95 % below {high}"
