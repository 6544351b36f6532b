"""Sums of data with gaps: what was not measured counts nowhere, and groups follow the data."""

from __future__ import annotations

import numpy as np
import pytest

from bench.data.cube import Cube
from bench.data.split_names import parse_split, split_parameters
from bench.data.splits import Split, make_split
from bench.scoring.metrics import STATISTICS, area_weight, block_of, evaluate, spatial_block, statistics_of
from tests.support.cubes import make_houses, make_towers


def split_of(cube: Cube, name: str) -> Split:
    return make_split(cube, split_parameters(cube, parse_split(name))[0])


def predicted(cube: Cube, split: Split, offset: float = 1.0) -> dict[str, np.ndarray]:
    """Predictions that are off by a constant where there is a sample, and nonsense elsewhere."""
    found = {}
    for name, part in (("train", split.train), ("test", split.test)):
        values = part.of(cube.target) + offset
        found[name] = np.where(np.isnan(values), np.float32(1e9), values)
        if part.mask is not None:
            found[name][~part.mask] = np.nan
    return found


def test_n_and_every_sum_are_of_measured_samples() -> None:
    cube = make_towers()
    split = split_of(cube, "last-year-of-each-place")
    table = evaluate(statistics_of(cube, split, predicted(cube, split)))
    every = table.query("group == 'all' and weighting == 'plain'").set_index("part")
    assert every.loc["test", "n"] == len(split.test) and every.loc["train", "n"] == len(split.train)
    assert every.loc["test", "rmse"] == pytest.approx(1.0, rel=1e-6)
    target = split.test.select(split.test.of(cube.target)).astype(np.float64)
    assert every.loc["test", "target"] == pytest.approx(target.sum(), rel=1e-12)


def test_groups_follow_rhythm_and_categories_and_add_up() -> None:
    cube = make_towers()
    split = split_of(cube, "places:1/4")
    table = evaluate(statistics_of(cube, split, predicted(cube, split))).query(
        "part == 'test' and weighting == 'plain'"
    )
    of = table.set_index("group")["n"]
    for prefix in ("season:", "IGBP:"):
        assert of[[name for name in of.index if name.startswith(prefix)]].sum() == of["all"]
    assert not any(name.startswith("land_cover") for name in of.index)


def test_a_cross_section_has_neither_seasons_nor_land_cover() -> None:
    cube = make_houses()
    split = split_of(cube, "share:0.25")
    groups = set(statistics_of(cube, split, predicted(cube, split))["group"])
    assert groups == {"all", "cells:seen", "cells:unseen"} or groups == {"all", "cells:unseen"}
    assert (area_weight(cube) == 1).all()


def test_planar_places_have_blocks_of_their_extent_and_degrees_those_of_the_globe() -> None:
    houses, towers = make_houses(), make_towers()
    assert 50 < len(np.unique(block_of(houses))) <= 11 * 11
    np.testing.assert_array_equal(block_of(towers), spatial_block(towers.lon, towers.lat))


def test_folds_add_up_to_one_table_in_which_every_sample_stands_once() -> None:
    cube = make_towers()
    total = None
    for parameters in split_parameters(cube, parse_split("places:4")):
        split = make_split(cube, parameters)
        sums = statistics_of(cube, split, predicted(cube, split)).query("part == 'test' and group == 'all'")
        own = sums.groupby("weighting")[list(STATISTICS)].sum()
        total = own if total is None else total + own
    assert total is not None
    assert total.loc["plain", "n"] == int((~np.isnan(cube.target)).sum())
    assert total.loc["plain", "target"] == pytest.approx(np.nansum(cube.target.astype(np.float64)), rel=1e-12)


def test_a_place_tested_in_one_year_tells_no_years_apart() -> None:
    cube = make_towers()
    split = split_of(cube, "last-year-of-each-place")
    assert set(statistics_of(cube, split, predicted(cube, split))["year"]) == {0}
