"""A figure as a value: what it is called, what it shows, where its numbers come from, and how to draw it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Sheet

from bench.report.figures.style import PIXELS_PER_INCH, house_style
from bench.system.disk import write_atomically


@dataclass(frozen=True)
class Figure:
    """One figure of the report.

    Attributes:
        name: file name without extension.
        title: what it shows, in a few words.
        caption: how it was made; names data set, profile, model and seeds.
        job_ids: ids of the jobs that its numbers come from.
        about: the same as values for scripts: suite, dataset, dataset_fingerprint, profile, models, seeds.
        draw: makes it; call `render`, which does so in the house style.
    """

    name: str
    title: str
    caption: str
    job_ids: tuple[str, ...]
    about: Mapping[str, Any]
    draw: Callable[[], Sheet]

    def render(self) -> Sheet:
        """Draws the figure."""
        with house_style():
            return self.draw()


@dataclass(frozen=True)
class Drawings:
    """The figures of a selection.

    Attributes:
        figures: those that can be drawn.
        left_out: one sentence for each that cannot: which, and why.
    """

    figures: tuple[Figure, ...] = ()
    left_out: tuple[str, ...] = ()

    def __add__(self, other: Drawings) -> Drawings:
        return Drawings(self.figures + other.figures, self.left_out + other.left_out)


def save(figure: Figure, folder: Path) -> list[Path]:
    """Writes a figure as PDF and PNG, and what it shows as JSON; equal numbers give equal bytes.

    Args:
        figure: the figure.
        folder: an existing folder.

    Returns:
        The paths, in that order.
    """
    with house_style():
        sheet = figure.draw()
        FigureCanvasAgg(sheet)
        # No dates and no versions in the files, so that they change when the numbers do and only then.
        files = {
            "pdf": _bytes(sheet, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None}),
            "png": _bytes(sheet, format="png", metadata={"Software": None}, dpi=PIXELS_PER_INCH),
        }
    described = {"name": figure.name, "title": figure.title, "caption": figure.caption}
    described |= dict(figure.about) | {"cells": list(figure.job_ids)}
    files["json"] = (json.dumps(described, indent=1, ensure_ascii=False) + "\n").encode()
    paths = []
    for extension, content in files.items():
        path = folder / f"{figure.name}.{extension}"
        write_atomically(path, content)
        paths.append(path)
    return paths


def _bytes(sheet: Sheet, **options: Any) -> bytes:
    stream = io.BytesIO()
    sheet.savefig(stream, **options)
    return stream.getvalue()
