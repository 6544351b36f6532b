"""The raw numbers behind the tables: every metric of every job."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pandas as pd

from bench.report.results.flux.tower_reader import towers_of
from bench.report.results.selection import RowKey, Selection, StatisticsReader
from bench.scoring.metrics import METRICS, evaluate

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


def all_metrics(selection: Selection, reader: StatisticsReader) -> str:
    """CSV with one line per job, part, group and weighting; times and memory are repeated on each line of a job.

    Of jobs with several targets, a line is of one of them, and says which split it is of and how many towers were
    tested.
    """
    several = any("targets" in record.job.split for record in selection.done)
    columns = [*COLUMNS, *METRICS, "fit_seconds", "predict_seconds", "peak_memory_bytes"]
    if any(record.job.variant is not None for record in selection.done):  # ablation suite, or --set
        columns.insert(columns.index("runner") + 1, "variant")
    if several:
        at = columns.index("repetition")
        columns[at:at] = ["split", "fold"]
        columns.insert(columns.index("group"), "target")
        columns.insert(columns.index("n"), "towers")
    stream = io.StringIO()
    stream.write(",".join(columns) + "\n")
    for record in selection.done:  # job by job: the frames of thousands would not fit into memory
        job = record.job
        frame = evaluate(reader.table(record))
        repeated = {
            "cell": record.job_id,
            "suite": job.suite,
            "dataset": job.dataset,
            "profile": job.profile,
            "runner": job.runner,
            "variant": job.variant or "",
            "view": job.view or "",
            "train_cells": RowKey.of(job).train_cells,
            "split": job.split.get("design", job.split["kind"]),
            "fold": job.split.get("fold"),
            "repetition": job.repetition,
            "fit_seconds": record.fit_seconds,
            "predict_seconds": record.predict_seconds,
            "peak_memory_bytes": record.peak_memory_bytes,
        }
        own = {name: frame[name].to_numpy() for name in frame.columns} | {"n": frame["n"].to_numpy("int64")}
        if several:
            own |= _of_targets(frame, towers_of(reader).count(record))
        table = pd.DataFrame({name: own.get(name, repeated.get(name)) for name in columns})
        table.to_csv(stream, header=False, index=False, lineterminator="\n", float_format="%.6g")
    return stream.getvalue()


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
