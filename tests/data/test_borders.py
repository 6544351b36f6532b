"""Where a set of cells ends."""

from __future__ import annotations

import numpy as np

from bench.data.borders import border_cells


def test_regional_cells_are_at_the_border_near_their_hull() -> None:
    lon, lat = (axis.ravel() for axis in np.meshgrid(np.arange(110, 115, 0.25), np.arange(-2, 3, 0.25)))
    at_border = border_cells(lon, lat).reshape(20, 20)
    assert not at_border[3:-3, 3:-3].any()
    assert at_border[[0, 2, -1, -3]].all() and at_border[:, [0, 2, -1, -3]].all()


def test_global_cells_are_at_the_border_near_the_date_line_only() -> None:
    lon = np.array([-179.0, -171.0, -160.0, 0.0, 20.0, 165.0, 172.0, 179.9])
    lat = np.array([65.0, -20.0, 60.0, 80.0, -35.0, 60.0, -40.0, 70.0])
    expected = [True, True, False, False, False, False, True, True]
    assert border_cells(lon, lat).tolist() == border_cells(lon % 360, lat).tolist() == expected


def test_cells_on_one_line_are_all_at_the_border() -> None:
    assert border_cells(np.arange(5.0), np.zeros(5)).all()
