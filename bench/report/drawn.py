"""A figure as the report hands it on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DrawnFigure:
    """A figure as it was drawn.

    Attributes:
        name: file name without extension; becomes the anchor ``figure-<name>``.
        title: heading, also the text for readers who do not see the picture.
        caption: what is shown, on which data.
        png: the picture.
        job_ids: jobs that its numbers come from.
        suite: of these jobs.
    """

    name: str
    title: str
    caption: str
    png: bytes
    job_ids: tuple[str, ...]
    suite: str
