"""The project's own runners: one entry each, a module for each kind. Nothing heavy is imported here."""

from __future__ import annotations

from bench.runners.catalogue.geographical import GEOGRAPHICAL_ROWS
from bench.runners.catalogue.proposed import PROPOSED_ROWS
from bench.runners.catalogue.reference import REFERENCE_ROWS
from bench.runners.catalogue.strong import STRONG_ROWS
from bench.runners.catalogue.tabular import TABULAR_ROWS
from bench.runners.entry import RunnerEntry

__all__ = ["CATALOGUE", "STRONG_ROWS"]

CATALOGUE: tuple[RunnerEntry, ...] = (
    *REFERENCE_ROWS,
    *TABULAR_ROWS,
    *STRONG_ROWS,
    *GEOGRAPHICAL_ROWS,
    *PROPOSED_ROWS,
)
"""In the order of plans and tables."""
