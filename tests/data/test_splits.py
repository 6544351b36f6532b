from __future__ import annotations

import numpy as np
import pytest

from bench.data.cube import Cube
from bench.data.splits import fewshot_parameters, full_parameters, make_split, parse_weeks
from bench.errors import BenchError
from tests.conftest import make_cube


def test_the_full_split_trains_on_all_years_but_the_last(cube: Cube) -> None:
    split = make_split(cube, full_parameters(cube))
    assert set(cube.year[split.train.times]) == {2019}
    assert set(cube.year[split.test.times]) == {2020}
    assert len(split.train) == 30 * 46


def test_a_single_year_is_refused() -> None:
    with pytest.raises(BenchError, match="single year 2020"):
        full_parameters(make_cube(n_years=1))


def test_thinning_keeps_evenly_spaced_cells(cube: Cube) -> None:
    split = make_split(cube, full_parameters(cube, max_cells=4))
    assert split.train.cells.tolist() == [0, 10, 19, 29]
    assert full_parameters(cube, max_cells=100)["max_cells"] is None


def test_fewshot_tests_only_the_named_weeks_over_all_cells(cube: Cube) -> None:
    split = make_split(cube, fewshot_parameters(cube, (1, 40), None, 0))
    assert len(split.train.cells) == 9  # 30 % of 30
    assert len(split.train.times) == 46
    assert cube.step_of_year[split.test.times].tolist() == [1, 40]
    assert len(split.test.cells) == 30


def test_fewshot_samples_are_nested_and_depend_on_the_seed(cube: Cube) -> None:
    cells = {
        (size, seed): set(make_split(cube, fewshot_parameters(cube, (1,), size, seed)).train.cells.tolist())
        for size in (5, 10, 20)
        for seed in (0, 1)
    }
    assert cells[5, 0] < cells[10, 0] < cells[20, 0]
    assert cells[10, 0] != cells[10, 1]


def test_fewshot_refuses_more_cells_than_there_are(cube: Cube) -> None:
    for size in (0, 31):
        with pytest.raises(BenchError, match=rf"--train-cells {size} is outside 1–30"):
            fewshot_parameters(cube, (1,), size, 0)


def test_a_part_copies_values_in_cell_then_time_order(cube: Cube) -> None:
    split = make_split(cube, full_parameters(cube, max_cells=3))
    values = split.test.of(cube.target)
    assert values.shape == (3, 46)
    assert values.reshape(-1)[46 + 5] == cube.target[split.test.cells[1], split.test.times[5]]


def test_weeks_are_read_and_sorted() -> None:
    assert parse_weeks("40, 1,10") == (1, 10, 40)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0", "outside 1–366"),
        ("367", "outside 1–366"),
        ("-3", "outside"),
        ("x", "no whole number"),
        ("1.5", "no whole"),
        ("", "names no week"),
        ("3,3", "twice"),
    ],
)
def test_bad_weeks_are_named(text: str, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        parse_weeks(text)


def test_the_same_parameters_give_the_same_indices(cube: Cube) -> None:
    parameters = fewshot_parameters(cube, (1, 2), 7, 3)
    first, second = make_split(cube, parameters), make_split(cube, parameters)
    np.testing.assert_array_equal(first.train.cells, second.train.cells)
