"""What tables of numbers are made from: jobs, their records and their sums, wherever these are kept."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import pandas as pd

from bench.store.records import Manifest, Record


class Results(Protocol):
    """Finished jobs that can be read: of a store, or of a committed reference (`bench.store.reference`).

    Attributes:
        root: the folder.
    """

    root: Path

    @property
    def damaged_manifests(self) -> dict[Path, str]:
        """Path → what is wrong with it, of those that `manifests` left out when it was last called."""

    def manifests(self) -> list[Manifest]:
        """All manifests that can be read, oldest first."""

    def record(self, job_id: str) -> Record | None:
        """The record of a job, or None if it never ended."""

    def records_of(self, ids: Iterable[str]) -> tuple[dict[str, Record], dict[str, str]]:
        """The records of those of some jobs that ended, by id, and what is wrong with the damaged ones."""

    def statistics_file(self, record: Record) -> bytes | None:
        """The checked content of the Parquet file with the sums of a done job; None where it has no file of its own."""

    def statistics(self, record: Record) -> pd.DataFrame:
        """The sums of a done job, as `docs/results-format.md` describes them; always with the column ``year``."""
