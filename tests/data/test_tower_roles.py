"""Roles of towers are disjoint and nested, and no hidden month is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.data.parts import Part
from bench.data.splits import make_split, require_parameters
from bench.data.tower_roles import hidden_months, joined
from bench.errors import BenchError
from tests.support.flux_cube import make_flux_cube

CUBE = make_flux_cube()
PLACES: dict[str, Any] = {
    "kind": "places",
    "near": 111.0,
    "fold": 1,
    "folds": 5,
    "max_cells": None,
    "targets": ["GPP", "RECO", "NEE"],
    "validation_share": 0.1,
}


def rows(part: Part) -> set[tuple[int, int]]:
    return set(zip(*(axis.tolist() for axis in part.samples()), strict=True))


@pytest.mark.parametrize("fold", range(1, 6))
@pytest.mark.parametrize("labelled", [None, 6, 12])
def test_towers_learn_validate_or_test_and_never_two_of_these(fold: int, labelled: int | None) -> None:
    more = {} if labelled is None else {"labelled": labelled, "labelled_seed": 0}
    split = make_split(CUBE, PLACES | {"fold": fold} | more)
    roles = split.roles
    assert roles is not None
    groups = (roles.learning, roles.validation, split.test.cells)
    assert len(np.unique(np.concatenate(groups))) == sum(map(len, groups))
    assert set(roles.labelled.tolist()) == set(split.train.cells.tolist())
    assert not np.isin(split.test.cells, np.concatenate([roles.simulated, roles.pretraining_validation])).any()
    assert set(roles.learning.tolist()) <= set(roles.simulated.tolist())
    assert set(roles.validation.tolist()) <= set(roles.pretraining_validation.tolist())
    assert len(roles.labelled) == (labelled or 24)


def test_every_tower_is_tested_once() -> None:
    tested = np.concatenate([make_split(CUBE, PLACES | {"fold": fold}).test.cells for fold in range(1, 6)])
    assert sorted(tested.tolist()) == list(range(CUBE.n_cells))


def test_fewer_towers_are_among_more_and_keep_their_roles() -> None:
    found = [make_split(CUBE, PLACES | {"labelled": size, "labelled_seed": 3}).roles for size in (6, 12, 20)]
    for small, large in zip(found, found[1:], strict=False):
        assert small is not None and large is not None
        assert set(small.learning) <= set(large.learning) and set(small.validation) <= set(large.validation)
        assert np.array_equal(small.simulated, large.simulated)
        assert np.array_equal(small.pretraining_validation, large.pretraining_validation)
    other = make_split(CUBE, PLACES | {"labelled": 6, "labelled_seed": 4}).roles
    assert found[0] is not None and other is not None and not np.array_equal(found[0].labelled, other.labelled)


def test_hidden_months_are_neither_known_nor_of_towers_that_learn() -> None:
    split = make_split(CUBE, PLACES | {"hidden_share": 0.3, "hidden_seed": 0})
    assert split.roles is not None
    assert not rows(split.test) & rows(split.train)
    assert set(split.test.cells.tolist()) == set(split.roles.known.tolist())
    assert not np.isin(split.roles.known, split.roles.simulated).any()
    whole = make_split(CUBE, PLACES)
    assert rows(split.test) | rows(split.train) == rows(whole.test) | rows(whole.train)
    assert len(split.test) == pytest.approx(0.3 * len(whole.test), rel=0.2)


def test_half_of_the_towers_hide_a_run_and_the_others_here_and_there() -> None:
    hidden, known = hidden_months(Part(np.arange(10), np.arange(100)), 0.3, 0)
    for row in range(10):
        months = np.flatnonzero(
            np.isin(np.arange(100), hidden.times[hidden.mask[row]] if hidden.mask is not None else [])
        )
        assert len(months) == 30
        assert (np.ptp(months) == 29) == (row % 2 == 1)
    assert len(hidden) + len(known) == 1000


def test_parts_without_a_common_sample_are_joined() -> None:
    first = Part(np.array([0, 2]), np.array([1, 2]))
    second = Part(np.array([1, 2]), np.array([2, 3]), np.array([[True, False], [False, True]]))
    assert rows(joined(first, second)) == rows(first) | rows(second)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"folds": 31}, "fewer than the 31 folds"),
        ({"labelled": 25, "labelled_seed": 0}, "24 can train"),
        ({"labelled": 5, "labelled_seed": 0}, "at least 6"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(change: dict[str, Any], said: str) -> None:
    with pytest.raises(BenchError, match=said):
        make_split(CUBE, PLACES | change)


def test_towers_with_one_month_have_none_to_hide() -> None:
    with pytest.raises(BenchError, match="two measured months"):
        hidden_months(Part(np.arange(3), np.arange(1)), 0.3, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"validation_share": 0},
        {"validation_share": 0.7},
        {"labelled": 0},
        {"hidden_share": 1.0, "hidden_seed": 0},
        {"hidden_share": 0.5},
        {"targets": []},
        {"targets": "GPP"},
        {"design": "two words"},
    ],
)
def test_senseless_parameters_of_towers_are_refused(change: dict[str, Any]) -> None:
    require_parameters(PLACES)
    with pytest.raises(ValueError, match="split"):
        require_parameters(PLACES | change)
