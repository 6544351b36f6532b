"""Figures as pure functions of the store, one module per family of figures."""

from __future__ import annotations

from bench.report.figures.density import observed_and_predicted
from bench.report.figures.flux import FluxContext, flux_figures
from bench.report.figures.groups import errors_by_group
from bench.report.figures.learning import learning_curves
from bench.report.figures.maps import residual_maps, weight_maps
from bench.report.figures.model import Drawings, Figure, save
from bench.report.figures.stored import Context
from bench.report.figures.training import training_curves
from bench.report.figures.weights import weight_courses
from bench.report.results.flux.tower_reader import towers_of
from bench.report.results.rows import rows, standing_rows
from bench.report.results.selection import Selection
from bench.report.results.statistics_reader import StatisticsReader
from bench.store.dataset_record import DatasetRecord
from bench.suites.flux import SUITE as FLUX

__all__ = ["Drawings", "Figure", "figures", "save"]

SUITES = ("full", "fewshot")
"""Suites that these figures are about; other suites bring their own."""
_FAMILIES = (
    weight_courses,
    weight_maps,
    training_curves,
    learning_curves,
    observed_and_predicted,
    residual_maps,
    errors_by_group,
)


def figures(selection: Selection, reader: StatisticsReader, dataset: DatasetRecord | None) -> Drawings:
    """All figures that a selection has results for, and why the others are left out; nothing is drawn yet.

    Args:
        selection: the jobs.
        reader: of the same store.
        dataset: the store's record of the data set, or None where there is none.

    Raises:
        BenchError: a stored file is damaged.
    """
    if selection.jobs[0].suite == FLUX:
        return flux_figures(FluxContext(selection, towers_of(reader), dataset))
    if selection.jobs[0].suite not in SUITES:
        return Drawings()
    done = tuple(row for row in rows(selection) if row.records)
    context = Context(selection, reader, dataset, done, tuple(standing_rows(done).values()))
    drawings = Drawings()
    for family in _FAMILIES:
        drawings += family(context)
    return drawings
