"""Seasonal courses at six towers: what was measured, what was predicted, and how sure the prediction was."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure as Sheet
from matplotlib.lines import Line2D

from bench.report.figures.flux.featured import FluxContext, ids_of, title_of
from bench.report.figures.model import Drawings, Figure
from bench.report.figures.stored import NO_DATASET
from bench.report.figures.style import INK, PAGE_WIDTH, SMALL_TEXT_SIZE, STROKES
from bench.report.results.flux.flux_rows import FluxRowResult
from bench.store.dataset_record import DatasetRecord
from bench.suites.flux import PLACES

MOST_TOWERS = 6
INSIDE_90 = 1.6449
"""Standard deviations on either side that hold 90 % of a normal distribution."""
_ROW_INCHES, _REST_INCHES = 1.35, 0.75
_MONTHS = 12


def seasonal_courses(context: FluxContext) -> Drawings:
    """Mean course over the year at six towers, a row of panels for each flux."""
    what = "Seasonal courses (flux)"
    shown = context.shown(PLACES)[:1]
    if not shown:
        return Drawings(left_out=(f"{what}: no row is done at towers never seen.",))
    if context.dataset is None:
        return Drawings(left_out=(f"{what}: {NO_DATASET}.",))
    [row] = shown
    dataset = context.dataset
    months = course(context, row, dataset)
    chosen = chosen_towers(months, dataset)

    def draw() -> Sheet:
        height = _REST_INCHES + _ROW_INCHES * len(context.targets)
        sheet = Sheet(figsize=(PAGE_WIDTH, height), layout="constrained")
        grid = sheet.subplots(len(context.targets), len(chosen), squeeze=False, sharex=True, sharey="row")
        for panels, target in zip(grid, context.targets, strict=True):
            for axes, tower in zip(panels, chosen, strict=True):
                own = pd.DataFrame(months.xs((target, tower)))
                month, mean = own.index.to_numpy(), own["prediction"].to_numpy()
                half = INSIDE_90 * own["deviation"].to_numpy()
                if np.isfinite(half).all():
                    axes.fill_between(month, mean - half, mean + half, color=STROKES[2].colour, alpha=0.25, linewidth=0)
                axes.plot(month, mean, color=STROKES[2].colour)
                axes.plot(month, own["target"], color=INK, linestyle="", marker="o", markersize=2.2)
                axes.set_xticks([1, 4, 7, 10], ["J", "A", "J", "O"])
            panels[0].set_ylabel(f"{target} ({context.units})", fontsize=SMALL_TEXT_SIZE)
        for axes, tower in zip(grid[0], chosen, strict=True):
            axes.set_title(title_of_tower(tower, dataset), fontsize=SMALL_TEXT_SIZE)
        handles = [
            Line2D([], [], color=INK, linestyle="", marker="o", markersize=2.2, label="measured"),
            Line2D([], [], color=STROKES[2].colour, label=f"{title_of(row)}, with its 90 % interval"),
        ]
        sheet.legend(handles=handles, loc="outside lower center", ncols=2)
        return sheet

    caption = (
        "Means of the months of the year over all test years, measured and predicted at towers that the model never "
        "saw, and the 90 % interval that it gives for one month. Of each of the commonest classes of vegetation the "
        f"tower with most months is shown. {context.circumstances([row], PLACES)}"
    )
    title = "Seasonal courses at six towers" if len(chosen) == MOST_TOWERS else "Seasonal courses at towers"
    figure = Figure("flux_courses", title, caption, ids_of([row]), context.about([row]), draw)
    return Drawings((figure,))


def course(context: FluxContext, row: FluxRowResult, dataset: DatasetRecord) -> pd.DataFrame:
    """Means by flux, tower and month of the year over years and repetitions, and the root mean square deviation.

    Returns:
        Indexed by variable, cell, month; columns target, prediction, deviation, n (months that it is a mean of).
    """
    frames = [context.reader.predictions(record) for record in row.result.records]
    together = pd.concat(frames, ignore_index=True)
    month = dataset.times["time"].to_numpy().astype("datetime64[M]").astype(np.int64) % _MONTHS + 1
    together["month"] = month[together["time"].to_numpy()]
    deviation = together["deviation"] if "deviation" in together else np.float32("nan")
    together["deviation"] = np.square(deviation)
    grouped = together.groupby(["variable", "cell", "month"], observed=True)
    means = grouped[["target", "prediction", "deviation"]].mean()
    means["deviation"] = np.sqrt(means["deviation"])
    return means.assign(n=grouped.size())


def chosen_towers(months: pd.DataFrame, dataset: DatasetRecord) -> list[int]:
    """The tower with most measured months of each of the commonest classes, those of every month of the year first.

    Without classes, the towers with most months.
    """
    counted = months["n"].groupby(["variable", "cell"]).agg(["sum", "size"]).groupby("cell").min()
    labels = _labels(dataset)
    label = labels[counted.index.to_numpy()]
    counted = counted.assign(label=label).reset_index()
    counted = counted.sort_values(["size", "sum", "cell"], ascending=[False, False, True])
    common = counted["label"].value_counts(sort=True).index.tolist()
    first = [int(counted.loc[counted["label"] == name, "cell"].iloc[0]) for name in common]
    rest = [int(cell) for cell in counted["cell"] if int(cell) not in first]
    return [*first, *rest][:MOST_TOWERS]


def title_of_tower(tower: int, dataset: DatasetRecord) -> str:
    """Name and class of a tower, as far as they are known."""
    names: Sequence[str] = dataset.cells["place"].tolist() if "place" in dataset.cells else []
    name = names[tower] if names else f"tower {tower}"
    label = str(_labels(dataset)[tower])
    return f"{name}, {label}" if label else name


def _labels(dataset: DatasetRecord) -> npt.NDArray[np.str_]:
    groupings = dataset.description.groupings
    if not groupings:
        return np.full(len(dataset.cells), "")
    return dataset.cells[groupings[0]].to_numpy(str)
