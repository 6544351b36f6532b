"""Command lines that bring a stored number back."""

from __future__ import annotations

import shlex

from bench.store.jobs import Cell


def reproduce(cell: Cell, dataset_spec: str) -> str:
    """The command that runs this cell, and no other, into an empty store.

    Args:
        cell: what to run.
        dataset_spec: text that opens its data.
    """
    words = ["bench", "run", "--suite", cell.suite, "--dataset", dataset_spec, "--profile", cell.profile]
    words += ["--only", cell.runner]
    if cell.suite == "fewshot":  # only what the suite has not by itself needs --with, which does no harm to the others
        words += ["--with", cell.runner, "--weeks", ",".join(map(str, cell.split["weeks"]))]
        words += ["--train-cells", str(cell.split["train_cells"])]
    if cell.view is not None:
        words += ["--view", cell.view]
    return shlex.join([*words, "--seed", str(cell.repetition)])


def audit(cell: Cell, dataset_spec: str, runner: str) -> str:
    """The command that audits a split like this cell's and the fit of a runner on it."""
    suite = "fewshot" if "weeks" in cell.split else "full"
    words = ["bench", "data", "audit", dataset_spec, "--suite", suite, "--profile", cell.profile]
    if suite == "fewshot":
        words += ["--weeks", ",".join(map(str, cell.split["weeks"]))]
        words += ["--train-cells", str(cell.split["train_cells"])]
    return shlex.join([*words, "--runner", runner])
