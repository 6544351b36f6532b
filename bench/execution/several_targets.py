"""What a job that predicts several targets at once leaves: one table of sums and one of predictions for all of them.

A group of the sums is named ``TARGET`` or ``TARGET/group``, so that whatever adds sums of a group works on them as it
is. A line of the predictions is one target at one cell and time.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.data.climate_classes import UNKNOWN, climate_classes
from bench.data.cube import Cube, FloatArray
from bench.data.parts import Part, Split
from bench.data.tower_roles import HIDDEN_SHARE
from bench.errors import BenchError
from bench.execution.inprocess import checked_prediction
from bench.runners.base import Runner, SeveralTargetsRunner
from bench.scoring.metrics import METRICS, Masks, evaluate, statistics_of
from bench.store.names import PREDICTIONS, STATISTICS
from bench.system.clock import timed

Metrics = dict[str, dict[str, float | None]]


def leave_results(runner: Runner, name: str, cube: Cube, split: Split, work: Path, times: dict[str, float]) -> Metrics:
    """Predicts, scores, and writes both tables.

    Args:
        runner: fitted.
        name: of the runner.
        cube: the data with all targets.
        split: that it was fitted on.
        work: folder of the job.
        times: gets the time of predicting the test part.

    Returns:
        Part → ``TARGET_metric`` → value over all samples.

    Raises:
        BenchError: predictions are not as they must be, or the runner predicts one target only.
    """
    if not isinstance(runner, SeveralTargetsRunner):
        raise BenchError(
            f"Runner {name!r} predicts one target, and this job is of {', '.join(cube.target_names)}; leave it out."
        )
    n_targets = len(cube.target_names)
    with timed(times, "predict"):
        predictions = {"test": checked_prediction(runner, split.test, "test", name, n_targets)}
    if HIDDEN_SHARE not in split.parameters:  # an imputation returns known months as they are: no error to speak of
        predictions["train"] = checked_prediction(runner, split.scored_train, "train", name, n_targets)
    statistics = several_statistics(cube, split, predictions)
    statistics.to_parquet(work / STATISTICS, index=False)
    target = split.test.of(cube.target)
    columns = {"target": target, "prediction": predictions["test"]}
    columns["deviation"] = _deviation(runner, split.test, name, n_targets)
    columns |= runner.scores(split.test, target)
    _long(cube, split.test, columns).to_parquet(work / PREDICTIONS, index=False)
    return {"train": {}, **_overall(statistics)}


def several_statistics(cube: Cube, split: Split, predictions: dict[str, FloatArray]) -> pd.DataFrame:
    """The sums of `bench.scoring.metrics.statistics_of` for each target, its name before the group's.

    Args:
        cube: the data with all targets.
        split: the split.
        predictions: part → (n_cells, n_times, n_targets).
    """
    tables = []
    climate = climate_classes(cube)
    for index, target in enumerate(cube.target_names):
        one = cube.for_target(target)
        parts = {"test": split.test, "train": split.scored_train}
        measured = {key: _measured(part, one) for key, part in parts.items()}
        own = dataclasses.replace(split, test=measured["test"], scored_train=measured["train"])
        given = {key: _cut(values[..., index], parts[key], measured[key]) for key, values in predictions.items()}
        table = statistics_of(one, own, given, {key: _climates(climate, part) for key, part in measured.items()})
        groups = table["group"].to_numpy()
        table["group"] = [target if group == "all" else f"{target}/{group}" for group in groups]
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _measured(part: Part, cube: Cube) -> Part:
    """Those samples of a part at which a target was measured."""
    return part if cube.measured is None else part.restricted(cube.measured)


def _cut(values: FloatArray, part: Part, inner: Part) -> FloatArray:
    """The rectangle of a part within that of one that holds it."""
    inside = np.ix_(np.searchsorted(part.cells, inner.cells), np.searchsorted(part.times, inner.times))
    return np.ascontiguousarray(values[inside])


def _climates(climate: np.ndarray, part: Part) -> dict[str, Masks]:
    own, every_time = climate[part.cells], np.ones(len(part.times), bool)
    return {f"climate:{name}": (own == name, every_time) for name in np.unique(own).tolist() if name != UNKNOWN}


def _deviation(runner: SeveralTargetsRunner, part: Part, name: str, n_targets: int) -> FloatArray:
    shape = (*part.shape, n_targets)
    given = runner.deviation(part)
    deviation = np.full(shape, np.nan, np.float32) if given is None else np.asarray(given, np.float32)
    if deviation.shape != shape or (given is not None and not (part.select(deviation) >= 0).all()):
        raise BenchError(
            f"Runner {name!r} returned standard deviations that are negative, NaN or of another shape than {shape}; "
            "correct its deviation()."
        )
    return deviation


def _long(cube: Cube, part: Part, columns: dict[str, Any]) -> pd.DataFrame:
    """One line per target and sample: cell, time, variable and the given (n_cells, n_times, n_targets) arrays."""
    cell, time = part.samples()
    frames = []
    for index, target in enumerate(cube.target_names):
        frame = pd.DataFrame({"cell": cell.astype(np.int32), "time": time.astype(np.int32), "variable": target})
        for name, values in columns.items():
            frame[name] = part.select(np.asarray(values)[..., index])
        frames.append(frame.loc[np.isfinite(frame["target"])])
    table: pd.DataFrame = pd.concat(frames, ignore_index=True)
    return table


def _overall(statistics: pd.DataFrame) -> Metrics:
    table = evaluate(statistics).query("weighting == 'plain'")
    found: Metrics = {}
    for row in table[~table["group"].str.contains("/")].to_dict("records"):
        for metric in METRICS:
            value = row[metric]
            found.setdefault(row["part"], {})[f"{row['group']}_{metric}"] = None if pd.isna(value) else float(value)
    return found
