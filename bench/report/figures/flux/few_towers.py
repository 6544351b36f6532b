"""Error by number of labelled towers."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Sheet

from bench.report.figures.flux.featured import FluxContext, ids_of, title_of
from bench.report.figures.model import Drawings, Figure
from bench.report.figures.style import PAGE_WIDTH, STROKES
from bench.report.results.flux.flux_rows import FluxRowResult
from bench.report.tables.flux.few import sizes_of
from bench.scoring.interval import Interval
from bench.scoring.uncertainty import CONFIDENCE
from bench.suites.flux import FEW

_HEIGHT = 2.9
_SHIFT = 0.02  # of a size: bars of rows stand beside each other


def errors_by_towers(context: FluxContext) -> Drawings:
    """RMSE of each flux over the number of labelled towers."""
    sizes = sizes_of(context.selection)
    rows_of = {size: context.shown(FEW, size) for size in sizes}
    curves = curves_of(rows_of)
    if len(sizes) < 2 or not curves:
        return Drawings(left_out=("Error by labelled towers (flux): fewer than two numbers of towers are done.",))
    shown = [row for of_size in curves.values() for row in of_size.values()]

    def draw() -> Sheet:
        sheet = Sheet(figsize=(PAGE_WIDTH, _HEIGHT), layout="constrained")
        panels = sheet.subplots(1, len(context.targets), squeeze=False)[0]
        for axes, target in zip(panels, context.targets, strict=True):
            for index, (name, of_size) in enumerate(curves.items()):
                points = {size: context.reader.estimate(row, target, "rmse") for size, row in of_size.items()}
                known = {size: found for size, found in points.items() if found is not None}
                _line(axes, known, name, index, len(curves))
            axes.set_xscale("log")
            axes.set_xticks(sizes, [str(size) for size in sizes])
            axes.set_xticks([], minor=True)
            axes.set_xlabel("Labelled towers")
            axes.set_ylabel(f"RMSE of {target} ({context.units})")
        handles, labels = panels[0].get_legend_handles_labels()
        sheet.legend(handles, labels, loc="outside lower center", ncols=2)
        return sheet

    caption = (
        f"Error at towers never seen over the number of labelled towers, with {CONFIDENCE:.0%} intervals over towers "
        f"and samples of towers (docs/uncertainty.md). {context.circumstances(shown, FEW)}"
    )
    title = "Error by number of labelled towers"
    return Drawings((Figure("flux_few_towers", title, caption, ids_of(shown), context.about(shown), draw),))


def curves_of(rows_of: Mapping[int, list[FluxRowResult]]) -> dict[str, dict[int, FluxRowResult]]:
    """Printed name of a row → size → the row, in the order of the rows; those with one size only are left out."""
    curves: dict[tuple[str, str | None], dict[int, FluxRowResult]] = {}
    for size, found in rows_of.items():
        for row in found:
            curves.setdefault((row.result.key.runner, row.result.key.variant), {})[size] = row
    return {_title(of_size): of_size for of_size in curves.values() if len(of_size) > 1}


def _title(of_size: Mapping[int, FluxRowResult]) -> str:
    """The row's name, marked where one of its trainings did not end."""
    titles = [title_of(row) for row in of_size.values()]
    return max(titles, key=len)


def _line(axes: Axes, points: Mapping[int, Interval], name: str, index: int, n: int) -> None:
    stroke = STROKES[index % len(STROKES)]
    shift = 1.0 + _SHIFT * (index - (n - 1) / 2)
    known = [found if found.known else Interval(found.value, found.value, found.value) for found in points.values()]
    axes.errorbar(
        [size * shift for size in points],
        [found.value for found in known],
        yerr=[
            [max(0.0, found.value - found.low) for found in known],
            [max(0.0, found.high - found.value) for found in known],
        ],
        color=stroke.colour,
        marker=stroke.marker,
        linestyle=stroke.dashes,
        elinewidth=0.8,
        label=name,
    )
