"""Reliability of the imputation: how often the truth lies in the interval that should hold it."""

from __future__ import annotations

from matplotlib.figure import Figure as Sheet

from bench.report.figures.flux.featured import FluxContext, ids_of, title_of
from bench.report.figures.model import Drawings, Figure
from bench.report.figures.style import PAGE_WIDTH, QUIET, STROKES
from bench.report.results.flux.flux_rows import flux_rows
from bench.scoring.uncertainty import CONFIDENCE
from bench.suites.flux import IMPUTATION

LEVELS = {"inside_50": 0.5, "inside_90": 0.9}
"""Score → share of the truth that the interval should hold."""
_HEIGHT = 2.9
_SHIFT = 0.012


def reliability(context: FluxContext) -> Drawings:
    """Share of hidden months inside the central 50 and 90 % of the imputed distribution."""
    shown = [row for row in flux_rows(context.selection, IMPUTATION) if row.result.records]
    if not shown:
        return Drawings(left_out=("Reliability of the imputation (flux): no imputation is done.",))

    def draw() -> Sheet:
        sheet = Sheet(figsize=(PAGE_WIDTH, _HEIGHT), layout="constrained")
        panels = sheet.subplots(1, len(context.targets), squeeze=False, sharey=True)[0]
        for axes, target in zip(panels, context.targets, strict=True):
            axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.8, zorder=0.5)
            for index, (row, stroke) in enumerate(zip(shown, STROKES, strict=False)):
                for name, level in LEVELS.items():
                    found = context.reader.estimate(row, target, name)
                    if found is None:
                        continue
                    ends = [[found.value - found.low], [found.high - found.value]] if found.known else None
                    axes.errorbar(
                        level + _SHIFT * (index - (len(shown) - 1) / 2),
                        found.value,
                        yerr=ends,
                        color=stroke.colour,
                        marker=stroke.marker,
                        linestyle="",
                        elinewidth=0.8,
                        label=title_of(row) if level == min(LEVELS.values()) else None,
                    )
            axes.set_title(target, loc="left")
            axes.set_xlim(0.35, 1.0)
            axes.set_ylim(0.0, 1.0)
            axes.set_xticks(list(LEVELS.values()), [f"{level:.0%}" for level in LEVELS.values()])
            axes.set_xlabel("Interval")
        panels[0].set_ylabel("Share of hidden months inside")
        handles, labels = panels[0].get_legend_handles_labels()
        sheet.legend(handles, labels, loc="outside lower center", ncols=len(shown))
        return sheet

    caption = (
        "Share of hidden months inside the central 50 and 90 % of the imputed distribution; on the line the "
        f"distribution is as wide as it should be, below it is too narrow. {CONFIDENCE:.0%} intervals over towers. "
        f"{context.circumstances(shown, IMPUTATION)}"
    )
    title = "Reliability of the imputation"
    return Drawings((Figure("flux_reliability", title, caption, ids_of(shown), context.about(shown), draw),))
