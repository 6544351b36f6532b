"""Figure 4 of the paper: the course of importance weights over the year in six regions."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import fill

import numpy as np
from matplotlib.figure import Figure as Sheet

from bench.arrays import Doubles
from bench.report.figures.model import Drawings, Figure
from bench.report.figures.regions import Region, regions
from bench.report.figures.stored import NO_DATASET, Context, explaining, importance, job_ids
from bench.report.figures.style import PAGE_WIDTH, STROKES, feature_words, panels
from bench.report.results.rows import RowResult
from bench.runners.entry import PROPOSED

FEWEST_STEPS = 12
"""Fewer steps than this make no course over the year."""
FEATURES = 6
"""Curves in each panel: those climate features whose weights are largest on the whole."""
_TITLE_LETTERS = 36  # of a line above a panel


@dataclass(frozen=True)
class Courses:
    """Mean importance weights.

    Attributes:
        regions: where.
        steps: steps of the year.
        features: names of climate features, those with the largest weights first.
        weights: (region, step, feature) mean over the region's cells and the seeds, target units per standard deviation
            of the feature.
    """

    regions: list[Region]
    steps: list[int]
    features: list[str]
    weights: Doubles


def weight_courses(context: Context) -> Drawings:
    """Figure 4 of every proposed model that has stored its importance weights."""
    drawings = Drawings()
    proposed = [row for row in context.shown if row.family == PROPOSED]
    if not proposed:
        return Drawings(left_out=(f"{_name(context)} ({context.suite}): no job of the proposed model is done.",))
    for row in proposed:
        what = f"{_name(context)} ({context.suite}, {row.title})"
        if context.dataset is None:
            drawings += Drawings(left_out=(f"{what}: {NO_DATASET}.",))
        elif not explaining(row):
            drawings += Drawings(left_out=(f"{what}: its jobs hold no importance weights.",))
        elif "test_year" not in context.selection.jobs[0].split:
            drawings += Drawings(left_out=(f"{what}: a course over the year needs a test year.",))
        elif (steps := len(_test_steps(context))) < FEWEST_STEPS:
            reason = f"a course over the year needs at least {FEWEST_STEPS} scored steps, there are {steps}"
            drawings += Drawings(left_out=(f"{what}: {reason}.",))
        else:
            drawings += Drawings((_figure(context, row),))
    return drawings


def courses(context: Context, row: RowResult) -> Courses:
    """Mean importance weights per region, step and climate feature, over cells and seeds."""
    assert context.dataset is not None
    names = list(context.dataset.description.feature_names)
    step_of_time, length = context.dataset.times["step_of_year"].to_numpy(), context.words.rhythm.steps_per_year
    records = explaining(row)
    total: Doubles | None = None
    for record in records:
        table = importance(context, record, names)
        cell, step = table["cell"].to_numpy(), step_of_time[table["time"].to_numpy()]
        places = regions(context.dataset.cells, np.unique(cell), context.words.is_planar)
        region_of_cell = np.full(len(context.dataset.cells), -1)
        for index, region in enumerate(places):
            region_of_cell[region.cells] = index
        inside = region_of_cell[cell] >= 0
        key = region_of_cell[cell[inside]] * length + step[inside] - 1
        size = len(places) * length
        count = np.bincount(key, minlength=size)
        sums = [np.bincount(key, weights=table[name].to_numpy()[inside], minlength=size) for name in names]
        with np.errstate(invalid="ignore"):
            mean = (np.stack(sums, axis=1) / count[:, None]).reshape(len(places), length, len(names))
        total = mean if total is None else total + mean
    assert total is not None
    weights = total / len(records)
    steps = np.flatnonzero(np.isfinite(weights[:, :, 0]).all(axis=0))
    strength = np.abs(weights[:, steps]).mean(axis=(0, 1))
    strongest = np.argsort(-strength, kind="stable")[:FEATURES]
    return Courses(
        places, (steps + 1).tolist(), [names[index] for index in strongest], weights[:, steps][:, :, strongest]
    )


def _test_steps(context: Context) -> list[int]:
    assert context.dataset is not None
    first = context.selection.jobs[0].split
    times = context.dataset.times
    steps = times.loc[times["year"] == first["test_year"], "step_of_year"].tolist()
    return [step for step in steps if step in first.get("weeks", steps)]


def _name(context: Context) -> str:
    return "Figure 4" if context.words.of_paper else "Course of importance weights"


def _of_paper(context: Context) -> str:
    return " (Figure 4 of the paper)" if context.words.of_paper else ""


def _figure(context: Context, row: RowResult) -> Figure:
    assert context.dataset is not None
    described = context.dataset.description
    unit_of = dict(zip(described.feature_names, described.feature_units, strict=True))
    unit, rhythm = f"{context.target_units} per standard deviation", context.words.rhythm

    def draw() -> Sheet:
        found = courses(context, row)
        sheet = Sheet(figsize=(PAGE_WIDTH, 4.6), layout="constrained")
        places = panels(sheet, len(found.regions), 3, shared=True)
        for index, (axes, region) in enumerate(zip(places, found.regions, strict=True)):
            axes.axhline(0, color="#7f7f7f", linewidth=0.7)
            for feature, stroke in zip(range(len(found.features)), STROKES, strict=False):
                axes.plot(
                    found.steps,
                    found.weights[index, :, feature],
                    color=stroke.colour,
                    linestyle=stroke.dashes,
                    marker=stroke.marker,
                    markevery=(2 + feature, 8),
                    label=feature_words(found.features[feature], unit_of[found.features[feature]]),
                )
            noun = "cell" if len(region.cells) == 1 else "cells"
            title = f"{'abcdef'[index]}  {region.title} ({len(region.cells):,}\N{NO-BREAK SPACE}{noun})"
            axes.set_title(fill(title, _TITLE_LETTERS, break_on_hyphens=False), loc="left")
            axes.set_xlim(0.5, rhythm.steps_per_year + 0.5)
            axes.set_xticks(np.arange(0, rhythm.steps_per_year, max(1, rhythm.steps_per_year // 4 - 1)).clip(1))
        sheet.supxlabel(f"{rhythm.step[:1].upper()}{rhythm.step[1:]} of the year", fontsize="medium")
        sheet.supylabel(f"Mean importance weight ({unit})", fontsize="medium")
        handles, labels = places[0].get_legend_handles_labels()
        sheet.legend(
            handles, labels, loc="outside upper center", ncols=3 if max(map(len, labels)) > 14 else len(labels)
        )
        return sheet

    caption = (
        f"Course of importance weights over the test year in up to six regions{_of_paper(context)}: means over the "
        f"cells of each region, for the {FEATURES} climate features whose weights are largest on the whole, in {unit} "
        "of the feature (Eq. 17). Regions: the paper's on global data, bounded by this project; else the largest "
        f"classes of land cover and climate. {context.circumstances([row])}"
    )
    title = f"Importance weights over the year, {row.marked_title}"
    name = f"{context.suite}_figure4_{row.key.runner}"
    return Figure(name, title, caption, job_ids([row]), context.about([row]), draw)
