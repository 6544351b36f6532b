"""NetCDF by xarray and GRIB by cfgrib, lazily through dask."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.climate2gpp.calendar import Hours
from bench.data.climate2gpp.grids import columns_once, source_grid
from bench.data.climate2gpp.layers import CHUNK_BYTES, Layer, need, readable
from bench.data.climate2gpp.variables import is_wanted
from bench.errors import BenchError

_STATISTIC = re.compile(r"\b(min|max)(?:imum)?\b")
_LATITUDES, _LONGITUDES = ("latitude", "lat"), ("longitude", "lon")
_TIMES = ("valid_time", "time", "date")
_VERSION = "expver"
_FINAL, _PRELIMINARY = 1, 5
"""Versions of ERA5 data, as numbers or as text (``0005``): preliminary ones are replaced within three months."""


def open_netcdf(path: Path, *, lazily: bool) -> Any:
    """Opens a NetCDF file with xarray: as dask arrays, or as arrays that are read when they are first used.

    Raises:
        BenchError: the file is damaged or no NetCDF.
    """
    import xarray as xr

    with readable(path):
        if not lazily:
            return xr.open_dataset(path, engine="netcdf4")
        dask = need("dask", "dask")
        text = _text_variables(path)  # dask cannot divide them into chunks
        with dask.config.set({"array.chunk-size": CHUNK_BYTES}):
            dataset = xr.open_dataset(path, engine="netcdf4", chunks="auto", drop_variables=text)
        if _VERSION not in text:
            return dataset
        with xr.open_dataset(path, engine="netcdf4") as whole:
            versions = whole[_VERSION].load().drop_vars([key for key in whole[_VERSION].coords if key != _VERSION])
        return dataset.assign_coords({_VERSION: versions})


def netcdf_layers(path: Path) -> Iterator[Layer]:
    """Yields the variables of a NetCDF file that are wanted.

    Raises:
        BenchError: the file is damaged, in another projection, or on an irregular grid.
    """
    yield from _layers(open_netcdf(path, lazily=True), path)


def grib_layers(path: Path) -> Iterator[Layer]:
    """The same for a GRIB file."""
    cfgrib = need("cfgrib", "cfgrib")
    need("dask.array", "dask")
    # One time axis of valid times, whatever forecasts the fields came from; a field cut short is an error.
    options = {"indexpath": "", "time_dims": ("valid_time",), "errors": "raise"}
    for part in cfgrib.open_datasets(str(path), backend_kwargs=options, chunks={}):
        yield from _layers(part, path)


def _text_variables(path: Path) -> list[str]:
    import netCDF4

    with netCDF4.Dataset(path) as file:
        return [name for name, item in file.variables.items() if item.dtype is str or item.dtype.kind in "SU"]


def _layers(dataset: Any, path: Path) -> Iterator[Layer]:
    for name, array in dataset.data_vars.items():
        # Bounds of the axes, masks, coordinates of another grid: whatever is not wanted may be as it likes.
        if not is_wanted(str(name)) or array.ndim < 2 or array.dtype.kind not in "fiu":
            continue
        lat, lon = _horizontal(dataset, array, path)
        time = next((key for key in _TIMES if key in array.dims), None)
        versions = dataset[_VERSION] if _VERSION in dataset.variables else None
        merged, early = _final_or_preliminary(array, time, path)
        squeezed = merged.squeeze(
            [key for key in merged.dims if merged.sizes[key] == 1 and key not in (lat, lon, time)]
        )
        others = [key for key in squeezed.dims if key not in (lat, lon, time)]
        if others:
            raise BenchError(
                f"{path}: variable {name!r} has the dimension {others[0]!r} of {squeezed.sizes[others[0]]}; keep one "
                "of them."
            )
        if time is None:
            stamp = next((array.coords[key] for key in _TIMES if key in array.coords), None)
            if stamp is None:
                continue
            squeezed, time = squeezed.expand_dims("frame"), "frame"
            stamps = np.atleast_1d(stamp.values)
        else:
            stamps = squeezed[time].values
        if stamps.dtype.kind != "M":
            raise BenchError(f"{path}: its time axis has no readable calendar dates; write units like days since 1970.")
        times = stamps.astype("datetime64[h]")
        squeezed = squeezed.isel({lon: columns_once(squeezed[lon].values)})
        stored = np.dtype(array.encoding.get("dtype", array.dtype))
        scale = float(array.encoding.get("scale_factor", 1.0))
        method = str(array.attrs.get("cell_methods", "")) + " " + str(array.attrs.get("GRIB_stepType", ""))
        yield Layer(
            path=path,
            name=str(name),
            times=times,
            grid=source_grid(squeezed[lat].values, squeezed[lon].values, str(path)),
            data=squeezed.transpose(time, lat, lon).data,
            units=str(array.attrs.get("units", "")).strip() or None,
            statistic=f"{found.group(1)}imum" if (found := _STATISTIC.search(method)) else None,
            integers=stored.kind in "iu" and "scale_factor" not in array.encoding,
            decimal_scale=scale if stored.kind == "f" else 1.0,
            accumulated=array.attrs.get("GRIB_stepType") == "accum",
            preliminary=times[early] if early is not None else _preliminary(versions, times, path),
        )


def _horizontal(dataset: Any, array: Any, path: Path) -> tuple[str, str]:
    """Names of the two dimensions of the grid."""
    mapping = dataset.variables.get(array.attrs.get("grid_mapping", array.encoding.get("grid_mapping", "")))
    projection = None if mapping is None else mapping.attrs.get("grid_mapping_name")
    lat = next((key for key in _LATITUDES if key in array.dims), None)
    lon = next((key for key in _LONGITUDES if key in array.dims), None)
    if projection not in (None, "latitude_longitude") or lat is None or lon is None:
        is_known = projection or "without longitude and latitude as dimensions"
        raise BenchError(
            f"{path}: variable {array.name!r} is in another projection ({is_known}); regrid the file to longitude and "
            "latitude."
        )
    return lat, lon


def _final_or_preliminary(array: Any, time: str | None, path: Path) -> tuple[Any, Any]:
    """An array without a dimension of versions, and which of its times are preliminary (None if it had no such one).

    Where final values are there they are taken; a time is preliminary if it has no final value at all.
    """
    if _VERSION not in array.dims or array.sizes[_VERSION] < 2:
        return array, None
    if _VERSION not in array.coords:
        raise BenchError(f"{path}: variable {array.name!r} has versions ({_VERSION}) that have no numbers; keep one.")
    versions = [_number(value, path) for value in array[_VERSION].values]
    if sorted(versions) != [_FINAL, _PRELIMINARY]:
        raise BenchError(
            f"{path}: variable {array.name!r} has the versions ({_VERSION}) {versions}; keep one of them (1 is final, "
            "5 preliminary)."
        )
    final = array.isel({_VERSION: versions.index(_FINAL)})
    late = array.isel({_VERSION: versions.index(_PRELIMINARY)})
    is_final = final.notnull()
    rest = [key for key in final.dims if key != time]
    return final.where(is_final, late), ~np.atleast_1d(is_final.any(rest).values)


def _preliminary(versions: Any, times: Hours, path: Path) -> Hours:
    """The times that versions along the time axis call preliminary, or all, where there is one version."""
    if versions is None:
        return times[:0]
    early = np.array([_number(value, path) == _PRELIMINARY for value in np.atleast_1d(versions.values).ravel()])
    if len(early) == 1:
        return times if early[0] else times[:0]
    return times[early] if len(early) == len(times) else times[:0]


def _number(value: Any, path: Path) -> int:
    """A version written as a number or as text, such as ``0005``."""
    text = value.decode() if isinstance(value, bytes) else str(value)
    try:
        return int(float(text))
    except ValueError as error:
        raise BenchError(f"{path}: {text!r} is no version of ERA5 data ({_VERSION} is 1 or 5).") from error
