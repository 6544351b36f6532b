"""Figure 5 of the paper, maps of the weight of temperature and of predicted GPP; and maps of the residuals."""

from __future__ import annotations

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Sheet

from bench.arrays import Doubles
from bench.data.climate_classes import TEMPERATURE_NAMES
from bench.data.rhythm import EIGHT_DAY
from bench.report.figures.geography import CellMap, draw_cells, map_of
from bench.report.figures.model import Drawings, Figure
from bench.report.figures.stored import (
    NO_DATASET,
    Context,
    explaining,
    job_ids,
    mean_importance,
    mean_predictions,
    representatives,
)
from bench.report.figures.style import PAGE_WIDTH, SIGNED, SIZES, columns_for, feature_words, panels
from bench.report.results.rows import RowResult
from bench.runners.entry import PROPOSED

STEPS = (1, 10, 20, 30)
"""The paper's weeks: 8-day steps of the test year; of another rhythm, the steps in which these begin."""
_SHOWN_SHARE = 98.0  # per cent of the values within the colour scale where single extremes would bleach the map
_LABEL_LETTERS = 22  # of a line beside a colour scale
_DROWNING = 2.0
"""Times as large as the others are single values that bleach a map."""


def weight_maps(context: Context) -> Drawings:
    """Figure 5 of every proposed model that has stored its importance weights."""
    proposed = [row for row in context.shown if row.family == PROPOSED]
    what = "Figure 5" if context.words.of_paper else "Maps of importance weights"
    if not proposed:
        return Drawings(left_out=(f"{what} ({context.suite}): no job of the proposed model is done.",))
    drawings = Drawings()
    for row in proposed:
        reason = _why_not(context, row)
        if reason:
            drawings += Drawings(left_out=(f"{what} ({context.suite}, {row.title}): {reason}.",))
        else:
            drawings += Drawings((_weight_figure(context, row),))
    return drawings


def residual_maps(context: Context) -> Drawings:
    """Mean residual of every cell over the test steps, for the models that figures show."""
    chosen = representatives(context)
    if context.dataset is None:
        return Drawings(left_out=(f"Residual maps ({context.suite}): {NO_DATASET}.",))
    if not chosen:
        return Drawings(left_out=(f"Residual maps ({context.suite}): no job is done.",))
    grid = _grid(context, chosen[0])

    def draw() -> Sheet:
        residuals = []
        for row in chosen:
            table = mean_predictions(context, row)
            error = (table["prediction"].astype(np.float64) - table["target"]).groupby(table["cell"]).mean()
            residuals.append(error)
        limit, clipped = _limit(np.concatenate([error.to_numpy() for error in residuals]))
        columns = columns_for(len(chosen), 2 if grid.is_wide else 3)
        rows = -(-len(chosen) // columns)
        sheet = Sheet(figsize=(PAGE_WIDTH, _height(grid, rows, columns, side=1.5, below=0.2)), layout="compressed")
        places = panels(sheet, len(chosen), columns, shared=True)
        for index, (axes, row, error) in enumerate(zip(places, chosen, residuals, strict=True)):
            mesh = draw_cells(axes, grid, error.to_numpy(), SIGNED, (-limit, limit))
            axes.set_title(f"{'abcdef'[index]}  {row.marked_title}", loc="left")
        scale = {"shrink": 0.6, "aspect": 30} if rows > 1 else {"aspect": 15}
        bar = sheet.colorbar(mesh, ax=places, extend="both" if clipped else "neither", pad=0.015, **scale)
        bar.set_label(f"Mean residual of {context.selection.manifest.target_name}\n({context.target_units})")
        return sheet

    caption = (
        "Mean residual (prediction − target) of every cell over its test samples, for the proposed models, those that "
        "the tables divide by, and the best of other families. "
        f"{_extremes()} "
        f"{grid.words} {context.circumstances(chosen)}"
    )
    name = f"{context.suite}_residual_maps"
    return Drawings((Figure(name, "Mean residuals", caption, job_ids(chosen), context.about(chosen), draw),))


def temperature_of(feature_names: tuple[str, ...]) -> str | None:
    """The data set's mean air temperature: the first of `TEMPERATURE_NAMES` that is a feature."""
    return next((name for name in TEMPERATURE_NAMES if name in feature_names), None)


def _why_not(context: Context, row: RowResult) -> str | None:
    if context.dataset is None:
        return NO_DATASET
    if not explaining(row):
        return "its jobs hold no importance weights"
    if temperature_of(context.dataset.description.feature_names) is None:
        return f"no climate feature is called {', '.join(TEMPERATURE_NAMES)}"
    split, steps = context.selection.jobs[0].split, _steps(context)
    if "test_year" not in split:
        return "maps of single steps need a test year"
    if not set(split.get("weeks", steps)) & set(steps):
        return f"none of the steps {', '.join(map(str, steps))} was scored"
    return None


def _steps(context: Context) -> tuple[int, ...]:
    """The steps of the year that are mapped."""
    length = context.words.rhythm.steps_per_year
    return tuple(dict.fromkeys(int((step - 1) / EIGHT_DAY.steps_per_year * length) + 1 for step in STEPS))


def _weight_figure(context: Context, row: RowResult) -> Figure:
    dataset = context.dataset
    assert dataset is not None
    temperature = temperature_of(dataset.description.feature_names)
    assert temperature is not None
    grid, steps = _grid(context, row), _steps(context)

    def draw() -> Sheet:
        weights, predicted = mean_importance(context, row, [temperature]), mean_predictions(context, row)
        step_of_time, date_of_time = dataset.times["step_of_year"].to_numpy(), dataset.times["time"]
        times = [time for time in np.unique(weights["time"]).tolist() if step_of_time[time] in steps]
        at = {time: (weights["time"] == time).to_numpy() for time in times}
        shown = np.isin(weights["time"], times)
        limit, clipped = _limit(weights.loc[shown, temperature].to_numpy())
        largest, beyond = _limit(predicted.loc[shown, "prediction"].to_numpy())
        shape = (len(times), 2) if grid.is_wide else (2, len(times))
        side, below = (0.8, 0.9) if grid.is_wide else (1.5, 0.2)  # where the scales stand
        sheet = Sheet(figsize=(PAGE_WIDTH, _height(grid, *shape, side=side, below=below)), layout="compressed")
        places = sheet.subplots(*shape, sharex=True, sharey=True, squeeze=False)
        places = places.T if grid.is_wide else places
        for column, time in enumerate(times):
            date = pd.Timestamp(date_of_time.iloc[time])
            when = f"{context.words.long_step(step_of_time[time])} (from {date.day} {date:%b})"
            upper = draw_cells(
                places[0, column], grid, weights.loc[at[time], temperature].to_numpy(), SIGNED, (-limit, limit)
            )
            lower = draw_cells(
                places[1, column], grid, predicted.loc[at[time], "prediction"].to_numpy(), SIZES, (0.0, largest)
            )
            places[0, column].set_title(when, loc="left")
            if grid.is_wide:
                places[1, column].set_title(when, loc="left")
        per_deviation = f"({context.target_units} per SD)"
        scale = {"location": "bottom", "shrink": 0.8, "aspect": 40} if grid.is_wide else {"aspect": 20, "pad": 0.015}
        bar = sheet.colorbar(upper, ax=places[0], extend="both" if clipped else "neither", **scale)
        bar.set_label(f"{fill(f'Weight of {feature_words(temperature)}', _LABEL_LETTERS)}\n{per_deviation}")
        bar = sheet.colorbar(lower, ax=places[1], extend="max" if beyond else "neither", **scale)
        bar.set_label(f"Predicted {context.selection.manifest.target_name}\n({context.target_units})")
        return sheet

    beside = " (Figure 5 of the paper)" if context.words.of_paper else ""
    caption = (
        f"Weight of {feature_words(temperature)} in the prediction (Eq. 17; SD: standard deviation of the feature) and "
        "predicted "
        f"{context.selection.manifest.target_name} at steps {', '.join(map(str, steps))} of the test year, as far as "
        f"they were scored{beside}. {_extremes()} {grid.words} {context.circumstances([row])}"
    )
    name = f"{context.suite}_figure5_{row.key.runner}"
    title = f"Weight of temperature and predicted {context.selection.manifest.target_name}, {row.marked_title}"
    return Figure(name, title, caption, job_ids([row]), context.about([row]), draw)


def _grid(context: Context, row: RowResult) -> CellMap:
    """The map of the cells that were scored."""
    assert context.dataset is not None
    here = context.dataset.cells.iloc[np.unique(mean_predictions(context, row)["cell"])]
    return map_of(here["lon"].to_numpy(), here["lat"].to_numpy(), context.words.is_planar)


def _limit(values: Doubles) -> tuple[float, bool]:
    """Where colours end, and whether values lie beyond: at the largest, unless single ones would drown the others."""
    sizes = np.abs(values)
    usual, largest = float(np.percentile(sizes, _SHOWN_SHARE)), float(sizes.max())
    clipped = largest > _DROWNING * usual
    return (usual if clipped else largest) or 1.0, clipped


def _height(grid: CellMap, rows: int, columns: int, *, side: float, below: float) -> float:
    """Height of a sheet of maps that keep their shape, with room beside them and below them, inches."""
    west, east, south, north = grid.extent
    width = (PAGE_WIDTH - side) / columns
    return float(min(9.0, rows * (width * grid.stretch * (north - south) / (east - west) + 0.25) + below))


def _extremes() -> str:
    return (
        f"Colours end at the largest value, or, where it is more than {_DROWNING:g} times as large as "
        f"{_SHOWN_SHARE:g} % of the values, where these end: then the scale has arrows."
    )
