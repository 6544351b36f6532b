"""Learning curves: test error over the number of training cells of the few-shot suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Sheet

from bench.report.figures.model import Drawings, Figure
from bench.report.figures.stored import MOST_SHOWN, Context, job_ids, representatives
from bench.report.figures.style import PAGE_WIDTH, STROKES, label_ends
from bench.report.results.rows import RowResult
from bench.scoring.interval import Interval
from bench.scoring.uncertainty import CONFIDENCE

LOWEST_R2 = -0.5
"""A model that fails on few cells would otherwise hide the differences between the others."""
Curve = Sequence[tuple[int, Interval]]
"""Training cells and the metric, ascending."""


def learning_curves(context: Context) -> Drawings:
    """Test RMSE and R² over the number of training cells, of the models that figures show."""
    sizes = sorted({row.key.train_cells for row in context.rows if row.key.train_cells})
    what = f"Learning curves ({context.suite})"
    if not sizes:
        return Drawings(left_out=(f"{what}: every run of this suite trains on all places.",))
    if len(sizes) < 2:
        reason = f"every run trains on {sizes[0]:,} cells; run `bench run --suite fewshot --train-cells N,N`"
        return Drawings(left_out=(f"{what}: {reason}.",))
    chosen = [row for row in representatives(context) if len(_sizes_of(context, row)) > 1][:MOST_SHOWN]
    if not chosen:
        return Drawings(left_out=(f"{what}: no model is done with more than one number of training cells.",))
    members = [row for row in context.rows for shown in chosen if _same_model(row, shown)]

    def draw() -> Sheet:
        sheet = Sheet(figsize=(PAGE_WIDTH, 2.9), layout="constrained")
        panels = sheet.subplots(1, 2)
        for axes, metric, label in zip(panels, ("rmse", "r2"), (f"RMSE of {context.target}", "R²"), strict=True):
            _lines(axes, {row.marked_title: curve(context, row, metric) for row in chosen})
            axes.set_xscale("log")
            axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
            axes.set_xticks([], minor=True)
            axes.set_xlabel("Training cells")
            axes.set_ylabel(label)
        low, high = panels[1].get_ylim()
        panels[1].set_ylim(max(LOWEST_R2, low), min(1.0, high))
        sheet.draw_without_rendering()  # settles the layout, which the places of the labels depend on
        for axes, metric in zip(panels, ("rmse", "r2"), strict=True):
            _label(axes, {row.marked_title: curve(context, row, metric) for row in chosen})
        return sheet

    caption = (
        f"Test error over the number of training cells, over all cells, with the tables' {CONFIDENCE:.0%} "
        f"intervals over places and samples of cells (docs/uncertainty.md). The axis of R² ends at "
        f"{LOWEST_R2:g}. {context.circumstances(members)}"
    )
    figure = Figure(
        f"{context.suite}_learning_curves", "Learning curves", caption, job_ids(members), context.about(chosen), draw
    )
    return Drawings((figure,))


def curve(context: Context, row: RowResult, metric: str) -> Curve:
    """A metric of a model over its numbers of training cells, ascending."""
    found = []
    for size, other in sorted(_sizes_of(context, row).items()):
        estimate = context.reader.estimate(other.records, metric)
        if estimate is not None:
            found.append((size, estimate))
    return found


def _sizes_of(context: Context, row: RowResult) -> Mapping[int, RowResult]:
    return {
        other.key.train_cells: other
        for other in context.rows
        if _same_model(other, row) and other.key.train_cells is not None
    }


def _same_model(one: RowResult, other: RowResult) -> bool:
    return (one.key.runner, one.key.view) == (other.key.runner, other.key.view)


def _lines(axes: Axes, curves: Mapping[str, Curve]) -> None:
    for index, ((title, points), stroke) in enumerate(zip(curves.items(), STROKES, strict=False)):
        shift = 1.0 + 0.012 * (index - (len(curves) - 1) / 2)  # bars of models beside each other, not over each other
        values = [estimate.value for _, estimate in points]
        axes.errorbar(
            [size * shift for size, _ in points],
            values,
            yerr=[
                [max(0.0, estimate.value - estimate.low) for _, estimate in points],
                [max(0.0, estimate.high - estimate.value) for _, estimate in points],
            ],
            color=stroke.colour,
            marker=stroke.marker,
            linestyle=stroke.dashes,
            elinewidth=0.8,
            label=title,
        )


def _label(axes: Axes, curves: Mapping[str, Curve]) -> None:
    ends = [
        (float(points[-1][0]), points[-1][1].value, title, stroke.colour)
        for (title, points), stroke in zip(curves.items(), STROKES, strict=False)
    ]
    label_ends(axes, ends)
