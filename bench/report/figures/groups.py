"""Error by season and by land cover or another category of places, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Sheet

from bench.report.figures.model import Drawings, Figure
from bench.report.figures.stored import Context, job_ids, representatives
from bench.report.figures.style import PAGE_WIDTH, SMALL_TEXT_SIZE, STROKES, land_cover_title
from bench.report.results.rows import RowResult
from bench.scoring.metrics import SEASONS
from bench.scoring.uncertainty import CONFIDENCE

DROWNING = 5.0
"""Times the median error of a panel; larger ones stand as numbers at the end of its axis."""
MOST_LAND_COVERS = 8
"""Those with most samples are shown."""
_MONTHS = {"DJF": "Dec–Feb", "MAM": "Mar–May", "JJA": "Jun–Aug", "SON": "Sep–Nov"}


@dataclass(frozen=True)
class _GroupPanel:
    """Groups of samples that are shown together.

    Attributes:
        of: what they are groups of, in words.
        groups: as in the statistics.
        labels: one per group.
    """

    of: str
    groups: list[str]
    labels: list[str]


def errors_by_group(context: Context) -> Drawings:
    """RMSE by season and by land cover or another category, as far as the data have them, of the models shown."""
    chosen = representatives(context)
    if not chosen:
        return Drawings(left_out=(f"Error by groups ({context.suite}): no job is done.",))
    panels = _panels(context, chosen[0])
    if not panels:
        reason = "these data have neither seasons nor categories of places"
        return Drawings(left_out=(f"Error by groups ({context.suite}): {reason}.",))

    def draw() -> Sheet:
        tallest = max(len(panel.groups) for panel in panels)
        sheet = Sheet(figsize=(PAGE_WIDTH, 1.1 + 0.085 * tallest * (len(chosen) + 1.5)), layout="constrained")
        places = np.atleast_1d(sheet.subplots(1, len(panels)))
        for axes, panel, letter in zip(places, panels, "abc", strict=False):
            _points(axes, context, chosen, panel.groups, panel.labels)
            axes.set_title(f"{letter}  By {panel.of}", loc="left")
        handles, texts = places[0].get_legend_handles_labels()
        sheet.legend(handles, texts, loc="outside lower center", ncols=min(3, len(texts)))
        return sheet

    named = " and by ".join(panel.of for panel in panels)
    has_land_cover = any(panel.of == LAND_COVER for panel in panels)
    commonest = " (commonest class of a cell; n: samples;" if has_land_cover else " (n: samples;"
    caption = (
        f"RMSE on the test part by {named}{commonest} at most the "
        f"{MOST_LAND_COVERS} classes with most), with the tables' {CONFIDENCE:.0%} intervals over places and runs "
        f"(docs/uncertainty.md); no bar where a group lies in too few blocks; errors beyond an "
        f"axis, {DROWNING:g} times the median and more, stand as numbers at its end. {context.circumstances(chosen)}"
    )
    figure = Figure(
        f"{context.suite}_error_groups",
        f"Error by {' and '.join(panel.of for panel in panels)}",
        caption,
        job_ids(chosen),
        context.about(chosen),
        draw,
    )
    return Drawings((figure,))


LAND_COVER = "land cover"
_NO_CATEGORY = frozenset({"all", "season", "week", "cells", "border"})
"""What stands before the colon in names of groups that are no category of places."""


def _panels(context: Context, row: RowResult) -> list[_GroupPanel]:
    """Seasons, where the data have them, and at most two categories of places, land cover first."""
    first = row.records[0].job.repetition
    tables = [context.reader.table(record) for record in row.records if record.job.repetition == first]
    tested = pd.concat([table.query("part == 'test' and weighting == 'plain'") for table in tables])
    samples = tested.groupby("group")["n"].sum()
    panels = []
    seasons = [f"season:{name}" for name in SEASONS if f"season:{name}" in samples.index]
    if seasons:
        titles = {"all": "All scored steps"} | {f"season:{name}": months for name, months in _MONTHS.items()}
        groups = ["all", *seasons]
        panels.append(_GroupPanel("season", groups, [f"{titles[group]}\nn = {samples[group]:,}" for group in groups]))
    kinds = dict.fromkeys(group.partition(":")[0] for group in samples.index)
    for kind in [name for name in kinds if name not in _NO_CATEGORY][:2]:
        found = samples[samples.index.str.startswith(f"{kind}:")].sort_values(ascending=False, kind="stable")
        groups = list(found.index[:MOST_LAND_COVERS])
        names = [land_cover_title(group.partition(":")[2]) for group in groups]
        labels = [f"{name}\nn = {found[group]:,}" for name, group in zip(names, groups, strict=True)]
        panels.append(_GroupPanel(LAND_COVER if kind == "land_cover" else kind, groups, labels))
    return panels


def _points(axes: Axes, context: Context, chosen: tuple[RowResult, ...], groups: list[str], labels: list[str]) -> None:
    height = 0.8 / len(chosen)
    drawn: list[tuple[float, float]] = []
    for index, (row, stroke) in enumerate(zip(chosen, STROKES, strict=False)):
        found = [context.reader.estimate(row.records, "rmse", group=group) for group in groups]
        here = [(place, estimate) for place, estimate in enumerate(found) if estimate is not None]
        values = np.array([estimate.value for _, estimate in here])
        drawn += [(estimate.value, place + (index - (len(chosen) - 1) / 2) * height) for place, estimate in here]
        ends = np.array([(estimate.low, estimate.high) for _, estimate in here])
        axes.errorbar(
            values,
            [place + (index - (len(chosen) - 1) / 2) * height for place, _ in here],
            xerr=np.maximum(np.abs(ends.T - values), 0.0) if len(here) else None,
            fmt=stroke.marker,
            color=stroke.colour,
            elinewidth=0.9,
            label=row.marked_title,
        )
    for boundary in np.arange(1, len(groups)) - 0.5:
        axes.axhline(boundary, color="#cfcfcf", linewidth=0.5)
    axes.grid(False, axis="y")
    axes.set_yticks(range(len(groups)), labels)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    _limit(axes, drawn)
    axes.set_xlabel(f"RMSE of {context.target}")


def _limit(axes: Axes, drawn: Sequence[tuple[float, float]]) -> None:
    """Ends the axis before values that would drown the others, and writes these at its end.

    Args:
        axes: of the points.
        drawn: value and height of each.
    """
    axes.set_xlim(left=0)
    usual = float(np.median([value for value, _ in drawn])) if drawn else 0.0
    right = DROWNING * usual
    if usual <= 0 or max(value for value, _ in drawn) <= right:
        return
    axes.set_xlim(0, right)
    for value, height in drawn:
        if value > right:
            axes.text(right, height, f"{value:.3g} →", ha="right", va="center", fontsize=SMALL_TEXT_SIZE)
