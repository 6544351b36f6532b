"""`towers`: 204 FLUXNET2015 towers, monthly 2001–2016, from CARDAMOM-FLUXVAL 1.0.

A driver file (``.cbf``) holds the eight drivers of every month, none missing, and the observations that the collection
trains on; a validation file holds those that it tests on. The two do not overlap. Together they are 12,772 site-months
in which both GPP and NEE are there, hence ecosystem respiration RECO = GPP + NEE.

The layout of a ``.cbf`` file was read from the collection's own description: little-endian float64; value 2 (from 0) is
the number of months, 3 that of drivers, 4 that of observations; from value 300 on, one row a month.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.data.cube import Cube
from bench.data.fetch import verify_file
from bench.data.importer.columns import Columns, Feature
from bench.data.importer.entry import from_frame
from bench.data.split_names import PUBLISHED
from bench.data.towers.sources import FLUXVAL_ADDRESS, fluxval
from bench.errors import BenchError

FLUX_UNITS = "gC m-2 d-1"
TARGETS = {"GPP": FLUX_UNITS, "RECO": FLUX_UNITS, "NEE": FLUX_UNITS}
DRIVERS = {
    "tmin": "degC",
    "tmax": "degC",
    "srad": "MJ m-2 d-1",
    "co2": "ppm",
    "burned": "1",
    "vpd": "hPa",
    "precip": "mm d-1",
}
"""The drivers that are features, and their units; VPD is an afternoon value, about 1.7 × the daily mean."""
ALIASES = {"DK-NuF": "GL-NuF", "DK-ZaF": "GL-ZaF", "DK-ZaH": "GL-ZaH", "NO-Adv": "SJ-Adv", "NO-Blv": "SJ-Blv"}
"""Older names of towers in Greenland and Svalbard, under which their validation files go."""
FIRST_MONTH = np.datetime64("2001-01", "M")
MISSING = -9999.0

_COLUMNS = {"tmin": 1, "tmax": 2, "srad": 3, "co2": 4, "burned": 6, "vpd": 7, "precip": 8, "GPP": 9, "NEE": 11}
"""Columns of a month's row. Column 11 is net biosphere exchange, which at a tower without fire is NEE."""
_HEADER = 300
_N_MONTHS, _N_DRIVERS, _N_OBSERVATIONS = 2, 3, 4


def build(path: Path, folder: Path) -> Cube:
    """Writes the cube.

    Args:
        path: of the cube.
        folder: holds the files of `bench.data.towers.sources.fluxval`.

    Returns:
        204 towers × 192 months with three targets and the published split.

    Raises:
        BenchError: a file is missing, unreadable, or not the pinned version.
    """
    for name, digest in fluxval().sha256.items():
        verify_file(folder / name, digest)
    columns = Columns(
        target=TARGETS,
        features={name: Feature(units) for name, units in DRIVERS.items()},
        categories=("IGBP",),
        groups=("IGBP",),
        place="tower",
        time="month",
        split="part",
        rhythm="month",
    )
    return from_frame(read_months(folder), columns, path, name="towers", provenance=_PROVENANCE)


def read_months(folder: Path) -> pd.DataFrame:
    """One row per tower and month: drivers, GPP, RECO and NEE (NaN where not measured), class, and published part."""
    towers = pd.read_csv(folder / "location_fluxnet.csv")
    validation = {ALIASES.get(name, name): name for name in _validated(folder)}
    parts = []
    for number, name in enumerate(map(str, towers["Flux_name"]), start=1):
        months = _read_drivers(folder / "cbf_files" / f"flux_site_{number}.cbf")
        months["part"] = np.where(months["GPP"].notna(), "train", "")
        if name in validation:
            tested = pd.read_csv(folder / "validation_data" / f"validation_{validation[name]}.csv")
            months = _with_tests(months, tested, name)
        months["tower"] = name
        parts.append(months)
    where = towers.rename(columns={"Flux_name": "tower", "LC": "IGBP", "Lat": "lat"})[["tower", "IGBP", "lon", "lat"]]
    months = pd.concat(parts, ignore_index=True).merge(where, on="tower", validate="m:1")
    return months.assign(RECO=lambda frame: frame["GPP"] + frame["NEE"])


def _validated(folder: Path) -> list[str]:
    """Names under which the validation files go."""
    files = sorted((folder / "validation_data").glob("validation_*.csv"))
    return [file.stem.removeprefix("validation_") for file in files]


def _read_drivers(path: Path) -> pd.DataFrame:
    values: npt.NDArray[np.float64] = np.fromfile(path, "<f8")
    n_months = int(values[_N_MONTHS])
    rows = values[_HEADER:].reshape(n_months, int(values[_N_DRIVERS] + values[_N_OBSERVATIONS]))
    frame = pd.DataFrame({name: rows[:, column] for name, column in _COLUMNS.items()}).replace(MISSING, np.nan)
    return frame.assign(month=(FIRST_MONTH + np.arange(n_months)).astype("datetime64[D]"))


def _with_tests(months: pd.DataFrame, tested: pd.DataFrame, tower: str) -> pd.DataFrame:
    """The months with those fluxes that the collection tests on.

    Raises:
        BenchError: a month trains and tests.
    """
    written = tested["Date"].astype(str)
    index = months.index[months["month"].isin(pd.to_datetime(written, format="%Y%m"))]
    if months.loc[index, "GPP"].notna().any() or len(index) != len(tested):
        raise BenchError(f"The fluxes of {tower} train and test in the same month; fetch the pinned files again.")
    months.loc[index, ["GPP", "NEE"]] = tested.sort_values("Date")[["GPP", "NEE"]].to_numpy()
    months.loc[index, "part"] = "test"
    return months


_PROVENANCE = {
    "title": "204 FLUXNET2015 towers, monthly, 2001-2016: measured GPP, RECO and NEE",
    "source": f"CARDAMOM-FLUXVAL 1.0, {FLUXVAL_ADDRESS}",
    "licence": "CC-BY-4.0",
    "citation": "Pastorello et al. 2020, Scientific Data 7:225, doi:10.1038/s41597-020-0534-3",
    "notes": "RECO = GPP + NEE; NEE is the net exchange of the driver files' observations. VPD is an afternoon value. "
    "LAI is not used: it covers 2003-2009 only.",
    PUBLISHED: "CARDAMOM-FLUXVAL 1.0: the driver files' observations train, the validation files test",
}
