"""Figures of the flux suite: seasonal courses, few labelled towers, maps of towers, reliability of the imputation."""

from __future__ import annotations

from bench.report.figures.flux.courses import seasonal_courses
from bench.report.figures.flux.featured import FluxContext
from bench.report.figures.flux.few_towers import errors_by_towers
from bench.report.figures.flux.reliability import reliability
from bench.report.figures.flux.tower_maps import tower_maps
from bench.report.figures.model import Drawings

__all__ = ["FluxContext", "flux_figures"]


def flux_figures(context: FluxContext) -> Drawings:
    """All figures of the suite that have results, and why the others are left out; nothing is drawn yet.

    Raises:
        BenchError: a stored file is damaged.
    """
    drawings = Drawings()
    for family in (seasonal_courses, errors_by_towers, tower_maps, reliability):
        drawings += family(context)
    return drawings
