"""`northchina`: real 8-day, 0.25° data of North China, 2019 and 2020, with GPP recomputed by the PML_V2 equations.

Forcing and land cover come from the public repository gee-hydro/PMLV2.R (MIT) at a pinned commit: GLDAS-2.1
meteorology, MODIS LAI, albedo and emissivity, and MCD12Q1 IGBP land-cover fractions (NASA, open data). The target is
*not* the downloadable PML_V2 product: it is computed here from that forcing with the published equations and
parameters. LAI, albedo and emissivity are inputs of the target and are withheld from the models; they are what the
models cannot see.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.data import pml
from bench.data.climate2gpp.netcdf import open_netcdf
from bench.data.cube import Cube
from bench.data.fetch import Source, verify_file
from bench.data.rhythm import STEPS_PER_YEAR
from bench.data.splits import Part
from bench.errors import BenchError

YEARS = (2019, 2020)
_COMMIT = "729c57905ccf353f77ad3b96829ee01455d65e46"
_METEOROLOGY = "mete_GLDASV21/PMLV2_forcing_NorthChina_GLDASV21_{year}.nc"
_LAND_COVER = "MCD12Q1_006_IGBP/MCD12Q1_006_IGBP_perc_G025_NorthChina_{year}.tif"
_LAND_COVER_SHA256 = "35feaad09a6034f82fc8a0e8db665dbf857faec0a034078c9351c8902a03cd2c"

SOURCE = Source(
    name="northchina",
    base_url=f"https://raw.githubusercontent.com/gee-hydro/PMLV2.R/{_COMMIT}/inst/PMLV2_forcing_NorthChina/",
    sha256={
        _METEOROLOGY.format(year=2019): "1525c4c01fbe02d1d1014d1dbb739332a738b9d674f8a990be883f463a99d021",
        _METEOROLOGY.format(year=2020): "22dfb57c251ff4c27d4cb5103b73cf3a64e404eec63b3524d5b5f38db510d336",
        _LAND_COVER.format(year=2019): _LAND_COVER_SHA256,
        _LAND_COVER.format(year=2020): _LAND_COVER_SHA256,
    },
)

FEATURES = {
    "Tmax": "degC",
    "Tmin": "degC",
    "Tavg": "degC",
    "q": "kg kg-1",
    "Rln": "W m-2",
    "Rs": "W m-2",
    "Pa": "kPa",
    "U2": "m s-1",
    "Prcp": "mm d-1",
}
DRIVERS = ("Tmax", "Tmin", "Tavg", "q", "Pa", "Rs")
"""The features that enter the equations."""
WITHHELD = ("LAI", "Albedo", "Emiss")
MAX_WATER_PERCENT = 50.0
"""Cells with at least this share of water are left out."""


def build(folder: Path) -> Cube:
    """Reads and checks the source files and computes the target.

    Args:
        folder: holds the files of `SOURCE` by their relative paths.

    Returns:
        2,068 land cells × 92 steps.

    Raises:
        BenchError: a file is missing, unreadable, truncated, or not the pinned version.
    """
    for name, digest in SOURCE.sha256.items():
        verify_file(folder / name, digest)
    variables, lon, lat, time = _read_meteorology(folder)
    percent = _read_land_cover(folder / _LAND_COVER.format(year=YEARS[0]), lon, lat)
    complete = np.all([np.isfinite(variables[name]).all(axis=1) for name in (*FEATURES, "LAI", "Albedo")], axis=0)
    # Emissivity is missing where MODIS saw no land; it takes no part in GPP, so it does not decide which cells stay.
    keep = complete & (percent[:, pml.IGBP_CLASSES.index("water")] < MAX_WATER_PERCENT)
    kept = {name: values[keep] for name, values in variables.items()}
    fractions = percent[keep] / 100.0
    target = pml.gross_primary_productivity(_forcing(kept, time), kept["LAI"].astype(np.float64), fractions)
    emissivity = np.nan_to_num(kept["Emiss"], nan=np.nanmean(kept["Emiss"]))
    return Cube(
        name="northchina",
        climate=np.stack([kept[name] for name in FEATURES], axis=-1).astype(np.float32),
        static=fractions.astype(np.float32),
        target=np.asarray(target, np.float32),
        lon=lon[keep],
        lat=lat[keep],
        time=time,
        feature_names=tuple(FEATURES),
        feature_units=tuple(FEATURES.values()),
        static_names=tuple(f"land_cover_{name}" for name in pml.IGBP_CLASSES),
        static_units=("1",) * len(pml.IGBP_CLASSES),
        n_land_cover=len(pml.IGBP_CLASSES),
        target_name="GPP",
        target_units="gC m-2 d-1",
        provenance={
            "title": "North China, 8-day, 0.25°, 2019–2020: GLDAS-2.1 meteorology, MODIS vegetation, recomputed "
            "PML_V2 GPP",
            "source": f"https://github.com/gee-hydro/PMLV2.R at commit {_COMMIT}",
            "licence": "repository MIT; GLDAS-2.1 and MODIS are open NASA data",
            "citation": "Zhang et al. 2019, Remote Sensing of Environment 222:165–182; Rodell et al. 2004 (GLDAS); "
            "Friedl and Sulla-Menashe 2019 (MCD12Q1)",
            "notes": "GPP is recomputed with the published PML_V2 equations and parameters from this forcing; it "
            "is not the "
            "downloaded PML_V2 product. LAI, albedo and emissivity are withheld from the models.",
        },
        withheld={"LAI": kept["LAI"], "Albedo": kept["Albedo"], "Emiss": emissivity.astype(np.float32)},
    ).validate()


def forcing_from_cube(cube: Cube, part: Part) -> pml.PmlForcing:
    """The drivers of the PML_V2 equations for a part, (n_cells, n_times), from this data set's features."""
    climate = part.of(cube.climate)
    columns = {name: climate[:, :, cube.feature_names.index(name)] for name in DRIVERS}
    return _forcing(columns, cube.time[part.times])


def true_sensitivities(
    cube: Cube, cells: npt.NDArray[np.int64], times: npt.NDArray[np.int64]
) -> dict[str, npt.NDArray[np.float64]]:
    """The exact partial derivative of GPP with respect to each climate feature, by autograd through the equations.

    Every other feature and the leaf area are held. The vapour pressure deficit is made of Tmax, Tmin, q and Pa, so its
    part goes to them; Rln, U2 and Prcp do not enter the equations and have zero.

    Args:
        cube: this data set.
        cells: (cell,) indices.
        times: (time,) indices.

    Returns:
        by feature name, (cell, time), gC m-2 d-1 per unit of the feature.
    """
    import torch

    part = Part(cells, times)
    climate = part.of(cube.climate).astype(np.float64)
    drivers = {
        name: torch.from_numpy(climate[:, :, cube.feature_names.index(name)].copy()).requires_grad_()
        for name in DRIVERS
    }
    lai = torch.from_numpy(part.of(cube.withheld["LAI"]).astype(np.float64))
    fractions = torch.from_numpy(cube.static[cells, : cube.n_land_cover].astype(np.float64))
    co2 = torch.from_numpy(pml.carbon_dioxide(cube.time[times])).expand(lai.shape)
    deficit = pml.vapour_pressure_deficit(*(drivers[name] for name in ("Tmax", "Tmin", "q", "Pa")))
    forcing = pml.PmlForcing(tavg=drivers["Tavg"], vpd=deficit, rs=drivers["Rs"], co2=co2)
    total = pml.gross_primary_productivity(forcing, lai, fractions).sum()
    gradients = torch.autograd.grad(total, list(drivers.values()))
    sensitivities = {name: np.zeros(lai.shape) for name in cube.feature_names}
    return sensitivities | {name: gradient.numpy() for name, gradient in zip(drivers, gradients, strict=True)}


def _forcing(values: dict[str, npt.NDArray[Any]], time: npt.NDArray[np.datetime64]) -> pml.PmlForcing:
    double = {name: values[name].astype(np.float64) for name in DRIVERS}
    return pml.PmlForcing(
        tavg=double["Tavg"],
        vpd=pml.vapour_pressure_deficit(double["Tmax"], double["Tmin"], double["q"], double["Pa"]),
        rs=double["Rs"],
        co2=np.broadcast_to(pml.carbon_dioxide(time), double["Tavg"].shape),
    )


def _read_meteorology(folder: Path) -> tuple[dict[str, npt.NDArray[np.float32]], Any, Any, npt.NDArray[np.datetime64]]:
    """Every variable as (grid cell, time) float32, with lon, lat of the grid cells and the time axis."""
    names = (*FEATURES, *WITHHELD)
    per_year: list[dict[str, npt.NDArray[np.float32]]] = []
    times: list[npt.NDArray[np.datetime64]] = []
    for year in YEARS:
        with open_netcdf(folder / _METEOROLOGY.format(year=year), lazily=False) as dataset:
            ordered = dataset.transpose("latitude", "longitude", "time", ...)
            missing = [name for name in names if name not in ordered]
            if missing:
                raise BenchError(
                    f"{_METEOROLOGY.format(year=year)} lacks the variable {missing[0]!r}; fetch the pinned file again."
                )
            per_year.append(
                {name: ordered[name].values.reshape(-1, STEPS_PER_YEAR).astype(np.float32) for name in names}
            )
            times.append(ordered["time"].values.astype("datetime64[D]"))
            lat, lon = np.meshgrid(ordered["latitude"].values, ordered["longitude"].values, indexing="ij")
    stacked = {name: np.concatenate([values[name] for values in per_year], axis=1) for name in names}
    return stacked, lon.ravel().astype(np.float64), lat.ravel().astype(np.float64), np.concatenate(times)


def _read_land_cover(path: Path, lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(grid cell, class) per cent of each IGBP class, matched to the meteorology by coordinates and by band name."""
    import rasterio

    with rasterio.open(path, driver="GTiff") as raster:  # not whatever its content names
        names = list(raster.descriptions)
        missing = [name for name in pml.IGBP_CLASSES if name not in names]
        if missing:
            raise BenchError(
                f"{path.name} has no band for land-cover class {missing[0]!r}; fetch the pinned file again."
            )
        bands = raster.read().astype(np.float64)
        rows, columns = rasterio.transform.rowcol(raster.transform, lon, lat)
    percent = bands[:, np.asarray(rows), np.asarray(columns)].T
    return np.asarray(percent[:, [names.index(name) for name in pml.IGBP_CLASSES]], dtype=np.float64)
