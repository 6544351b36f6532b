"""`metaflux`: 206 FLUXNET2015 towers, monthly 1991–2014, with the towers' own weather, from MetaFlux's sample.

GPP is that of night-time partitioning with the reference friction-velocity threshold, RECO = GPP + NEE. The published
split trains on the 189 towers in ``base`` and tests on the 17 tropical ones in ``target``.

The file's LAI and EVI are stamped three months late: within towers LAI correlates with GPP by −0.15 as stamped and by
+0.71 three months earlier. They are left out, since the question is what weather tells; ``metaflux:vegetation=1`` adds
them, moved by `VEGETATION_LAG`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from bench.data.cube import Cube
from bench.data.fetch import verify_file
from bench.data.importer.columns import Columns, Feature
from bench.data.importer.entry import from_frame
from bench.data.split_names import PUBLISHED
from bench.data.towers.fluxval import TARGETS
from bench.data.towers.sources import METAFLUX_ADDRESS, metaflux

VEGETATION_LAG = 3
"""Months by which the stamps of LAI and EVI are late."""
WEATHER = {
    "TA_F": ("tair", "degC"),
    "SW_IN_F": ("shortwave", "W m-2"),
    "LW_IN_F": ("longwave", "W m-2"),
    "VPD_F": ("vpd", "hPa"),
    "PA_F": ("pressure", "kPa"),
    "P_F": ("precip", "mm d-1"),
    "WS_F": ("wind", "m s-1"),
    "CO2_F_MDS": ("co2", "ppm"),
}
"""Column → name and unit; gaps of the tower are filled by the reanalysis there, all but CO₂'s."""
VEGETATION = {"LAI": "m2 m-2", "EVI": "1"}
_FLUXES = {"GPP_NT_VUT_REF": "GPP", "NEE_VUT_REF": "NEE", "RECO": "RECO"}
_LEAST_CO2_PPM = 200.0
"""Air holds more; the file has zeros where none was measured."""


def build(path: Path, folder: Path, vegetation: bool = False) -> Cube:
    """Writes the cube.

    Args:
        path: of the cube.
        folder: holds the files of `bench.data.towers.sources.metaflux`.
        vegetation: with LAI and EVI as features.

    Returns:
        206 towers × 288 months with three targets and the published split.

    Raises:
        BenchError: a file is missing, unreadable, or not the pinned version.
    """
    for name, digest in metaflux().sha256.items():
        verify_file(folder / name, digest)
    columns = Columns(
        target=TARGETS,
        features={name: Feature(units) for name, units in WEATHER.values()}
        | {name: Feature(units) for name, units in VEGETATION.items() if vegetation},
        categories=("IGBP", "climate_zone"),
        groups=("IGBP", "climate_zone"),
        place="tower",
        time="month",
        split="part",
        rhythm="month",
    )
    return from_frame(read_months(folder), columns, path, name="metaflux", provenance=_PROVENANCE)


def read_months(folder: Path) -> pd.DataFrame:
    """One row per tower and month: weather, vegetation at its true month, fluxes, classes, and published part."""
    files = {file: part for part in ("base", "target") for file in sorted((folder / part).glob("*_MM.csv"))}
    frame = pd.concat(
        [pd.read_csv(file).assign(part="train" if part == "base" else "test") for file, part in files.items()],
        ignore_index=True,
    )
    frame = frame.rename(
        columns={"Site": "tower", "PFT": "IGBP", "Climate": "climate_zone", "Lon": "lon", "Lat": "lat"}
        | _FLUXES
        | {column: name for column, (name, _) in WEATHER.items()}
    )
    frame["month"] = pd.to_datetime(frame["TIMESTAMP"].astype(str), format="%Y%m")
    frame["co2"] = frame["co2"].where(frame["co2"] >= _LEAST_CO2_PPM, np.nan)
    late = frame[["tower", "month", *VEGETATION]].copy()
    late["month"] -= pd.DateOffset(months=VEGETATION_LAG)
    return frame.drop(columns=list(VEGETATION)).merge(late, on=["tower", "month"], how="left", validate="1:1")


_PROVENANCE = {
    "title": "206 FLUXNET2015 towers, monthly, 1991-2014, with tower weather: measured GPP, RECO and NEE",
    "source": f"MetaFlux sample, {METAFLUX_ADDRESS}",
    "licence": "repository MIT; FLUXNET2015 CC-BY-4.0",
    "citation": "Nathaniel, Liu and Gentine 2023, Scientific Data 10:440; Pastorello et al. 2020, ibid. 7:225",
    "notes": "GPP by night-time partitioning; RECO = GPP + NEE. LAI and EVI are stamped three months late in the files "
    "and left out, or moved (metaflux:vegetation=1).",
    PUBLISHED: "MetaFlux: towers of the base set train, tropical ones of the target set test",
}
