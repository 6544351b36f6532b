"""Where few places train and stand far apart, a row's parameters say so; elsewhere they are as registered."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from bench.data.cube import Cube
from bench.data.datasets import OpenedDataset
from bench.data.splits import make_split
from bench.execution.inprocess import build_runner
from bench.report.results.selection import select
from bench.runners import registry
from bench.store.jobs import Job
from bench.store.store import Store
from bench.suites.again import planned_now
from bench.suites.options import SuiteOptions
from bench.suites.suites import make_jobs
from tests.conftest import make_cube
from tests.report.tables.test_tables import add_manifest


def planned(cube: Cube, suite: str, *settings: str, train_cells: int = 12) -> Job:
    options = SuiteOptions(
        only=("dual_branch_plus",), train_cells=(train_cells,) if suite == "fewshot" else (), settings=settings
    )
    [job] = make_jobs(suite, OpenedDataset(cube, Path(), "toy", ""), options)
    return job


def dense(cube: Cube) -> Cube:
    return dataclasses.replace(cube, lon=cube.lon / 100, lat=cube.lat / 100)


def test_the_parameters_of_far_places_are_part_of_the_job() -> None:
    cube = make_cube(60)
    far = planned(cube, "fewshot")
    assert far.parameters["options"]["masked_share"] == 0
    registered = registry.get("dual_branch_plus").parameters_for("laptop")
    assert planned(dense(cube), "fewshot").parameters == registered
    assert planned(cube, "full").parameters == registered
    assert planned(cube, "fewshot", train_cells=45).parameters == registered
    assert far.variant is None, "it is the row as registered for such data"


@pytest.mark.parametrize("scale", [1, 100])
def test_such_a_job_is_planned_again_as_it_is(scale: int) -> None:
    cube = make_cube(60)
    cube = dataclasses.replace(cube, lon=cube.lon / scale, lat=cube.lat / scale)
    job = planned(cube, "fewshot")
    assert planned_now(job).id == job.id


def test_a_setting_of_the_user_counts_more() -> None:
    job = planned(make_cube(60), "fewshot", "dual_branch_plus.options.masked_share=0.2")
    assert job.parameters["options"]["masked_share"] == 0.2 and job.variant == "options.masked_share=0.2"
    assert planned_now(job).id == job.id


@pytest.mark.parametrize("name", ["dual_branch_plus", "dual_branch_plus_free", "dual_branch_plus_gradient"])
def test_the_networks_train_with_what_the_plan_says(name: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    cube = make_cube(60)
    for one, share in ((cube, 0.0), (dense(cube), 0.1)):
        options = SuiteOptions(only=(name,), train_cells=(12,))
        [job] = make_jobs("fewshot", OpenedDataset(one, Path(), "toy", ""), options)
        runner = build_runner(
            name,
            one,
            make_split(one, job.split),
            view=None,
            seed=0,
            threads=1,
            parameters=job.parameters,
            scratch=tmp_path,
        )
        assert runner._make_estimator().options.masked_share == share  # type: ignore[attr-defined]


def test_all_samples_of_a_size_and_all_folds_have_one_answer() -> None:
    cube = make_cube(60)
    dataset = OpenedDataset(cube, Path(), "toy", "")
    few = SuiteOptions(only=("dual_branch_plus",), train_cells=(12, 45), repetitions=3)
    by_size: dict[int, set[object]] = {}
    for job in make_jobs("fewshot", dataset, few):
        by_size.setdefault(job.split["train_cells"], set()).add(job.parameters.get("options", {}).get("masked_share"))
    assert by_size == {12: {0.0}, 45: {None}}
    folds = make_jobs("full", dataset, SuiteOptions(only=("dual_branch_plus",), split="places:2,0"))
    assert len(folds) == 2 and len({str(job.parameters) for job in folds}) == 1


def test_sizes_with_other_answers_are_not_stale_beside_each_other_but_older_parameters_are(tmp_path: Path) -> None:
    dataset = OpenedDataset(make_cube(60), Path(), "toy", "")
    few = SuiteOptions(only=("dual_branch_plus",), train_cells=(12, 45), repetitions=2)
    jobs = make_jobs("fewshot", dataset, few)
    store = Store(tmp_path / "runs", create=True)
    add_manifest(store, "2026-01-02T00:00:00Z", jobs, suite="fewshot")
    assert not select(store, "fewshot").stale
    registered = registry.get("dual_branch_plus").parameters_for("laptop")
    older = [job.model_copy(update={"parameters": registered}) for job in jobs]
    add_manifest(store, "2026-01-01T00:00:00Z", older, suite="fewshot")
    again = Store(tmp_path / "again", create=True)
    add_manifest(again, "2026-01-01T00:00:00Z", older, suite="fewshot")
    first = [job for job in jobs if job.repetition == 0]
    add_manifest(again, "2026-01-02T00:00:00Z", first, suite="fewshot")
    stale = select(again, "fewshot").stale
    assert stale == {job.id for job in older if job.repetition == 1 and job.split["train_cells"] == 12}
