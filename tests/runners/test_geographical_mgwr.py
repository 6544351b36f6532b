"""The mgwr package as a row of its own: the same numbers as the project's engine, its failures explained."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bench.data.cube import Cube
from bench.data.datasets import OpenedDataset
from bench.data.splits import Split, fewshot_parameters, make_split
from bench.errors import BenchError
from bench.execution import planning
from bench.execution.inprocess import build_runner
from bench.execution.process import Limits
from bench.runners import registry
from bench.runners.base import Runner
from bench.suites.options import SuiteOptions
from bench.suites.suites import make_jobs
from tests.conftest import make_cube

pytestmark = [
    pytest.mark.runners,
    pytest.mark.skipif(registry.get("gwr_mgwr").unavailable() is not None, reason="mgwr is not installed"),
    pytest.mark.skipif(registry.get("gwr").unavailable() is not None, reason="torch is not installed"),
]


def fitted(name: str, cube: Cube, split: Split, scratch: Path) -> Runner:
    runner = build_runner(name, cube, split, view=None, seed=None, threads=1, parameters={}, scratch=scratch)
    runner.fit()
    return runner


def test_it_gives_the_same_numbers_as_our_engine_at_more_places_than_it_was_trained_on(tmp_path: Path) -> None:
    cube = make_cube(n_cells=260, n_years=3)
    split = make_split(cube, fewshot_parameters(cube, (7, 30), 100, 0))
    ours, theirs = (fitted(name, cube, split, tmp_path) for name in ("gwr", "gwr_mgwr"))
    assert [theirs._model(step) for step in (7, 30)] == [ours._model(step).bandwidth_ for step in (7, 30)]  # type: ignore[attr-defined]
    for part in (split.test, split.scored_train):
        np.testing.assert_allclose(theirs.predict(part), ours.predict(part), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(theirs.explain(split.test), ours.explain(split.test), rtol=1e-5, atol=1e-6)
    one, other = theirs.fitted(), ours.fitted()
    assert one is not None and other is not None
    np.testing.assert_allclose(one.prediction, other.prediction, rtol=1e-6, atol=1e-6)


def test_a_singular_design_is_named_with_its_step(tmp_path: Path) -> None:
    cube = make_cube(n_cells=100)
    climate = cube.climate.copy()
    climate[:, :, 1] = climate[:, :, 2] = climate[:, :, 0]
    cube = dataclasses.replace(cube, climate=climate)
    split = make_split(cube, fewshot_parameters(cube, (7,), 100, 0))
    with pytest.raises(BenchError, match="mgwr fails in step 7: .* use runner 'gwr'"):
        fitted("gwr_mgwr", cube, split, tmp_path)


def test_too_few_cells_for_its_search_are_named(cube: Cube, tmp_path: Path) -> None:
    split = make_split(cube, fewshot_parameters(cube, (7,), 30, 0))
    with pytest.raises(BenchError, match="from 54 neighbours on and the sample has 30 cells"):
        fitted("gwr_mgwr", cube, split, tmp_path)


def test_it_is_planned_by_name_only_and_refused_where_it_would_take_hours() -> None:
    cube = make_cube(n_cells=3000)
    dataset = OpenedDataset(cube, Path(), "toy", "")

    def planned(weeks: int, **more: tuple[str, ...]) -> list[planning.PlannedJob]:
        options = SuiteOptions(weeks=tuple(range(1, weeks + 1)), train_cells=(3000,), **more)  # type: ignore[arg-type]
        return planning.plan(make_jobs("fewshot", dataset, options), cube, None, Limits(1, 8_000_000_000, None))

    assert "gwr_mgwr" not in {item.job.runner for item in planned(1, only=("spatial",))}
    assert "gwr_mgwr" in {item.job.runner for item in planned(1, only=("spatial",), extra=("gwr_mgwr",))}
    [few], [many] = planned(2, only=("gwr_mgwr",)), planned(46, only=("gwr_mgwr",))
    assert few.state == "missing"
    assert many.state == "too long" and "would take about 1.2 hours on one core, its limit is 1; use gwr" in str(
        many.reason
    )
