"""Maps of towers: the error at each, and whether knowledge lowered it."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure as Sheet

from bench.arrays import Doubles
from bench.report.figures.flux.featured import FluxContext, ids_of, title_of
from bench.report.figures.geography import Points, draw_cells
from bench.report.figures.model import Drawings, Figure
from bench.report.figures.stored import NO_DATASET
from bench.report.figures.style import PAGE_WIDTH, SIGNED, SIZES
from bench.report.results.flux.flux_rows import BASELINE, FluxRowResult, find, flux_rows, same_inputs, whole
from bench.scoring.towers import Towers
from bench.suites.flux import PLACES

_SHOWN_SHARE = 98.0  # per cent of the values within the colour scale, where single extremes would bleach the map
_WORLD_RATIO = 0.42  # height ÷ width of a panel


def tower_maps(context: FluxContext) -> Drawings:
    """RMSE at each tower, and beside it the logarithm of its ratio to the same inputs without knowledge."""
    what = "Map of towers (flux)"
    shown = context.shown(PLACES)[:1]
    if not shown:
        return Drawings(left_out=(f"{what}: no row is done at towers never seen.",))
    if context.dataset is None:
        return Drawings(left_out=(f"{what}: {NO_DATASET}.",))
    [row] = shown
    found = [own for own in flux_rows(context.selection, PLACES) if own.is_main]
    other = same_inputs(whole(found), row) or find(whole(found), row.result.key.runner, {"variant": BASELINE})
    other = other if other is not row else None
    cells = context.dataset.cells
    lon, lat = (cells[name].to_numpy(np.float64) for name in ("lon", "lat"))
    planar = context.dataset.description.crs is not None

    def draw() -> Sheet:
        columns = 1 if other is None else 2
        height = _WORLD_RATIO * PAGE_WIDTH / 2 * len(context.targets) + 0.6
        width = PAGE_WIDTH if other is not None else 0.6 * PAGE_WIDTH
        sheet = Sheet(figsize=(width, height), layout="constrained")
        grid = sheet.subplots(len(context.targets), columns, squeeze=False)
        for panels, target in zip(grid, context.targets, strict=True):
            towers, error = rmse_of_towers(context, row, target)
            places = Points(lon[towers], lat[towers], planar)
            top = float(np.percentile(error, _SHOWN_SHARE))
            mesh = draw_cells(panels[0], places, error, SIZES, (0.0, top))
            panels[0].set_title(f"{target}: {title_of(row)}", loc="left")
            sheet.colorbar(mesh, ax=panels[0], extend="max").set_label(f"RMSE ({context.units})")
            if other is not None:
                change = log_ratio(context, row, other, target)
                limit = float(np.percentile(np.abs(change), _SHOWN_SHARE)) or 1.0
                mesh = draw_cells(panels[1], places, change, SIGNED, (-limit, limit))
                panels[1].set_title(f"{target}: ÷ {title_of(other)}", loc="left")
                sheet.colorbar(mesh, ax=panels[1], extend="both").set_label("log₂ of the ratio of RMSE")
        return sheet

    compared = [row] if other is None else [row, other]
    right = "" if other is None else " Right: below 0 (blue) the row with knowledge errs less than the one without."
    caption = (
        f"RMSE over the test months of each tower, which the model never saw, as a mean over seeds.{right} "
        f"Every tower is a point; {100 - _SHOWN_SHARE:g} % of the values lie beyond the scale. "
        f"{context.circumstances(compared, PLACES)}"
    )
    title = "Towers and their errors"
    return Drawings((Figure("flux_towers", title, caption, ids_of(compared), context.about(compared), draw),))


def rmse_of_towers(context: FluxContext, row: FluxRowResult, target: str) -> tuple[Towers, Doubles]:
    """Test towers of a row and their RMSE, a mean over repetitions."""
    towers, error = context.reader.of_each_tower(row, target, "rmse")
    return towers, error.mean(axis=0)


def log_ratio(context: FluxContext, row: FluxRowResult, other: FluxRowResult, target: str) -> Doubles:
    """(tower,) logarithm to base 2 of the ratio of RMSE; 0 where both are 0."""
    own, theirs = rmse_of_towers(context, row, target)[1], rmse_of_towers(context, other, target)[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log2(own / theirs)
    return np.where(np.isfinite(ratio), ratio, 0.0)
