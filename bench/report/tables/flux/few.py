"""F2: errors with few labelled towers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.report.results.flux.flux_rows import (
    DERE,
    LIGHTGBM,
    LIGHTGBM_SHARES,
    FluxRowResult,
    every_fold,
    find,
    flux_rows,
    same_inputs,
    targets_of,
)
from bench.report.results.flux.knowledge import compared
from bench.report.results.flux.tower_reader import TowerReader
from bench.report.results.selection import Selection
from bench.report.table import Column, Row, Table, Value
from bench.report.tables.flux.wording import (
    circumstances,
    interval_text,
    is_judged,
    jobs_of,
    listed,
    note,
    problems,
    value,
)
from bench.suites.flux import FEW

NAME = "flux_f2"
_DIGITS = 3


def sizes_of(selection: Selection) -> list[int]:
    """Numbers of labelled towers that the suite has jobs of, ascending."""
    return sorted({job.split["labelled"] for job in selection.jobs if job.split.get("design") == FEW})


def few_table(selection: Selection, reader: TowerReader) -> Table:
    """F2: RMSE of every row and flux over the number of labelled towers, with paired ratios.

    Args:
        selection: the jobs of the suite.
        reader: of their predictions.
    """
    sizes, targets = sizes_of(selection), targets_of(selection)
    of_size = {size: [row for row in flux_rows(selection, FEW, size) if row.is_main] for size in sizes}
    every = [row for found in of_size.values() for row in found]
    names = dict.fromkeys((row.result.key.runner, row.result.key.variant) for row in every)
    lines = [
        _line(reader, of_size, {size: _same(found, name) for size, found in of_size.items()}, target)
        for target in targets
        for name in names
    ]
    columns = [Column(f"rmse_{size}", f"RMSE {size}", _DIGITS, "min") for size in sizes]
    columns += [Column(f"ratio_{size}", f"÷ same inputs {size}", _DIGITS) for size in sizes]
    columns += [Column(f"lightgbm_{size}", f"÷ LightGBM {size}", _DIGITS, on_terminal=False) for size in sizes]
    columns.append(Column("runs", "Runs", 0))
    title = _finding(reader, of_size, targets) if is_judged(selection.jobs[0]) else "Flux errors with few towers"
    caption = (
        "Columns: number of labelled towers, those that validate included; samples are nested, and every row "
        "of a run has the same. ÷ same inputs and ÷ LightGBM: as in F1, over the runs that both have. "
        f"{circumstances(selection, FEW, every)}"
    )
    return Table(NAME, title, caption, "Method", tuple(columns), tuple(lines), problems(every))


def _line(
    reader: TowerReader,
    of_size: Mapping[int, Sequence[FluxRowResult]],
    row_of: Mapping[int, FluxRowResult | None],
    target: str,
) -> Row:
    values: dict[str, Value] = {}
    runs: set[int] = set()
    for size, row in row_of.items():
        if row is None or not row.result.records:
            continue
        runs.add(row.result.runs)
        number = reader.estimate(row, target, "rmse")
        other, below = same_inputs(of_size[size], row), find(of_size[size], LIGHTGBM, LIGHTGBM_SHARES)
        ratio = reader.ratio(row, other, target) if other is not None else None
        against = reader.ratio(row, below, target) if below is not None and below is not row else None
        named = {"rmse": number, "ratio": ratio, "lightgbm": against}
        values |= {f"{name}_{size}": value(own) for name, own in named.items() if own is not None}
    present = {size: row for size, row in row_of.items() if row is not None}
    notes = {size: note(row, every_fold(of_size[size])) for size, row in present.items()}
    rows = list(present.values())
    first = rows[0]
    if runs:
        values["runs"] = Value(min(runs))
    return Row(
        first.name,
        target,
        values,
        ranked=not first.is_rule and all(row.folds == every_fold(of_size[size]) for size, row in present.items()),
        note="; ".join(f"{size} towers: {text}" for size, text in notes.items() if text),
        jobs=jobs_of(*rows),
        name=f"{first.result.key.runner} {first.result.key.variant or ''}".strip(),
        complete=all(len(row.result.records) == row.result.planned for row in rows),
        runner=first.result.key.runner,
    )


def _same(found: Sequence[FluxRowResult], name: tuple[str, str | None]) -> FluxRowResult | None:
    return next((row for row in found if (row.result.key.runner, row.result.key.variant) == name), None)


def _finding(reader: TowerReader, of_size: Mapping[int, Sequence[FluxRowResult]], targets: Sequence[str]) -> str:
    """At which numbers of towers DERE errs less than the same inputs, as a sentence without its full stop."""
    told = []
    for size, found in of_size.items():
        for item in compared(reader, found, DERE, targets):
            if item.mean.excludes(1):
                told.append(f"{item.target} with {size} ({interval_text(item.mean)})")
    if not any(found for found in of_size.values()):
        return "Errors with few labelled towers"
    if not told:
        return "With no number of labelled towers does DERE differ from the same inputs by more than towers do"
    return f"DERE's error ÷ that of the same inputs is told from 1 for {listed(told)} labelled towers"
