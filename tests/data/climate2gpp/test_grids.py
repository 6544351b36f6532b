"""Area-weighted regridding against sums done by hand, conservation, and every way to lay out a grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data.climate2gpp.grids import Regridder, RegularGrid, source_grid, target_grid
from bench.errors import BenchError


def era5_land(step: float) -> RegularGrid:
    """The whole Earth as ERA5-Land has it: centres on the poles and on Greenwich."""
    return RegularGrid(90.0 - step * np.arange(round(180 / step) + 1), step * np.arange(round(360 / step)))


def areas(grid: RegularGrid) -> np.ndarray:
    return np.abs(np.diff(np.sin(np.radians(grid.lat_edges))))[:, None] * np.abs(np.diff(grid.lon_edges))[None, :]


def test_weights_are_the_shared_areas() -> None:
    source = RegularGrid(np.array([0.5, 1.5]), np.array([0.5, 1.5, 2.5]))
    values = np.array([[1.0, 2.0, 9.0], [3.0, 4.0, 9.0]])
    regridded = Regridder(source, target_grid(2.0))(values)
    south, north = np.sin(np.radians(1.0)), np.sin(np.radians(2.0)) - np.sin(np.radians(1.0))
    expected = (south * 1.5 + north * 3.5) / (south + north)
    assert regridded[44, 90] == pytest.approx(expected, rel=1e-6)
    assert regridded[44, 91] == 9.0
    assert np.isfinite(regridded).sum() == 2


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([0.75, 2.5, 5.0, 9.0]), st.sampled_from([1.0, 3.0, 7.5, 10.0]), st.integers(0, 2**32 - 1))
def test_the_integral_over_the_earth_is_kept(step: float, degrees: float, seed: int) -> None:
    source, target = era5_land(step), target_grid(degrees)
    values = np.random.default_rng(seed).normal(size=source.shape)
    total = (Regridder(source, target)(values).astype(np.float64) * areas(target)).sum()
    assert total == pytest.approx((values * areas(source)).sum(), abs=2e-5 * areas(target).sum())


def test_the_same_grid_is_returned_to_the_bit() -> None:
    grid = target_grid(3.0)
    values = np.random.default_rng(0).normal(size=grid.shape).astype(np.float32)
    np.testing.assert_array_equal(Regridder(grid, grid)(values), values)


def test_direction_and_first_meridian_change_nothing() -> None:
    source = era5_land(2.5)
    values = np.random.default_rng(1).normal(size=source.shape)
    wanted = Regridder(source, target_grid(4.0))(values)
    ascending = Regridder(RegularGrid(source.lat[::-1], source.lon), target_grid(4.0))(values[::-1])
    turn = np.argsort((source.lon + 180) % 360)
    from_dateline = RegularGrid(source.lat, ((source.lon + 180) % 360 - 180)[turn])
    np.testing.assert_allclose(ascending, wanted, rtol=1e-6)
    np.testing.assert_allclose(Regridder(from_dateline, target_grid(4.0))(values[:, turn]), wanted, rtol=1e-6)


def test_missing_values_weigh_nothing_until_too_little_is_left() -> None:
    source = RegularGrid(np.arange(0.05, 1.0, 0.1), np.arange(0.05, 1.0, 0.1))
    values = np.full(source.shape, np.nan)
    values[:, :2] = 7.0
    regridder = Regridder(source, target_grid(1.0))
    assert regridder(values)[89, 180] == 7.0  # a fifth of the cell is known
    values[2:] = np.nan
    assert np.isnan(regridder(values)[89, 180])  # a twenty-fifth


def test_bands_of_rows_give_the_same_as_the_whole() -> None:
    source = era5_land(2.5)
    values = np.random.default_rng(2).normal(size=source.shape)
    regridder = Regridder(source, target_grid(3.0))
    bands = [(0, 10), (10, 50), (50, 73)]
    np.testing.assert_allclose(
        regridder.in_bands(lambda start, stop: values[start:stop], bands), regridder(values), rtol=1e-6
    )


def test_rounded_coordinates_are_made_regular() -> None:
    exact = era5_land(0.1)
    stored = source_grid(exact.lat.astype(np.float32), exact.lon.astype(np.float32), "file")
    np.testing.assert_allclose(stored.lon, exact.lon, atol=1e-6)
    assert stored.lat_edges[0] == 90.0 and stored.lat_edges[-1] == -90.0


@pytest.mark.parametrize(
    ("lat", "lon", "message"),
    [
        ([0.0, 1.0, 3.0], [0.0, 1.0], "latitudes are not evenly spaced"),
        ([0.0], [0.0, 1.0], "not a list of at least two"),
        ([0.0, 1.0], [500000.0, 501000.0], "no degrees; reproject it to EPSG:4326"),
        ([0.0, 1.0], [10.0, 9.0], "from east to west"),
        ([0.0, 1.0], [-180.0, 0.0, 180.0, 360.0], "more than the Earth"),
    ],
)
def test_grids_that_cannot_be_used_are_refused(lat: list[float], lon: list[float], message: str) -> None:
    with pytest.raises(BenchError, match=f"somewhere.nc.*{message}"):
        source_grid(np.array(lat), np.array(lon), "somewhere.nc")


@pytest.mark.parametrize("degrees", [0.0, -1.0, 0.7, 180.0, 1e-5])
def test_a_target_must_divide_the_earth(degrees: float) -> None:
    with pytest.raises(BenchError, match="does not divide the Earth"):
        target_grid(degrees)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([0.75, 2.5, 9.0]), st.sampled_from([1.0, 3.0, 10.0]), st.integers(1, 70), st.booleans())
def test_blocks_of_rows_are_the_whole(step: float, degrees: float, most: int, ascending: bool) -> None:
    grid = era5_land(step)
    source = RegularGrid(grid.lat[::-1], grid.lon) if ascending else grid
    values = np.random.default_rng(most).normal(size=source.shape)
    values[3:5, 7:20] = np.nan
    regridder = Regridder(source, target_grid(degrees))
    parts, blocks = [], regridder.row_blocks(most)
    for rows in blocks:
        first, after = regridder.source_rows(rows)
        assert rows.stop - rows.start == 1 or max(rows.stop - rows.start, after - first) <= most
        integrals = regridder.integrals(rows)
        for start in range(first, after, 2):
            integrals.add(values[start : min(start + 2, after)], start)
        parts.append(integrals.means())
    assert [rows.start for rows in blocks[1:]] == [rows.stop for rows in blocks[:-1]]
    np.testing.assert_allclose(np.concatenate(parts), regridder(values), rtol=1e-5, atol=1e-6)
