"""The raw numbers behind the tables: every metric of every cell."""

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
    """CSV with one line per cell, part, group and weighting; times and memory are repeated on each line of a cell."""
    frames = []
    for record in selection.done:
        cell = record.cell
        frame = evaluate(reader.table(record).reset_index(drop=True))
        if cell.variant is not None:
            frame["variant"] = cell.variant
        frames.append(
            frame.assign(
                cell=record.cell_id,
                suite=cell.suite,
                dataset=cell.dataset,
                profile=cell.profile,
                runner=cell.runner,
                view=cell.view or "",
                train_cells=cell.split.get("train_cells"),
                repetition=cell.repetition,
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
