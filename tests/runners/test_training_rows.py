"""Training parts that are larger than what a runner takes: a seeded sample of rows, and what plan and table say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.data.cube import Cube
from bench.data.datasets import OpenedDataset
from bench.data.parts import Part
from bench.data.splits import full_parameters, make_split
from bench.errors import BenchError
from bench.execution import planning
from bench.execution.process import Limits
from bench.runners import base, registry
from bench.runners.base import Task
from bench.runners.entry import TRAINING_ROWS, RunnerEntry
from bench.runners.sklearn import SklearnRunner
from bench.suites.options import SuiteOptions
from bench.suites.suites import make_jobs
from tests.conftest import make_cube


def _task(cube: Cube, parameters: dict[str, object], view: str = "located") -> Task:
    split = make_split(cube, full_parameters(cube, None))
    return Task(
        cube, split.train, split.train.of(cube.target), view, 0, 1, parameters, Path(), Path(), tuple(range(1, 47))
    )


def test_the_sample_is_rows_of_the_whole_table_with_their_own_targets_however_it_is_cut(
    cube: Cube, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything, targets = _task(cube, {}).training_table()
    assert len(everything.values) == len(targets) == 30 * 46
    sample, sample_targets = _task(cube, {TRAINING_ROWS: 200}).training_table()
    monkeypatch.setattr(base, "_BLOCK_ROWS", 100)
    cut, cut_targets = _task(cube, {TRAINING_ROWS: 200}).training_table()
    np.testing.assert_array_equal(sample.values, cut.values)
    np.testing.assert_array_equal(sample_targets, cut_targets)
    place = {row.tobytes(): index for index, row in enumerate(everything.values)}
    found = np.array([place[row.tobytes()] for row in sample.values])
    assert len(np.unique(found)) == 200 and (np.diff(found) > 0).all()
    np.testing.assert_array_equal(targets[found], sample_targets)


def test_blocks_of_a_part_hold_the_rows_of_its_table(cube: Cube, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_BLOCK_ROWS", 46 * 7)
    task = _task(cube, {})
    whole = task.table(task.train).values
    first = 0
    for block, table in task.tables(task.train):
        np.testing.assert_array_equal(table.values, whole[first : first + len(block)])
        first += len(block)
    assert first == 30 * 46


@pytest.mark.parametrize("gaps", [False, True])
def test_a_model_that_does_not_give_one_number_for_each_row_is_refused(cube: Cube, gaps: bool) -> None:
    task = _task(cube, {})
    part = task.train
    if gaps:
        mask = np.ones(part.shape, bool)
        mask[3, :6] = False
        part = Part(part.cells, part.times, mask)
    n = len(part)
    for given in (np.arange(n), np.arange(n)[:, None], np.arange(n)[None], list(range(n))):
        predicted = task.predict_rows(part, lambda table, given=given: given)
        np.testing.assert_array_equal(part.select(predicted), np.arange(n))
    for wrong in (1.0, [1.0], np.ones(n - 1), np.ones((n, 2)), np.ones((2, n)), np.ones(n).reshape(-1, 2)):
        with pytest.raises(BenchError, match=f"for {n} rows; one number for each row is needed"):
            task.predict_rows(part, lambda table, wrong=wrong: wrong)
    with pytest.raises(BenchError, match=f"were given for {n} samples"):
        part.spread(np.ones(1))


def test_a_regressor_whose_fit_returns_nothing_predicts(cube: Cube) -> None:
    runner = SklearnRunner(_task(cube, {"estimator": "tests.support.estimators.Plain"}))
    runner.fit()
    assert (runner.predict(runner.task.train) == 1.0).all()


def test_only_a_training_part_that_is_too_large_changes_a_job() -> None:
    entry = replace(registry.get("lightgbm"), most_rows={"laptop": 1000})
    assert TRAINING_ROWS not in entry.parameters_for("laptop", 1000)
    assert entry.parameters_for("laptop", 1001) == entry.parameters_for("laptop") | {TRAINING_ROWS: 1000}
    assert TRAINING_ROWS not in entry.parameters_for("paper", 5000)


def test_a_job_names_its_sample_and_nearest_neighbours_are_refused_where_they_would_take_days(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset = OpenedDataset(make_cube(n_cells=3000), Path(), "toy", "")
    options = SuiteOptions(only=("lightgbm", "knn_unif"))
    assert all(TRAINING_ROWS not in job.parameters for job in make_jobs("full", dataset, options))
    limits = Limits(1, 8_000_000_000, None)
    before = planning.plan(make_jobs("full", dataset, options), dataset.cube, None, limits)
    assert {item.job.runner: item.state for item in before} == {"lightgbm": "missing", "knn_unif": "missing"}

    def known() -> dict[str, RunnerEntry]:
        small = {"laptop": 100_000}
        return {name: replace(found[name], most_rows=small, refused_after=60.0) for name in ("lightgbm", "knn_unif")}

    found = dict(registry.entries())
    monkeypatch.setattr(registry, "entries", known)
    jobs = make_jobs("full", dataset, options)
    assert [job.parameters[TRAINING_ROWS] for job in jobs] == [100_000, 100_000]
    [neighbours] = [item for item in planning.plan(jobs, dataset.cube, None, limits) if item.job.runner == "knn_unif"]
    # 100,000 rows are compared with 138,000 test rows and as many training rows, at 2.5 s per billion pairs.
    assert neighbours.estimate.seconds == pytest.approx(8 + 1.1 + 100_000 * 276_000 / 1e9 * 2.5, abs=1)
    assert neighbours.state == "too long" and "use lightgbm instead, a smaller data set" in str(neighbours.reason)


def test_a_fit_that_ends_with_its_time_is_expected_to_take_that_time() -> None:
    dataset = OpenedDataset(make_cube(n_cells=100), Path(), "toy", "")

    def planned(*settings: str, profile: str = "smoke", timeout_s: float | None = None) -> planning.PlannedJob:
        options = SuiteOptions(profile=profile, only=("autogluon_best",), settings=settings)
        limits = Limits(1, 8_000_000_000, timeout_s)
        [found] = planning.plan(make_jobs("full", dataset, options), dataset.cube, None, limits)
        return found

    def seconds(*settings: str, profile: str = "smoke") -> float:
        return planned(*settings, profile=profile).estimate.seconds

    start = registry.get("autogluon_best").cost.seconds
    rest = seconds() - 30  # the start, and prediction
    assert start < rest < 2 * start and seconds("autogluon_best.minutes=2") == pytest.approx(rest + 120)
    assert seconds(profile="paper") > start + 240 * 60
    late = planned("autogluon_best.minutes=240", timeout_s=7200)
    assert late.state == "too long" and str(late.reason).startswith("fits for 240 minutes, the limit of a job is 120;")
    assert planned("autogluon_best.minutes=100", timeout_s=7200).state == "missing"
