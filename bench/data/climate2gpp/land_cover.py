"""Land-cover fractions of the 17 IGBP classes on the target grid, from MCD12C1 as HDF4 or as GeoTIFF."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.data.climate2gpp.aggregate import Regridders
from bench.data.climate2gpp.grids import RegularGrid, source_grid
from bench.data.climate2gpp.kinds import kind_of, what_it_is
from bench.data.climate2gpp.layers import compute, need, readable, small_gdal_cache
from bench.data.climate2gpp.rasters import open_raster
from bench.data.climate2gpp.tiles import Image, name_of
from bench.data.pml import IGBP_CLASSES
from bench.errors import BenchError

MCD12C1_CLASSES: tuple[str, ...] = ("water", *(name for name in IGBP_CLASSES if name != "water"))
"""IGBP class of each number of MCD12C1, 0 to 16: not the legend of MCD12Q1 (Sulla-Menashe and Friedl, user guide to
collection 6, page 16)."""
MAJORITY, PERCENT = "Majority_Land_Cover_Type_1", "Land_Cover_Type_1_Percent"
_CLASS_NUMBERS = {
    MAJORITY: np.arange(len(MCD12C1_CLASSES)),
    # Water is 17, and 0 is no class (same guide, table 3; valid range 1 to 17).
    "LC_Type1": np.array([17, *range(1, len(MCD12C1_CLASSES))]),
}
"""Number of each of ``MCD12C1_CLASSES`` in the bands that hold the class of a pixel: of MCD12C1 and of MCD12Q1."""
MINIMUM_CLASSIFIED_AREA = 0.5
"""A target cell has a land cover if at least this share of its area is classified in the source."""
_UNCLASSIFIED = 255
_ROWS = 180  # of the source read at once: 22 MB of percentages at 0.05 degrees
_CLASS_BAND = re.compile(r"Percent(?:_Class)?_(\d+)$")
_CORNER = re.compile(r"(UpperLeftPointMtrs|LowerRightMtrs)=\(([-\d.]+),([-\d.]+)\)")

_Percentages = Callable[[npt.NDArray[Any]], npt.NDArray[np.float32]]
"""From stored values to (row, column, class) percentages."""


@dataclass(frozen=True)
class _Cover:
    """An opened file: its grid, and how to read the (row, column, class) percentages of some of its rows."""

    grid: RegularGrid
    read: Callable[[int, int], npt.NDArray[np.float32]]


def fractions(image: Image, regridders: Regridders) -> npt.NDArray[np.float32]:
    """Returns the share of each class in each target cell.

    Args:
        image: MCD12C1 of one year: HDF4, or a GeoTIFF (or its tiles) with bands
            ``Land_Cover_Type_1_Percent_Class_0`` to ``_16``, or named by IGBP class, or
            ``Majority_Land_Cover_Type_1``, or ``LC_Type1`` of MCD12Q1.
        regridders: to the target grid.

    Returns:
        (row, column, class) float32 in the order of ``IGBP_CLASSES``, adding up to 1; NaN where unknown.

    Raises:
        BenchError: the file is damaged, in another projection, or lacks the layers.
    """
    cover = _open(image)
    regridder = regridders.of(cover.grid)
    order = [MCD12C1_CLASSES.index(name) for name in IGBP_CLASSES]
    found = np.empty((*regridders.target.shape, len(IGBP_CLASSES)), np.float32)
    # Some rows of the target at a time: on a fine grid one array of all classes is as much as may be held.
    for rows in regridder.row_blocks(_ROWS):
        classes = [regridder.integrals(rows) for _ in MCD12C1_CLASSES]
        first, after = regridder.source_rows(rows)
        for start in range(first, after, _ROWS):
            percent = cover.read(start, min(start + _ROWS, after))
            for number, integrals in enumerate(classes):
                integrals.add(percent[..., number], start)
        known = np.zeros(regridder.area[rows].shape)
        for integrals in classes:
            known += integrals.total
        enough = known >= 100.0 * MINIMUM_CLASSIFIED_AREA * regridder.area[rows] * (1 - 1e-9)
        known[~enough] = np.nan
        for position, number in enumerate(order):
            found[rows, :, position] = classes[number].total / known
        del classes  # before the next ones
    return found


def _open(image: Image) -> _Cover:
    path = name_of(image)
    with readable(path):
        if not isinstance(image, Path) or kind_of(image) == "geotiff":
            return _open_geotiff(image)
        if kind_of(image) == "hdf4":
            return _open_hdf4(image)
    raise BenchError(f"{path} is {what_it_is(path)}; this project reads land cover from HDF4 and GeoTIFF.")


def _open_hdf4(path: Path) -> _Cover:
    sd = need("pyhdf.SD", "pyhdf")
    file = sd.SD(str(path), sd.SDC.READ)
    layers: dict[str, Any] = file.datasets()
    name = PERCENT if PERCENT in layers else MAJORITY
    if name not in layers:
        raise BenchError(f"{path} has neither {PERCENT} nor {MAJORITY}; is it MCD12C1?")
    height, width = layers[name][1][:2]
    if name == PERCENT and layers[name][1][2:] != (len(MCD12C1_CLASSES),):
        raise BenchError(f"{path}: {PERCENT} has the shape {layers[name][1]}, not 17 classes; is it MCD12C1 v061?")
    grid = _hdf4_grid(path, str(file.attributes().get("StructMetadata.0", "")), height, width)
    layer = file.select(name)
    percentages = _stored_percentages if name == PERCENT else partial(_of_majority, _CLASS_NUMBERS[MAJORITY])

    def read(start: int, stop: int) -> npt.NDArray[np.float32]:
        with readable(path):
            return percentages(np.asarray(layer[start:stop]))

    return _Cover(grid, read)


def _hdf4_grid(path: Path, metadata: str, height: int, width: int) -> RegularGrid:
    """The grid that HDF-EOS metadata describe; the whole Earth from north and 180 W without them."""
    projection = re.search(r"Projection=(\w+)", metadata)
    if projection is not None and projection.group(1) != "GCTP_GEO":
        raise BenchError(
            f"{path} is in the projection {projection.group(1)}, not in longitude and latitude; use MCD12C1."
        )
    corners = {key: (float(x), float(y)) for key, x, y in _CORNER.findall(metadata)}
    west, north = (_packed_degrees(value) for value in corners.get("UpperLeftPointMtrs", (-180e6, 90e6)))
    east, south = (_packed_degrees(value) for value in corners.get("LowerRightMtrs", (180e6, -90e6)))
    lat = north + (np.arange(height) + 0.5) * (south - north) / height
    lon = west + (np.arange(width) + 0.5) * (east - west) / width
    return source_grid(lat, lon, str(path))


def _packed_degrees(value: float) -> float:
    """Degrees from HDF-EOS's packed form, DDDMMMSSS.SS."""
    sign, rest = (-1 if value < 0 else 1), abs(value)
    degrees, rest = divmod(rest, 1e6)
    minutes, seconds = divmod(rest, 1e3)
    return float(sign * (degrees + minutes / 60 + seconds / 3600))


def _open_geotiff(image: Image) -> _Cover:
    raster = open_raster(image)
    path, names = raster.path, list(raster.names)
    bands = dict(_percent_bands(names))
    if len(bands) < len(MCD12C1_CLASSES):
        found = [
            (index, key)
            for index, name in enumerate(names)
            for key in _CLASS_NUMBERS
            if name == key or (key == MAJORITY and key in name)
        ]
        if not found:
            raise BenchError(
                f"{path} has no bands {PERCENT}_Class_0 to _Class_16, no bands named by IGBP class, and no "
                f"{' or '.join(_CLASS_NUMBERS)}."
            )
        order = [found[0][0]]
        percentages: _Percentages = partial(_of_majority, _CLASS_NUMBERS[found[0][1]])
    else:
        order, percentages = [bands[number] for number in range(len(MCD12C1_CLASSES))], _stored_percentages
    fill = raster.fill[order]

    def read(start: int, stop: int) -> npt.NDArray[np.float32]:
        with readable(path), small_gdal_cache():
            chosen = compute(raster.data, np.array(order), slice(start, stop))
        stored = np.moveaxis(chosen, 0, -1).astype(np.float32)
        stored[np.isnan(stored) | (stored == fill.astype(np.float32))] = _UNCLASSIFIED
        return percentages(stored if len(order) > 1 else stored[..., 0])

    return _Cover(raster.grid, read)


def _percent_bands(names: list[str]) -> Iterator[tuple[int, int]]:
    """Class number and band of every band that holds the share of a class."""
    for index, name in enumerate(names):
        numbered = _CLASS_BAND.search(name)
        if numbered is not None and int(numbered.group(1)) < len(MCD12C1_CLASSES):
            yield int(numbered.group(1)), index
        elif name in MCD12C1_CLASSES:
            yield MCD12C1_CLASSES.index(name), index


def _stored_percentages(stored: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """(row, column, class) percentages; NaN where unclassified."""
    values: npt.NDArray[np.float32] = stored.astype(np.float32)
    values[(values < 0) | (values > 100)] = np.nan
    return values


def _of_majority(numbers: npt.NDArray[np.int64], stored: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """(row, column, class) 100 for the class of each pixel, else 0; NaN where it has none of these numbers."""
    percent = np.where(stored[..., None] == numbers, np.float32(100), np.float32(0))
    percent[~percent.any(axis=2)] = np.nan
    return percent
