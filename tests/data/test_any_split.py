"""Splits by name on data with gaps, other rhythms and planar places: what must hold for all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.audit import audit_split, count_twins, require_no_copies, scramble_outside
from bench.data.cube import Cube
from bench.data.folds import folds_of_blocks, folds_of_places
from bench.data.own_split import TESTS, TRAINS
from bench.data.parts import Part, Split
from bench.data.rhythm import RHYTHMS
from bench.data.split_names import PUBLISHED, default_split, describe, parse_split, split_parameters, text_of
from bench.data.splits import Layout, default_weeks, fewshot_parameters, full_parameters, make_split, split_of_layout
from bench.errors import BenchError
from models.sphere import unit_sphere
from tests.conftest import make_cube
from tests.support.cubes import make_houses, make_months, make_towers

FOLDED = ("places:4", "places:3,0", "blocks:5,3")


def splits_of(cube: Cube, name: str) -> list[Split]:
    return [make_split(cube, parameters) for parameters in split_parameters(cube, parse_split(name))]


def samples(part: Part) -> set[tuple[int, int]]:
    cells, times = part.samples()
    return set(zip(cells.tolist(), times.tolist(), strict=True))


def measured(cube: Cube) -> set[tuple[int, int]]:
    return {(int(cell), int(time)) for cell, time in np.argwhere(~np.isnan(cube.target))}


@pytest.mark.parametrize("name", FOLDED)
@pytest.mark.parametrize("cube", [make_towers(), make_months(), make_houses(planar=False)], ids=lambda cube: cube.name)
def test_folds_test_every_measured_sample_once_and_train_on_all_others(cube: Cube, name: str) -> None:
    if cube.name == "houses_toy":  # within four degrees
        name = {"places:4": "places:4,0", "blocks:5,3": "blocks:0.7,3"}.get(name, name)
    found = splits_of(cube, name)
    tested = [samples(split.test) for split in found]
    assert sum(map(len, tested)) == len(set.union(*tested))
    assert set.union(*tested) == measured(cube)
    for split, test in zip(found, tested, strict=True):
        assert samples(split.train) == measured(cube) - test
        assert set(split.train.cells).isdisjoint(split.test.cells)  # no place in both parts


def test_the_last_year_is_the_last_in_which_something_was_measured() -> None:
    cube = make_towers()
    years = sorted(set(cube.year.tolist()))
    target = cube.target.copy()
    target[:, cube.year == years[-1]] = np.nan
    ended = dataclasses.replace(cube, target=target).validate()
    assert full_parameters(cube)["test_year"] == years[-1]
    assert full_parameters(ended)["test_year"] == years[-2]
    assert len(make_split(ended, full_parameters(ended)).test)
    assert fewshot_parameters(ended, default_weeks(ended), None, 0)["test_year"] == years[-2]


@pytest.mark.parametrize("name", ["last-year", "last-year-of-each-place", "share:0.3", "share:0.3,7", "places:1/4"])
def test_train_and_test_are_disjoint_and_measured(name: str) -> None:
    cube = make_towers()
    [split] = splits_of(cube, name)
    train, test = samples(split.train), samples(split.test)
    assert train and test and train.isdisjoint(test)
    assert train | test <= measured(cube)
    assert len(split.train) == len(train) and len(split.test) == len(test)


def test_the_last_year_of_each_place_is_its_last_measured_one() -> None:
    cube = make_towers()
    target = np.array(cube.target)
    target[0, 12:] = np.nan  # measured in the first year only: it trains
    target[1, 24:] = np.nan
    target[1, 13] = 1.0
    target[0, 3] = 1.0
    cube = dataclasses.replace(cube, target=target)
    [split] = splits_of(cube, "last-year-of-each-place")
    cells, times = split.test.samples()
    assert 0 not in cells and 0 in split.train.cells
    assert set(cube.year[times[cells == 1]]) == {cube.year[13]}
    for cell in set(cells.tolist()):
        trained = split.train.samples()[1][split.train.samples()[0] == cell]
        assert cube.year[trained].max() < cube.year[times[cells == cell]].min()


def test_a_share_is_of_the_measured_samples_and_follows_its_seed() -> None:
    cube = make_towers()
    first, again, other = (
        samples(splits_of(cube, name)[0].test) for name in ("share:0.25", "share:0.25,0", "share:0.25,1")
    )
    assert first == again and first != other
    assert len(first) == round(0.25 * len(measured(cube)))


def test_the_data_s_own_split_is_taken_as_it_is() -> None:
    cube = make_towers()
    with pytest.raises(BenchError, match="brings no split of its own"):
        split_parameters(cube, parse_split("column"))
    own = (np.indices(cube.target.shape).sum(axis=0) % 3).astype(np.int8)
    cube = dataclasses.replace(cube, split=own)
    assert default_split(cube) == "column" and default_split(make_months()) == "last-year"
    assert default_split(make_houses()) == "share:0.2"
    [split] = splits_of(cube, "column")
    for part, code in ((split.train, TRAINS), (split.test, TESTS)):
        assert samples(part) == {(cell, time) for cell, time in measured(cube) if own[cell, time] == code}
    with pytest.raises(BenchError, match="was not published with it"):
        split_parameters(cube, parse_split("published"))
    published = dataclasses.replace(cube, provenance={PUBLISHED: "its authors"})
    assert samples(splits_of(published, "published")[0].test) == samples(split.test)


def test_several_targets_have_each_its_own_gaps_and_the_same_folds() -> None:
    cube = make_towers(several=True)
    [parameters] = split_parameters(cube, parse_split("places:2/4"))
    gpp, reco = (make_split(cube, parameters | {"target": name}) for name in ("GPP", "RECO"))
    assert len(reco.test) < len(gpp.test)
    assert samples(reco.test) < samples(gpp.test)
    with pytest.raises(BenchError, match="name one"):
        make_split(cube, parameters)


def test_near_places_share_a_fold_and_labels_are_spread() -> None:
    cube = make_towers(n_cells=60)
    labels = cube.labels_of("IGBP")
    fold = folds_of_places(cube.places, labels, 111.0, 5, planar=False)
    assert (fold[0::2] == fold[1::2]).all()  # pairs half a degree apart
    points = unit_sphere(cube.lon, cube.lat)
    for number in range(1, 6):
        inside, outside = points[fold == number], points[fold != number]
        chord = np.linalg.norm(inside[:, None] - outside[None], axis=2).min()
        assert 2 * 6371.0088 * np.arcsin(chord / 2) > 111.0
    sizes = np.bincount(fold)[1:]
    assert sizes.max() - sizes.min() <= 4
    for level in set(labels.tolist()):
        counts = np.bincount(fold[labels == level], minlength=6)[1:]
        assert counts.max() - counts.min() <= 4


def test_one_place_or_block_is_no_plural() -> None:
    one = np.zeros((3, 2))
    with pytest.raises(BenchError, match="^There is 1 place, fewer than the 2 folds; name fewer folds"):
        folds_of_places(one, None, 0.0, 2, planar=True)
    with pytest.raises(BenchError, match="^There is 1 block of 5, fewer than the 2 folds"):
        folds_of_blocks(one, 5.0, 2)
    with pytest.raises(BenchError, match="^There are 2 groups of places within 2, fewer than the 3 folds"):
        folds_of_places(np.array([[0.0, 0], [1, 0], [8, 0]]), None, 2.0, 3, planar=True)


@settings(max_examples=40, deadline=None)
@given(
    places=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=12, max_size=60),
    folds=st.integers(2, 4),
    near=st.sampled_from([0.0, 0.5]),
)
def test_folds_of_places_are_a_partition_that_splits_no_place(
    places: Sequence[tuple[int, int]], folds: int, near: float
) -> None:
    coordinates = np.array(places, float)
    if len(np.unique(coordinates, axis=0)) < folds:
        with pytest.raises(BenchError, match="fewer than the"):
            folds_of_places(coordinates, None, near, folds, planar=True)
        return
    fold = folds_of_places(coordinates, None, near, folds, planar=True)
    assert set(fold.tolist()) == set(range(1, folds + 1))
    _, place = np.unique(coordinates, axis=0, return_inverse=True)
    for index in range(place.max() + 1):
        assert len(set(fold[place.reshape(-1) == index].tolist())) == 1
    np.testing.assert_array_equal(fold, folds_of_places(coordinates, None, near, folds, planar=True))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), folds=st.integers(2, 5), size=st.floats(0.5, 20))
def test_folds_of_blocks_never_cut_a_block(seed: int, folds: int, size: float) -> None:
    places = np.random.default_rng(seed).uniform(-90, 90, size=(80, 2))
    fold = folds_of_blocks(places, size, folds)
    block = [tuple(row) for row in np.floor(places / size).tolist()]
    assert len({(name, number) for name, number in zip(block, fold.tolist(), strict=True)}) == len(set(block))
    assert set(fold.tolist()) == set(range(1, folds + 1))


def test_a_grid_that_hangs_together_is_refused_by_name_of_the_remedy() -> None:
    grid = np.stack(np.meshgrid(np.arange(0, 10, 0.5), np.arange(0, 10, 0.5)), axis=-1).reshape(-1, 2)
    with pytest.raises(BenchError, match=r"form a chain of 400 of 400 cells.*places:5,0"):
        folds_of_places(grid, None, 111.0, 5, planar=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("last_year", "did you mean 'last-year'"),
        ("places", "not of the form places:FOLDS"),
        ("places:1", "at least 2 folds"),
        ("places:6/5", "counted from 1"),
        ("places:0/5", "counted from 1"),
        ("places:5,-1", "must not be negative"),
        ("places:5,1,2", "not of the form"),
        ("blocks:5", "not of the form blocks:SIZE,FOLDS"),
        ("blocks:0,5", "must be positive"),
        ("blocks:nan,5", "not finite"),
        ("share:1.2", "between 0 and 1"),
        ("share:", "not of the form"),
        ("share:0.2,1.5", "whole number"),
        ("column:3", "not of the form column"),
        ("last-year:", "not of the form last-year"),
        ("places:a/b", "not of the form"),
    ],
)
def test_a_split_that_cannot_be_read_is_one_sentence(text: str, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        parse_split(text)


@pytest.mark.parametrize(
    "name", ["last-year", "last-year-of-each-place", "share:0.25,3", "places:2/4,50", "blocks:5,1/3"]
)
def test_a_split_is_named_again_by_its_parameters_and_described(name: str) -> None:
    cube = make_towers()
    [parameters] = split_parameters(cube, parse_split(name))
    assert split_parameters(cube, parse_split(text_of(parameters))) == [parameters]
    assert describe(parameters).startswith("tested on")


def test_data_without_years_ask_for_another_split() -> None:
    houses = make_houses()
    for name in ("last-year", "last-year-of-each-place"):
        with pytest.raises(BenchError, match="single (step|year)"):
            split_parameters(houses, parse_split(name))
    own = np.ones((houses.n_cells, 1), np.int8)
    with pytest.raises(BenchError, match="no sample to test on"):
        split_parameters(dataclasses.replace(houses, split=own), parse_split("column"))
    unmeasured = np.array(houses.target)
    unmeasured[own[:, 0] == 1] = np.nan
    own[:40] = TESTS
    unmeasured[40:] = 1.0
    with pytest.raises(BenchError, match="leaves no measured sample to test on"):
        make_split(dataclasses.replace(houses, split=own, target=unmeasured), {"kind": "column", "max_cells": None})


def test_a_complete_grid_stays_rectangular_and_cheap() -> None:
    for cube, name in ((make_cube(), "last-year"), (make_months(), "places:1/5,0"), (make_houses(), "share:0.2")):
        [split] = splits_of(cube, name)
        assert split.train.mask is None and split.test.mask is None


def test_a_split_is_rebuilt_from_its_layout_alone() -> None:
    cube = make_towers()
    for parameters in split_parameters(cube, parse_split("places:3")):
        rebuilt = split_of_layout(Layout.of_cube(cube), parameters)
        assert samples(rebuilt.test) == samples(make_split(cube, parameters).test)


def test_a_masked_part_selects_spreads_and_cuts_consistently() -> None:
    cube = make_towers()
    [split] = splits_of(cube, "last-year-of-each-place")
    part = split.train
    rectangle = part.of(cube.target)
    values = part.select(rectangle)
    cells, times = part.samples()
    np.testing.assert_array_equal(values, cube.target[cells, times])
    spread = part.spread(values)
    np.testing.assert_array_equal(np.isnan(spread), ~part.mask)  # type: ignore[operator]
    np.testing.assert_array_equal(part.select(spread), values)
    pieces = [part.rows(slice(start, start + 5)) for start in range(0, len(part.cells), 5)]
    assert sum(map(len, pieces)) == len(part)
    np.testing.assert_array_equal(np.concatenate([piece.samples()[0] for piece in pieces]), cells)


def test_fewshot_steps_that_the_data_lack_are_one_sentence() -> None:
    with pytest.raises(BenchError, match=r"no month 40 of the year in its test year 2020 \(the rhythm has 1–12\)"):
        fewshot_parameters(make_months(), (1, 40), None, 0)
    assert default_weeks(make_months()) == (1, 3, 5, 8, 11)
    assert default_weeks(make_cube()) == (1, 10, 20, 30, 40)
    half = make_cube()
    kept = np.r_[0:20, 46:92]
    half = dataclasses.replace(
        half, climate=half.climate[:, kept], target=half.target[:, kept], time=half.time[kept], withheld={}
    )
    with pytest.raises(BenchError, match="no 8-day step 30 of the year in its training years"):
        fewshot_parameters(half, (1, 30), None, 0)


@pytest.mark.parametrize("name", ["last-year-of-each-place", "share:0.3", "places:1/4", "blocks:5,1/3"])
def test_the_audit_passes_every_honest_split(name: str) -> None:
    cube = make_towers()
    [split] = splits_of(cube, name)
    audit = audit_split(cube, split)
    assert audit.passed and audit.twins == 0 and audit.shared_samples == 0
    assert (audit.n_train, audit.n_test) == (len(split.train), len(split.test))


def copied_into_two_years(houses: Cube) -> Cube:
    """A cross-section that is made to look like two years, so that the last one can be tested on."""
    return dataclasses.replace(
        houses,
        climate=np.repeat(houses.climate, 2, axis=1),
        target=np.repeat(houses.target, 2, axis=1),
        time=np.array(["2019-01-01", "2020-01-01"], "datetime64[D]"),
        rhythm=RHYTHMS["year"],
    ).validate()


def test_a_cross_section_copied_into_two_years_fails_the_audit() -> None:
    copied = copied_into_two_years(make_houses())
    split = make_split(copied, full_parameters(copied))
    audit = audit_split(copied, split)
    assert audit.shared_samples == 0  # the places and years differ, and still every test value was learned
    assert audit.twins == 120
    assert not audit.passed
    with pytest.raises(BenchError, match="120 of 120 test samples stand in the training part too"):
        require_no_copies(copied, split)


def test_equal_rows_of_two_places_fail_the_audit_but_stop_no_run() -> None:
    houses = make_houses()
    climate, target = np.array(houses.climate), np.array(houses.target)
    climate[60:], target[60:] = climate[:60], target[:60]
    houses = dataclasses.replace(houses, climate=climate, target=target)
    part = Part(np.arange(60), np.array([0]))
    split = Split(part, Part(np.arange(60, 120), np.array([0])), part, {"kind": "share", "max_cells": None})
    assert count_twins(houses, split) == 60
    require_no_copies(houses, split)  # coarse data may hold equal rows of different places by themselves


def test_a_sample_entered_twice_is_found_wherever_it_lies_and_rounding_does_not_hide_it() -> None:
    houses = make_houses()
    parts = Split(
        Part(np.arange(60), np.array([0])),
        Part(np.arange(60, 120), np.array([0])),
        Part(np.arange(60), np.array([0])),
        {"kind": "share", "max_cells": None},
    )
    assert count_twins(houses, parts) == 0
    climate, target = np.array(houses.climate), np.array(houses.target)
    climate[70], target[70] = climate[3], target[3]
    climate[71], target[71] = np.nextafter(climate[4], np.float32(9)), target[4]
    climate[72] = climate[5]  # equal features, another target: no twin
    assert count_twins(dataclasses.replace(houses, climate=climate, target=target), parts) == 2


def test_scrambling_keeps_the_samples_of_a_ragged_part() -> None:
    cube = make_towers()
    [split] = splits_of(cube, "last-year-of-each-place")
    other = scramble_outside(cube, split.train)
    at = split.train.samples()
    np.testing.assert_array_equal(other.climate[at], cube.climate[at])
    np.testing.assert_array_equal(other.target[at], cube.target[at])
    test = split.test.samples()
    assert (other.climate[test] != cube.climate[test]).all() and (other.target[test] != cube.target[test]).all()
