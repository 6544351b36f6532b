"""The raw numbers behind the tables: every metric of every job."""

from __future__ import annotations

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
    frames = []
    for record in selection.done:
        job = record.job
        frame = evaluate(reader.table(record).reset_index(drop=True))
        if job.variant is not None:
            frame["variant"] = job.variant
        frames.append(
            frame.assign(
                cell=record.job_id,
                suite=job.suite,
                dataset=job.dataset,
                profile=job.profile,
                runner=job.runner,
                view=job.view or "",
                train_cells=job.split.get("train_cells"),
                repetition=job.repetition,
                fit_seconds=record.fit_seconds,
                predict_seconds=record.predict_seconds,
                peak_memory_bytes=record.peak_memory_bytes,
            )
        )
    columns = [*COLUMNS, *METRICS, "fit_seconds", "predict_seconds", "peak_memory_bytes"]
    if not frames:
        return ",".join(columns) + "\n"
    table = pd.concat(frames, ignore_index=True)
    if "variant" in table:  # ablation suite only
        columns.insert(columns.index("runner") + 1, "variant")
    table["n"] = table["n"].astype("int64")
    return str(table[columns].to_csv(index=False, lineterminator="\n", float_format="%.6g"))
