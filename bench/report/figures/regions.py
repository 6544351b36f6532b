"""Six regions for Figure 4: the paper's on a global data set, else the largest classes of land cover and climate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.data.climate_classes import UNKNOWN
from bench.report.figures.style import land_cover_title

HOW_MANY = 6
GLOBAL_LONGITUDES = 180.0
GLOBAL_LATITUDES = 90.0
"""A data set that spans more degrees than these is global."""


@dataclass(frozen=True)
class Region:
    """Cells that are looked at together.

    Attributes:
        title: its name.
        cells: (n,) rows of the cube.
    """

    title: str
    cells: npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Box:
    title: str
    west: float
    east: float
    south: float
    north: float
    land_cover: tuple[str, ...]


PAPER_REGIONS = (
    _Box("Amazon Rainforest", -75, -50, -15, 5, ("EBF",)),
    _Box("Southeast Asia Rainforest", 95, 150, -10, 20, ("EBF",)),
    _Box("Eastern Temperate Deciduous Forest", -95, -70, 32, 46, ("DBF", "MF")),
    _Box("Mediterranean Region", -10, 40, 30, 45, ("CSH", "OSH", "WSA", "SAV", "CRO", "CNV", "EBF")),
    _Box("Siberian Coniferous Forest", 60, 140, 50, 70, ("ENF", "DNF", "MF")),
    _Box("Temperate Grassland", 30, 120, 40, 55, ("GRA",)),
)
"""The paper names six regions and does not bound them (its Section 4.4): degrees east and north, and the IGBP classes
that the name speaks of, are this project's. The deciduous forest is that of eastern North America, the grassland the
Eurasian steppe."""


def regions(cells: pd.DataFrame, present: npt.NDArray[np.int64], is_planar: bool = False) -> list[Region]:
    """The regions of a data set, at most `HOW_MANY`, each with at least one cell.

    Args:
        cells: lon, lat, land_cover and climate of every cell of the cube.
        present: (n,) rows of it that have results.
        is_planar: whether coordinates are planar, so that no place on the globe is known.
    """
    here = cells.iloc[present]
    lon, lat = cells["lon"], cells["lat"]
    spans_globe = lon.max() - lon.min() > GLOBAL_LONGITUDES and lat.max() - lat.min() > GLOBAL_LATITUDES
    if spans_globe and not is_planar and (here["land_cover"] != UNKNOWN).any():
        found = [_in_box(box, here, present) for box in PAPER_REGIONS]
        return [region for region in found if len(region.cells)]
    codes = (here["land_cover"] + "/" + here["climate"]).to_numpy()
    names, counts = np.unique(codes, return_counts=True)
    largest = names[np.lexsort((names, -counts))][:HOW_MANY]
    return [Region(_class_title(str(name)), present[codes == name]) for name in largest]


def _in_box(box: _Box, here: pd.DataFrame, present: npt.NDArray[np.int64]) -> Region:
    inside = (here["lon"].between(box.west, box.east) & here["lat"].between(box.south, box.north)).to_numpy()
    fitting = inside & here["land_cover"].isin(box.land_cover).to_numpy()
    if fitting.any():
        return Region(box.title, present[fitting])
    return Region(
        f"{box.title}, any land cover", present[inside]
    )  # a made world may have none of that vegetation there


def _class_title(name: str) -> str:
    land_cover, climate = name.split("/")
    if land_cover == UNKNOWN:
        return f"All {climate}" if climate != UNKNOWN else "All places"
    return land_cover_title(land_cover) + (f", {climate}" if climate != UNKNOWN else "")
