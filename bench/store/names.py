"""Names of the files of a store; `docs/results-format.md` says what is in them."""

from __future__ import annotations

RECORD = "record.json"
STATISTICS = "statistics.parquet"
PREDICTIONS = "predictions.parquet"
IMPORTANCE = "importance.parquet"
HISTORY = "history.parquet"
RESULT_FILES = (STATISTICS, PREDICTIONS, IMPORTANCE, HISTORY)
"""Files that may stand beside a job's record; the first makes the tables and is there whenever a job is done."""
LOG = "log.txt"
ARTEFACTS = "artefacts"
"""Folder beside a record that holds what a runner wrote, if the user asked to keep it; never read by this project."""

DATASET = "dataset.json"
CELLS = "cells.parquet"
TIMES = "times.parquet"
SAMPLES = "samples.parquet"
SENSITIVITIES = "sensitivities.parquet"
CONTRIBUTIONS = "contributions.parquet"
PRODUCTIVITY = "productivity.parquet"
