"""Names of the files of a store, and of its jobs; `docs/results-format.md` says what is in them."""

from __future__ import annotations

import re

from bench.errors import BenchError

_JOB_ID = re.compile(r"[0-9a-f]{16}")

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


def is_job_id(text: str) -> bool:
    """Whether a text has the form of a job's id."""
    return _JOB_ID.fullmatch(text) is not None


def checked_job_id(job_id: str) -> str:
    """A name from outside never becomes a path unchecked."""
    if not is_job_id(job_id):
        raise BenchError(f"{job_id!r} is no job id (16 hexadecimal digits); `bench ls jobs` lists them.")
    return job_id
