"""Maps without a map library: cells on their grid or as points, land from the project's own land mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.colors import ListedColormap

from bench.arrays import Doubles
from bench.data.simulated.land import land_mask
from bench.report.figures.style import INK, LAND

_MASK_DEGREES = 0.25
_BOXES = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0)
_FILLED = 0.9  # share of the land's boxes that must hold a cell: fewer leave a map of dots
_MOST_COLUMNS = 4000  # of a grid: more are scattered points
_MARGIN = 0.03  # of the extent
_POINTS_AREA = 2500.0  # square points of all places of a map together: few are large, many small
_MASK_COLUMNS = 360  # columns of the mask on one map: more are finer than print


@dataclass(frozen=True)
class Grid:
    """A grid of boxes in which cells are shown.

    Attributes:
        size: edge of a box, degrees.
        native: whether boxes are the data set's own cells; if not, a box shows the mean of its cells.
        lon_edges: (n_columns + 1,) degrees east.
        lat_edges: (n_rows + 1,) degrees north.
        row: (cell,) of each cell.
        column: (cell,) of each cell.
    """

    size: float
    native: bool
    lon_edges: Doubles
    lat_edges: Doubles
    row: npt.NDArray[np.int64]
    column: npt.NDArray[np.int64]

    def field(self, values: Doubles) -> Doubles:
        """(n_rows, n_columns) mean of the cells' values in each box; NaN where it holds none."""
        shape = (len(self.lat_edges) - 1, len(self.lon_edges) - 1)
        key = self.row * shape[1] + self.column
        count = np.bincount(key, minlength=shape[0] * shape[1])
        total = np.bincount(key, weights=values, minlength=shape[0] * shape[1])
        return np.where(count > 0, total / np.maximum(count, 1), np.nan).reshape(shape)

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """West, east, south and north of the map, with a margin."""
        west, east, south, north = self.lon_edges[0], self.lon_edges[-1], self.lat_edges[0], self.lat_edges[-1]
        margin = max(self.size, _MARGIN * max(east - west, north - south))
        return (
            float(max(-180.0, west - margin)),
            float(min(180.0, east + margin)),
            float(max(-90.0, south - margin)),
            float(min(90.0, north + margin)),
        )

    @property
    def is_wide(self) -> bool:
        """Whether a map is so much wider than high that several stand better below than beside each other."""
        return _is_wide(self.extent)

    @property
    def stretch(self) -> float:
        """Length of a degree north on the map ÷ that of a degree east."""
        return _stretch(self.extent)

    @property
    def words(self) -> str:
        """What a box is, as part of a caption."""
        if self.native:
            return f"Every cell of {self.size:g}° is drawn."
        return f"The cells lie apart; boxes of {self.size:g}° show the mean of those in them."


@dataclass(frozen=True)
class Points:
    """Places that lie on no grid, such as towers: each is drawn where it is.

    Attributes:
        east: (cell,) degrees east, or the first planar coordinate.
        north: (cell,) degrees north, or the second one.
        is_planar: whether coordinates are planar.
    """

    east: Doubles
    north: Doubles
    is_planar: bool

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """West, east, south and north of the map, with a margin."""
        west, east, south, north = self.east.min(), self.east.max(), self.north.min(), self.north.max()
        margin = 2 * _MARGIN * max(east - west, north - south) or 1.0
        if self.is_planar:
            return float(west - margin), float(east + margin), float(south - margin), float(north + margin)
        return (
            float(max(-180.0, west - margin)),
            float(min(180.0, east + margin)),
            float(max(-90.0, south - margin)),
            float(min(90.0, north + margin)),
        )

    @property
    def is_wide(self) -> bool:
        """As of a `Grid`."""
        return _is_wide(self.extent)

    @property
    def stretch(self) -> float:
        """Length of a unit north on the map ÷ that of a unit east."""
        return 1.0 if self.is_planar else _stretch(self.extent)

    @property
    def words(self) -> str:
        """What a point is, as part of a caption."""
        return "Every place is a point."


CellMap = Grid | Points


def map_of(lon: Doubles, lat: Doubles, is_planar: bool = False) -> CellMap:
    """How cells are mapped: on their grid where they lie on one, else as points.

    Args:
        lon: (cell,) degrees east, or the first planar coordinate.
        lat: (cell,) degrees north, or the second one.
        is_planar: whether coordinates are planar.
    """
    if is_planar or _spacing(lon) is None or _spacing(lat) is None:
        return Points(lon, lat, is_planar)
    return grid_of(lon, lat)


def _is_wide(extent: tuple[float, float, float, float]) -> bool:
    west, east, south, north = extent
    return (east - west) > 1.6 * (north - south)


def _stretch(extent: tuple[float, float, float, float]) -> float:
    """On a region, one degree east is as long as it is there; the world is shown in plain degrees."""
    west, east, south, north = extent
    return 1.0 if east - west > 180 else float(1.0 / np.cos(np.radians((south + north) / 2)))


def grid_of(lon: Doubles, lat: Doubles) -> Grid:
    """The finest grid on which cells make a map instead of scattered dots.

    Args:
        lon: (cell,) degrees east.
        lat: (cell,) degrees north.
    """
    spacings = [spacing for spacing in (_spacing(lon), _spacing(lat)) if spacing is not None]
    native = min(spacings) if len(spacings) == 2 else 0.0
    sizes = ([native] if native else []) + [size for size in _BOXES if size > native * 1.01]
    grids = (_grid(lon, lat, size, native=size == native) for size in sizes)
    return next((grid for grid in grids if _share_filled(grid) >= _FILLED), _grid(lon, lat, sizes[-1], native=False))


def draw_cells(
    axes: Axes, grid: CellMap, values: Doubles, colours: str, limits: tuple[float, float]
) -> QuadMesh | PathCollection:
    """Draws one value per cell, with land and its outline where places are known on the globe.

    Args:
        axes: an empty panel.
        grid: where the cells lie.
        values: (cell,) what to show.
        colours: name of a colour map.
        limits: ends of its scale.
    """
    west, east, south, north = grid.extent
    axes.grid(False)
    is_planar = isinstance(grid, Points) and grid.is_planar
    if not is_planar:
        _draw_land(axes, grid.extent)
    mesh: QuadMesh | PathCollection
    if isinstance(grid, Points):
        order = np.argsort(np.abs(values), kind="stable")  # the largest on top
        mesh = axes.scatter(
            grid.east[order],
            grid.north[order],
            c=values[order],
            s=float(np.clip(_POINTS_AREA / len(values), 2.0, 18.0)),
            cmap=colours,
            vmin=limits[0],
            vmax=limits[1],
            edgecolors=INK,
            linewidths=0.2,
            zorder=3,
        )
    else:
        mesh = axes.pcolormesh(
            grid.lon_edges,
            grid.lat_edges,
            np.ma.masked_invalid(grid.field(values)),
            cmap=colours,
            vmin=limits[0],
            vmax=limits[1],
            rasterized=True,  # a vector square for every cell would make the PDF unreadably large
            zorder=1,
        )
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.set_aspect(grid.stretch)
    for spine in axes.spines.values():
        spine.set_visible(True)
    if is_planar:
        axes.set_xticks([])
        axes.set_yticks([])
        return mesh
    axes.set_xticks(_ticks(west, east))
    axes.set_yticks(_ticks(south, north))
    axes.xaxis.set_major_formatter(lambda value, _: _degrees(value, "E", "W"))
    axes.yaxis.set_major_formatter(lambda value, _: _degrees(value, "N", "S"))
    return mesh


def _draw_land(axes: Axes, extent: tuple[float, float, float, float]) -> None:
    lon, lat, land = _land(extent)
    axes.imshow(
        np.where(land >= 0.5, 0.0, np.nan),
        cmap=ListedColormap([LAND]),
        extent=(lon[0], lon[-1], lat[-1], lat[0]),
        interpolation="nearest",
        aspect="auto",
        zorder=0,
    )
    centres = (lon[:-1] + lon[1:]) / 2, (lat[:-1] + lat[1:]) / 2
    if land.min() < 0.5 <= land.max() and min(land.shape) > 1:
        axes.contour(*centres, land, levels=[0.5], colors=INK, linewidths=0.5, zorder=2)


def _spacing(values: Doubles) -> float | None:
    """The distance between neighbouring coordinates, or None where they lie on no regular grid."""
    distinct = np.unique(values.round(6))
    if len(distinct) < 2:
        return None
    steps = np.diff(distinct)
    smallest = float(steps.min())
    if smallest < (distinct[-1] - distinct[0]) / _MOST_COLUMNS:
        return None  # coordinates that nearly agree: scattered points
    return smallest if np.allclose(steps / smallest, np.round(steps / smallest), atol=0.05) else None


def _grid(lon: Doubles, lat: Doubles, size: float, *, native: bool) -> Grid:
    def edges_over(values: Doubles) -> Doubles:
        # Own cells are centred on their coordinates; larger boxes begin at multiples of their size.
        start = values.min() - size / 2 if native else np.floor(values.min() / size) * size
        edges: Doubles = start + size * np.arange(int(np.floor((values.max() - start) / size + 1e-6)) + 2)
        return edges

    lon_edges, lat_edges = edges_over(lon), edges_over(lat)
    column = np.searchsorted(lon_edges, lon, side="right") - 1
    row = np.searchsorted(lat_edges, lat, side="right") - 1
    return Grid(size, native, lon_edges, lat_edges, row, column)


def _share_filled(grid: Grid) -> float:
    """Share of the boxes on land that hold a cell; of all boxes, where the land mask knows no land there."""
    filled = np.isfinite(grid.field(np.zeros(len(grid.row))))
    mask = land_mask()
    rows, columns = np.nonzero(mask)
    land, _, _ = np.histogram2d(
        90 - (rows + 0.5) * _MASK_DEGREES,
        (columns + 0.5) * _MASK_DEGREES - 180,
        bins=(grid.lat_edges, grid.lon_edges),
    )
    on_land = land >= max(1.0, 0.5 * (grid.size / _MASK_DEGREES) ** 2)
    return float(filled[on_land].mean()) if on_land.any() else float(filled.mean())


def _land(extent: tuple[float, float, float, float]) -> tuple[Doubles, Doubles, Doubles]:
    """Edges east and north (from north to south) and the share of land of the boxes that cover a map."""
    west, east, south, north = extent
    mask = land_mask().astype(np.float64)
    first, last = int((west + 180) / _MASK_DEGREES), int(np.ceil((east + 180) / _MASK_DEGREES))
    factor = 2 ** max(0, int(np.ceil(np.log2((last - first) / _MASK_COLUMNS))))
    coarse = mask.reshape(mask.shape[0] // factor, factor, mask.shape[1] // factor, factor).mean(axis=(1, 3))
    size = _MASK_DEGREES * factor
    columns = slice(max(0, int((west + 180) / size) - 1), int(np.ceil((east + 180) / size)) + 1)
    rows = slice(max(0, int((90 - north) / size) - 1), int(np.ceil((90 - south) / size)) + 1)
    part = coarse[rows, columns]
    lon = -180 + size * (columns.start + np.arange(part.shape[1] + 1))
    lat = 90 - size * (rows.start + np.arange(part.shape[0] + 1))
    return lon, lat, part


def _ticks(low: float, high: float) -> Doubles:
    span = high - low
    step = next((step for step in (1, 2, 5, 10, 20, 30, 60, 90) if span / step <= 4.5), 90)
    ticks = np.arange(np.ceil(low / step) * step, high + 1e-9, step)
    inside: Doubles = ticks[(ticks > low + 0.03 * span) & (ticks < high - 0.03 * span)]
    return inside  # labels at the ends would run into the neighbouring map's


def _degrees(value: float, positive: str, negative: str) -> str:
    return f"{abs(value):g}°{positive if value > 0 else negative if value < 0 else ''}"
