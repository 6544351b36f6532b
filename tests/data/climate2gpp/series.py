"""Small files of one variable in any storage, and what the build makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import xarray as xr

from bench.data.climate2gpp import calendar
from bench.data.climate2gpp.aggregate import Regridders, year_of_steps
from bench.data.climate2gpp.grids import target_grid
from bench.data.climate2gpp.readers import open_layers
from bench.data.climate2gpp.settle import Choices, settled
from bench.data.climate2gpp.source import source_of
from bench.data.climate2gpp.tiles import assembled
from bench.data.climate2gpp.variables import TARGET
from bench.data.climate2gpp.zips import without_zips
from bench.data.era5_land import Era5LandVariable, by_name

ROWS, COLUMNS, NORTH, WEST = 3, 4, 33.0, 100.0
"""Cells of one degree, which are those of the target."""
_REGRIDDERS = Regridders(target_grid(1.0))


@dataclass(frozen=True)
class Reading:
    """What came out of files: (46, row, column) values, and what was said and found empty."""

    values: np.ndarray
    notes: tuple[str, ...]
    empty: tuple[str, ...]


def variable(name: str) -> Era5LandVariable:
    return TARGET if name == "GPP" else by_name(name)


def read(name: str, files: Sequence[Path], years: tuple[int, ...] = (2019,), **choices: Any) -> Reading:
    """Reads one variable as the build does: the first of the years, in the cells of the files."""
    layers = [layer for image in assembled(without_zips(files)) for layer in open_layers(image)]
    found = settled(source_of(variable(name), layers), years, Choices(**choices))
    top, left = round(90 - NORTH), round(180 + WEST)
    cells = (np.arange(top, top + ROWS)[:, None] * 360 + left + np.arange(COLUMNS)).ravel()
    if found.empty:
        return Reading(np.empty(0), found.notes, found.empty)
    values = year_of_steps(found.source, years[0], _REGRIDDERS, cells)
    return Reading(values.reshape(-1, ROWS, COLUMNS), found.notes, found.empty)


def season(lowest: float = 0.1, highest: float = 8.0, year: int = 2019) -> np.ndarray:
    """(46, row, column): a year of GPP, from winter to summer, a little different in each place and year."""
    step = np.arange(46)
    warm = np.where((step >= 10) & (step <= 36), np.sin(np.pi * (step - 10) / 26), 0.0)
    place = 1 - 0.02 * np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    return (lowest + (highest - lowest) * warm[:, None, None] * (1 - 0.02 * (year % 3))) * place


def step_names(year: int = 2019, stem: str = "GPP") -> list[str]:
    return [f"{stem}_{str(day).replace('-', '')}" for day in calendar.step_starts(year)]


def write_tif(
    path: Path,
    bands: np.ndarray,
    names: Sequence[str],
    *,
    units: Sequence[str] | str | None = None,
    scale: float | None = None,
    valid: np.ndarray | None = None,
    alpha: np.ndarray | None = None,
    size: float = 1.0,
    **options: Any,
) -> Path:
    """Writes a GeoTIFF: ``valid`` becomes its mask band, ``alpha`` its last band."""
    count, height, width = bands.shape
    profile = {"driver": "GTiff", "height": height, "width": width, "dtype": bands.dtype, "crs": "EPSG:4326"}
    profile |= {
        "count": count + (alpha is not None),
        "transform": rasterio.transform.from_origin(WEST, NORTH, size, size),
    }
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **(profile | options)) as file:
        if alpha is not None:  # before the data: the header of the file is written with these
            file.colorinterp = [*[rasterio.enums.ColorInterp.undefined] * count, rasterio.enums.ColorInterp.alpha]
        file.write(bands, list(range(1, count + 1)))
        file.descriptions = (*names, *([None] if alpha is not None else []))
        if units is not None:
            file.units = [units] * file.count if isinstance(units, str) else list(units)
        if scale is not None:
            file.scales = [scale] * file.count
        if alpha is not None:
            file.write(alpha.astype(bands.dtype), count + 1)
        if valid is not None:
            file.write_mask(valid)
    return path


def write_nc(
    path: Path,
    short: str,
    times: np.ndarray,
    values: np.ndarray,
    units: str | None = None,
    encoding: dict[str, Any] | None = None,
    **coordinates: Any,
) -> Path:
    """Writes a NetCDF file on the same grid."""
    axes = {
        "latitude": NORTH - 0.5 - np.arange(values.shape[1]),
        "longitude": WEST + 0.5 + np.arange(values.shape[2]),
        "valid_time": times.astype("datetime64[ns]"),
    }
    attributes = {} if units is None else {"units": units}
    dataset = xr.Dataset(
        {short: (("valid_time", "latitude", "longitude"), values, attributes)}, {**axes, **coordinates}
    )
    dataset.to_netcdf(path, engine="netcdf4", encoding={short: encoding or {}})
    return path
