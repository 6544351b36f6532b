"""Where the simulated cells lie: a real land mask, cells spread evenly over it, nearness of the sea."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d, map_coordinates

from bench.arrays import Doubles
from bench.errors import BenchError
from models.sphere import unit_sphere

MINIMUM_CELLS = 64
"""Fewer cells than this leave no neighbourhoods to learn from."""
_MORTON_BITS = 16
_FETCH_SCALE = 12.0  # e-folding distance of upwind land, degrees of a great circle
_INLAND_SCALE = 7.0  # standard deviation of the surroundings that make a place continental, degrees


@dataclass(frozen=True)
class LandCells:
    """Centres of land cells and how far they lie from the sea.

    Attributes:
        lon: (cell,) degrees east.
        lat: (cell,) degrees north.
        inland: (cell,) share of land in the surroundings, 0 to 1.
        land_to_west: (cell,) share of land upwind of westerly winds, 0 to 1, near land weighing most.
        land_to_east: (cell,) the same for easterly winds.
    """

    lon: Doubles
    lat: Doubles
    inland: Doubles
    land_to_west: Doubles
    land_to_east: Doubles

    @property
    def unit_vectors(self) -> Doubles:
        """(cell, 3) positions on the unit sphere."""
        return unit_sphere(self.lon, self.lat)


@cache
def land_mask() -> npt.NDArray[np.bool_]:
    """Returns the (720, 1440) land mask of 0.25 degrees, from north and from 180 W; no Antarctica.

    Source: GLOBE (NOAA), see ``provenance`` in ``land_mask.npz`` and ``tools/build_land_mask.py``.
    """
    with (
        files("bench.data.simulated").joinpath("land_mask.npz").open("rb") as stream,
        np.load(stream) as archive,
    ):
        rows, columns = (int(size) for size in archive["shape"])
        mask: npt.NDArray[np.bool_] = (
            np.unpackbits(archive["bits"], axis=1, count=columns).astype(bool).reshape(rows, columns)
        )
    mask.flags.writeable = False
    return mask


def is_land(lon: Doubles, lat: Doubles) -> npt.NDArray[np.bool_]:
    """Returns for each point whether its 0.25-degree cell is land.

    Args:
        lon: (point,) degrees east, in [-180, 180).
        lat: (point,) degrees north, in (-90, 90).
    """
    mask = land_mask()
    row = np.floor((90.0 - np.asarray(lat)) * 4).astype(np.int64)
    column = np.floor((np.asarray(lon) + 180.0) * 4).astype(np.int64)
    found: npt.NDArray[np.bool_] = mask[np.clip(row, 0, mask.shape[0] - 1), column % mask.shape[1]]
    return found


def choose_cells(n_cells: int) -> LandCells:
    """Returns exactly ``n_cells`` land cells, spread evenly over the area of the land, always the same.

    The cells are those of the 0.5-degree grid (land if at least half of it is), or of the 0.25-degree grid
    if more are asked for. They are ordered along a Z-curve of equal area and drawn at equal intervals, each
    with a chance in proportion to its area; where that would exceed one, the cell is taken.

    Args:
        n_cells: how many.

    Raises:
        BenchError: fewer than ``MINIMUM_CELLS`` or more than there are.
    """
    if n_cells < MINIMUM_CELLS:
        raise BenchError(f"{n_cells} simulated cells are too few; ask for at least {MINIMUM_CELLS}.")
    fine = land_mask()
    coarse = fine.reshape(fine.shape[0] // 2, 2, fine.shape[1] // 2, 2).sum(axis=(1, 3)) >= 2
    grid = coarse if n_cells <= int(coarse.sum()) else fine
    if n_cells > int(grid.sum()):
        raise BenchError(
            f"{n_cells} simulated cells are too many: there are {int(grid.sum())} land cells of 0.25 degrees."
        )
    row, column = np.nonzero(grid)
    size = 180.0 / grid.shape[0]
    lon, lat = (column + 0.5) * size - 180.0, 90.0 - (row + 0.5) * size
    order = np.lexsort((lon, _morton_code(lon, lat)))
    lon, lat = lon[order], lat[order]
    chosen = _draw_evenly(_inclusion(np.cos(np.radians(lat)), n_cells), n_cells)
    chosen = chosen[np.lexsort((lon[chosen], -lat[chosen]))]
    lon, lat = lon[chosen], lat[chosen]
    inland, west, east = (_sample(field, lon, lat) for field in _surroundings())
    return LandCells(lon=lon, lat=lat, inland=inland, land_to_west=west, land_to_east=east)


def _inclusion(area: Doubles, n_cells: int) -> Doubles:
    """Chances in proportion to the area, at most one, that add up to ``n_cells``."""
    chance = np.zeros_like(area)
    certain = np.zeros(area.shape, dtype=bool)
    while True:
        free = ~certain
        if not free.any():
            return np.ones_like(area)
        chance = np.where(certain, 1.0, area * (n_cells - certain.sum()) / area[free].sum())
        if chance.max() <= 1.0 + 1e-12:
            return chance
        certain |= chance >= 1.0


def _draw_evenly(chance: Doubles, n_cells: int) -> npt.NDArray[np.int64]:
    """Systematic sampling: the cells in which the running sum of chances passes 0.5, 1.5, 2.5 and so on."""
    running = np.cumsum(chance) * (n_cells / chance.sum())
    drawn = np.searchsorted(running, np.arange(n_cells) + 0.5).astype(np.int64)
    # Rounding may hit a cell of chance one twice; the following cell then takes its place.
    drawn = np.maximum.accumulate(drawn - np.arange(n_cells)) + np.arange(n_cells)
    return np.minimum(drawn, len(chance) - n_cells + np.arange(n_cells))


def _morton_code(lon: Doubles, lat: Doubles) -> npt.NDArray[np.int64]:
    """Place along a Z-curve through the plane of longitude and sine of latitude, in which areas are true."""
    scale = (1 << _MORTON_BITS) - 1
    across = ((lon + 180.0) / 360.0 * scale).astype(np.int64)
    up = ((np.sin(np.radians(lat)) + 1.0) / 2.0 * scale).astype(np.int64)
    code = np.zeros_like(across)
    for bit in range(_MORTON_BITS):
        code |= ((across >> bit) & 1) << (2 * bit) | ((up >> bit) & 1) << (2 * bit + 1)
    return code


@cache
def _surroundings() -> tuple[Doubles, Doubles, Doubles]:
    """Inland, land to the west and to the east, each (180, 360), 1 degree, from north and from 180 W."""
    land = land_mask().reshape(180, 4, 360, 4).mean(axis=(1, 3))
    degree_of_longitude = np.cos(np.radians(89.5 - np.arange(180)))[:, None]  # in degrees of a great circle
    offset = np.arange(360)[None, :] * degree_of_longitude
    nearest = np.minimum(offset, 360.0 * degree_of_longitude - offset)
    inland = _convolve(land, np.exp(-0.5 * (nearest / _INLAND_SCALE) ** 2))
    west = _convolve(land, np.exp(-offset / _FETCH_SCALE))
    east = _convolve(land[:, ::-1], np.exp(-offset / _FETCH_SCALE))[:, ::-1]
    smooth = [
        gaussian_filter1d(field, sigma, axis=0, mode="nearest")
        for field, sigma in ((inland, _INLAND_SCALE), (west, 1.5), (east, 1.5))
    ]
    return smooth[0], smooth[1], smooth[2]


def _convolve(land: Doubles, kernel: Doubles) -> Doubles:
    """Circular convolution along each parallel, the kernel scaled to a sum of one."""
    spectrum = np.fft.rfft(land, axis=1) * np.fft.rfft(kernel / kernel.sum(axis=1, keepdims=True), axis=1)
    return np.clip(np.fft.irfft(spectrum, n=land.shape[1], axis=1), 0.0, 1.0)


def _sample(field: Doubles, lon: Doubles, lat: Doubles) -> Doubles:
    """Bilinear values of a 1-degree field at points."""
    place = np.stack([89.5 - lat, lon + 179.5])
    values: Doubles = map_coordinates(field, place, order=1, mode="grid-wrap")
    return values
