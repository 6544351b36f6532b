"""The raw numbers behind the tables: every metric of every job."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from bench.report.results.flux.tower_reader import towers_of
from bench.report.results.kept_sums import GroupKey, GroupTotals
from bench.report.results.selection import RowKey, Selection
from bench.report.results.statistics_reader import StatisticsReader
from bench.scoring.metrics import METRICS, STATISTICS, evaluate
from bench.store.records import Record

COLUMNS = (
    "cell",
    "suite",
    "dataset",
    "profile",
    "runner",
    "view",
    "train_cells",
    "repetition",
    "part",
    "group",
    "weighting",
    "n",
)
_OF_GROUP = ("part", "group", "weighting", "n", *METRICS)
"""Columns that differ between the lines of a job; they stand together."""
_NUMBERS = ",%.0f" + ",%.6g" * len(METRICS)
"""Of n and the metrics."""


def all_metrics(selection: Selection, reader: StatisticsReader) -> Iterator[str]:
    """CSV with one line per job, part, group and weighting; times and memory are repeated on each line of a job.

    Of jobs with several targets, a line is of one of them, and says which split it is of and how many towers were
    tested.

    Returns:
        Its pieces, one per job: the lines of thousands of jobs need not be in memory together.
    """
    columns = [*COLUMNS, *METRICS, "fit_seconds", "predict_seconds", "peak_memory_bytes"]
    done = selection.done
    if any(record.job.variant is not None for record in done):  # ablation suite, or --set
        columns.insert(columns.index("runner") + 1, "variant")
    if any("targets" in record.job.split for record in done):
        yield from _of_several_targets(selection, reader, columns)
        return
    yield _line(columns)
    at = columns.index(_OF_GROUP[0])
    before, after = columns[:at], columns[at + len(_OF_GROUP) :]
    for record, totals in zip(done, reader.totals(done), strict=True):
        repeated = _repeated(record)
        head, tail = (_line([_text(repeated[name]) for name in names])[:-1] for names in (before, after))
        yield _lines(head, totals, tail)


def _repeated(record: Record) -> Mapping[str, object]:
    """What stands on each line of a job."""
    job = record.job
    return {
        "cell": record.job_id,
        "suite": job.suite,
        "dataset": job.dataset,
        "profile": job.profile,
        "runner": job.runner,
        "variant": job.variant or "",
        "view": job.view or "",
        "train_cells": RowKey.of(job).train_cells,
        "repetition": job.repetition,
        "fit_seconds": record.fit_seconds,
        "predict_seconds": record.predict_seconds,
        "peak_memory_bytes": record.peak_memory_bytes,
    }


def _of_several_targets(selection: Selection, reader: StatisticsReader, columns: list[str]) -> Iterator[str]:
    """The same of jobs that predict several targets each."""
    at = columns.index("repetition")
    columns[at:at] = ["split", "fold"]
    columns.insert(columns.index("group"), "target")
    columns.insert(columns.index("n"), "towers")
    yield _line(columns)
    for record in selection.done:
        job, frame = record.job, evaluate(reader.table(record))
        repeated = {
            **_repeated(record),
            "split": job.split.get("design", job.split["kind"]),
            "fold": job.split.get("fold"),
        }
        own = {name: frame[name].to_numpy() for name in frame.columns} | {"n": frame["n"].to_numpy("int64")}
        own |= _of_targets(frame, towers_of(reader).count(record))
        table = pd.DataFrame({name: own.get(name, repeated.get(name)) for name in columns})
        yield table.to_csv(header=False, index=False, lineterminator="\n", float_format="%.6g")


def _of_targets(frame: pd.DataFrame, towers: Mapping[str, int]) -> dict[str, Any]:
    """Columns of a job with several targets, whose groups are named ``TARGET`` or ``TARGET/group``.

    Args:
        frame: of `bench.scoring.metrics.evaluate`.
        towers: target → number of test towers.
    """
    parts = [str(name).partition("/") for name in frame["group"]]
    counted = [
        towers.get(target) if not group and part == "test" else None
        for (target, _, group), part in zip(parts, frame["part"], strict=True)
    ]
    return {
        "target": [target for target, _, _ in parts],
        "group": [group or "all" for _, _, group in parts],
        "towers": pd.array(counted, dtype="Int64"),
    }


def _lines(head: str, totals: GroupTotals, tail: str) -> str:
    """All lines of a job: the columns before those of a group, these, and those behind them."""
    sums = dict(zip(STATISTICS, totals.columns, strict=True))
    numbers = [sums["n"], *(metric.of(sums) for metric in METRICS.values())]
    in_lines = list(zip(*(column.tolist() for column in numbers), strict=True))
    if not any(np.isnan(column).any() for column in numbers):
        values = chain.from_iterable((head, *of_line, tail) for of_line in in_lines)
        return _template(totals.keys) % tuple(values)
    lines = zip(_texts(totals.keys), in_lines, strict=True)
    middles = (text + (_NUMBERS % of_line).replace("nan", "") for text, of_line in lines)
    return "".join(f"{head},{middle},{tail}\n" for middle in middles)


@lru_cache(maxsize=8)
def _template(keys: tuple[GroupKey, ...]) -> str:
    """The lines of a job as one format of head, numbers and tail of each."""
    return "".join(f"%s,{text.replace('%', '%%')}{_NUMBERS},%s\n" for text in _texts(keys))


@lru_cache(maxsize=8)
def _texts(keys: tuple[GroupKey, ...]) -> list[str]:
    return [_line(list(key))[:-1] for key in keys]


def _text(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value


def _line(values: list[object] | list[str]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow(values)
    return stream.getvalue()
