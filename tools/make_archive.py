"""Writes a synthetic archive in the file layouts of ERA5-Land, MCD12C1 and PML_V2, of any length, region and grid.

    python -m tools.make_archive ARCHIVE --years 2019-2020 --degrees 0.5

Values are invented (a pattern per variable, a season, some noise) and lie in the range of each variable; seas are
missing, as in the real files. Needs the extra ``build``.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.data.climate2gpp import calendar
from bench.data.climate2gpp.land_cover import MAJORITY, PERCENT
from bench.data.era5_land import ERA5_LAND, Era5LandVariable
from bench.data.simulated.land import is_land

WHOLE_EARTH = (-180.0, -90.0, 180.0, 90.0)
CENTRES: dict[str, tuple[float, float]] = {
    "K": (285.0, 15.0),
    "%": (50.0, 40.0),
    "m3 m-3": (0.3, 0.1),
    "Pa": (9.5e4, 5.0e3),
    "m s-1": (0.0, 6.0),
    "J m-2": (1.2e7, 8.0e6),
}
"""Middle and amplitude of the invented values of each unit; lengths differ by variable."""
LENGTHS = {
    "snow_depth": (0.3, 0.2),
    "snow_depth_water_equivalent": (0.1, 0.05),
    "total_precipitation_sum": (4e-3, 3e-3),
    "total_evaporation_sum": (-2e-3, 1.5e-3),
    "potential_evaporation_sum": (-5e-3, 4e-3),
}
FILE_UNITS = {"J m-2": "J m**-2", "m s-1": "m s**-1", "m3 m-3": "m**3 m**-3"}
"""How the Climate Data Store writes units."""

FRAMES_BYTES = 1 << 25
"""Of frames written at once."""


@dataclass(frozen=True)
class ArchiveLayout:
    """Shape of an archive.

    Attributes:
        bounds: west, south, east and north edges, degrees.
        degrees: cells of ERA5-Land (0.1 in truth).
        cover_degrees: cells of MCD12C1 (0.05 in truth).
        gpp_degrees: cells of PML_V2 (500 m in truth).
        ascending: latitudes run from south to north in the ERA5-Land files.
        from_greenwich: longitudes of the ERA5-Land files run from 0 to 360.
        hourly: ERA5-Land by the hour, accumulations from midnight on, instead of by the day.
        packed: 16-bit whole numbers with scale and offset, as the Climate Data Store packs them.
        compression: zlib level of the NetCDF files.
    """

    bounds: tuple[float, float, float, float] = WHOLE_EARTH
    degrees: float = 0.5
    cover_degrees: float = 0.05
    gpp_degrees: float = 0.1
    ascending: bool = False
    from_greenwich: bool = False
    hourly: bool = False
    packed: bool = True
    compression: int = 1


def axes(layout: ArchiveLayout, degrees: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Centres of cells: latitudes from north, longitudes from west."""
    west, south, east, north = layout.bounds
    lat = north - degrees * (np.arange(round((north - south) / degrees)) + 0.5)
    lon = west + degrees * (np.arange(round((east - west) / degrees)) + 0.5)
    return lat, lon  # type: ignore


def value(
    variable: Era5LandVariable, lat: npt.NDArray[np.float64], lon: npt.NDArray[np.float64], day: np.datetime64
) -> npt.NDArray[np.float64]:
    """(row, column) invented daily values, the same for the same place and day whatever the layout."""
    middle, amplitude = CENTRES.get(variable.unit) or LENGTHS[variable.name]
    number = [other.name for other in ERA5_LAND].index(variable.name) if variable in ERA5_LAND else 99
    elapsed = float((day - np.datetime64("2000-01-01")).astype(int))
    place = np.sin(np.radians(lat * (2 + number % 5)))[:, None] * np.cos(np.radians(lon * (1 + number % 3)))[None, :]
    season = np.sin(2 * np.pi * elapsed / 365.25 + number)
    weather = (
        np.sin(0.7 * elapsed + np.radians(11 * lat))[:, None] + np.cos(0.4 * elapsed + np.radians(7 * lon))[None, :]
    )
    return np.asarray(middle + amplitude * (0.4 * place + 0.3 * season + 0.15 * weather))


def write_era5(folder: Path, variable: Era5LandVariable, year: int, layout: ArchiveLayout) -> Path:
    """Writes one variable of one year and returns the file."""
    import netCDF4

    lat, lon = axes(layout, layout.degrees)
    sea = ~is_land(*(grid.ravel() for grid in np.meshgrid(lon, lat))).reshape(len(lat), len(lon))
    order = np.argsort(lon % 360) if layout.from_greenwich else np.arange(len(lon))
    turn = slice(None, None, -1) if layout.ascending else slice(None)
    days = calendar.days(year)
    path = folder / f"era5_land_{variable.short_name}_{year}.nc"
    middle, amplitude = CENTRES.get(variable.unit) or LENGTHS[variable.name]
    with netCDF4.Dataset(path, "w") as file:
        for name, axis in (
            ("latitude", lat[turn]),
            ("longitude", (lon % 360 if layout.from_greenwich else lon)[order]),
        ):
            file.createDimension(name, len(axis))
            file.createVariable(name, "f8", (name,))[:] = axis
            file[name].units = "degrees_north" if name == "latitude" else "degrees_east"
        file.createDimension("valid_time", None)
        time = file.createVariable("valid_time", "i8", ("valid_time",))
        time.units, time.calendar = "seconds since 1970-01-01", "proleptic_gregorian"
        data = file.createVariable(  # type: ignore
            variable.short_name,
            "i2" if layout.packed else "f4",
            ("valid_time", "latitude", "longitude"),
            zlib=layout.compression > 0,
            complevel=max(1, layout.compression),
            fill_value=-32767 if layout.packed else np.nan,
            chunksizes=(1, len(lat), len(lon)),
        )
        data.units = FILE_UNITS.get(variable.unit, variable.unit)
        if layout.packed:
            data.scale_factor, data.add_offset = amplitude / 15000.0, middle
        at_once = max(1, FRAMES_BYTES // (8 * sea.size))
        frames = _frames(variable, lat, lon, days, layout)
        written = 0
        while block := list(itertools.islice(frames, at_once)):
            values = np.ma.masked_array(np.stack([values for _, values in block]))
            values[:, sea] = np.ma.masked
            stamps = np.array([stamp for stamp, _ in block]).astype("datetime64[s]").astype(np.int64)
            time[written : written + len(block)] = stamps
            data[written : written + len(block)] = values[:, turn][:, :, order]
            written += len(block)
    return path


def _frames(variable: Any, lat: Any, lon: Any, days: Any, layout: Any) -> Any:
    """Stamps and values of the frames of a year: one a day, or one an hour."""
    for day in days:
        daily = value(variable, lat, lon, day)
        if not layout.hourly:
            yield day, daily
            continue
        for hour in range(24):
            if variable.daily == "total":
                # Accumulated since midnight: the total of a day stands at the following one.
                yield day.astype("datetime64[h]") + hour + 1, daily * (hour + 1) / 24
            else:
                yield day.astype("datetime64[h]") + hour, daily + np.sin(2 * np.pi * hour / 24)


def write_land_cover(folder: Path, year: int, layout: ArchiveLayout) -> Path:
    """Writes MCD12C1 of one year as HDF4 and returns the file."""
    from pyhdf.SD import SD, SDC

    lat, lon = axes(layout, layout.cover_degrees)
    land = is_land(*(grid.ravel() for grid in np.meshgrid(lon, lat))).reshape(len(lat), len(lon))
    belt = 1 + (np.abs(lat)[:, None] // 6 + lon[None, :] // 15).astype(int) % 16
    majority = np.where(land, belt, 0).astype(np.uint8)
    path = folder / f"MCD12C1.A{year}001.061.2022{year}000000.hdf"
    file = SD(str(path), SDC.WRITE | SDC.CREATE | SDC.TRUNC)
    west, south, east, north = layout.bounds
    file.attr("StructMetadata.0").set(
        SDC.CHAR,
        f"GROUP=GridStructure\n\tXDim={len(lon)}\n\tYDim={len(lat)}\n"
        f"\tUpperLeftPointMtrs=({west * 1e6:.6f},{north * 1e6:.6f})\n"
        f"\tLowerRightMtrs=({east * 1e6:.6f},{south * 1e6:.6f})\n\tProjection=GCTP_GEO\nEND\n",
    )
    layer = file.create(MAJORITY, SDC.UINT8, majority.shape)
    layer.setcompress(SDC.COMP_DEFLATE, 1)
    layer.setfillvalue(255)
    layer[:] = majority
    layer.endaccess()
    layer = file.create(PERCENT, SDC.UINT8, (*majority.shape, 17))
    layer.setcompress(SDC.COMP_DEFLATE, 1)
    layer.setfillvalue(255)
    percent = np.zeros((*majority.shape, 17), np.uint8)
    np.put_along_axis(percent, majority[..., None].astype(np.int64), 80, axis=2)
    second = np.where(land, 1 + majority % 16, 0)
    np.put_along_axis(percent, second[..., None].astype(np.int64), np.where(land, 20, 100)[..., None], axis=2)
    layer[:] = percent
    layer.endaccess()
    file.end()
    return path


def write_gpp(folder: Path, year: int, layout: ArchiveLayout) -> Path:
    """Writes the 46 images of one year as a GeoTIFF of whole numbers (scale 0.01) and returns the file."""
    import rasterio

    lat, lon = axes(layout, layout.gpp_degrees)
    land = is_land(*(grid.ravel() for grid in np.meshgrid(lon, lat))).reshape(len(lat), len(lon))
    path = folder / f"PML_V2_017_GPP_{year}.tif"
    west, _, _, north = layout.bounds
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=len(lat),
        width=len(lon),
        count=46,
        dtype="int16",
        crs="EPSG:4326",
        transform=rasterio.transform.from_origin(west, north, layout.gpp_degrees, layout.gpp_degrees),
        nodata=-9999,
        compress="deflate",
        zlevel=1,
        interleave="band",
    ) as raster:
        for step, start in enumerate(calendar.step_starts(year)):
            season = np.cos(2 * np.pi * (step - 25) / 46) * np.sign(lat)[:, None]
            place = np.cos(np.radians(lat))[:, None] * (1 + 0.5 * np.sin(np.radians(3 * lon)))[None, :]
            stored = np.clip(500 * place * (1 + 0.6 * season) + year - 2000, 0, 3900).astype(np.int16)
            raster.write(np.where(land, stored, -9999).astype(np.int16), step + 1)
            raster.set_band_description(step + 1, f"GPP_{str(start).replace('-', '')}")
    return path


def write_archive(root: Path, years: tuple[int, ...], layout: ArchiveLayout) -> dict[str, str]:
    """Writes everything and returns the patterns that name it, by option of `bench data build climate2gpp`."""
    folders = {name: root / name for name in ("era5", "land_cover", "gpp")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    for year in years:
        for variable in ERA5_LAND:
            if not (layout.hourly and variable.daily in ("minimum", "maximum")):
                write_era5(folders["era5"], variable, year, layout)
        write_land_cover(folders["land_cover"], year, layout)
        write_gpp(folders["gpp"], year, layout)
    return {
        "--era5": f"{folders['era5']}/*.nc",
        "--land-cover": f"{folders['land_cover']}/*",
        "--gpp": f"{folders['gpp']}/*",
    }


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--years", default="2019-2020", help="first-last")
    parser.add_argument("--degrees", type=float, default=0.5, help="cells of the ERA5-Land files")
    parser.add_argument("--cover-degrees", type=float, default=0.05)
    parser.add_argument("--gpp-degrees", type=float, default=0.1)
    parser.add_argument(
        "--bounds", type=float, nargs=4, default=WHOLE_EARTH, metavar=("WEST", "SOUTH", "EAST", "NORTH")
    )
    parser.add_argument("--hourly", action="store_true")
    parser.add_argument("--compression", type=int, default=1)
    words = parser.parse_args()
    first, _, last = words.years.partition("-")
    layout = ArchiveLayout(
        bounds=tuple(words.bounds),
        degrees=words.degrees,
        cover_degrees=words.cover_degrees,
        gpp_degrees=words.gpp_degrees,
        hourly=words.hourly,
        compression=words.compression,
    )
    patterns = write_archive(words.folder, tuple(range(int(first), int(last or first) + 1)), layout)
    options = " ".join(f"{option} '{pattern}'" for option, pattern in patterns.items())
    print(f"bench data build climate2gpp --source files {options} --years {words.years} --grid 0.5 --out CUBE.zarr")


if __name__ == "__main__":
    main()
