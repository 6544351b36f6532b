import numpy as np
import pytest

from models.training import Panel, held_out
from models.training.heldout import PLACES_SHARE, SQUARE_DEGREES


def make_panel(n_cells, step_of_year, spread=20.0):
    generator = np.random.default_rng(0)
    return Panel(
        np.zeros((n_cells, len(step_of_year), 1), np.float32),
        np.zeros((n_cells, 0), np.float32),
        100 + spread * generator.random(n_cells),
        30 + spread * generator.random(n_cells),
        np.asarray(step_of_year),
    )


def everything(panel):
    return np.divmod(np.arange(panel.n_cells * panel.n_times), panel.n_times)


def test_of_several_years_it_is_the_last_one_at_a_tenth_of_the_places():
    panel = make_panel(500, list(range(1, 13)) * 3)
    cells, times = everything(panel)
    training = times < 24  # the third year is no training year
    mask = held_out(panel, cells[training], times[training])
    table = mask.reshape(500, 24)
    chosen = table.any(axis=1)
    assert not table[:, :12].any() and table[chosen, 12:].all()
    assert 0.5 * PLACES_SHARE < chosen.mean() < 2 * PLACES_SHARE
    square = np.floor(np.stack((panel.lon, panel.lat)) / SQUARE_DEGREES)
    for one in np.unique(square, axis=1).T:
        inside = (square == one[:, None]).all(axis=0)
        assert chosen[inside].all() or not chosen[inside].any()


def test_of_one_year_it_is_every_third_run_of_steps():
    panel = make_panel(500, list(range(1, 47)))
    table = held_out(panel, *everything(panel)).reshape(500, 46)
    chosen = table.any(axis=1)
    assert 0 < chosen.mean() < 2 * PLACES_SHARE
    assert (table[chosen] == (np.arange(46) // 3 % 3 == 2)).all()


@pytest.mark.parametrize("n_cells", [2, 30])
def test_of_one_step_it_is_whole_places(n_cells):
    panel = make_panel(n_cells, [7], spread=0.5)
    mask = held_out(panel, *everything(panel))
    assert mask.sum() == max(1, round(PLACES_SHARE * n_cells))


def test_it_depends_on_places_and_times_only():
    panel = make_panel(200, list(range(1, 47)))
    cells, times = everything(panel)
    mask = held_out(panel, cells, times)
    order = np.random.default_rng(1).permutation(len(cells))
    np.testing.assert_array_equal(held_out(panel, cells[order], times[order]), mask[order])


def test_too_few_samples_are_refused():
    panel = make_panel(1, [7])
    with pytest.raises(ValueError, match="No part of 1 training samples can be held out"):
        held_out(panel, np.array([0]), np.array([0]))
