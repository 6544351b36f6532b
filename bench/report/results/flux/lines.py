"""Every number of the flux suite as a line of `bench.results()`."""

from __future__ import annotations

from collections.abc import Iterator

from bench.report.results.flux.flux_rows import FluxRowResult, designs, flux_rows, targets_of
from bench.report.results.flux.tower_reader import SCORES, TowerReader
from bench.report.results.selection import Selection
from bench.scoring.metrics import METRICS
from bench.scoring.towers import MEDIAN_R2
from bench.suites.flux import IMPUTATION

ALL = "all"


def flux_lines(selection: Selection, reader: TowerReader, wanted: set[str] | None) -> Iterator[dict[str, object]]:
    """One line per row, target, group of towers and metric of the test part, with intervals over towers.

    Args:
        selection: the jobs of the suite.
        reader: of their predictions.
        wanted: groups, such as ``all`` or ``IGBP:ENF``; None for all.
    """
    for design in designs(selection):
        for row in flux_rows(selection, design):
            for target in targets_of(selection) if row.result.records else ():
                groups = {ALL: len(reader.towers(row, target)), **reader.groups(row, target)}
                for group, n_towers in groups.items():
                    if wanted is None or group in wanted:
                        yield from _of_group(reader, row, design, target, group, n_towers)


def _of_group(
    reader: TowerReader, row: FluxRowResult, design: str, target: str, group: str, n_towers: int
) -> Iterator[dict[str, object]]:
    metrics = (*METRICS, MEDIAN_R2, *(SCORES if design == IMPUTATION else ()))
    for metric in metrics:
        found = reader.estimate(row, target, metric, "" if group == ALL else group)
        if found is None:
            continue
        yield {
            "runner": row.result.key.runner,
            "title": row.name,
            "family": row.result.family,
            "view": row.result.key.view,
            "train_cells": row.result.key.train_cells,
            "variant": row.result.key.variant,
            "split": design,
            "target": target,
            "towers": n_towers,
            "part": "test",
            "group": group,
            "metric": metric,
            "value": found.value,
            "low": found.low,
            "high": found.high,
            "runs": row.result.runs,
            "planned": row.result.planned,
            "jobs": tuple(record.job_id for record in row.result.records),
        }
