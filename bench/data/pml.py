"""The gross primary productivity of PML_V2, once, for NumPy arrays and for torch tensors.

Source: Zhang, Y., Kong, D., Gan, R., Chiew, F.H.S., McVicar, T.R., Zhang, Q. and Yang, Y. (2019): Coupled
estimation of 500 m and 8-day resolution global evapotranspiration and gross primary production in 2002-2017.
Remote Sensing of Environment 222, 165-182. Parameters: the calibrated values published with the model
(github.com/gee-hydro/PMLV2.R, MIT), per IGBP class.

Every function works on NumPy arrays and, if handed tensors, on torch with gradients; torch is never imported
here. The assimilation is written in a form that is equal to the paper's and finite everywhere (see
``_assimilation``).
"""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from bench.errors import BenchError

Array: TypeAlias = Any
"""A NumPy array or a torch tensor; all arguments of one call must be of one kind."""

PAR_SHARE = 0.45
"""Photosynthetically active share of shortwave radiation (Zhang et al. 2019)."""
PHOTONS_PER_JOULE = 4.57
"""Micromoles of photons per joule of photosynthetically active radiation (Zhang et al. 2019)."""
GRAMS_CARBON_PER_DAY = 3600 * 24 * 12e-6
"""From micromoles of CO2 per second to grams of carbon per day (12 g of carbon in a mole)."""


@dataclass(frozen=True)
class IgbpParameters:
    """The parameters of one IGBP class that enter its gross primary productivity.

    Attributes:
        name: abbreviation of the class.
        alpha: initial slope of the light response, mol CO2 per mol photons.
        eta: initial slope of the CO2 response, umol m-2 s-1 ppm-1 (column ``Thelta`` in the published table).
        am_25: light-saturated rate at 25 degC, umol m-2 s-1; zero where nothing grows.
        extinction: extinction coefficient of radiation in the canopy, kQ, dimensionless.
        vpd_min: deficit up to which it does not limit, kPa.
        vpd_max: deficit from which nothing is assimilated, kPa.
    """

    name: str
    alpha: float
    eta: float
    am_25: float
    extinction: float
    vpd_min: float
    vpd_max: float


IGBP_PARAMETERS: tuple[IgbpParameters, ...] = (
    IgbpParameters("ENF", 0.04095703125, 0.069296875, 13.1328125, 0.91364375, 0.6565625, 6.203125),
    IgbpParameters("EBF", 0.04779296875, 0.024375, 13.875, 0.8316125, 0.664375, 4.5703125),
    IgbpParameters("DNF", 0.04095703125, 0.069296875, 13.1328125, 0.91364375, 0.6565625, 6.203125),
    IgbpParameters("DBF", 0.02875, 0.022421875, 10.8046875, 0.48005, 0.664375, 6.3046875),
    IgbpParameters("MF", 0.02875, 0.03609375, 15.9296875, 0.59333125, 0.6565625, 3.5),
    IgbpParameters("CSH", 0.02875, 0.0634375, 12.8125, 0.6909875, 1.4925, 4.0859375),
    IgbpParameters("OSH", 0.02875, 0.0634375, 12.8125, 0.6909875, 1.4925, 4.0859375),
    IgbpParameters("WSA", 0.044375, 0.034873046875, 13.0, 0.7534875, 0.664375, 3.9375),
    IgbpParameters("SAV", 0.02875, 0.03609375, 15.80859375, 0.99958125, 1.0315625, 3.6953125),
    IgbpParameters("GRA", 0.03412109375, 0.026572265625, 46.375, 0.7222375, 0.664375, 3.625),
    IgbpParameters("WET", 0.0258203125, 0.038046875, 16.0703125, 0.6441125, 1.39875, 6.5),
    IgbpParameters("CRO", 0.02875, 0.069296875, 20.18115234375, 0.1001671875, 1.213203125, 3.5),
    IgbpParameters("URB", 0.02875, 0.03609375, 15.9296875, 0.59333125, 0.6565625, 3.5),
    IgbpParameters("CNV", 0.02875, 0.069296875, 20.18115234375, 0.1001671875, 1.213203125, 3.5),
    IgbpParameters("SNO", 0.0, 0.0, 0.0, 0.6, 1.0, 4.0),
    IgbpParameters("BSV", 0.03412109375, 0.026572265625, 46.375, 0.7222375, 0.664375, 3.625),
    IgbpParameters("water", 0.0, 0.0, 0.0, 0.6, 1.0, 4.0),
)
"""The published table, in its order; land-cover fractions everywhere in the project follow it."""
IGBP_CLASSES: tuple[str, ...] = tuple(row.name for row in IGBP_PARAMETERS)


@dataclass(frozen=True)
class PmlForcing:
    """What drives the equations beside leaf area index and land cover.

    Attributes:
        tavg: (cell, time) mean air temperature, degC.
        vpd: (cell, time) vapour pressure deficit, kPa.
        rs: (cell, time) incoming shortwave radiation, W m-2.
        co2: (time,) or (cell, time) carbon dioxide in the air, ppm.
    """

    tavg: Array
    vpd: Array
    rs: Array
    co2: Array


def saturation_vapour_pressure(temperature: Array) -> Array:
    """Returns the saturation vapour pressure over water in kPa (Tetens; Allen et al. 1998, equation 11).

    Args:
        temperature: any shape, degC; values outside -100 to 100 degC are taken as these limits.
    """
    xp = _namespace(temperature)
    bounded = xp.clip(temperature, -100.0, 100.0)
    return 0.6108 * xp.exp(17.27 * bounded / (bounded + 237.3))


def vapour_pressure(specific_humidity: Array, pressure: Array) -> Array:
    """Returns the vapour pressure of moist air in kPa.

    Args:
        specific_humidity: any shape, kg kg-1.
        pressure: same shape, air pressure, kPa.
    """
    return specific_humidity * pressure / (0.622 + 0.378 * specific_humidity)


def deficit_to(tmax: Array, tmin: Array, actual: Array) -> Array:
    """Returns the vapour pressure deficit in kPa, not below 0.

    It is the mean of the saturation pressures at the two temperatures less the actual pressure.

    Args:
        tmax: any shape, highest temperature of the day, degC.
        tmin: same shape, lowest temperature of the day, degC.
        actual: same shape, actual vapour pressure, kPa.
    """
    saturated = 0.5 * (saturation_vapour_pressure(tmax) + saturation_vapour_pressure(tmin))
    return _namespace(tmax).clip(saturated - actual, 0.0, None)


def vapour_pressure_deficit(tmax: Array, tmin: Array, specific_humidity: Array, pressure: Array) -> Array:
    """Returns the vapour pressure deficit in kPa (Allen et al. 1998, equation 12).

    Args:
        tmax: any shape, highest temperature of the day, degC.
        tmin: same shape, lowest temperature of the day, degC.
        specific_humidity: same shape, kg kg-1.
        pressure: same shape, kPa.
    """
    return deficit_to(tmax, tmin, vapour_pressure(specific_humidity, pressure))


def temperature_response(temperature: Array) -> Array:
    """Returns the share of the saturated rate that the temperature allows, 0 to 1 (Zhang et al. 2019).

    Args:
        temperature: any shape, degC; values outside -100 to 100 degC are taken as these limits.
    """
    xp = _namespace(temperature)
    bounded = xp.clip(temperature, -100.0, 100.0)
    return xp.clip(xp.exp(0.031 * (bounded - 25.0)) / (1.0 + xp.exp(0.115 * (bounded - 41.0))), None, 1.0)


def gross_primary_productivity_of_class(forcing: PmlForcing, lai: Array, parameters: IgbpParameters) -> Array:
    """Returns the gross primary productivity of one land-cover class, (cell, time), gC m-2 d-1.

    Args:
        forcing: the weather and the air.
        lai: (cell, time) leaf area index, m2 m-2.
        parameters: those of the class.
    """
    if parameters.am_25 == 0.0:
        return lai * 0.0
    xp = _namespace(lai)
    dryness = (parameters.vpd_max - forcing.vpd) / (parameters.vpd_max - parameters.vpd_min)
    return _assimilation(forcing, lai, parameters) * xp.clip(dryness, 0.0, 1.0) * GRAMS_CARBON_PER_DAY


def gross_primary_productivity(forcing: PmlForcing, lai: Array, land_cover_fractions: Array) -> Array:
    """Returns the land-cover-weighted gross primary productivity, (cell, time), gC m-2 d-1.

    Classes are added one after the other, so that memory does not grow with their number.

    Args:
        forcing: the weather and the air.
        lai: (cell, time) leaf area index, m2 m-2.
        land_cover_fractions: (cell, class) or (cell, time, class), 0 to 1, in the order of ``IGBP_CLASSES``.

    Raises:
        BenchError: the fractions are not those of the 17 classes.
    """
    if land_cover_fractions.shape[-1] != len(IGBP_PARAMETERS):
        raise BenchError(
            f"Land-cover fractions have {land_cover_fractions.shape[-1]} classes; PML_V2 needs the "
            f"{len(IGBP_PARAMETERS)} of IGBP in this order: {', '.join(IGBP_CLASSES)}."
        )
    total = lai * 0.0
    for index, parameters in enumerate(IGBP_PARAMETERS):
        weight = land_cover_fractions[..., index]
        if parameters.am_25 == 0.0 or not bool((weight != 0).any()):
            continue
        weight = weight[:, None] if weight.ndim < lai.ndim else weight
        total = total + weight * gross_primary_productivity_of_class(forcing, lai, parameters)
    return total


def carbon_dioxide(time: npt.NDArray[np.datetime64]) -> npt.NDArray[np.float64]:
    """Returns the global monthly mean of CO2 in ppm in the month of each date, (time,) (NOAA GML).

    Args:
        time: (time,) dates.

    Raises:
        BenchError: a date lies outside the years of the table.
    """
    table = _monthly_carbon_dioxide()
    months = time.astype("datetime64[M]").astype(np.int64)
    missing = sorted({int(month) // 12 + 1970 for month in months if int(month) not in table})
    if missing:
        raise BenchError(
            f"The CO2 table covers {min(table) // 12 + 1970} to {max(table) // 12 + 1970}; it has nothing "
            f"for {', '.join(map(str, missing))}."
        )
    return np.array([table[int(month)] for month in months])


def _assimilation(forcing: PmlForcing, lai: Array, parameters: IgbpParameters) -> Array:
    """The canopy's assimilation in umol CO2 m-2 s-1, before the limit by dryness.

    The paper has, with P1 = Am a e PAR, P2 = Am a PAR, P3 = Am e Ca, P4 = a e PAR Ca,

        Ca P1 / (kQ (P2 + P4)) (kQ LAI + ln((P2 + P3 + P4) / (P2 + P3 exp(kQ LAI) + P4))).

    The light cancels from P1 / (P2 + P4), and with S = P2 + P4 the bracket is
    -ln(1 + S (exp(-kQ LAI) - 1) / (S + P3)): no 0 / 0 in the dark, no overflow in dense
    canopies, no cancellation in sparse ones.
    """
    xp = _namespace(lai)
    light = PAR_SHARE * PHOTONS_PER_JOULE * xp.clip(forcing.rs, 0.0, None)
    saturated_rate = parameters.am_25 * temperature_response(forcing.tavg)
    carbon_rate = parameters.eta * forcing.co2
    lit = parameters.alpha * light * (saturated_rate + carbon_rate)
    shaded = xp.expm1(-parameters.extinction * lai)
    bracket = -xp.log1p(lit * shaded / (lit + saturated_rate * carbon_rate))
    return carbon_rate * saturated_rate / ((saturated_rate + carbon_rate) * parameters.extinction) * bracket


def _namespace(array: Array) -> Any:
    """The module whose functions fit the array: torch for a tensor, else NumPy."""
    return sys.modules["torch"] if type(array).__module__.split(".")[0] == "torch" else np


@cache
def _monthly_carbon_dioxide() -> dict[int, float]:
    """CO2 in ppm by month since January 1970."""
    text = files("bench.data").joinpath("noaa_co2_monthly.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {(int(row["year"]) - 1970) * 12 + int(row["month"]) - 1: float(row["co2"]) for row in rows}
