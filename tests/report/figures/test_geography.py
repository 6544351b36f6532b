"""Grids: own cells where they fill the land, larger boxes where they lie apart; outlines from the land mask."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure as Sheet

from bench.data.simulated.land import choose_cells, is_land
from bench.report.figures.geography import draw_cells, grid_of


def region(spacing: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    column, row = np.meshgrid(np.arange(n), np.arange(n))
    return 112.0 + spacing * (column.ravel() + 0.5), 33.0 + spacing * (row.ravel() + 0.5)


@pytest.mark.parametrize("spacing", [0.1, 0.25, 0.5])
def test_cells_that_fill_the_land_are_drawn_as_they_are(spacing: float) -> None:
    lon, lat = region(spacing, 8)
    grid = grid_of(lon, lat)
    assert grid.native and grid.size == pytest.approx(spacing) and len(grid.lon_edges) == 9
    values = np.arange(64.0)
    np.testing.assert_array_equal(grid.field(values).ravel(), values)
    assert f"Every cell of {spacing:g}°" in grid.words


def test_cells_that_lie_apart_share_larger_boxes_which_show_their_mean() -> None:
    land = choose_cells(2000)
    grid = grid_of(land.lon, land.lat)
    assert not grid.native and 1.0 < grid.size <= 5.0 and "mean" in grid.words and grid.is_wide
    values = land.lat
    field = grid.field(values)
    inside = (grid.row == grid.row[700]) & (grid.column == grid.column[700])
    assert field[grid.row[700], grid.column[700]] == pytest.approx(values[inside].mean())
    assert np.isnan(field).any()
    assert np.nanmax(np.abs(field - (grid.lat_edges[:-1, None] + grid.size / 2))) <= grid.size / 2 + 1e-9


def test_scattered_points_and_a_single_one_make_a_map_too() -> None:
    generator = np.random.default_rng(0)
    grid = grid_of(generator.uniform(-20, 20, 30), generator.uniform(30, 60, 30))
    assert len(grid.lon_edges) < 500 and np.isfinite(grid.field(np.ones(30))).any()
    assert np.nansum(grid_of(np.array([10.0]), np.array([50.0])).field(np.array([7.0]))) == 7.0


def test_land_and_its_outline_lie_where_the_land_is() -> None:
    column, row = np.meshgrid(np.arange(115.125, 123, 0.25), np.arange(36.125, 41, 0.25))
    lon, lat = column.ravel(), row.ravel()
    here = is_land(lon, lat)
    grid = grid_of(lon[here], lat[here])
    axes = Sheet().subplots()
    draw_cells(axes, grid, np.ones(int(here.sum())), "viridis", (0.0, 1.0))
    [image] = axes.images
    west, east, south, north = image.get_extent()
    shown = np.isfinite(np.ma.filled(image.get_array().astype(float), np.nan))
    rows, columns = np.nonzero(shown)
    size = (east - west) / shown.shape[1]
    assert size == pytest.approx(0.25) and (north - south) / shown.shape[0] == pytest.approx(0.25)
    assert is_land(west + size * (columns + 0.5), north - size * (rows + 0.5)).all()
    assert axes.get_xlim() == grid.extent[:2] and axes.get_ylim() == grid.extent[2:]
    outline = axes.collections[-1].get_paths()
    vertices = np.concatenate([path.vertices for path in outline])
    assert len(vertices) > 50 and vertices[:, 0].min() >= west and vertices[:, 1].max() <= north
    labels = [axes.xaxis.get_major_formatter()(tick, 0) for tick in axes.get_xticks()]
    assert "120°E" in labels
