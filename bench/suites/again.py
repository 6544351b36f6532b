"""Planning a stored job again: as this version would, and as words of a command line."""

from __future__ import annotations

import dataclasses
import shlex
from typing import Any

from bench.data.split_names import text_of
from bench.data.splits import DESIGN
from bench.runners import registry
from bench.runners.entry import TRAINING_ROWS
from bench.runners.known import held_at
from bench.store.jobs import EVALUATION_VERSION, Job
from bench.store.records import Manifest
from bench.suites import ablation, flux
from bench.suites.options import SuiteOptions
from bench.suites.settings import with_settings


def planned_now(job: Job) -> Job:
    """The same job as a run of this version, with the packages installed now, would plan it."""
    entry = registry.entries().get(job.runner)
    if entry is None:
        return job  # a plug-in that is not loaded: nothing to compare with
    if job.suite == ablation.SUITE and not ablation.knows(job.runner, job.profile):
        return job
    present = {
        "runner_version": entry.version,
        "parameters": parameters_now(job),
        "packages": entry.package_versions(),
        "evaluation": EVALUATION_VERSION,
    }
    return job.model_copy(update=present)


def parameters_now(job: Job) -> dict[str, Any]:
    """The parameters that a run of this version would give the job."""
    entry, override = registry.get(job.runner), job.override or {}
    if job.suite == ablation.SUITE:
        return ablation.parameters_of(job.runner, override, job.profile, job.split["train_cells"])
    if job.suite == flux.SUITE:
        return flux.parameters_of(job.runner, override, job.profile)
    # The limit on training rows bit when the job was planned, and its training part is the same.
    most = entry.most_rows.get(job.profile)
    sampled = TRAINING_ROWS in job.parameters and most is not None
    # So were the distances between its training places.
    far = {key: value for key, value in entry.few_and_far.items() if held_at(job.parameters, key) == value}
    parameters = entry.parameters_for(job.profile, most + 1 if sampled and most else 0)
    return with_settings(parameters, {**far, **override}, job.runner)


def command_of_run(manifest: Manifest) -> str:
    """The command of a whole run, as its manifest has it; what was left at its default is left out."""
    words = ["bench", "run", "--suite", manifest.suite, "--dataset", manifest.dataset_spec]
    words += ["--profile", str(manifest.options.get("profile", manifest.jobs[0].profile))]
    for field in dataclasses.fields(SuiteOptions):
        value = manifest.options.get(field.name)
        if field.name not in _OPTIONS or value in (None, [], ()) or _plain(value) == _plain(field.default):
            continue
        if field.name == "settings":
            words += [word for item in value for word in ("--set", str(item))]
        else:
            words += [
                _OPTIONS[field.name],
                ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value),
            ]
    return shlex.join(words)


_OPTIONS = {
    "only": "--only",
    "skip": "--skip",
    "extra": "--with",
    "views": "--view",
    "first_repetition": "--first-repeat",
    "repetitions": "--repeats",
    "weeks": "--weeks",
    "train_cells": "--train-cells",
    "split": "--split",
    "designs": "--designs",
    "settings": "--set",
}
"""Fields of `SuiteOptions` but the profile, and their spelling on the command line."""


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def command(job: Job, dataset_spec: str) -> str:
    """The command that runs this job, and no other, into an empty store.

    Args:
        job: what to run.
        dataset_spec: text that opens its data.
    """
    words = ["bench", "run", "--suite", job.suite, "--dataset", dataset_spec, "--profile", job.profile]
    if job.suite == flux.SUITE:
        row = flux.row_of(job)
        words += ["--only", row.name, "--with", row.name, "--designs", job.split[DESIGN]]
        if "fold" in job.split:
            words += ["--split", text_of(job.split)]
    elif job.suite != ablation.SUITE:
        words += ["--only", job.runner]
        words += ["--with", job.runner]  # needed by what the suite has not by itself, and no harm to the others
    if job.suite == "full":
        words += ["--split", text_of(job.split)]  # the default depends on the data
    if "weeks" in job.split:
        words += ["--weeks", ",".join(map(str, job.split["weeks"]))]
    if "train_cells" in job.split:
        words += ["--train-cells", str(job.split["train_cells"])]
    if job.view is not None:
        words += ["--view", job.view]
    if job.suite in (ablation.SUITE, flux.SUITE) or job.target is not None:  # a suite plans all targets
        words += ["--job", job.id]
    if job.suite not in (ablation.SUITE, flux.SUITE):
        for key, value in sorted((job.override or {}).items()):
            words += ["--set", f"{job.runner}.{key}={value}"]
    return shlex.join([*words, "--first-repeat", str(job.repetition)])
