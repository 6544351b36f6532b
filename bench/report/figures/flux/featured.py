"""What the figures of the flux suite share: the rows that they show, and the words of their captions.

A figure has room for one backbone. It is the first one of the registry that has results, never the one with the least
error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.report.results import marks
from bench.report.results.data_words import units
from bench.report.results.flux.flux_rows import (
    BASELINE_SHARES,
    DERE,
    KGML_SHARES,
    LIGHTGBM,
    LIGHTGBM_SHARES,
    TESTED,
    FluxRowResult,
    find,
    flux_rows,
    targets_of,
    whole,
)
from bench.report.results.flux.tower_reader import TowerReader
from bench.report.results.selection import Selection
from bench.report.table import MARKS, UNTRAINED
from bench.store.dataset_record import DatasetRecord
from bench.suites.profiles import SMOKE

_VARIANTS = (DERE, KGML_SHARES, BASELINE_SHARES)


@dataclass(frozen=True)
class FluxContext:
    """What all figures of the suite share.

    Attributes:
        selection: the jobs.
        reader: of their predictions.
        dataset: the store's record of the data set, or None where there is none.
    """

    selection: Selection
    reader: TowerReader
    dataset: DatasetRecord | None

    @property
    def targets(self) -> tuple[str, ...]:
        """GPP, RECO, NEE."""
        return targets_of(self.selection)

    @property
    def units(self) -> str:
        """Of all of them, as printed."""
        return units(self.selection.manifest.target_units)

    def shown(self, design: str, labelled: int | None = None) -> list[FluxRowResult]:
        """Rows of one design: of the first backbone with DERE what it comes to, and LightGBM with the shares."""
        found = [row for row in flux_rows(self.selection, design, labelled) if row.is_main and row.result.records]
        found = whole(found)
        backbone = next((row.result.key.runner for row in found if row.variant == DERE), None)
        if backbone is None:
            backbone = next((row.result.key.runner for row in found if row.is_backbone), None)
        chosen = [find(found, backbone, {"variant": variant}) for variant in _VARIANTS] if backbone else []
        chosen.append(find(found, LIGHTGBM, LIGHTGBM_SHARES))
        return [row for row in chosen if row is not None]

    def about(self, shown: Sequence[FluxRowResult]) -> dict[str, Any]:
        """Where a figure's numbers come from, for scripts."""
        first = self.selection.jobs[0]
        return {
            "suite": first.suite,
            "dataset": first.dataset,
            "dataset_fingerprint": first.dataset_fingerprint,
            "profile": first.profile,
            "models": list(dict.fromkeys(row.name for row in shown)),
            "seeds": sorted({record.job.repetition for row in shown for record in row.result.records}),
        }

    def circumstances(self, shown: Sequence[FluxRowResult], design: str) -> str:
        """Where a figure's numbers come from, as the end of its caption."""
        first = self.selection.jobs[0]
        seeds = sorted({record.job.repetition for row in shown for record in row.result.records})
        untrained = any(title_of(row) != row.name for row in shown)
        return (
            f"Data set {first.dataset} ({self.selection.manifest.dataset_title}); suite {first.suite}, profile "
            f"{first.profile}, {TESTED[design]}. Seeds: {', '.join(map(str, seeds))}."
            + (f" {UNTRAINED}: {MARKS[UNTRAINED].of_one_row}." if untrained else "")
            + (f" {marks.BANNER}" if first.profile == SMOKE else "")
        )


def title_of(row: FluxRowResult) -> str:
    """A row's name, with the mark of a training that its budget ended."""
    return row.name + marks.of(row.result.records)


def ids_of(shown: Sequence[FluxRowResult]) -> tuple[str, ...]:
    """Ids of all jobs of some rows."""
    return tuple(dict.fromkeys(record.job_id for row in shown for record in row.result.records))
