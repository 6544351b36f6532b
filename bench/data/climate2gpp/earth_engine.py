"""Exports from Earth Engine: what is asked for, as plain data, and the request graph that asks for it.

One request per year and group of variables. The server aggregates the days of each 8-day step (sums or means, as in
``bench.data.era5_land``), averages over the target cells (``reduceResolution``) and writes a GeoTIFF with one band per
variable and step, named like ``temperature_2m_20190101``: what the readers of files read. What is missing is missing
by the same rules as in a build from daily files: a pixel counts in a step only if no day is missing, and a cell has a
value if enough of it has one. Nothing here talks to a server; ``earth_engine_tasks`` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from bench.data.climate2gpp import calendar
from bench.data.climate2gpp.grids import MINIMUM_VALID_AREA
from bench.data.climate2gpp.land_cover import MINIMUM_CLASSIFIED_AREA
from bench.data.climate2gpp.layers import need
from bench.data.era5_land import ERA5_LAND
from bench.errors import BenchError

GRAPH_VERSION = 2
"""Raise it when the numbers of an export change: those of older versions are then started again."""
NO_DATA = -9999.0
"""Value of what is missing in the exported files."""
LARGEST_EXPORT = 1_500_000_000
"""Bytes of values in one file: larger ones are split into tiles by the server."""
_FINEST = {"era5": 1024, "land_cover": 4096, "gpp": 65535}
"""Source pixels that a target cell may have, which Earth Engine wants to be told: at 0.5 degrees 36, 121 and 12,300."""

_ROUNDING = 1e-6  # of shares of a cell, which the server holds in single precision


@dataclass(frozen=True)
class Collections:
    """Where Earth Engine keeps the data; the defaults are its public catalogue's names.

    Attributes:
        era5: daily aggregates of ERA5-Land, with the bands of ``bench.data.era5_land``.
        land_cover: MCD12C1 v061, one image a year.
        gpp: PML_V2 0.1.7, 8-day images.
        gpp_band: its band of gross primary productivity.
    """

    era5: str = "ECMWF/ERA5_LAND/DAILY_AGGR"
    land_cover: str = "MODIS/061/MCD12C1"
    gpp: str = "CAS/IGSNRR/PML/V2_v017"
    gpp_band: str = "GPP"


@dataclass(frozen=True)
class ExportRequest:
    """One export.

    Attributes:
        name: of the task and of the file.
        kind: which of the three sources.
        collection: image collection.
        bands: of its images.
        year: which one.
        aggregation: over the days of a step; land cover has none.
        degrees: size of a target cell.
    """

    name: str
    kind: Literal["era5", "land_cover", "gpp"]
    collection: str
    bands: tuple[str, ...]
    year: int
    aggregation: Literal["mean", "sum", "none"]
    degrees: float

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows of the exported image."""
        return round(360 / self.degrees), round(180 / self.degrees)

    @property
    def n_bands(self) -> int:
        """Bands of the exported image."""
        return len(self.bands) * (1 if self.aggregation == "none" else 46)

    @property
    def bytes(self) -> int:
        """Size of the exported file before compression."""
        return 4 * self.size[0] * self.size[1] * self.n_bands


def requests(years: tuple[int, ...], degrees: float, collections: Collections) -> list[ExportRequest]:
    """Returns every export that a build needs.

    Args:
        years: consecutive years, the last one being the test year (it needs no land cover).
        degrees: size of a target cell.
        collections: where the data are.

    Raises:
        BenchError: the grid is too fine for single files.
    """
    per_band = 4 * round(360 / degrees) * round(180 / degrees) * 46
    if per_band > LARGEST_EXPORT:
        raise BenchError(
            f"A grid of {degrees:g} degrees makes files of {per_band / 1e9:.1f} GB per variable and year; export 0.1 "
            "degrees or coarser, or build finer grids from downloaded files (--source files)."
        )
    found = []
    for year in years:
        for name, aggregation, bands in _groups(max(1, LARGEST_EXPORT // per_band)):
            found.append(
                ExportRequest(f"era5_land_{name}_{year}", "era5", collections.era5, bands, year, aggregation, degrees)
            )
        if year in (years[:-1] or years):
            cover = tuple(f"Land_Cover_Type_1_Percent_Class_{number}" for number in range(17))
            found.append(
                ExportRequest(f"MCD12C1_{year}", "land_cover", collections.land_cover, cover, year, "none", degrees)
            )
        bands = (collections.gpp_band,)
        found.append(ExportRequest(f"PML_V2_GPP_{year}", "gpp", collections.gpp, bands, year, "mean", degrees))
    return found


def _groups(largest: int) -> Iterator[tuple[str, Literal["mean", "sum"], tuple[str, ...]]]:
    """Variables of one unit and one way to aggregate, at most so many."""
    titles = {
        "K": "temperature",
        "%": "snow_cover",
        "m3 m-3": "soil_water",
        "Pa": "pressure",
        "m s-1": "wind",
        "J m-2": "radiation",
    }
    aggregations: tuple[Literal["mean", "sum"], ...] = ("mean", "sum")
    for aggregation in aggregations:
        units = dict.fromkeys(variable.unit for variable in ERA5_LAND if variable.aggregation == aggregation)
        for unit in units:
            names = [v.name for v in ERA5_LAND if v.aggregation == aggregation and v.unit == unit]
            title = titles.get(unit, "snow_depth" if aggregation == "mean" else "water")
            parts = [tuple(names[start : start + largest]) for start in range(0, len(names), largest)]
            for number, part in enumerate(parts, 1):
                yield title if len(parts) == 1 else f"{title}_{number}", aggregation, part


def image(request: ExportRequest) -> Any:
    """Returns the ``ee.Image`` of a request: the graph that the server will compute.

    Raises:
        BenchError: the package is missing.
    """
    ee = need("ee", "earthengine-api")
    collection = ee.ImageCollection(request.collection)
    first, after = f"{request.year}-01-01", f"{request.year + 1}-01-01"
    if request.kind == "land_cover":
        fine = collection.filterDate(first, after).first().select(list(request.bands))
    else:
        lengths = [1] * len(_steps(request.year)) if request.kind == "gpp" else calendar.step_lengths(request.year)
        steps = [
            _step(collection, request, start, stop, int(length))
            for (start, stop), length in zip(_steps(request.year), lengths, strict=True)
        ]
        # A composite has forgotten the grid of its images, which the average over the area needs.
        fine = ee.Image.cat(steps).setDefaultProjection(collection.first().select(request.bands[0]).projection())
    coarse = _cell_means(fine, request)
    # The share of each cell that has a value: the mean of the mask, which is 0 or 1 and itself nowhere masked.
    share = _cell_means(fine.mask(), request)
    least = MINIMUM_CLASSIFIED_AREA if request.kind == "land_cover" else MINIMUM_VALID_AREA
    return coarse.updateMask(share.gte(least - _ROUNDING)).unmask(NO_DATA).toFloat()


def _cell_means(fine: Any, request: ExportRequest) -> Any:
    """The mean over the unmasked part of each target cell, however small that is."""
    ee = need("ee", "earthengine-api")
    return fine.reduceResolution(reducer=ee.Reducer.mean(), maxPixels=_FINEST[request.kind])


def _step(collection: Any, request: ExportRequest, start: str, stop: str, length: int) -> Any:
    """The image of one step, with its date in the names of the bands, masked where any of its images is."""
    images = collection.filterDate(start, stop).select(list(request.bands))
    combined = images.sum() if request.aggregation == "sum" else images.mean()
    # Both skip masked pixels, and days without an image: a sum of seven days would pass for one of eight.
    complete = combined.updateMask(images.count().eq(length))
    names = ("GPP",) if request.kind == "gpp" else request.bands
    return complete.rename([f"{name}_{start.replace('-', '')}" for name in names])


def _steps(year: int) -> list[tuple[str, str]]:
    """First day of each step, and the day after its last."""
    starts = [str(start) for start in calendar.step_starts(year)]
    return list(zip(starts, [*starts[1:], f"{year + 1}-01-01"], strict=True))
