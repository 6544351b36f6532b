"""F4: how well missing months are imputed, and how well the imputation knows it."""

from __future__ import annotations

from collections.abc import Sequence

from bench.report.results.flux.flux_rows import CSDI, IMPUTER, LINEAR, FluxRowResult, find, flux_rows, targets_of
from bench.report.results.flux.tower_reader import TowerReader
from bench.report.results.selection import Selection
from bench.report.table import Column, Row, Table, Value
from bench.report.tables.flux.wording import circumstances, interval_text, is_judged, jobs_of, note, problems, value
from bench.suites.flux import IMPUTATION

NAME = "flux_f4"
_DIGITS = 3


def imputation_table(selection: Selection, reader: TowerReader) -> Table:
    """F4: CRPS, coverage and RMSE at hidden months, against linear interpolation and climatology.

    Args:
        selection: the jobs of the suite.
        reader: of their predictions.
    """
    found, targets = flux_rows(selection, IMPUTATION), targets_of(selection)
    linear = find(found, IMPUTER, LINEAR)
    lines = [_line(reader, row, linear, target) for target in targets for row in found]
    columns = (
        Column("crps", "CRPS", _DIGITS, "min"),
        Column("ratio", "÷ linear", _DIGITS),
        Column("inside_50", "50 % coverage", _DIGITS),
        Column("inside_90", "90 % coverage", _DIGITS),
        Column("rmse", "RMSE", _DIGITS, "min"),
        Column("runs", "Runs", 0),
    )
    title = "Imputation of hidden months"
    if is_judged(selection.jobs[0]):
        title = _finding(reader, found, linear, targets) or title
    caption = (
        "CRPS: continuous ranked probability score of the imputed distribution, in the fluxes' units; "
        "÷ linear: CRPS ÷ that of linear interpolation at the same months; coverage: share of hidden months inside the "
        "central 50 and 90 % of that distribution; interpolation and climatology have a normal one, as wide as their "
        f"errors at months of training towers that were hidden alike. {circumstances(selection, IMPUTATION, found)}"
    )
    return Table(NAME, title, caption, "Method", columns, tuple(lines), problems(found))


def _line(reader: TowerReader, row: FluxRowResult, linear: FluxRowResult | None, target: str) -> Row:
    values: dict[str, Value] = {}
    for name in ("crps", "inside_50", "inside_90", "rmse") if row.result.records else ():
        number = reader.estimate(row, target, name)
        if number is not None:
            values[name] = value(number)
    ratio = reader.ratio(row, linear, target, "crps") if linear is not None and linear is not row else None
    if ratio is not None:
        values["ratio"] = value(ratio)
    if row.result.records:
        values["runs"] = Value(row.result.runs)
    return Row(
        row.label,
        target,
        values,
        ranked=False,
        note=note(row),
        jobs=jobs_of(row),
        name=f"{row.result.key.runner} {row.result.key.variant}",
        complete=len(row.result.records) == row.result.planned,
        runner=row.result.key.runner,
    )


def _finding(
    reader: TowerReader, found: Sequence[FluxRowResult], linear: FluxRowResult | None, targets: Sequence[str]
) -> str:
    """What CSDI comes to, as a sentence without its full stop; "" without it."""
    row = find(found, IMPUTER, CSDI)
    if row is None or linear is None:
        return ""
    parts = []
    for target in targets:
        ratio, inside = reader.ratio(row, linear, target, "crps"), reader.estimate(row, target, "inside_90")
        if ratio is not None and inside is not None:
            parts.append(f"{interval_text(ratio)} times for {target}, where its 90 % interval holds {inside.value:.0%}")
    return f"CSDI's CRPS is that of linear interpolation {'; '.join(parts)}" if parts else ""
