"""Grids and stations in NetCDF or Zarr as long tables, by the CF conventions (version 1.11).

Honoured: ``units`` (and converted where another one is wanted), ``calendar``, ``_FillValue`` and ``missing_value``,
``valid_min``, ``valid_max`` and ``valid_range``, ``scale_factor`` and ``add_offset``, ``standard_name``, ``axis``,
``coordinates``, ``bounds`` of time (a step begins where its bounds do), ``flag_values`` with ``flag_meanings``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.data.importer.columns import Columns
from bench.data.importer.gridded_time import is_time, times_of
from bench.data.importer.sources import BATCH_ROWS, Batch, check_names
from bench.data.importer.units import converted
from bench.errors import BenchError

if TYPE_CHECKING:
    import xarray as xr

_DEGREES = {
    "longitude": {"degrees_east", "degree_east", "degree_e", "degrees_e", "degreee", "degreese"},
    "latitude": {"degrees_north", "degree_north", "degree_n", "degrees_n", "degreen", "degreesn"},
}
"""Units by which CF tells longitudes and latitudes, in small letters."""
_NAMES = {"longitude": ("lon", "longitude", "long", "nav_lon"), "latitude": ("lat", "latitude", "nav_lat")}
_PLANAR = {
    "longitude": ("projection_x_coordinate", "x", "easting"),
    "latitude": ("projection_y_coordinate", "y", "northing"),
}


@contextmanager
def open_gridded(data: xr.Dataset | Path, columns: Columns) -> Iterator[tuple[GridSource, Columns]]:
    """Opens a grid or stations as a table.

    Args:
        data: an open data set, or a NetCDF file or Zarr folder.
        columns: what its variables mean; coordinates that it does not have by these names are found by CF.

    Yields:
        the table, and the columns with the coordinates' names.

    Raises:
        BenchError: it cannot be read, lacks coordinates, or its variables have a dimension beside place and time.
    """
    if not isinstance(data, Path):
        yield _source(data, columns, "the data set")
        return
    with _opened(data) as dataset:
        yield _source(dataset, columns, data.name)


@dataclass(frozen=True)
class GridSource:
    """Variables over place and time as a long table; places where no target is ever measured are left out.

    Attributes:
        dataset: the variables.
        what: as in `Source`.
        names: as in `Source`.
        units: as in `Source`.
        wanted: variable → unit that its values are brought to; empty for its own.
        time: name of the time coordinate, or None.
        seconds: (time,) start of each step; one NaT where there is no time.
        space: dimensions of a place.
        cells: (place,) positions in the flattened space that are read.
        provenance: title, source and licence of the file.
    """

    dataset: xr.Dataset
    what: str
    names: Sequence[str]
    units: Mapping[str, str]
    wanted: Mapping[str, str]
    time: str | None
    seconds: npt.NDArray[np.datetime64]
    space: tuple[str, ...]
    cells: npt.NDArray[np.int64]
    provenance: Mapping[str, str]

    def batches(self, names: Sequence[str]) -> Iterator[Batch]:
        """The named variables, every place of some steps at a time."""
        import pyarrow as pa

        at_once = max(1, BATCH_ROWS // max(1, len(self.cells)))
        for start in range(0, len(self.seconds), at_once):
            steps = slice(start, min(start + at_once, len(self.seconds)))
            n_steps = steps.stop - steps.start
            found: dict[str, Any] = {}
            for name in names:
                if name == self.time:
                    found[name] = pa.array(np.repeat(self.seconds[steps], len(self.cells)))
                else:
                    block = self._block(name, steps)
                    values = np.broadcast_to(block[:, self.cells], (n_steps, len(self.cells))).reshape(-1)
                    found[name] = pa.array(values, from_pandas=True)
            yield Batch(start * len(self.cells) + 1, found)

    def _block(self, name: str, steps: slice) -> npt.NDArray[Any]:
        """(time or 1, place) values of a variable."""
        array = self.dataset[name]
        time_dims = self.dataset[self.time].dims if self.time else ()
        if time_dims and time_dims[0] in array.dims:
            array = array.isel({time_dims[0]: steps})
        shape = {size: self.dataset.sizes[size] for size in self.space}
        order = [*(dim for dim in time_dims if dim in array.dims), *self.space]
        array = array.expand_dims({dim: n for dim, n in shape.items() if dim not in array.dims}).transpose(*order)
        try:
            values = np.asarray(array.values).reshape(-1, math.prod(shape.values()))
        except (OSError, RuntimeError) as error:  # what netCDF4 and HDF5 raise of a file that was cut
            raise BenchError(f"Variable {name!r} of {self.what} cannot be read ({error}); correct the file.") from error
        if "flag_meanings" in array.attrs:
            return _flags(values, array.attrs)
        if values.dtype.kind not in "fiub":
            return values.astype(str).astype(object) if values.dtype.kind in "SUO" else values
        return self._in_unit(name, _within_valid(values.astype(np.float64), self.dataset[name]))

    def _in_unit(self, name: str, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        given, wanted = self.units.get(name, ""), self.wanted.get(name, "")
        return converted(values, given, wanted, name, self.what) if given and wanted else values


def _source(dataset: xr.Dataset, columns: Columns, what: str) -> tuple[GridSource, Columns]:
    lon = _coordinate(dataset, columns.lon, "longitude", columns.crs is not None, what)
    lat = _coordinate(dataset, columns.lat, "latitude", columns.crs is not None, what)
    time = columns.time or next((str(name) for name in dataset.variables if is_time(dataset, str(name))), None)
    if time is not None and time in dataset.variables and columns.time is None and dataset[time].size == 1:
        dataset, time = dataset.squeeze(dataset[time].dims, drop=True).drop_vars(time, errors="ignore"), None
    columns = replace(columns, lon=lon, lat=lat, time=time)
    names = [str(name) for name in dataset.variables]
    check_names(what, names, columns.read)
    space = tuple(dict.fromkeys(str(dim) for dim in (*dataset[lat].dims, *dataset[lon].dims)))
    along = [str(dim) for dim in dataset[time].dims] if time else []
    if len(along) > 1 or set(along) & set(space):
        raise BenchError(
            f"{what} is no rectangle of places and times ({time!r} has the dimensions {', '.join(along)}); write it as "
            "a long table, one row a sample, and import that."
        )
    dataset = _without_other_dimensions(dataset, columns, {*space, *along}, what)
    wanted = {**columns.target, **columns.static} | {name: one.units for name, one in columns.features.items()}
    source = GridSource(
        dataset=dataset,
        what=what,
        names=names,
        units={name: str(dataset[name].attrs.get("units", "")).strip() for name in columns.numbers},
        wanted=wanted,
        time=time,
        seconds=times_of(dataset, time, columns.rhythm, what) if time else _NO_TIME,
        space=space,
        cells=np.arange(math.prod(dataset.sizes[dim] for dim in space)),
        provenance=_provenance(dataset),
    )
    return replace(source, cells=_measured_cells(source, columns)), columns


_NO_TIME = np.array(["NaT"], "datetime64[s]")


def _coordinate(dataset: xr.Dataset, named: str, kind: str, planar: bool, what: str) -> str:
    """Name of the coordinate of a kind: the one that was named, else the one that CF or its name says.

    Raises:
        BenchError: there is none, or there are several.
    """
    default = named == {"longitude": "lon", "latitude": "lat"}[kind]
    if named in dataset.variables and not (default and planar):  # a projected grid often has degrees beside x and y
        return named
    if not default:
        check_names(what, [str(name) for name in dataset.variables], [named])
    found = []
    for key in map(str, dataset.variables):
        attributes = dataset[key].attrs
        standard = str(attributes.get("standard_name", ""))
        if planar:
            is_one = standard == _PLANAR[kind][0] or (not standard and key.lower() in _PLANAR[kind][1:])
        else:
            units = str(attributes.get("units", "")).lower()
            is_one = standard == kind or units in _DEGREES[kind] or (not standard and key.lower() in _NAMES[kind])
        if is_one and "bnds" not in key and "bounds" not in key:
            found.append(key)
    if len(found) != 1:
        option = {"longitude": "--lon (or --x and --crs)", "latitude": "--lat (or --y and --crs)"}[kind]
        many = f"several coordinates that may be the {kind} ({', '.join(found)})" if found else f"no {kind}"
        raise BenchError(f"{what} has {many}; name it with {option}.")
    return found[0]


def _without_other_dimensions(dataset: xr.Dataset, columns: Columns, known: set[str], what: str) -> xr.Dataset:
    """Drops further dimensions of length one and refuses longer ones."""
    for name in columns.read:
        for dim in map(str, dataset[name].dims):
            if dim in known:
                continue
            if dataset.sizes[dim] > 1:
                raise BenchError(
                    f"Variable {name!r} of {what} has the dimension {dim!r} with {dataset.sizes[dim]} entries beside "
                    "place and time; select one of them and save it first."
                )
            dataset = dataset.isel({dim: 0}, drop=True)
    return dataset


def _measured_cells(source: GridSource, columns: Columns) -> npt.NDArray[np.int64]:
    """(place,) positions where some target is measured at some time.

    Raises:
        BenchError: there is none.
    """
    seen = np.zeros(len(source.cells), bool)
    at_once = max(1, BATCH_ROWS // max(1, len(seen)))
    for name in columns.target:
        for start in range(0, len(source.seconds), at_once):
            block = source._block(name, slice(start, min(start + at_once, len(source.seconds))))
            if block.dtype.kind != "f":
                raise BenchError(
                    f"The target {name!r} of {source.what} holds texts, not numbers; name another variable."
                )
            measured = ~np.isnan(block) & ~np.isin(block, columns.missing)
            seen |= np.broadcast_to(measured.any(axis=0), seen.shape)
    if not seen.any():
        raise BenchError(f"No target of {source.what} is measured anywhere: every value is missing.")
    return np.flatnonzero(seen)


def _within_valid(values: npt.NDArray[np.float64], array: xr.DataArray) -> npt.NDArray[np.float64]:
    """Values with those outside the valid range missing; the range is stored packed, as the values were."""
    scale, offset = array.encoding.get("scale_factor", 1), array.encoding.get("add_offset", 0)
    low, high = array.attrs.get("valid_range", (-math.inf, math.inf))
    low, high = array.attrs.get("valid_min", low), array.attrs.get("valid_max", high)
    ends = sorted((float(low) * scale + offset, float(high) * scale + offset))
    tolerance = 1e-6 * abs(float(scale))
    return np.where((values < ends[0] - tolerance) | (values > ends[1] + tolerance), np.nan, values)


def _flags(values: npt.NDArray[Any], attributes: Mapping[str, Any]) -> npt.NDArray[Any]:
    """Meanings of coded categories."""
    meanings = str(attributes["flag_meanings"]).split()
    codes = np.atleast_1d(attributes.get("flag_values", np.arange(len(meanings))))
    texts = np.full(values.shape, None, object)
    for code, meaning in zip(codes, meanings, strict=False):
        texts[values == code] = meaning
    return texts


def _provenance(dataset: xr.Dataset) -> dict[str, str]:
    keys = {"title": "title", "source": "source", "license": "licence", "licence": "licence", "references": "citation"}
    return {ours: str(dataset.attrs[theirs]) for theirs, ours in keys.items() if dataset.attrs.get(theirs)}


@contextmanager
def _opened(path: Path) -> Iterator[xr.Dataset]:
    """A NetCDF file or Zarr folder, without reading values.

    Raises:
        BenchError: it is missing or cannot be read.
    """
    import xarray as xr

    if not path.exists():
        raise BenchError(f"File {path} does not exist; correct the name.")
    if path.is_dir() and '"bench_cube_format"' in _text(path / "zarr.json"):
        raise BenchError(f"{path} is a cube already; run it with --dataset {path}.")
    if path.is_dir() and not any((path / name).exists() for name in ("zarr.json", ".zgroup", ".zmetadata")):
        raise BenchError(f"Folder {path} is no Zarr store; name a CSV, Parquet or NetCDF file, or a Zarr folder.")
    if path.is_file() and path.stat().st_size == 0:
        raise BenchError(f"File {path} is empty.")
    try:
        # Without dask nothing is read that is not asked for; "days" is a unit of numbers here, not a time span.
        dataset = xr.open_dataset(path, chunks=None, decode_timedelta=False, **_engine(path))
    except PermissionError as error:
        raise BenchError(f"File {path} may not be read; grant read permission on it.") from error
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        text = " ".join(str(error).split())[:200].rstrip(".")
        raise BenchError(f"{path} cannot be read as NetCDF or Zarr: {text}; correct the file.") from error
    with dataset:
        yield dataset


def _engine(path: Path) -> dict[str, Any]:
    """How xarray opens a path: the netCDF library reads zeros behind the end of a cut classic file, SciPy refuses."""
    if path.is_dir():
        return {"engine": "zarr", "consolidated": False}
    with path.open("rb") as stream:
        return {"engine": "scipy" if stream.read(4) in _CLASSIC else "netcdf4"}


_CLASSIC = (b"CDF\x01", b"CDF\x02")
"""First bytes of the classic formats."""


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""
