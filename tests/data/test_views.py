from __future__ import annotations

import numpy as np
import pytest

from bench.data.cube import Cube
from bench.data.splits import Part
from bench.data.views import build_view, view_columns
from bench.errors import BenchError

PART = Part(np.array([3, 8]), np.array([0, 1, 50]))


@pytest.mark.parametrize(("view", "width"), [("point", 7), ("located", 11), ("window", 11 + 7 * 3)])
def test_each_view_has_its_columns(cube: Cube, view: str, width: int) -> None:
    table = build_view(cube, PART, view)
    assert table.values.shape == (6, width)
    assert table.columns == view_columns(cube, view)
    assert len(set(table.columns)) == width


def test_rows_hold_this_step_the_place_and_the_season(cube: Cube) -> None:
    frame = build_view(cube, PART, "located").to_frame()
    row = frame.iloc[5]  # cell 8, time 50
    np.testing.assert_array_equal(row[["Tavg", "Rs", "Prcp"]].to_numpy(), cube.climate[8, 50])
    np.testing.assert_array_equal(row[list(cube.static_names)].to_numpy(), cube.static[8])
    assert row["lon"] == np.float32(cube.lon[8])
    assert row["season_sin"] == pytest.approx(np.sin(2 * np.pi * 4 / 46))  # time 50 is step 5


def test_lags_look_back_and_repeat_the_first_step_at_the_start(cube: Cube) -> None:
    frame = build_view(cube, PART, "window").to_frame()
    assert frame.iloc[5]["Rs_lag3"] == cube.climate[8, 47, 1]
    assert frame.iloc[1]["Rs_lag1"] == cube.climate[3, 0, 1]
    assert frame.iloc[1]["Rs_lag7"] == cube.climate[3, 0, 1]


def test_no_view_holds_the_target(cube: Cube) -> None:
    values = build_view(cube, PART, "window").values
    for target in PART.of(cube.target).reshape(-1):
        assert not (values == target).any()


def test_an_unknown_view_is_refused(cube: Cube) -> None:
    with pytest.raises(BenchError, match="Unknown view 'wide'"):
        build_view(cube, PART, "wide")
