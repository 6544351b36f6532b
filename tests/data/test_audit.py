from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bench.data.audit import audit_split, scramble_outside
from bench.data.cube import Cube
from bench.data.folds import IUGG_RADIUS_KM
from bench.data.splits import Part, Split, fewshot_parameters, full_parameters, make_split
from bench.execution.inprocess import trained_on_training_only
from bench.runners import registry
from models.sphere import unit_sphere


def test_the_full_split_shares_cells_but_no_sample(cube: Cube) -> None:
    audit = audit_split(cube, make_split(cube, full_parameters(cube)))
    assert audit.passed
    assert (audit.shared_samples, audit.shared_cells, audit.unseen_cells) == (0, 30, 0)
    assert audit.distance == pytest.approx((0, 0, 0, 0), abs=1e-6)
    assert audit.days_between == 5  # 27 December to 1 January


def test_an_overlap_is_counted(cube: Cube) -> None:
    both = Part(np.arange(4), np.arange(10))
    audit = audit_split(cube, Split(both, Part(np.arange(2, 6), np.arange(8, 20)), both, {}))
    assert audit.shared_samples == 2 * 2
    assert not audit.passed


def test_distances_are_great_circles_and_join_across_the_date_line(cube: Cube) -> None:
    placed = dataclasses.replace(cube, lon=np.append(np.full(29, 179.5), -179.5), lat=np.zeros(30))
    train = Part(np.arange(29), np.arange(3))
    audit = audit_split(placed, Split(train, Part(np.array([29]), np.arange(5, 9)), train, {}))
    assert audit.unseen_distance is not None
    assert audit.unseen_distance[0] == pytest.approx(np.radians(1) * IUGG_RADIUS_KM, rel=1e-9)


def test_unseen_cells_of_the_fewshot_split_are_counted(cube: Cube) -> None:
    audit = audit_split(cube, make_split(cube, fewshot_parameters(cube, (1,), 12, 0)))
    assert (audit.shared_cells, audit.unseen_cells) == (12, 18)
    assert audit.unseen_distance is not None and audit.unseen_distance[0] > 0


def test_scrambling_changes_everything_outside_and_nothing_inside(cube: Cube) -> None:
    part = Part(np.arange(10), np.arange(46))
    other = scramble_outside(cube, part)
    np.testing.assert_array_equal(part.of(other.climate), part.of(cube.climate))
    np.testing.assert_array_equal(part.of(other.target), part.of(cube.target))
    assert (other.climate[:, 46:] != cube.climate[:, 46:]).all()
    assert (other.climate[10:] != cube.climate[10:]).all()
    assert np.isfinite(other.climate).all()


def test_a_runner_that_scales_by_the_test_part_is_caught(cube: Cube, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_PLUGINS", "tests.support.runners:PEEKING")
    registry.reload()
    split = make_split(cube, full_parameters(cube))
    assert not trained_on_training_only("peeking", cube, split, "smoke")
    monkeypatch.undo()
    registry.reload()


@pytest.mark.parametrize("runner", ["training_mean", "climatology"])
def test_reference_runners_see_training_data_only(cube: Cube, runner: str) -> None:
    for parameters in (full_parameters(cube), fewshot_parameters(cube, (1,), 12, 0)):
        assert trained_on_training_only(runner, cube, make_split(cube, parameters), "smoke")


def test_the_unit_sphere_has_unit_length() -> None:
    points = unit_sphere(np.array([0.0, 90, -180, 30]), np.array([0.0, 0, 90, -45]))
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1)
    np.testing.assert_allclose(points[:2], [[1, 0, 0], [0, 1, 0]], atol=1e-15)


def test_withheld_arrays_are_hidden_outside_the_training_part(cube: Cube, tmp_path: Path) -> None:
    from bench.execution.inprocess import build_runner

    split = make_split(cube, fewshot_parameters(cube, (10,), 12, 0))
    runner = build_runner(
        "pml_last_year_lai", cube, split, view=None, seed=None, threads=1, parameters={}, scratch=tmp_path
    )
    lai = runner.task.cube.withheld["LAI"]
    assert np.isfinite(lai[np.ix_(split.train.cells, split.train.times)]).all()
    assert np.isfinite(lai).sum() == len(split.train)
