"""Command lines that bring a stored number back."""

from __future__ import annotations

import shlex

from bench.store.jobs import Job


def reproduce(job: Job, dataset_spec: str) -> str:
    """The command that runs this job, and no other, into an empty store.

    Args:
        job: what to run.
        dataset_spec: text that opens its data.
    """
    words = ["bench", "run", "--suite", job.suite, "--dataset", dataset_spec, "--profile", job.profile]
    words += ["--only", job.runner]
    if job.suite == "fewshot":  # only what the suite has not by itself needs --with, which does no harm to the others
        words += ["--with", job.runner, "--weeks", ",".join(map(str, job.split["weeks"]))]
        words += ["--train-cells", str(job.split["train_cells"])]
    if job.view is not None:
        words += ["--view", job.view]
    return shlex.join([*words, "--first-repeat", str(job.repetition)])


def audit(job: Job, dataset_spec: str, runner: str) -> str:
    """The command that audits a split like this job's and the fit of a runner on it."""
    suite = "fewshot" if "weeks" in job.split else "full"
    words = ["bench", "data", "audit", dataset_spec, "--suite", suite, "--profile", job.profile]
    if suite == "fewshot":
        words += ["--weeks", ",".join(map(str, job.split["weeks"]))]
        words += ["--train-cells", str(job.split["train_cells"])]
    return shlex.join([*words, "--runner", runner])
