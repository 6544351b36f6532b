"""Building and running a runner in this process: what the child of a job and the split audit have in common."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.audit import saw_training_only
from bench.data.cube import Cube, FloatArray
from bench.data.splits import TARGETS, Part, Split
from bench.data.views import DEFAULT_VIEW
from bench.errors import BenchError
from bench.runners import registry
from bench.runners.base import Runner, Task
from bench.seeds import derive_seed, seed_everything

SHARED_STAGES = "stages"
"""Folder beside the checkpoints of jobs: what several of them need, such as a pretraining."""


def build_runner(
    name: str,
    cube: Cube,
    split: Split,
    *,
    view: str | None,
    seed: int | None,
    threads: int,
    parameters: Mapping[str, Any],
    scratch: Path,
    checkpoint: Path | None = None,
) -> Runner:
    """Makes a runner with everything that it may know and nothing else.

    Args:
        name: of the runner.
        cube: the data with its target; the runner gets it without.
        split: training and test part.
        view: feature view, or None where the runner reads none.
        seed: for all random numbers; None for a runner without any.
        threads: numeric threads.
        parameters: resolved parameters.
        scratch: an empty folder.
        checkpoint: folder that outlives the process, beside that of what jobs share; None for `scratch`.
    """
    entry = registry.get(name)
    seed = 0 if seed is None else seed
    seed_everything(seed)
    masked = dataclasses.replace(
        cube,
        target=np.broadcast_to(np.float32(np.nan), cube.target.shape),
        split=None,
        withheld={key: _training_only(cube.withheld[key], split.train) for key in entry.withheld},
    )
    task = Task(
        cube=masked,
        train=split.train,
        train_target=_samples_only(split.train, cube.target),
        view=view or DEFAULT_VIEW,
        seed=seed,
        threads=threads,
        parameters=parameters,
        scratch=scratch,
        checkpoint=checkpoint or scratch,
        scored_steps=tuple(sorted({int(step) for step in cube.step_of_year[split.test.times]})),
        roles=split.roles,
        shared=(scratch if checkpoint is None else checkpoint.parent) / SHARED_STAGES,
    )
    runner: Runner = entry.load()(task)
    return runner


def checked_prediction(runner: Runner, part: Part, name: str, runner_name: str, n_targets: int = 1) -> FloatArray:
    """A runner's predictions of a part, after checking their type, number and that they are finite.

    Only samples are checked; where the part's rectangle has none, anything may stand.

    Args:
        runner: fitted.
        part: which samples.
        name: of the part.
        runner_name: of the runner.
        n_targets: that it predicts at once.

    Returns:
        (n_cells, n_times) float32, of several targets (n_cells, n_times, n_targets).

    Raises:
        BenchError: they are no real numbers or partly masked, the shape is wrong, or a value is NaN or infinite.
    """
    expected = part.shape if n_targets == 1 else (*part.shape, n_targets)
    given = runner.predict(part)
    kind = np.asarray(given).dtype
    if kind.kind not in "fiub" or np.ma.is_masked(given):
        what = "masked values" if np.ma.is_masked(given) else f"values of type {kind}"
        raise BenchError(
            f"Runner {runner_name!r} returned {what} as predictions of the {name} part; real numbers are needed, "
            "correct its predict()."
        )
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is refused below
        prediction = np.asarray(given, np.float32)
    if prediction.shape != expected:
        raise BenchError(
            f"Runner {runner_name!r} returned {prediction.shape} predictions of the {name} part instead of "
            f"{expected}; correct its predict()."
        )
    bad = int((~np.isfinite(part.select(prediction))).sum())
    if bad:
        raise BenchError(
            f"Runner {runner_name!r} returned {bad} NaN or infinite predictions of the {name} part; correct its "
            "predict()."
        )
    return prediction


def trained_on_training_only(name: str, cube: Cube, split: Split, profile: str) -> bool:
    """Whether a runner's fit depends on the training part alone (see `bench.data.audit`)."""
    entry = registry.get(name)
    reason = entry.unavailable()
    if reason:
        raise BenchError(f"Runner {name!r} cannot be audited here: it {reason}.")
    seed = derive_seed(cube.name, name, 0)
    n_targets = len(cube.target_names) if TARGETS in split.parameters else 1

    def fit_predict(data: Cube, part: Part) -> FloatArray:
        """Predictions (n_samples,) of a fresh runner."""
        before = os.getcwd()
        with tempfile.TemporaryDirectory() as scratch:
            os.chdir(scratch)
            try:
                runner = build_runner(
                    name,
                    data,
                    split,
                    view=None,
                    seed=seed,
                    threads=1,
                    parameters=entry.parameters_for(profile),
                    scratch=Path(scratch),
                )
                runner.fit()
                predicted: FloatArray = part.select(checked_prediction(runner, part, "train", name, n_targets))
                return predicted
            finally:
                os.chdir(before)

    return saw_training_only(fit_predict, cube, split)


def _training_only(values: FloatArray, train: Part) -> FloatArray:
    hidden = np.full(values.shape, np.nan, np.float32)
    hidden[np.ix_(train.cells, train.times)] = _samples_only(train, values)
    return hidden


def _samples_only(part: Part, values: FloatArray) -> FloatArray:
    """A part's rectangle of a (cell, time) array, NaN where the rectangle has no sample."""
    rectangle: FloatArray = part.of(values)
    if part.mask is not None:
        rectangle[~part.mask] = np.nan
    return rectangle
