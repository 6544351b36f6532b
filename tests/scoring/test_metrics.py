from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, r2_score

from bench.data.cube import Cube
from bench.data.splits import Part, Split, fewshot_parameters, full_parameters, make_split
from bench.scoring import metrics
from bench.scoring.metrics import METRICS, STATISTICS, evaluate, season_of, spatial_block, statistics_of
from tests.conftest import make_cube


def predictions_for(cube: Cube, split: Split, seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {
        name: (part.of(cube.target) + generator.normal(0.1, 1, (len(part.cells), len(part.times)))).astype(np.float32)
        for name, part in (("train", split.scored_train), ("test", split.test))
    }


def picked(table: pd.DataFrame, part: str, group: str, weighting: str) -> pd.Series:
    [row] = [row for _, row in table.query("part == @part and group == @group and weighting == @weighting").iterrows()]
    return row


def test_plain_metrics_agree_with_scikit_learn(cube: Cube) -> None:
    split = make_split(cube, full_parameters(cube))
    predictions = predictions_for(cube, split)
    row = picked(evaluate(statistics_of(cube, split, predictions)), "test", "all", "plain")
    target, predicted = (
        split.test.of(cube.target).reshape(-1).astype(float),
        predictions["test"].reshape(-1).astype(float),
    )
    assert row["n"] == len(target)
    assert row["rmse"] == pytest.approx(np.sqrt(np.mean((predicted - target) ** 2)), rel=1e-12)
    assert row["r2"] == pytest.approx(r2_score(target, predicted), rel=1e-10)
    assert row["mae"] == pytest.approx(mean_absolute_error(target, predicted), rel=1e-12)
    assert row["bias"] == pytest.approx(np.mean(predicted - target), rel=1e-9)


def test_area_weighting_is_by_the_cosine_of_latitude(cube: Cube) -> None:
    split = make_split(cube, full_parameters(cube))
    predictions = predictions_for(cube, split)
    row = picked(evaluate(statistics_of(cube, split, predictions)), "test", "all", "area")
    target = split.test.of(cube.target).astype(float)
    weight = np.broadcast_to(np.cos(np.radians(cube.lat))[:, None], target.shape)
    expected = r2_score(
        target.reshape(-1), predictions["test"].reshape(-1).astype(float), sample_weight=weight.reshape(-1)
    )
    assert row["r2"] == pytest.approx(expected, rel=1e-10)


def test_scoring_takes_memory_for_the_target_and_little_else() -> None:
    cube = make_cube(n_cells=2000, n_years=11)
    split = make_split(cube, full_parameters(cube))
    predictions = predictions_for(cube, split)
    tracemalloc.start()
    statistics_of(cube, split, predictions)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * len(split.train)


@pytest.mark.parametrize("samples_at_once", [1, 100, 1000])
def test_sums_are_the_same_to_the_bit_however_many_cells_are_summed_at_once(
    cube: Cube, monkeypatch: pytest.MonkeyPatch, samples_at_once: int
) -> None:
    split = make_split(cube, fewshot_parameters(cube, (1, 40), 12, 0))
    predictions = predictions_for(cube, split)
    expected = statistics_of(cube, split, predictions)
    monkeypatch.setattr(metrics, "_SAMPLES_AT_ONCE", samples_at_once)
    pd.testing.assert_frame_equal(statistics_of(cube, split, predictions), expected, check_exact=True)


def test_every_season_land_cover_and_week_has_its_row(cube: Cube) -> None:
    split = make_split(cube, fewshot_parameters(cube, (1, 40), 12, 0))
    table = evaluate(statistics_of(cube, split, predictions_for(cube, split)))
    groups = set(table.query("part == 'test'")["group"])
    assert {
        "all",
        "season:DJF",
        "season:SON",
        "week:1",
        "week:40",
        "cells:seen",
        "cells:unseen",
        "week:40/unseen",
    } <= groups
    assert {group for group in groups if group.startswith("land_cover:")} <= {
        f"land_cover:{n}" for n in ("ENF", "GRA", "CRO", "water")
    }
    assert "week:40" in set(table.query("part == 'train'")["group"])
    for prefix in ("land_cover:", "cells:"):
        parts = table[
            table["group"].str.startswith(prefix) & (table["part"] == "test") & (table["weighting"] == "plain")
        ]
        assert parts["n"].sum() == len(split.test)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 60), st.integers(0, 2**16), st.integers(1, 59))
def test_metrics_of_a_union_follow_exactly_from_the_added_sums(n_cells: int, seed: int, cut: int) -> None:
    cube = make_cube(n_cells, seed=seed)
    split = make_split(cube, full_parameters(cube))
    statistics = statistics_of(cube, split, predictions_for(cube, split, seed))
    shuffled = statistics.sample(frac=1, random_state=seed)
    keys = ["part", "group", "weighting", "block"]
    chunks = [shuffled.iloc[: cut % len(shuffled)], shuffled.iloc[cut % len(shuffled) :]]
    merged = (
        pd.concat([chunk.groupby(keys)[list(STATISTICS)].sum() for chunk in chunks]).groupby(keys).sum().reset_index()
    )
    pd.testing.assert_frame_equal(evaluate(merged), evaluate(statistics), rtol=1e-9, check_dtype=False)


def test_a_constant_target_has_no_r2() -> None:
    sums = {name: np.array(4.0) for name in STATISTICS}  # four samples, all equal to one
    assert np.isnan(METRICS["r2"].of(sums))
    assert METRICS["rmse"].of(sums) == 1.0


def test_seasons_are_meteorological() -> None:
    days = np.array(["2020-01-01", "2020-03-01", "2020-06-30", "2020-09-05", "2020-12-26"], "datetime64[D]")
    assert season_of(days).tolist() == ["DJF", "MAM", "JJA", "SON", "DJF"]


def test_blocks_are_two_degrees_wide_and_do_not_collide() -> None:
    lon, lat = np.meshgrid(np.arange(-179.5, 180), np.arange(-89.5, 90))
    blocks = spatial_block(lon.ravel(), lat.ravel())
    assert len(np.unique(blocks)) == 180 * 90
    assert np.bincount(np.unique(blocks, return_inverse=True)[1]).tolist() == [4] * (180 * 90)


def test_several_test_years_are_kept_apart_and_add_up_to_the_same_metrics() -> None:
    cube = make_cube(n_years=4)
    split = make_split(cube, full_parameters(cube))
    last = np.flatnonzero(cube.year >= 2019)
    two_years = replace(split, test=Part(split.test.cells, last))
    together = statistics_of(cube, two_years, predictions_for(cube, two_years))
    test = together.query("part == 'test'")
    assert set(test["year"]) == {2019, 2020} and set(together.query("part == 'train'")["year"]) == {0}
    row = picked(evaluate(together), "test", "all", "plain")
    target, predicted = two_years.test.of(cube.target), predictions_for(cube, two_years)["test"]
    assert row["n"] == target.size
    assert row["rmse"] == pytest.approx(np.sqrt(np.mean((predicted.astype(float) - target) ** 2)), rel=1e-9)
    one_year = statistics_of(cube, split, predictions_for(cube, split))
    assert set(one_year["year"]) == {0}
