"""The simulated climate: what a place gets in an average year, from where it lies.

A caricature with the traits that matter for productivity: temperature by latitude, height and distance from
the sea; a rain belt that follows the sun, storm tracks from the west, rain on the eastern coasts of the
subtropics, dry subtropical and inland regions. Numbers without a source are choices that give familiar maps.
Heights are invented.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.arrays import Doubles
from bench.data.simulated.fields import static_fields
from bench.data.simulated.land import LandCells

DAYS_PER_YEAR = 365.0
_SOLAR_CONSTANT = 1367.0  # W m-2 (Allen et al. 1998, equation 21)
_LAPSE_RATE = 6.0e-3  # K m-1
_NORTHERN_PEAK = 205.0  # day of the year on which the northern land is warmest


@dataclass(frozen=True)
class Places:
    """What is fixed about a set of cells.

    Attributes:
        lat: (cell,) degrees north.
        elevation: (cell,) m.
        annual_temperature: (cell,) degC.
        seasonal_amplitude: (cell,) half the difference between the warmest and the coldest time, K.
        inland: (cell,) 0 at sea to 1 deep inland.
        land_to_west: (cell,) 0 to 1.
        land_to_east: (cell,) 0 to 1.
        local_moisture: (cell,) departure of the local wetness from the zonal one.
        unit_vectors: (cell, 3).
    """

    lat: Doubles
    elevation: Doubles
    annual_temperature: Doubles
    seasonal_amplitude: Doubles
    inland: Doubles
    land_to_west: Doubles
    land_to_east: Doubles
    local_moisture: Doubles
    unit_vectors: Doubles

    def take(self, cells: npt.NDArray[np.int64]) -> Places:
        """Returns the same for some of the cells."""
        return Places(**{name: values[cells] for name, values in vars(self).items()})


@dataclass(frozen=True)
class Normals:
    """An average year at a set of cells, each (cell, time).

    Attributes:
        temperature: degC.
        wetness: 0 (never rains) to about 1 (rain belt).
        top_radiation: radiation at the top of the atmosphere, W m-2.
    """

    temperature: Doubles
    wetness: Doubles
    top_radiation: Doubles


def describe_places(cells: LandCells, seed: int) -> Places:
    """Returns the fixed traits of all cells."""
    unit_vectors = cells.unit_vectors
    relief = static_fields(seed, "relief", 600.0).at(unit_vectors)[:, 0]
    detail = static_fields(seed, "relief detail", 120.0).at(unit_vectors)[:, 0]
    ranges = 650.0 * np.maximum(relief - 0.2, 0.0) ** 1.6
    elevation = 120.0 + ranges + 90.0 * np.abs(detail) * (1.0 + relief**2)
    sine = np.abs(np.sin(np.radians(cells.lat)))
    sea_level = 26.5 - 40.0 * sine**2 + 5.0 * np.exp(-(((np.abs(cells.lat) - 24.0) / 10.0) ** 2))
    west_coast = 5.0 * np.exp(-(((np.abs(cells.lat) - 53.0) / 12.0) ** 2)) * (1.0 - cells.land_to_west)
    return Places(
        lat=cells.lat,
        elevation=elevation,
        annual_temperature=sea_level + west_coast - _LAPSE_RATE * elevation,
        seasonal_amplitude=1.0 + sine**1.3 * (5.0 + 24.0 * cells.inland * (0.45 + 0.55 * cells.land_to_west)),
        inland=cells.inland,
        land_to_west=cells.land_to_west,
        land_to_east=cells.land_to_east,
        local_moisture=0.10 * static_fields(seed, "local moisture", 700.0).at(unit_vectors)[:, 0],
        unit_vectors=unit_vectors,
    )


def normals(places: Places, day: Doubles) -> Normals:
    """Returns the average year.

    Args:
        places: the cells.
        day: (time,) day of the year, from 0.
    """
    lat = places.lat[:, None]
    season = np.cos(2 * np.pi * (day - _NORTHERN_PEAK) / DAYS_PER_YEAR)[None, :]
    summer = season * np.sign(lat)
    temperature = places.annual_temperature[:, None] + places.seasonal_amplitude[:, None] * summer
    rain_belt = np.exp(-(((lat - 2.0 - 11.0 * season) / 11.0) ** 2))
    storm_track = np.exp(-(((np.abs(lat) - 53.0 - 3.0 * summer) / 18.0) ** 2)) * (
        1.0 - 0.60 * places.land_to_west[:, None] * (0.75 - 0.25 * summer)
    )
    eastern_coast = np.exp(-(((np.abs(lat) - 29.0) / 9.0) ** 2)) * (1.0 - places.land_to_east[:, None]) ** 1.3
    wetness = 0.95 * rain_belt + 0.85 * storm_track + 0.70 * eastern_coast * (0.65 + 0.35 * summer)
    wetness = wetness * (1.0 - 0.22 * places.inland[:, None]) + places.local_moisture[:, None]
    return Normals(temperature, np.clip(wetness, 0.03, 1.1), top_of_atmosphere(lat, day[None, :]))


def top_of_atmosphere(lat: Doubles, day: Doubles) -> Doubles:
    """Returns the daily mean radiation on top of the atmosphere, W m-2 (Allen et al. 1998, equation 21).

    Args:
        lat: degrees north.
        day: day of the year, from 0; broadcasts against ``lat``.
    """
    angle = 2 * np.pi * (day + 1.0) / DAYS_PER_YEAR
    distance = 1.0 + 0.033 * np.cos(angle)
    declination = 0.409 * np.sin(angle - 1.39)
    phi = np.radians(lat)
    sunset = np.arccos(np.clip(-np.tan(phi) * np.tan(declination), -1.0, 1.0))
    beam = sunset * np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.sin(sunset)
    radiation: Doubles = np.maximum(_SOLAR_CONSTANT / np.pi * distance * beam, 0.0)
    return radiation


def sigmoid(values: Doubles) -> Doubles:
    """Returns 1 / (1 + exp(-values)) without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * values))
