"""Regular grids of longitude and latitude, and the area-weighted (first-order conservative) way from one to another.

The weight of a source cell in a target cell is the area that both share. On regular grids that area is a product: the
overlap in longitude times the overlap in the sine of latitude. So two thin matrices do the whole work, whatever the
order of the latitudes and whether longitudes start at 0 or at -180.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.arrays import Doubles
from bench.errors import BenchError

MINIMUM_VALID_AREA = 0.1
"""A target cell has a value if at least this share of its area has one in the source."""
FINEST_ROWS = 1800
"""Of a target grid: 0.1 degrees, that of ERA5-Land."""
_IRREGULARITY = 0.02  # of a cell: coordinates stored as float32 are off by up to a few thousandths
_DECIMALS = 7  # of a degree: takes the noise of float32 coordinates off the edges of cells


@dataclass(frozen=True)
class RegularGrid:
    """Centres of cells.

    Attributes:
        lat: (row,) degrees north, ascending or descending.
        lon: (column,) degrees east, ascending, from any meridian.
    """

    lat: Doubles
    lon: Doubles

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.lat), len(self.lon)

    @cached_property
    def lat_edges(self) -> Doubles:
        """(row + 1,) edges, kept within the poles: the outermost cells of ERA5-Land are halves."""
        return np.clip(_edges(self.lat), -90.0, 90.0)

    @cached_property
    def lon_edges(self) -> Doubles:
        """(column + 1,) edges."""
        return _edges(self.lon)

    def same_as(self, other: RegularGrid) -> bool:
        """Whether both have the same cells in the same order."""
        return np.array_equal(self.lat, other.lat) and np.array_equal(self.lon, other.lon)


def source_grid(lat: npt.NDArray[Any], lon: npt.NDArray[Any], where: str) -> RegularGrid:
    """Returns the grid of a file's coordinates, freed of rounding.

    Args:
        lat: (row,) degrees north.
        lon: (column,) degrees east.
        where: the file, for the message.

    Raises:
        BenchError: the spacing is not constant, there are fewer than two cells a side, or values leave their range.
    """
    rows, columns = (np.asarray(axis, np.float64) for axis in (lat, lon))
    for name, axis, limit in (("latitudes", rows, 90.0), ("longitudes", columns, 540.0)):
        if axis.ndim != 1 or len(axis) < 2:
            raise BenchError(f"{where} has no regular grid: its {name} are not a list of at least two; regrid it.")
        step = (axis[-1] - axis[0]) / (len(axis) - 1)
        regular = np.linspace(axis[0], axis[-1], len(axis))
        if step == 0 or np.abs(axis - regular).max() > _IRREGULARITY * abs(step):
            raise BenchError(
                f"{where} has no regular grid: its {name} are not evenly spaced; regrid it to longitude and latitude."
            )
        if np.abs(axis).max() > limit + 1e-3:
            raise BenchError(
                f"{where}: {name} reach {axis[np.abs(axis).argmax()]:g}, which are no degrees; reproject it to "
                "EPSG:4326."
            )
    if columns[0] > columns[-1]:
        raise BenchError(f"{where}: longitudes run from east to west; turn the file round.")
    if columns[-1] - columns[0] > 360.0:
        raise BenchError(f"{where}: longitudes cover more than the Earth; cut the repeated columns off.")
    return RegularGrid(_smooth(rows), _smooth(columns))


def columns_once(lon: npt.NDArray[Any]) -> slice:
    """Returns the columns to keep of longitudes whose last is the meridian of the first, as in a file made for maps.

    Args:
        lon: (column,) degrees east, ascending.
    """
    step = (float(lon[-1]) - float(lon[0])) / max(1, len(lon) - 1)
    return slice(0, -1) if len(lon) > 2 and abs(lon[-1] - lon[0] - 360.0) < _IRREGULARITY * step else slice(None)


def target_grid(degrees: float) -> RegularGrid:
    """Returns the global grid, from north and from 180 W.

    Args:
        degrees: size of a cell.

    Raises:
        BenchError: 180 degrees are not a whole number of cells, or there would be fewer than two.
    """
    rows = 180.0 / degrees if degrees > 0 else 0.0
    if not 2 <= rows <= FINEST_ROWS or abs(rows - round(rows)) > 1e-9:
        raise BenchError(
            f"A grid of {degrees:g} degrees does not divide the Earth, or is finer than ERA5-Land's 0.1; choose one "
            "like 0.5 or 0.25."
        )
    count = round(rows)
    lat = 90.0 - (np.arange(count) + 0.5) * 180.0 / count
    lon = -180.0 + (np.arange(2 * count) + 0.5) * 180.0 / count
    return RegularGrid(lat, lon)


class Regridder:
    """Area-weighted means of the valid values of one grid over the cells of another.

    Attributes:
        source: where values come from.
        target: where they go.
        area: (row, column) of the target cells: degrees of longitude times the difference of the sine of latitude.
        weights: sparse (target row, source row) and (target column, source column) lengths that both share.
    """

    def __init__(self, source: RegularGrid, target: RegularGrid) -> None:
        """Computes the two matrices of weights."""
        self.source, self.target = source, target
        by_row = _overlaps(np.sin(np.radians(source.lat_edges)), np.sin(np.radians(target.lat_edges)), (0.0,))
        # Three turns of the Earth: source longitudes may lie anywhere between -180 and 360.
        by_column = _overlaps(source.lon_edges, target.lon_edges, (-360.0, 0.0, 360.0))
        self.weights = (by_row, by_column)
        height = np.abs(np.diff(np.sin(np.radians(target.lat_edges))))
        width = np.abs(np.diff(target.lon_edges))
        self.area = height[:, None] * width[None, :]

    def __call__(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Returns (row, column) float32 means; NaN where less than ``MINIMUM_VALID_AREA`` is known.

        Args:
            values: (source row, source column), NaN where missing.
        """
        return self.in_bands(lambda start, stop: values[start:stop], [(0, len(values))])

    def in_bands(
        self, read: Callable[[int, int], npt.NDArray[Any]], bands: Iterable[tuple[int, int]]
    ) -> npt.NDArray[np.float32]:
        """The same for a source that is read some rows at a time.

        Args:
            read: returns the values of the rows from one number to before another.
            bands: such pairs of numbers, which together cover all rows once.
        """
        integrals = self.integrals()
        for start, stop in bands:
            integrals.add(read(start, stop), start)
        return integrals.means()

    def integrals(self, rows: slice | None = None) -> Integrals:
        """Returns integrals over the cells of some rows of the target, or of all, to which source rows can be added."""
        return Integrals(self, slice(0, self.target.shape[0]) if rows is None else rows)

    def source_rows(self, rows: slice) -> tuple[int, int]:
        """Returns the first row of the source that touches rows of the target, and the one after the last."""
        touching = self.weights[0][rows].indices
        return (int(touching.min()), int(touching.max()) + 1) if len(touching) else (0, 0)

    def row_blocks(self, most: int) -> list[slice]:
        """Divides the rows of the target into blocks of at most ``most`` that touch no more rows of the source either.

        A block is never less than one row, however many it touches.
        """
        finer = abs(np.diff(self.target.lat)[0] / np.diff(self.source.lat)[0])
        height = max(1, int(min(most, (most - 1) / finer)))
        n_rows = self.target.shape[0]
        return [slice(start, min(start + height, n_rows)) for start in range(0, n_rows, height)]


class Integrals:
    """Integrals of the valid values over cells of the target, and the area that these cover.

    Attributes:
        total: (row, column) integrals.
        known: (row, column) areas with a value.
    """

    def __init__(self, regridder: Regridder, rows: slice) -> None:
        """Begins with nothing."""
        self._weights = (regridder.weights[0][rows], regridder.weights[1])
        self._area = regridder.area[rows]
        self.total, self.known = np.zeros(self._area.shape), np.zeros(self._area.shape)

    def add(self, values: npt.NDArray[Any], start: int) -> None:
        """Adds rows of the source.

        Args:
            values: (row, column), NaN where missing.
            start: number of the first of these rows.
        """
        values = values.astype(np.float64)
        valid = np.isfinite(values)
        values[~valid] = 0.0
        rows = self._weights[0][:, start : start + len(values)]
        touched = np.flatnonzero(np.diff(rows.indptr))
        rows = rows[touched]
        # Rows first: they lie together in memory, and what is left of them is little.
        self.total[touched] += (self._weights[1] @ (rows @ values).T).T
        self.known[touched] += (self._weights[1] @ (rows @ valid.astype(np.float64)).T).T

    def means(self) -> npt.NDArray[np.float32]:
        """Returns (row, column) float32 means; NaN where less than ``MINIMUM_VALID_AREA`` is known."""
        enough = self.known >= MINIMUM_VALID_AREA * self._area * (1 - 1e-9)
        means = np.full(self._area.shape, np.nan, np.float32)
        means[enough] = (self.total[enough] / self.known[enough]).astype(np.float32)
        return means


def _overlaps(source: Doubles, target: Doubles, turns: tuple[float, ...]) -> Any:
    """Sparse (target cell, source cell) lengths that intervals share, summed over shifts of the source."""
    from scipy import sparse

    # Source cells in ascending order, so that those that touch a target cell lie together.
    order = np.arange(len(source) - 1)
    if source[0] > source[-1]:
        source, order = source[::-1], order[::-1]
    # What rounding leaves at edges that coincide is no overlap.
    least = 1e-9 * np.abs(np.diff(target)).max()
    parts: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Doubles]] = []
    for turn in turns:
        low, high = source[:-1] + turn, source[1:] + turn
        for cell, (one, other) in enumerate(zip(target[:-1], target[1:], strict=True)):
            left, right = min(one, other), max(one, other)
            touching = np.arange(np.searchsorted(high, left, "right"), np.searchsorted(low, right, "left"))
            shared = np.minimum(right, high[touching]) - np.maximum(left, low[touching])
            real = shared > least
            parts.append((np.full(int(real.sum()), cell), order[touching[real]], shared[real]))
    rows, columns, lengths = (np.concatenate(items) for items in zip(*parts, strict=True))
    return sparse.csr_matrix((lengths, (rows, columns)), shape=(len(target) - 1, len(order)))


def _edges(centres: Doubles) -> Doubles:
    step = (centres[-1] - centres[0]) / (len(centres) - 1)
    edges: Doubles = np.append(centres - step / 2, centres[-1] + step / 2)
    return np.round(edges, _DECIMALS)


def _smooth(axis: Doubles) -> Doubles:
    """Evenly spaced values: the ends rounded to what the spacing of float32 coordinates can tell."""
    step = (axis[-1] - axis[0]) / (len(axis) - 1)
    digits = 4 if abs(step) >= 1e-2 else _DECIMALS
    ends = np.round(axis[[0, -1]], digits)
    regular: Doubles = np.linspace(float(ends[0]), float(ends[1]), len(axis))
    return np.round(regular, _DECIMALS)
