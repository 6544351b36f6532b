"""What figures need from the store: which rows are shown, arrays averaged over seeds, and the words of a caption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from bench.report.results import marks
from bench.report.results.data_words import DataWords, words_of
from bench.report.results.rows import RowResult
from bench.report.results.selection import Selection
from bench.report.results.statistics_reader import StatisticsReader
from bench.report.table import MARKS, UNTRAINED
from bench.report.tables.numbered import TABLE1_DENOMINATOR, TABLE2_DENOMINATOR
from bench.runners.entry import FAMILIES, PROPOSED
from bench.store.columns import read_frame
from bench.store.dataset_record import DatasetRecord
from bench.store.names import IMPORTANCE, PREDICTIONS
from bench.store.reading import CorruptRecord
from bench.store.records import Record
from bench.suites.profiles import SMOKE

MOST_SHOWN = 6
"""Models in one figure: more cannot be told apart in print."""
NO_DATASET = "the store does not describe its data set; issue the `bench run` command again, which does"


@dataclass(frozen=True)
class Context:
    """What all figures of a selection share.

    Attributes:
        selection: the jobs.
        reader: reads their files.
        dataset: the store's record of the data set, or None where there is none.
        rows: all rows of the selection's table that have results.
        shown: of each runner the row that stands for it (`bench.report.results.rows.standing_rows`).
    """

    selection: Selection
    reader: StatisticsReader
    dataset: DatasetRecord | None
    rows: tuple[RowResult, ...]
    shown: tuple[RowResult, ...]

    @property
    def suite(self) -> str:
        """Name of the suite."""
        return self.selection.jobs[0].suite

    @cached_property
    def words(self) -> DataWords:
        """What captions say of the data."""
        return words_of(self.reader.store, self.selection)

    @property
    def target(self) -> str:
        """The target with its units, as on an axis."""
        name = self.selection.manifest.target_name
        return f"{name} ({self.words.units})" if self.words.units else name

    @property
    def target_units(self) -> str:
        """The target's units as printed, 1 for none."""
        return self.words.units or "1"

    def about(self, shown: Sequence[RowResult]) -> dict[str, Any]:
        """Where a figure's numbers come from, for scripts."""
        first = self.selection.jobs[0]
        return {
            "suite": first.suite,
            "dataset": first.dataset,
            "dataset_fingerprint": first.dataset_fingerprint,
            "profile": first.profile,
            "models": [row.key.runner for row in shown],
            "seeds": sorted({record.job.repetition for row in shown for record in row.records}),
        }

    def circumstances(self, shown: Sequence[RowResult]) -> str:
        """Where a figure's numbers come from, as the end of its caption."""
        first = self.selection.jobs[0]
        by_title: dict[str, list[RowResult]] = {}
        for row in shown:
            by_title.setdefault(row.title, []).append(row)
        models = "; ".join(f"{title}{_sizes(found)}: {_seeds(found)}" for title, found in by_title.items())
        return (
            f"Data set {first.dataset} ({self.selection.manifest.dataset_title}); suite {first.suite}, profile "
            f"{first.profile}, {self.words.split}. Seeds averaged: {models}."
            + (f" {UNTRAINED}: {MARKS[UNTRAINED].of_one_row}." if any(map(_untrained, shown)) else "")
            + (f" {marks.BANNER}" if first.profile == SMOKE else "")
        )


def _untrained(row: RowResult) -> bool:
    return row.marked_title != row.title


def job_ids(shown: Sequence[RowResult]) -> tuple[str, ...]:
    """Ids of all jobs of some rows."""
    return tuple(record.job_id for row in shown for record in row.records)


def representatives(context: Context) -> tuple[RowResult, ...]:
    """Rows for a figure with room for few, in the order of the families.

    The proposed models come first, then the models that the paper's tables divide by, then the best of every other
    family, reference rows last; the best is by the test error, which is good for showing and for nothing else.
    """
    errors = {}
    for row in context.shown:
        estimate = context.reader.estimate(row.records, "rmse")
        if estimate is not None:
            errors[row.key.runner] = estimate.value
    candidates = sorted(
        (row for row in context.shown if row.key.runner in errors), key=lambda row: errors[row.key.runner]
    )
    chosen = [row for row in candidates if row.family == PROPOSED][:MOST_SHOWN]
    chosen += [row for row in candidates if row.key.runner in (TABLE1_DENOMINATOR, TABLE2_DENOMINATOR)]
    for family in reversed(FAMILIES):
        chosen += [row for row in candidates if row.family == family][:1]
    kept = list(dict.fromkeys(row.key.runner for row in chosen))[:MOST_SHOWN]
    return tuple(
        sorted(
            (row for row in candidates if row.key.runner in kept),
            key=lambda row: FAMILIES.index(row.family) if row.family in FAMILIES else -1,
        )
    )


def mean_predictions(context: Context, row: RowResult) -> pd.DataFrame:
    """The test part of a row: cell, time, target and the prediction averaged over its seeds."""
    return _mean_over_records(context, row.records, PREDICTIONS, ("target", "prediction"))


def importance(context: Context, record: Record, features: Sequence[str]) -> pd.DataFrame:
    """The stored importance weights of one job: cell, time and one column per feature."""
    return _read(context, record, IMPORTANCE, features)


def mean_importance(context: Context, row: RowResult, features: Sequence[str]) -> pd.DataFrame:
    """Importance weights of a row averaged over its seeds: cell, time and one column per feature."""
    return _mean_over_records(context, explaining(row), IMPORTANCE, features)


def explaining(row: RowResult) -> tuple[Record, ...]:
    """The jobs of a row that stored importance weights."""
    return tuple(record for record in row.records if IMPORTANCE in record.files)


def predictions(context: Context, record: Record) -> pd.DataFrame:
    """The stored predictions of one job."""
    return _read(context, record, PREDICTIONS, ("target", "prediction"))


def _mean_over_records(context: Context, records: Sequence[Record], name: str, columns: Sequence[str]) -> pd.DataFrame:
    """Means over repetitions; the folds of a repetition are put together first, in the order of the samples."""
    by_repetition: dict[object, list[Record]] = {}
    for record in records:
        folded = "fold" in record.job.split
        by_repetition.setdefault(record.job.repetition if folded else record.job_id, []).append(record)
    frames = [_put_together(context, folds, name, columns) for folds in by_repetition.values()]
    total = frames[0]
    values = total[list(columns)].to_numpy(np.float64)
    for other in frames[1:]:
        if not (other["cell"].equals(total["cell"]) and other["time"].equals(total["time"])):
            raise CorruptRecord(
                f"Jobs of {records[0].job.runner} hold different samples in {name}; run one of them again "
                f"(`bench run`, after deleting its folder): {', '.join(record.job_id for record in records)}."
            )
        values += other[list(columns)].to_numpy(np.float64)
    total[list(columns)] = values / len(frames)
    return total


def _put_together(context: Context, folds: Sequence[Record], name: str, columns: Sequence[str]) -> pd.DataFrame:
    if len(folds) == 1:
        return _read(context, folds[0], name, columns)
    frame = pd.concat([_read(context, record, name, columns) for record in folds])
    return frame.sort_values(["cell", "time"], ignore_index=True)


def _read(context: Context, record: Record, name: str, columns: Sequence[str]) -> pd.DataFrame:
    path = context.reader.store.file(record, name)
    return read_frame(path, ["cell", "time", *columns])


def _seeds(found: Sequence[RowResult]) -> str:
    return ", ".join(
        str(number) for number in sorted({record.job.repetition for row in found for record in row.records})
    )


def _sizes(found: Sequence[RowResult]) -> str:
    sizes = [f"{row.key.train_cells:,}" for row in found if row.key.train_cells is not None]
    return f" ({', '.join(sizes)} training cells)" if sizes else ""
