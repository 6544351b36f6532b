"""The figure of the ablation suite: paired differences to the base, and error against time for the number of nodes."""

from __future__ import annotations

import io
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.report.results.data_words import units
from bench.report.results.selection import Selection
from bench.report.results.statistics_reader import StatisticsReader
from bench.report.table import Value
from bench.report.tables.ablation import Finding, findings
from bench.runners.entry import DUAL_BRANCH, DUAL_BRANCH_PLUS
from bench.scoring.uncertainty import CONFIDENCE
from bench.system.disk import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "ablation"
_WIDTH = 7.1
_LINE_HEIGHT = 0.19
_PIXELS_PER_INCH = 170
_QUIET = "#9a9a9a"
_SPREAD = 20
"""Largest ÷ usual difference beyond which the axis becomes logarithmic."""
_LOOKS = {DUAL_BRANCH: ("#0072b2", "o"), DUAL_BRANCH_PLUS: ("#d55e00", "s")}
"""Colours of Okabe and Ito (2008); the markers tell the networks apart without them."""


def write_figure(selection: Selection, reader: StatisticsReader, weighting: str, folder: Path) -> list[str]:
    """Writes ``ablation.pdf`` and ``ablation.png``; nothing where no variant can be compared with its base yet.

    Args:
        selection: of the ablation suite.
        reader: of the same store.
        weighting: plain or area.
        folder: an existing folder.

    Returns:
        Paths of the files.
    """
    lines = findings(selection, reader, weighting)
    if not any(line.difference for line in lines):
        return []
    sheet = draw(lines, units(selection.manifest.target_units) or "1")
    written = []
    # No dates and no versions in the files, so that they change when the numbers do and only then.
    plain: dict[str, dict[str, Any]] = {
        "pdf": {"metadata": {"CreationDate": None, "Creator": None, "Producer": None}},
        "png": {"metadata": {"Software": None}, "dpi": _PIXELS_PER_INCH},
    }
    for extension, options in plain.items():
        stream = io.BytesIO()
        sheet.savefig(stream, format=extension, **options)
        path = folder / f"{NAME}.{extension}"
        write_atomically(path, stream.getvalue())
        written.append(str(path))
    return written


def draw(lines: Sequence[Finding], error_units: str) -> Figure:
    """Draws the figure.

    Args:
        lines: of all experiments.
        error_units: of the error, as printed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    compared = [line for line in lines if line.difference is not None]
    nodes = [
        line
        for line in lines
        if line.experiment.name == "nodes"
        and line.rmse is not None
        and line.fit_seconds is not None
        and (line.variant is None or not line.is_base)  # a variant capped at the base is the base once more
    ]
    titles = len({line.experiment.name for line in compared})
    height = 1.0 + _LINE_HEIGHT * (len(compared) + titles)
    sheet = Figure(figsize=(_WIDTH, max(height, 2.6)), layout="constrained")
    FigureCanvasAgg(sheet)
    shares = [2.2, 1.0] if len(nodes) > 1 else [1.0]
    panels = sheet.subplots(1, len(shares), squeeze=False, width_ratios=shares)[0]
    _differences(panels[0], compared, error_units)
    if len(nodes) > 1:
        _error_and_time(panels[1], nodes, error_units)
    for axes in panels:
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    return sheet


def _differences(axes: Axes, lines: Sequence[Finding], error_units: str) -> None:
    positions, labels = [], []
    at, experiment = 0, ""
    for line in lines:
        if line.experiment.name != experiment:
            experiment = line.experiment.name
            axes.text(0.0, at, line.experiment.title, transform=axes.get_yaxis_transform(), fontsize=7.5, va="center")
            axes.axhspan(at - 0.5, at + 0.5, color="#f0f0f0", zorder=0, linewidth=0)
            at += 1
        assert line.difference is not None
        colour, marker = _LOOKS[line.result.key.runner]
        axes.errorbar(
            line.difference.value,
            at,
            xerr=_whiskers(line.difference),
            color=colour,
            marker=marker,
            markersize=4,
            markerfacecolor=colour if line.difference.excludes(0) else "white",
            linewidth=1.1,
            capsize=2,
        )
        positions.append(at)
        labels.append(line.label)
        at += 1
    axes.axvline(0, color=_QUIET, linewidth=0.8, zorder=0.5)
    axes.set_yticks(positions, labels)
    axes.set_ylim(at - 0.5, -0.5)
    linear = _linear_range([line.difference for line in lines if line.difference is not None])
    if linear is not None:
        axes.set_xscale("symlog", linthresh=linear)
        axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel(
        f"RMSE − RMSE of the base ({error_units}){f', logarithmic beyond ±{linear:g}' if linear is not None else ''}\n"
        f"with {CONFIDENCE:.0%} intervals; left is better;\nfilled: 0 lies outside the interval",
        fontsize=7.5,
    )


def _error_and_time(axes: Axes, lines: Sequence[Finding], error_units: str) -> None:
    colour, marker = _LOOKS[DUAL_BRANCH]
    points = sorted(
        ((line.fit_seconds, line.rmse.value, line) for line in lines if line.fit_seconds is not None and line.rmse),
        key=lambda point: point[0],
    )
    axes.plot([x for x, _, _ in points], [y for _, y, _ in points], color=_QUIET, linewidth=0.8, zorder=1)
    for x, y, line in points:
        whiskers = None if line.difference is None else _whiskers(line.difference)
        axes.errorbar(x, y, yerr=whiskers, color=colour, marker=marker, markersize=4, linewidth=1.1, capsize=2)
        text = line.setting + ("\n(base)" if line.variant is None else "")
        axes.annotate(text, (x, y), (4, 4), textcoords="offset points", fontsize=6.5)
    axes.margins(x=0.3, y=0.15)
    axes.set_xlabel("Fit (s)\nwhiskers: of the difference\nto the base", fontsize=7.5)
    axes.set_ylabel(f"RMSE ({error_units})", fontsize=7.5)
    axes.set_title("Number of graph nodes", fontsize=7.5)


def _linear_range(differences: Sequence[Value]) -> float | None:
    """Up to which difference the axis is linear, where a few large ones would hide all others; None for all of it."""
    ends = [abs(end) for value in differences for end in (value.low, value.value, value.high) if math.isfinite(end)]
    ends = [end for end in ends if end]
    if not ends:
        return None
    linear = 10.0 ** math.floor(math.log10(statistics.median(ends)))
    return linear if max(ends) > _SPREAD * linear else None


def _whiskers(value: Value) -> list[list[float]] | None:
    if not value.known:
        return None
    return [[max(0.0, value.value - value.low)], [max(0.0, value.high - value.value)]]
