"""All tables of the flux suite that a store has results for."""

from __future__ import annotations

from collections.abc import Iterator

from bench.report.results.flux.flux_rows import designs, flux_rows
from bench.report.results.flux.tower_reader import TowerReader
from bench.report.results.selection import Selection
from bench.report.table import Table
from bench.report.tables.flux.changes import changes_table
from bench.report.tables.flux.few import few_table
from bench.report.tables.flux.imputing import imputation_table
from bench.report.tables.flux.methods import groups_table, methods_table
from bench.report.tables.flux.spent import spent_table
from bench.suites.flux import FEW, IMPUTATION, PLACES, TROPICS, YEARS


def flux_tables(selection: Selection, reader: TowerReader) -> Iterator[Table]:
    """F1 of each design that tests all methods, its companion by groups, F2, F3, F4, and times.

    Args:
        selection: the jobs of the suite.
        reader: of their predictions.

    Raises:
        BenchError: a stored file is damaged.
    """
    present = designs(selection)
    for design in (PLACES, YEARS, TROPICS):
        if design in present and any(row.is_main for row in flux_rows(selection, design)):
            yield methods_table(selection, reader, design)
            companion = groups_table(selection, reader) if design == PLACES else None
            if companion is not None:
                yield companion
    if FEW in present:
        yield few_table(selection, reader)
    changed = changes_table(selection, reader)
    if changed is not None:
        yield changed
    if IMPUTATION in present:
        yield imputation_table(selection, reader)
    yield spent_table(selection)
