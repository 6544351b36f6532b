"""Regions: the paper's on global data, the largest classes elsewhere."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.data.climate_classes import UNKNOWN
from bench.report.figures.regions import PAPER_REGIONS, regions

EVERYWHERE = [(-170.0, 60.0), (170.0, -45.0)]
"""Two cells that make a data set global, outside all regions."""


def table(places: list[tuple[float, float]], land_cover: list[str], climate: list[str] | None = None) -> pd.DataFrame:
    lon, lat = zip(*places, strict=True)
    return pd.DataFrame(
        {"lon": lon, "lat": lat, "land_cover": land_cover, "climate": climate or ["cold"] * len(places)}
    )


def test_global_data_has_the_papers_six_regions() -> None:
    centres = [((box.west + box.east) / 2, (box.south + box.north) / 2) for box in PAPER_REGIONS]
    covers = [box.land_cover[0] for box in PAPER_REGIONS]
    cells = table([*centres, *EVERYWHERE], [*covers, "GRA", "GRA"])
    found = regions(cells, np.arange(len(cells)))
    assert [region.title for region in found] == [
        "Amazon Rainforest",
        "Southeast Asia Rainforest",
        "Eastern Temperate Deciduous Forest",
        "Mediterranean Region",
        "Siberian Coniferous Forest",
        "Temperate Grassland",
    ]
    assert [region.cells.tolist() for region in found] == [[index] for index in range(6)]


def test_only_the_named_vegetation_counts_where_there_is_any() -> None:
    cells = table([(-60.0, -5.0), (-61.0, -5.0), (-80.0, 40.0), *EVERYWHERE], ["EBF", "CRO", "BSV", "GRA", "GRA"])
    found = regions(cells, np.arange(5))
    assert [(region.title, region.cells.tolist()) for region in found] == [
        ("Amazon Rainforest", [0]),
        ("Eastern Temperate Deciduous Forest, any land cover", [2]),
    ]


def test_regional_data_has_its_largest_classes_in_words() -> None:
    covers = ["CRO"] * 4 + ["GRA"] * 3 + ["DBF"]
    cells = table([(110.0 + index, 35.0) for index in range(8)], covers, ["cold"] * 3 + ["steppe"] * 5)
    found = regions(cells, np.arange(8))
    assert [(region.title, region.cells.tolist()) for region in found] == [
        ("Cropland, cold", [0, 1, 2]),
        ("Grassland, steppe", [4, 5, 6]),
        ("Cropland, steppe", [3]),
        ("Deciduous broadleaf forest, steppe", [7]),
    ]
    assert [region.cells.tolist() for region in regions(cells, np.array([4, 7]))] == [[7], [4]]


def test_at_most_six_and_no_climate_where_none_is_known() -> None:
    covers = ["CRO", "GRA", "DBF", "ENF", "EBF", "MF", "SAV"]
    cells = table([(110.0 + index, 35.0) for index in range(7)], covers, [UNKNOWN] * 7)
    found = regions(cells, np.arange(7))
    assert len(found) == 6 and found[0].title == "Cropland"
