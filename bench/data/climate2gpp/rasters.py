"""GeoTIFFs, whole or in tiles, with everything that says that a value is missing: nodata, mask band, alpha band.

Only GDAL's driver for GeoTIFF opens a file: others read whatever file or address the content names (VRT, WMS, ...).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.data.climate2gpp.grids import RegularGrid, columns_once, source_grid
from bench.data.climate2gpp.kinds import kind_of, what_it_is
from bench.data.climate2gpp.layers import CHUNK_BYTES, DATE, Layer, date_in, need, readable, small_gdal_cache
from bench.data.climate2gpp.tiles import Image, Mosaic, files_of, name_of
from bench.errors import BenchError

DRIVER = "GTiff"
ALPHA = "alpha"
"""Name that the reader gives to a band that only says where others have values."""
_SIDECARS = (".msk", ".ovr")
"""Files beside a GeoTIFF that GDAL opens with it, by any driver."""


@dataclass(frozen=True)
class Raster:
    """The bands of an image, unread.

    Attributes:
        path: the file, or what its tiles would be called as one.
        tiles: the files.
        data: (band, row, column) dask array, NaN where a mask or an alpha band says that nothing is there.
        grid: its cells.
        names: descriptions of the bands, empty where there are none.
        units: of each band, empty where it says none.
        fill: (band,) nodata, still in the data; NaN where there is none.
        scale: (band,) value per stored value.
        offset: (band,) added afterwards.
        integers: whether whole numbers are stored.
        interleaved: the bands of a pixel lie together in the file.
    """

    path: Path
    tiles: tuple[Path, ...]
    data: Any
    grid: RegularGrid
    names: tuple[str, ...]
    units: tuple[str, ...]
    fill: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]
    offset: npt.NDArray[np.float64]
    integers: bool
    interleaved: bool


def open_raster(image: Image) -> Raster:
    """Opens a GeoTIFF, or the tiles of one, lazily, and checks its projection and its grid.

    Raises:
        BenchError: it is damaged, no GeoTIFF, in no or another projection than longitude and latitude, on an irregular
            grid, or its tiles do not fit.
    """
    raster = _mosaic(image) if isinstance(image, Mosaic) else _opened(image)
    once = columns_once(raster.grid.lon)
    if once == slice(None):
        return raster
    grid = RegularGrid(raster.grid.lat, raster.grid.lon[once])
    return replace(raster, data=raster.data[:, :, once], grid=grid)


def raster_layers(image: Image) -> Iterator[Layer]:
    """Yields the variables of a GeoTIFF whose bands, or whose name, are dated.

    Raises:
        BenchError: see ``open_raster``; or a band has no date, or the bands of one variable differ in their unit.
    """
    raster = open_raster(image)
    path = raster.path
    in_file = date_in(path.stem)
    named = [name for name in raster.names if name != ALPHA]
    by_name: dict[str, list[tuple[np.datetime64, int]]] = {}
    for band, name in enumerate(raster.names):
        if name == ALPHA:
            continue
        date = date_in(name)
        if date is None and len(set(named)) < len(named):
            raise BenchError(f"{path}: band {band + 1} has no date in its name; name bands like GPP_20190101.")
        date = in_file if date is None else date
        if date is None:
            raise BenchError(f"{path}: neither its name nor band {band + 1} has a date; name it like GPP_20190101.tif.")
        by_name.setdefault(DATE.sub("", name).strip("_-. "), []).append((date, band))
    for name, dated in by_name.items():
        dated.sort()
        bands = np.array([band for _, band in dated])
        scaled = bool((raster.scale[bands] != 1.0).any() or (raster.offset[bands] != 0.0).any())
        yield Layer(
            path=path,
            name=name,
            times=np.array([date for date, _ in dated], "datetime64[h]"),
            grid=raster.grid,
            data=raster.data,
            bands=bands,
            units=_one_unit(raster, name, bands),
            fill=raster.fill[bands],
            scale=raster.scale[bands] if scaled else None,
            offset=raster.offset[bands] if scaled else None,
            integers=raster.integers and not scaled,
            decimal_scale=1.0 if raster.integers or not scaled else float(raster.scale[bands[0]]),
            interleaved=raster.interleaved,
            tiles=files_of(image),
        )


def _one_unit(raster: Raster, name: str, bands: npt.NDArray[np.int64]) -> str | None:
    units = {raster.units[band]: band for band in bands[::-1]}
    if len(units) > 1:
        (one, first), (other, second) = sorted(units.items(), key=lambda item: item[1])[:2]
        raise BenchError(
            f"{raster.path}: {name or 'the variable'} has the units {one!r} in band {first + 1} and {other!r} in band "
            f"{second + 1}; one file must hold one unit: correct it."
        )
    return next(iter(units)) or None


def _opened(path: Path, *, is_tile: bool = False) -> Raster:
    """One file; a tile may be one pixel wide, so that its grid is looked at with the others'."""
    rioxarray = need("rioxarray", "rioxarray")
    dask = need("dask", "dask")
    if kind_of(path) != "geotiff":
        raise BenchError(f"{path} is {what_it_is(path)}: here a GeoTIFF is needed.")
    for sidecar in (path.with_name(path.name + suffix) for suffix in _SIDECARS):
        if sidecar.exists() and kind_of(sidecar) != "geotiff":
            raise BenchError(
                f"{sidecar} is {what_it_is(sidecar)}: beside {path.name} GDAL would open it; take it away."
            )
    with readable(path), small_gdal_cache(), dask.config.set({"array.chunk-size": CHUNK_BYTES}):
        import rasterio

        with rasterio.open(path, driver=DRIVER) as file:
            _require_degrees(path, file.crs)
            if file.transform.b or file.transform.d or file.transform.is_identity:
                state = "no place on the Earth" if file.transform.is_identity else "a rotated grid"
                raise BenchError(f"{path} has {state}; write it with gdalwarp -t_srs EPSG:4326.")
            if len(set(file.dtypes)) > 1:
                raise BenchError(
                    f"{path} stores its bands as {' and '.join(sorted(set(file.dtypes)))}; write all in one type "
                    "(gdal_translate -ot Float32)."
                )
            if np.dtype(file.dtypes[0]).kind not in "iuf":
                raise BenchError(f"{path} holds {file.dtypes[0]} numbers, which are no values of a variable here.")
            alpha = [number for number, colour in enumerate(file.colorinterp) if colour.name == ALPHA]
            names = tuple(ALPHA if n in alpha else (name or "") for n, name in enumerate(file.descriptions))
            tags = [{**file.tags(), **file.tags(band)} for band in file.indexes]
            header: dict[str, Any] = {
                "names": names,
                "units": tuple(unit or tag.get("units", "") for unit, tag in zip(file.units, tags, strict=True)),
                "fill": np.array([np.nan if value is None else value for value in file.nodatavals], np.float64),
                "scale": np.array(file.scales, np.float64),
                "offset": np.array(file.offsets, np.float64),
                "integers": np.dtype(file.dtypes[0]).kind in "iu",
            }
            rows = _interleaved_rows(file)
            # Asked for masks, GDAL decodes a file with nodata once more per band: that is compared here instead.
            masked = any(rasterio.enums.MaskFlags.per_dataset in flags for flags in file.mask_flag_enums)
        chunks = {"band": 1, "y": "auto", "x": -1} if rows is None else {"band": -1, "y": rows, "x": -1}
        opened = rioxarray.open_rasterio(path, chunks=chunks, lock=False, masked=masked, driver=DRIVER)
        lat, lon = opened["y"].values, opened["x"].values
        grid = RegularGrid(lat, lon) if is_tile else source_grid(lat, lon, str(path))
        data = opened.data
        if alpha:  # GDAL heeds it only in files of two or four bands of bytes
            data = need("dask.array", "dask").where(data[alpha[0]] == 0, np.nan, data)
    return Raster(path, (path,), data, grid, interleaved=rows is not None, **header)


def _require_degrees(path: Path, crs: Any) -> None:
    if crs is None:
        raise BenchError(f"{path} names no projection; set it with gdal_edit.py -a_srs EPSG:4326 if that is it.")
    if not crs.is_geographic:
        name = crs.to_string()
        raise BenchError(
            f"{path} is in the projection {name if len(name) < 60 else name[:57] + '...'}, not in longitude and "
            "latitude; reproject it: gdalwarp -t_srs EPSG:4326."
        )


def _interleaved_rows(file: Any) -> int | None:
    """Rows to read at once of a file that keeps the bands of a pixel together, as Earth Engine's do; else None.

    A block of such a file decodes as a whole, whichever band is wanted: band by band each would be decoded as often
    as there are bands.
    """
    import rasterio

    if file.count == 1 or file.interleaving != rasterio.enums.Interleaving.pixel:
        return None
    rows = int(file.block_shapes[0][0])
    row_bytes: int = file.width * sum(np.dtype(dtype).itemsize for dtype in file.dtypes)
    return rows * max(1, CHUNK_BYTES // (rows * row_bytes))


def _mosaic(image: Mosaic) -> Raster:
    """The tiles of one image, which must lie side by side without a gap or an overlap and agree in all else."""
    parts = [[_opened(path, is_tile=True) for path in row] for row in image.tiles]
    first = parts[0][0]
    for row in parts:
        for tile in row:
            for what in ("names", "units", "fill", "scale", "offset", "integers"):
                if not _equal(getattr(tile, what), getattr(first, what)):
                    raise BenchError(f"{tile.path} and {first.path} are tiles of one image, but differ in {what}.")
    lat = _joined([row[0] for row in parts], image.rows, "lat")
    lon = _joined(parts[0], image.columns, "lon")
    tops, lefts = np.cumsum([0, *map(len, lat)]), np.cumsum([0, *map(len, lon)])
    lat_all, lon_all = np.concatenate(lat), np.concatenate(lon)
    grid = source_grid(lat_all, lon_all, str(image.path))
    for number, row in enumerate(parts):
        for position, tile in enumerate(row):
            there = (lat_all[tops[number] : tops[number + 1]], lon_all[lefts[position] : lefts[position + 1]])
            with contextlib.suppress(ValueError):  # of other lengths
                if np.allclose(tile.grid.lat, there[0], atol=1e-6) and np.allclose(tile.grid.lon, there[1], atol=1e-6):
                    continue
            raise BenchError(f"{tile.path} does not lie where its name says that it does; fetch the tiles again.")
    array = need("dask.array", "dask")
    data = array.concatenate([array.concatenate([tile.data for tile in row], axis=2) for row in parts], axis=1)
    interleaved = any(tile.interleaved for row in parts for tile in row)
    return replace(first, path=name_of(image), tiles=files_of(image), data=data, grid=grid, interleaved=interleaved)


def _joined(tiles: list[Raster], offsets: tuple[int, ...], axis: str) -> list[npt.NDArray[np.float64]]:
    """Coordinates of tiles in a row (or a column), whose offsets must be the lengths of those before."""
    found = [getattr(tile.grid, axis) for tile in tiles]
    for number, (here, before) in enumerate(zip(offsets[1:], offsets[:-1], strict=True), 1):
        length = len(found[number - 1])
        if before + length != here:
            kind = "a gap" if before + length < here else "an overlap"
            raise BenchError(
                f"{tiles[number - 1].path} has {length} pixels from {before} on, and {tiles[number].path.name} begins "
                f"at {here}: {kind}; fetch the tiles again, or mosaic them yourself (gdal_merge.py)."
            )
    return found


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, other, equal_nan=True))
    return bool(one == other)
