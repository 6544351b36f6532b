"""Error by season and by land cover, with intervals."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Sheet

from bench.report.figures.model import Drawings, Figure
from bench.report.figures.stored import Context, job_ids, representatives
from bench.report.figures.style import PAGE_WIDTH, STROKES, land_cover_title
from bench.report.results.selection import RowResult
from bench.scoring.metrics import SEASONS
from bench.scoring.uncertainty import CONFIDENCE

MOST_LAND_COVERS = 8
"""Those with most samples are shown."""
_MONTHS = {"DJF": "Dec–Feb", "MAM": "Mar–May", "JJA": "Jun–Aug", "SON": "Sep–Nov"}


def errors_by_group(context: Context) -> Drawings:
    """RMSE by season and by land cover of the models that figures show."""
    chosen = representatives(context)
    if not chosen:
        return Drawings(left_out=(f"Error by season and land cover ({context.suite}): no cell is done.",))

    def draw() -> Sheet:
        table = context.reader.table(chosen[0].records[0]).query("part == 'test' and weighting == 'plain'")
        samples = table.groupby("group")["n"].sum()
        seasons = ["all", *(f"season:{name}" for name in SEASONS if f"season:{name}" in samples.index)]
        covers = samples[samples.index.str.startswith("land_cover:")].sort_values(ascending=False, kind="stable")
        groups = list(covers.index[:MOST_LAND_COVERS])
        tallest = max(len(seasons), len(groups))
        sheet = Sheet(figsize=(PAGE_WIDTH, 1.1 + 0.085 * tallest * (len(chosen) + 1.5)), layout="constrained")
        left, right = sheet.subplots(1, 2)
        titles = {"all": "All scored steps"} | {f"season:{name}": months for name, months in _MONTHS.items()}
        _points(left, context, chosen, seasons, [f"{titles[group]}\nn = {samples[group]:,}" for group in seasons])
        names = [land_cover_title(group.removeprefix("land_cover:")) for group in groups]
        labels = [f"{name}\nn = {covers[group]:,}" for name, group in zip(names, groups, strict=True)]
        _points(right, context, chosen, groups, labels)
        left.set_title("a  By season", loc="left")
        right.set_title("b  By land cover", loc="left")
        handles, texts = left.get_legend_handles_labels()
        sheet.legend(handles, texts, loc="outside lower center", ncols=min(3, len(texts)))
        return sheet

    caption = (
        "RMSE on the test part by season and by land cover (commonest class of a cell; n: samples; at most the "
        f"{MOST_LAND_COVERS} classes with most), with the tables' {CONFIDENCE:.0%} intervals over places and runs "
        f"(docs/uncertainty.md); no bar where a group lies in too few blocks. {context.circumstances(chosen)}"
    )
    figure = Figure(
        f"{context.suite}_error_groups",
        "Error by season and land cover",
        caption,
        job_ids(chosen),
        context.about(chosen),
        draw,
    )
    return Drawings((figure,))


def _points(axes: Axes, context: Context, chosen: tuple[RowResult, ...], groups: list[str], labels: list[str]) -> None:
    height = 0.8 / len(chosen)
    for index, (row, stroke) in enumerate(zip(chosen, STROKES, strict=False)):
        found = [context.reader.estimate(row.records, "rmse", group=group) for group in groups]
        here = [(place, estimate) for place, estimate in enumerate(found) if estimate is not None]
        values = np.array([estimate.value for _, estimate in here])
        ends = np.array([(estimate.low, estimate.high) for _, estimate in here])
        axes.errorbar(
            values,
            [place + (index - (len(chosen) - 1) / 2) * height for place, _ in here],
            xerr=np.maximum(np.abs(ends.T - values), 0.0) if len(here) else None,
            fmt=stroke.marker,
            color=stroke.colour,
            elinewidth=0.9,
            label=row.title,
        )
    for boundary in np.arange(1, len(groups)) - 0.5:
        axes.axhline(boundary, color="#cfcfcf", linewidth=0.5)
    axes.grid(False, axis="y")
    axes.set_yticks(range(len(groups)), labels)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.set_xlabel(f"RMSE of {context.target}")
