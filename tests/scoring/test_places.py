"""How far influences of blocks go together is found in the influences, whatever their size and order."""

from __future__ import annotations

import numpy as np
import pytest

from bench.scoring import places
from bench.scoring.metrics import BLOCK_COLUMNS
from bench.scoring.places import FEWEST_BLOCKS, LENGTHS, PlaceModel, correlation, distances, place_model


def layout(rows: int, columns: int, first_row: int = 60, first_column: int = 100) -> np.ndarray:
    """Ids of a rectangle of blocks, at 30° N by default."""
    ids = (first_row + np.arange(rows)[:, None]) * BLOCK_COLUMNS + (first_column + np.arange(columns)) % BLOCK_COLUMNS
    return np.sort(ids.ravel())


def model_of(blocks: np.ndarray, shares: np.ndarray | None = None) -> PlaceModel:
    found = place_model(blocks, np.ones(len(blocks)) if shares is None else shares)
    assert found is not None
    return found


def fields(blocks: np.ndarray, length: float, number: int) -> np.ndarray:
    """(number, blocks) Gaussian influences of blocks of equal share, as the model takes them to be."""
    root = np.linalg.cholesky(correlation(distances(blocks, blocks), length))
    drawn = np.random.default_rng(0).normal(size=(number, len(blocks))) @ root.T
    return np.asarray((drawn - drawn.mean(axis=1, keepdims=True)) / len(blocks))


def test_distances_are_symmetric_short_across_the_date_line_and_shrink_towards_the_poles() -> None:
    blocks = layout(2, 3, first_column=BLOCK_COLUMNS - 1)  # the columns 179, 0 and 1
    apart = distances(blocks, blocks)
    np.testing.assert_allclose(apart, apart.T)
    assert apart.max() < 3 and (np.diag(apart) == 0).all()
    equator, north = (distances(ids, ids)[0, 1] for ids in (layout(1, 2, 45), layout(1, 2, 75)))
    assert equator == pytest.approx(1, abs=0.01) and north == pytest.approx(np.cos(np.radians(61)), rel=0.01)


@pytest.mark.parametrize("length", [LENGTHS[2], LENGTHS[6]])
def test_the_length_is_found_and_the_deviation_is_that_of_the_sum(length: float) -> None:
    blocks = layout(9, 9)
    model = model_of(blocks)
    found = [model.deviation(field) for field in fields(blocks, length, 60)]
    lengths = [deviation.length for deviation in found if deviation is not None]
    assert len(lengths) == 60 and 0.6 < np.median(lengths) / length < 1.7
    root = np.sqrt(correlation(distances(blocks, blocks), length).mean())  # of the mean over blocks, before centring
    sizes = [float(deviation.weights @ deviation.sizes) for deviation in found if deviation is not None]
    assert 0.7 < np.median(sizes) / root < 1.6


def test_errors_that_go_together_further_have_wider_deviations_than_their_size_says() -> None:
    blocks = layout(7, 7)
    model = model_of(blocks)
    widths = []
    for length in (LENGTHS[0], LENGTHS[8]):
        field = fields(blocks, length, 40)
        found = [model.deviation(own / own.std()) for own in field]
        widths.append(np.median([float(item.weights @ item.sizes) for item in found if item is not None]))
    assert widths[1] > 2 * widths[0]


def test_size_and_order_of_influences_play_no_part() -> None:
    blocks = layout(5, 6)
    field = fields(blocks, 0.7, 1)[0]
    model = model_of(blocks)
    one, thousand = model.deviation(field), model.deviation(-1000 * field)
    assert one is not None and thousand is not None
    np.testing.assert_allclose(one.weights, thousand.weights)
    np.testing.assert_allclose(1000 * one.sizes, thousand.sizes)
    assert model.deviation(np.zeros(30)) is None and model.deviation(np.full(30, np.nan)) is None


def test_draws_have_the_sizes_in_proportion_to_their_weights() -> None:
    found = places.Deviation(np.array([0.25, 0.0, 0.75]), np.array([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(found.drawn(8), [1, 1, 3, 3, 3, 3, 3, 3])


def test_tiles_say_about_what_the_whole_says(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = layout(16, 16)
    field = fields(blocks, 0.7, 1)[0]
    whole = model_of(blocks).deviation(field)
    monkeypatch.setattr(places, "_MOST_TOGETHER", 100)
    places._place_model.cache_clear()
    model = model_of(blocks)
    places._place_model.cache_clear()
    tiled = model.deviation(field)
    assert len(model.tiles) > 3 and whole is not None and tiled is not None
    assert tiled.length == pytest.approx(whole.length, rel=0.3)
    assert tiled.weights @ tiled.sizes == pytest.approx(whole.weights @ whole.sizes, rel=0.3)


def test_too_few_blocks_have_no_model() -> None:
    assert place_model(layout(1, FEWEST_BLOCKS - 1), np.ones(FEWEST_BLOCKS - 1)) is None
    assert place_model(layout(1, FEWEST_BLOCKS), np.ones(FEWEST_BLOCKS)) is not None


def test_scattered_points_far_apart_are_taken_as_independent_whatever_the_length() -> None:
    """Towers: one block here and there, with shares of all sizes."""
    generator = np.random.default_rng(1)
    blocks = np.sort(np.arange(8, 80, 12)[:, None] * BLOCK_COLUMNS + [10, 70, 130])
    shares = generator.gamma(2, 1.0, blocks.size)
    shares /= shares.sum()
    influences = shares * generator.normal(size=blocks.size)
    influences -= shares * influences.sum()
    found = model_of(blocks.ravel(), shares).deviation(influences)
    assert found is not None
    assert found.sizes.max() < 1.3 * found.sizes.min()
