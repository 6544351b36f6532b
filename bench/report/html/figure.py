"""A figure on the page: a picture as a data URI, with its caption and the jobs that it shows."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from bench.report.drawn import DrawnFigure
from bench.report.html.elements import Html, anchor, element, join, link


def figure_section(figure: DrawnFigure, with_picture: bool, known_jobs: frozenset[str]) -> Html:
    """A figure with its caption and links to its jobs.

    Args:
        figure: what to show.
        with_picture: False where the page would become too large: then the caption says where the file is.
        known_jobs: ids that have a section of their own on the page.
    """
    if with_picture:
        data = base64.b64encode(figure.png).decode("ascii")
        shown = element("img", src=f"data:image/png;base64,{data}", alt=f"{figure.title}. {figure.caption}")
    else:
        shown = element(
            "p",
            f"Left out to keep this page small; the report folder has it as figures/{figure.name}.png.",
            class_="warning",
        )
    return element(
        "figure",
        element("h3", figure.title),
        shown,
        element("figcaption", figure.caption, _sources(figure.job_ids, known_jobs)),
        id=f"figure-{anchor(figure.name)}",
    )


def _sources(job_ids: Sequence[str], known_jobs: frozenset[str]) -> Html | None:
    links = [link(f"cell-{item}", item[:6]) if item in known_jobs else item[:6] for item in job_ids]
    return join([" Jobs: ", join(links, ", "), "."]) if links else None
