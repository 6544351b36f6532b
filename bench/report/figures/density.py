"""Observed against predicted values, as a density."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure as Sheet
from matplotlib.ticker import MaxNLocator

from bench.arrays import Doubles
from bench.report.figures.model import Drawings, Figure
from bench.report.figures.stored import Context, job_ids, mean_predictions, predictions, representatives
from bench.report.figures.style import PAGE_WIDTH, QUIET, SIZES, SMALL_TEXT_SIZE, columns_for, panels
from bench.report.results.rows import RowResult
from bench.scoring.uncertainty import CONFIDENCE

BINS = 90
"""Along each axis."""
_COLUMNS = 3
DECADE = 10
"""Largest over smallest number of samples of a bin from which the colours are logarithmic."""


def observed_and_predicted(context: Context) -> Drawings:
    """Densities of observed against predicted values of the models that figures show."""
    chosen = representatives(context)

    def draw() -> Sheet:
        edges = _edges(context, chosen)
        counts = [density(context, row, edges) for row in chosen]
        most = max(float(count.max()) for count, _ in counts)
        fewest = 1.0 / max(row.runs for row in chosen)  # one sample of one seed
        columns = columns_for(len(chosen), _COLUMNS)
        height = 0.3 + -(-len(chosen) // columns) * min(3.5, (PAGE_WIDTH - 1.1) / columns + 0.55)
        sheet = Sheet(figsize=(PAGE_WIDTH, height), layout="compressed")
        places = panels(sheet, len(chosen), _COLUMNS, shared=True)
        for index, (axes, row, (count, outside)) in enumerate(zip(places, chosen, counts, strict=True)):
            axes.grid(False)
            mesh = axes.pcolormesh(
                edges,
                edges,
                np.ma.masked_equal(count.T, 0.0),
                norm=LogNorm(fewest, most) if most >= DECADE * fewest else Normalize(fewest, most),
                cmap=SIZES,
                rasterized=True,
            )
            axes.plot(edges[[0, -1]], edges[[0, -1]], color=QUIET, linewidth=0.8)
            axes.set_aspect("equal")
            axes.set_title(f"{'abcdef'[index]}  {row.marked_title}", loc="left", pad=2.6 * SMALL_TEXT_SIZE + 6)
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
            words = _words(context, row, outside)
            axes.text(0.0, 1.02, words, transform=axes.transAxes, va="bottom", fontsize=SMALL_TEXT_SIZE)
        sheet.supxlabel(f"Observed {context.target}", fontsize="medium")
        sheet.supylabel(f"Predicted {context.target}", fontsize="medium")
        bar = sheet.colorbar(mesh, ax=places, shrink=0.7, aspect=30, pad=0.015)
        if most < DECADE * fewest:
            bar.locator = MaxNLocator(5, integer=fewest >= 1)
        bar.set_label("Samples per bin (mean over seeds)")
        return sheet

    if not chosen:
        return Drawings(left_out=(f"Observed against predicted ({context.suite}): no job is done.",))
    caption = (
        f"Observed against predicted {context.selection.manifest.target_name} of all samples of the test part, "
        f"{BINS} × {BINS} bins over the range of the observed values (outside: share of samples beyond it); grey: "
        f"equality. RMSE and R² are those of the tables, with their {CONFIDENCE:.0%} intervals. "
        f"{context.circumstances(chosen)}"
    )
    figure = Figure(
        f"{context.suite}_observed_predicted",
        "Observed against predicted",
        caption,
        job_ids(chosen),
        context.about(chosen),
        draw,
    )
    return Drawings((figure,))


def density(context: Context, row: RowResult, edges: Doubles) -> tuple[Doubles, float]:
    """Samples per bin, averaged over seeds.

    Args:
        context: the selection.
        row: the model.
        edges: (bin + 1,) of both axes.

    Returns:
        (observed bin, predicted bin) counts, and the share of samples that lie outside all bins.
    """
    total, n = np.zeros((len(edges) - 1, len(edges) - 1)), 0
    for record in row.records:
        table = predictions(context, record)
        total += np.histogram2d(table["target"], table["prediction"], bins=(edges, edges))[0]
        n += len(table)
    return total / row.runs, 1.0 - float(total.sum()) / n


def _edges(context: Context, chosen: tuple[RowResult, ...]) -> Doubles:
    target = mean_predictions(context, chosen[0])["target"].to_numpy(np.float64)
    low, high = min(0.0, float(target.min())), float(target.max())
    margin = 0.04 * (high - low) or 1.0
    return np.linspace(low - margin, high + margin, BINS + 1)


def _words(context: Context, row: RowResult, outside: float) -> str:
    lines = []
    for metric, label in (("r2", "R²"), ("rmse", "RMSE")):
        estimate = context.reader.estimate(row.records, metric)
        if estimate is not None:
            known = f" [{estimate.low:.2f}, {estimate.high:.2f}]" if estimate.low == estimate.low else ""
            lines.append(f"{label} {estimate.value:.2f}{known}")
    if outside > 0.0005:
        lines[-1] += f", {outside:.1%} outside"
    return "\n".join(lines)
