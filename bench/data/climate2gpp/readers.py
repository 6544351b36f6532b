"""Files of any supported kind as layers: one variable of one file, its times and its grid known, its values unread.

NetCDF is read by xarray, GRIB by cfgrib, GeoTIFF by rioxarray, all lazily through dask; MCD12C1's HDF4 stands in
``land_cover``, because it has no time axis.
"""

from __future__ import annotations

import contextlib
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.data.climate2gpp.grids import RegularGrid, source_grid
from bench.data.climate2gpp.variables import is_wanted
from bench.errors import BenchError

Hours = npt.NDArray[np.datetime64]
NETCDF = (".nc", ".nc4", ".netcdf", ".h5")
GRIB = (".grib", ".grb", ".grib2", ".grb2")
GEOTIFF = (".tif", ".tiff")
HDF4 = (".hdf", ".hdf4")
CHUNK_BYTES = 1 << 26
"""Of lazy arrays; whole chunks of the file."""
GDAL_CACHE_MB = 64
OPEN_FILES = 4
_DATE = re.compile(r"(?<!\d)((?:19|20)\d{2})[-_.]?([01]\d)[-_.]?([0-3]\d)(?!\d)")
_STATISTIC = re.compile(r"\b(min|max)(?:imum)?\b")
_LATITUDES, _LONGITUDES = ("latitude", "lat"), ("longitude", "lon")
_TIMES = ("valid_time", "time", "date")


@dataclass(frozen=True)
class Layer:
    """One variable of one file.

    Attributes:
        path: the file.
        name: what the file calls the variable; may be empty for a raster with one unnamed band.
        times: (frame,) datetime64[h].
        grid: its cells.
        data: (frame, row, column) dask array, or all bands of a raster; what is missing is NaN, except where ``fill``
            says otherwise.
        bands: (frame,) which band of ``data`` each frame is, if it is not in their order.
        units: the attribute, if any.
        statistic: ``minimum``, ``maximum`` or None: what the file says it did with the hours of a day.
        fill: stored value that means missing, for rasters.
        factor: value per stored value.
        offset: added afterwards.
        integers: whether the values are stored as whole numbers without a scale of their own.
        accumulated: the file says that its values accumulate from midnight, as ERA5-Land's hours do.
        interleaved: the frames of a pixel lie together in the file, so that reading one decodes all of them.
    """

    path: Path
    name: str
    times: Hours
    grid: RegularGrid
    data: Any
    units: str | None = None
    statistic: str | None = None
    fill: float | None = None
    factor: float = 1.0
    offset: float = 0.0
    bands: npt.NDArray[np.int64] | None = None
    integers: bool = False
    accumulated: bool = False
    interleaved: bool = False

    @property
    def where(self) -> str:
        """File and variable, for messages."""
        return f"{self.path}: variable {self.name!r}" if self.name else str(self.path)

    def read(self, frames: npt.NDArray[np.int64], rows: slice) -> npt.NDArray[np.float64]:
        """Returns (frame, row, column) values in the file's unit, NaN where missing.

        Raises:
            BenchError: the file ends early or is damaged.
        """
        with readable(self.path), small_gdal_cache():
            raw = compute(self.data, frames if self.bands is None else self.bands[frames], rows)
        values: npt.NDArray[np.float64] = raw.astype(np.float64)
        if self.fill is not None:
            values[raw == self.fill] = np.nan
        return values if (self.factor, self.offset) == (1.0, 0.0) else values * self.factor + self.offset


def need(module: str, package: str) -> Any:
    """Imports a package of the extra ``build``.

    Raises:
        BenchError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise BenchError(
            f"Package {package} is missing ({error}); install the extra: pip install 'climate2gpp-bench[build]'."
        ) from error


def small_gdal_cache() -> Any:
    """A context in which GDAL keeps at most ``GDAL_CACHE_MB`` of blocks; by default a twentieth of the memory."""
    import rasterio

    return rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE_MB)


@contextlib.contextmanager
def few_open_files() -> Iterator[None]:
    """A context in which xarray keeps at most ``OPEN_FILES`` open: NetCDF holds tens of MB of chunks of each."""
    import xarray as xr

    with xr.set_options(file_cache_maxsize=OPEN_FILES):  # type: ignore[no-untyped-call]
        yield


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turns whatever a library says of a damaged file into one sentence.

    Raises:
        BenchError: the file cannot be read.
    """
    try:
        yield
    except BenchError:
        raise
    except FileNotFoundError as error:
        raise BenchError(f"{path} is gone; put it back and run the same command again.") from error
    except PermissionError as error:
        raise BenchError(f"{path} may not be read; grant read permission on it.") from error
    except MemoryError:
        raise
    # Each library has its own exceptions for a broken file (OSError, RuntimeError, EOFError, HDF4Error, ...).
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
        raise BenchError(f"{path} cannot be read ({reason}); it is truncated or damaged: fetch it again.") from error


def open_layers(path: Path) -> tuple[Layer, ...]:
    """Opens a file without reading its values.

    Raises:
        BenchError: it is damaged, of another kind, in another projection, or on an irregular grid.
    """
    suffix = path.suffix.lower()
    if suffix in NETCDF:
        with readable(path):
            return tuple(_dataset_layers(open_netcdf(path, lazily=True), path))
    if suffix in GRIB:
        cfgrib = need("cfgrib", "cfgrib")
        need("dask.array", "dask")
        # One time axis of valid times, whatever forecasts the fields came from; a field cut short is an error.
        options = {"indexpath": "", "time_dims": ("valid_time",), "errors": "raise"}
        with readable(path):
            parts = cfgrib.open_datasets(str(path), backend_kwargs=options, chunks={})
            return tuple(layer for part in parts for layer in _dataset_layers(part, path))
    if suffix in GEOTIFF:
        with readable(path):
            return tuple(_raster_layers(path))
    raise BenchError(
        f"{path} is of an unknown kind; this project reads {', '.join((*NETCDF, *GRIB, *GEOTIFF))} here: narrow the "
        "pattern."
    )


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
        with dask.config.set({"array.chunk-size": CHUNK_BYTES}):
            return xr.open_dataset(path, engine="netcdf4", chunks="auto")


def open_raster(path: Path) -> Any:
    """Opens a GeoTIFF lazily with rioxarray, (band, y, x), and checks its projection.

    Raises:
        BenchError: it is damaged, or in no or another projection than longitude and latitude.
    """
    rioxarray = need("rioxarray", "rioxarray")
    dask = need("dask", "dask")
    with readable(path), small_gdal_cache(), dask.config.set({"array.chunk-size": CHUNK_BYTES}):
        chunks = {"band": 1, "y": "auto", "x": -1}
        if (rows := _interleaved_rows(path)) is not None:
            chunks = {"band": -1, "y": rows, "x": -1}
        raster = rioxarray.open_rasterio(path, chunks=chunks, lock=False)
        if raster.rio.crs is None:
            raise BenchError(f"{path} names no projection; set it with gdal_edit.py -a_srs EPSG:4326 if that is it.")
        if not raster.rio.crs.is_geographic:
            name = raster.rio.crs.to_string()
            raise BenchError(
                f"{path} is in the projection {name if len(name) < 60 else name[:57] + '...'}, not in longitude and "
                "latitude; reproject it: gdalwarp -t_srs EPSG:4326."
            )
        return raster


def _interleaved_rows(path: Path) -> int | None:
    """Rows to read at once of a file that keeps the bands of a pixel together, as Earth Engine's do; else None.

    A block of such a file decodes as a whole, whichever band is wanted: band by band each would be decoded as often
    as there are bands.
    """
    import rasterio

    with rasterio.open(path) as file:
        if file.count == 1 or file.interleaving != rasterio.enums.Interleaving.pixel:
            return None
        rows = int(file.block_shapes[0][0])
        row_bytes: int = file.width * sum(np.dtype(dtype).itemsize for dtype in file.dtypes)
    return rows * max(1, CHUNK_BYTES // (rows * row_bytes))


def compute(data: Any, positions: npt.NDArray[np.int64], rows: slice) -> npt.NDArray[Any]:
    """Reads some frames, or bands, and some rows of a lazy array.

    dask hands one slice on to the reader of the file, but of a list of numbers it cuts whole chunks that were read. So
    where all frames are one chunk, evenly spaced ones are asked for, and the wanted ones are cut out of these.

    Args:
        data: (frame, row, column) dask array.
        positions: of the frames, in any order.
        rows: which ones.

    Returns:
        (position, row, column) as stored.
    """
    first = positions.min()
    step = max(1, int(np.gcd.reduce(positions - first)))
    even, wanted = slice(int(first), int(positions.max()) + 1, step), (positions - first) // step
    if np.array_equal(wanted, np.arange(len(wanted))):
        chosen = data[even, rows]
    else:
        chosen = data[positions, rows] if len(data.chunks[0]) > 1 else data[even, rows][wanted]
    return np.asarray(chosen.compute(scheduler="synchronous"))


def band_names(raster: Any) -> list[str]:
    """The descriptions of the bands of a raster, empty where there are none."""
    described = raster.attrs.get("long_name", "")
    names = [described] if isinstance(described, str) else list(described)
    return [name or "" for name in names] if len(names) == raster.sizes["band"] else [""] * raster.sizes["band"]


def date_in(text: str) -> np.datetime64 | None:
    """The last date in a text, such as ``GPP_20190109``, or None."""
    found = None
    for match in _DATE.finditer(text):
        with contextlib.suppress(ValueError):
            found = np.datetime64("-".join(match.groups()), "h")
    return found


def _raster_layers(path: Path) -> Iterator[Layer]:
    raster = open_raster(path)
    names = band_names(raster)
    in_file = date_in(path.stem)
    grid = source_grid(raster["y"].values, raster["x"].values, str(path))
    by_name: dict[str, list[tuple[np.datetime64, int]]] = {}
    for band, name in enumerate(names):
        date = date_in(name)
        if date is None and len(set(names)) < len(names):
            raise BenchError(f"{path}: band {band + 1} has no date in its name; name bands like GPP_20190101.")
        date = in_file if date is None else date
        if date is None:
            raise BenchError(f"{path}: neither its name nor band {band + 1} has a date; name it like GPP_20190101.tif.")
        by_name.setdefault(_DATE.sub("", name).strip("_-. "), []).append((date, band))
    factor, offset = float(raster.attrs.get("scale_factor", 1.0)), float(raster.attrs.get("add_offset", 0.0))
    fill = raster.attrs.get("_FillValue")
    for name, dated in by_name.items():
        dated.sort()
        yield Layer(
            path=path,
            name=name,
            times=np.array([date for date, _ in dated], "datetime64[h]"),
            grid=grid,
            data=raster.data,
            bands=np.array([band for _, band in dated]),
            units=raster.attrs.get("units") or None,
            fill=None if fill is None or np.isnan(fill) else float(fill),
            factor=factor,
            offset=offset,
            integers=raster.dtype.kind in "iu" and factor == 1.0,
            interleaved=len(raster.data.chunks[0]) < raster.sizes["band"],
        )


def _dataset_layers(dataset: Any, path: Path) -> Iterator[Layer]:
    for name, array in dataset.data_vars.items():
        # Bounds of the axes, masks, coordinates of another grid: whatever is not wanted may be as it likes.
        if not is_wanted(str(name)) or array.ndim < 2 or array.dtype.kind not in "fiu":
            continue
        mapping = dataset.variables.get(array.attrs.get("grid_mapping", array.encoding.get("grid_mapping", "")))
        projection = None if mapping is None else mapping.attrs.get("grid_mapping_name")
        lat = next((key for key in _LATITUDES if key in array.dims), None)
        lon = next((key for key in _LONGITUDES if key in array.dims), None)
        if projection not in (None, "latitude_longitude") or lat is None or lon is None:
            is_known = projection or "without longitude and latitude as dimensions"
            raise BenchError(
                f"{path}: variable {name!r} is in another projection ({is_known}); regrid the file to longitude and "
                "latitude."
            )
        time = next((key for key in _TIMES if key in array.dims), None)
        squeezed = array.squeeze([key for key in array.dims if array.sizes[key] == 1 and key not in (lat, lon, time)])
        others = [key for key in squeezed.dims if key not in (lat, lon, time)]
        if others:
            raise BenchError(
                f"{path}: variable {name!r} has the dimension {others[0]!r} of {squeezed.sizes[others[0]]}; keep one "
                "of them (of expver, 1 is the final data)."
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
        stored = np.dtype(array.encoding.get("dtype", array.dtype))
        method = str(array.attrs.get("cell_methods", "")) + " " + str(array.attrs.get("GRIB_stepType", ""))
        yield Layer(
            path=path,
            name=str(name),
            times=stamps.astype("datetime64[h]"),
            grid=source_grid(squeezed[lat].values, squeezed[lon].values, str(path)),
            data=squeezed.transpose(time, lat, lon).data,
            units=str(array.attrs.get("units", "")).strip() or None,
            statistic=f"{found.group(1)}imum" if (found := _STATISTIC.search(method)) else None,
            integers=stored.kind in "iu" and "scale_factor" not in array.encoding,
            accumulated=array.attrs.get("GRIB_stepType") == "accum",
        )
