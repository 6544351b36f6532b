"""Where few places train and stand far apart, a row's parameters say so; elsewhere they are as registered."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bench.data.cube import Cube
from bench.data.datasets import OpenedDataset
from bench.runners import registry
from bench.store.jobs import Job
from bench.suites.again import planned_now
from bench.suites.options import SuiteOptions
from bench.suites.suites import make_jobs
from tests.conftest import make_cube


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
def test_the_networks_train_with_what_the_plan_says(name: str) -> None:
    pytest.importorskip("torch")
    from models.dual_branch import DualBranchPlusOptions

    entry = registry.get(name)
    [(key, value)] = entry.few_and_far.items()
    assert key == "options.masked_share" and np.isclose(DualBranchPlusOptions(masked_share=value).masked_share, 0)
