"""The raw numbers behind the tables: every metric of every job."""

from __future__ import annotations

import io

import pandas as pd

from bench.report.results.selection import Selection, StatisticsReader
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
    """CSV with one line per job, part, group and weighting; times and memory are repeated on each line of a job."""
    columns = [*COLUMNS, *METRICS, "fit_seconds", "predict_seconds", "peak_memory_bytes"]
    if any(record.job.variant is not None for record in selection.done):  # ablation suite, or --set
        columns.insert(columns.index("runner") + 1, "variant")
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
            "train_cells": job.split.get("train_cells"),
            "repetition": job.repetition,
            "fit_seconds": record.fit_seconds,
            "predict_seconds": record.predict_seconds,
            "peak_memory_bytes": record.peak_memory_bytes,
        }
        own = {name: frame[name].to_numpy() for name in frame.columns} | {"n": frame["n"].to_numpy("int64")}
        table = pd.DataFrame({name: own.get(name, repeated.get(name)) for name in columns})
        table.to_csv(stream, header=False, index=False, lineterminator="\n", float_format="%.6g")
    return stream.getvalue()
