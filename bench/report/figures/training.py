"""Training curves: loss by epoch, from the history that is stored beside each job."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Sheet
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from bench.report.figures.model import Drawings, Figure
from bench.report.figures.stored import Context, job_ids
from bench.report.figures.style import INK, PAGE_WIDTH, SMALL_TEXT_SIZE, STROKES, columns_for, panels
from bench.report.results.explanations import frame
from bench.report.results.rows import RowResult
from bench.store.names import HISTORY
from bench.store.records import Record

_COLUMNS = 3


@dataclass(frozen=True)
class LossCurve:
    """The loss of one training.

    Attributes:
        member: what was trained, such as ``step_01``; empty where the model trains one thing.
        epochs: counted from 1.
        losses: mean training loss of each of these epochs, in the model's own terms.
    """

    member: str
    epochs: tuple[int, ...]
    losses: tuple[float, ...]


def loss_curves(history: pd.DataFrame) -> list[LossCurve]:
    """Returns the trainings of a job in their stored order; members of an ensemble are curves of their own.

    Args:
        history: content of ``history.parquet``.
    """
    return [
        LossCurve(str(member), tuple(rows["epoch"].tolist()), tuple(rows["training_loss"].tolist()))
        for member, rows in history.groupby("member", sort=False)
    ]


def training_curves(context: Context) -> Drawings:
    """Loss by epoch of every model that is trained in epochs."""
    every = [(row, curves) for row in context.shown if (curves := _curves(context, row))]
    found = [(row, curves) for row, curves in every if any(len(curve.epochs) > 1 for curve in curves)]
    short = [row.title for row, _ in every if row not in [other for other, _ in found]]
    what = f"Training curves ({context.suite})"
    if every and not found:
        return Drawings(left_out=(f"{what}: no training has more than one epoch.",))
    if not found:
        why = f"no finished job has a {HISTORY}, which models that are trained in epochs leave since it was introduced"
        return Drawings(left_out=(f"{what}: {why}.",))
    shown = [row for row, _ in found]

    def draw() -> Sheet:
        columns = columns_for(len(found), _COLUMNS)
        rows = -(-len(found) // columns)
        sheet = Sheet(figsize=(PAGE_WIDTH if columns > 1 else PAGE_WIDTH / 2, 0.4 + 1.9 * rows), layout="constrained")
        places = panels(sheet, len(found), _COLUMNS)
        for index, (axes, (row, curves)) in enumerate(zip(places, found, strict=True)):
            for curve in curves:
                axes.plot(curve.epochs, curve.losses, color=STROKES[2].colour, linewidth=0.6, alpha=0.45)
            epochs, means = mean_curve(curves)
            axes.plot(epochs, means, color=INK, linewidth=1.6)
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.yaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            axes.set_xlim(0.5, epochs[-1] + 0.5)
            axes.set_title(f"{'abcdefghijkl'[index]}  {row.marked_title}", loc="left")
            noun = "training" if len(curves) == 1 else "trainings"
            words = f"{len(curves)} {noun}\nlast mean {means[-1]:.3g}"
            axes.text(0.96, 0.95, words, transform=axes.transAxes, ha="right", va="top", fontsize=SMALL_TEXT_SIZE)
        sheet.supxlabel("Epoch", fontsize="medium")
        sheet.supylabel("Training loss (each model's own terms)", fontsize="medium")
        return sheet

    of_one_epoch = f"Without a curve, of one epoch: {', '.join(short)}. " if short else ""
    caption = (
        "Training loss by epoch, thin: every training (seeds, members of an ensemble, and models that are fitted per "
        "step), thick: their mean. Each model has its own loss: compare courses, not heights. "
        f"{of_one_epoch}{context.circumstances(shown)}"
    )
    figure = Figure(
        f"{context.suite}_training_curves", "Training curves", caption, job_ids(shown), context.about(shown), draw
    )
    return Drawings((figure,))


def mean_curve(curves: list[LossCurve]) -> tuple[list[int], list[float]]:
    """Epochs that any curve reports, and the mean loss over the curves that report each."""
    values: dict[int, list[float]] = {}
    for curve in curves:
        for epoch, loss in zip(curve.epochs, curve.losses, strict=True):
            values.setdefault(epoch, []).append(loss)
    epochs = sorted(values)
    return epochs, [float(np.mean(values[epoch])) for epoch in epochs]


def _curves(context: Context, row: RowResult) -> list[LossCurve]:
    stored = [record for record in row.records if HISTORY in record.files]
    return [curve for record in stored for curve in loss_curves(_history(context, record))]


def _history(context: Context, record: Record) -> pd.DataFrame:
    return frame(context.reader.store.file(record, HISTORY), ["member", "epoch", "training_loss"])
