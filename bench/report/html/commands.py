"""Command lines that bring a stored number back."""

from __future__ import annotations

import shlex

from bench.data.split_names import text_of
from bench.store.jobs import Job


def audit(job: Job, dataset_spec: str, runner: str) -> str:
    """The command that audits a split like this job's and the fit of a runner on it."""
    suite = "fewshot" if "weeks" in job.split else "full"
    words = ["bench", "data", "audit", dataset_spec, "--suite", suite, "--profile", job.profile]
    if suite == "fewshot":
        words += ["--weeks", ",".join(map(str, job.split["weeks"]))]
        words += ["--train-cells", str(job.split["train_cells"])]
    else:
        words += ["--split", text_of(job.split)]
    if job.target is not None:
        words += ["--target", job.target]
    return shlex.join([*words, "--runner", runner])
