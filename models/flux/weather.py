"""Monthly weather of towers, and what follows from it by standard formulas: day length, water demand, dryness."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from models.arrays import Doubles

MONTHS_PER_YEAR = 12
DAYS_IN_MONTH = np.array([31, 28.25, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
MID_MONTH_DAY = np.cumsum(DAYS_IN_MONTH) - DAYS_IN_MONTH / 2
"""Day of the year in the middle of each month."""
DAYLIGHT_WARMTH = 0.45
"""Daylight mean temperature lies this part of the way from the daily mean to the maximum (Running et al. 1987)."""
_ALBEDO = 0.23  # FAO-56, Eq. 38
_STEFAN_BOLTZMANN = 4.903e-9  # MJ K⁻⁴ m⁻² d⁻¹
_CLEAR_SKY = 0.75  # FAO-56, Eq. 37 at sea level
_SOLAR_CONSTANT = 0.0820  # MJ m⁻² min⁻¹
_CLOUD_LIMITS = (0.3, 1.0)  # shortwave ÷ clear-sky (ASCE-EWRI 2005)
_PRIESTLEY_TAYLOR = 1.26  # Priestley and Taylor 1972
_PSYCHROMETRIC = 0.066  # kPa K⁻¹ near sea level
_LATENT_HEAT = 2.45  # MJ kg⁻¹
_ZERO_CELSIUS = 273.16


@dataclass(frozen=True)
class Weather:
    """What the process model is driven with.

    Attributes:
        tmin: (tower, month) °C, mean of daily minima.
        tmax: (tower, month) °C, mean of daily maxima.
        shortwave: (tower, month) MJ m⁻² d⁻¹, incoming.
        co2: (tower, month) ppm.
        vpd: (tower, month) Pa, vapour pressure deficit of the afternoon, that is at ``tmax``.
        precipitation: (tower, month) mm d⁻¹.
        month_of_year: (month,) 1–12, consecutive.
        lat: (tower,) degrees north.

    Raises:
        ValueError: shapes disagree, a value is NaN or infinite, there is less than a year or months are left out.
    """

    tmin: Doubles
    tmax: Doubles
    shortwave: Doubles
    co2: Doubles
    vpd: Doubles
    precipitation: Doubles
    month_of_year: npt.NDArray[np.integer[Any]]
    lat: Doubles

    def __post_init__(self) -> None:
        shape = (len(self.lat), len(self.month_of_year))
        for field in fields(self):
            values = getattr(self, field.name)
            expected = {"lat": shape[:1], "month_of_year": shape[1:]}.get(field.name, shape)
            if values.shape != expected:
                raise ValueError(f"{field.name} has shape {values.shape}; expected {expected}.")
            if not np.isfinite(values).all():
                place = np.argwhere(~np.isfinite(values))[0].tolist()
                raise ValueError(f"{field.name} is NaN or infinite at {place} (tower, month); fill it or drop it.")
        if shape[1] < MONTHS_PER_YEAR:
            raise ValueError(f"The weather has {shape[1]} months; the water bucket needs at least a year.")
        check_months(self.month_of_year)

    def at(self, towers: npt.NDArray[np.integer[Any]]) -> Weather:
        """The weather of some towers.

        Args:
            towers: their index.
        """
        parts = {
            field.name: getattr(self, field.name)[towers] for field in fields(self) if field.name != "month_of_year"
        }
        return replace(self, **parts)

    @property
    def temperature(self) -> Doubles:
        """(tower, month) °C, mean of minimum and maximum."""
        return (self.tmin + self.tmax) / 2

    @property
    def days(self) -> Doubles:
        """(month,) days of each month."""
        return np.asarray(DAYS_IN_MONTH[self.month_of_year - 1])

    @property
    def coldest_month(self) -> Doubles:
        """(tower,) °C, of the mean year."""
        months = [
            self.temperature[:, self.month_of_year == month].mean(axis=1) for month in range(1, MONTHS_PER_YEAR + 1)
        ]
        return np.asarray(np.min(months, axis=0))


def check_months(month_of_year: npt.NDArray[np.integer[Any]]) -> None:
    """Raises unless months follow one another and are numbered 1–12.

    Raises:
        ValueError: otherwise.
    """
    whole = month_of_year.dtype.kind in "iu" and month_of_year.min() >= 1 and month_of_year.max() <= MONTHS_PER_YEAR
    if not whole or ((np.diff(month_of_year) - 1) % MONTHS_PER_YEAR).any():
        raise ValueError("month_of_year must run through consecutive months, numbered 1–12.")


def saturation_pressure(temperature: Doubles) -> Doubles:
    """Saturation vapour pressure over water (FAO-56, Eq. 11).

    Args:
        temperature: °C.

    Returns:
        kPa, of the same shape.
    """
    return np.asarray(0.6108 * np.exp(17.27 * temperature / (temperature + 237.3)))


def actual_pressure(weather: Weather) -> Doubles:
    """Vapour pressure of the air: what saturates at ``tmax``, less the afternoon's deficit; (tower, month) kPa."""
    return np.asarray(np.maximum(saturation_pressure(weather.tmax) - weather.vpd / 1000, 0.01))


def daylight_vpd(weather: Weather) -> Doubles:
    """Mean deficit of the daylight hours, which MOD17's limits are meant for; (tower, month) Pa."""
    mean = weather.temperature
    daylight = mean + DAYLIGHT_WARMTH * (weather.tmax - mean)
    deficit = saturation_pressure(daylight) - actual_pressure(weather)
    return np.asarray(1000 * np.maximum(deficit, 0.0))


def _sunset_angle(weather: Weather) -> tuple[Doubles, Doubles, Doubles]:
    """Sunset hour angle (tower, month), declination (1, month) and latitude (tower, 1), in radians (FAO-56, 24–25)."""
    day = MID_MONTH_DAY[weather.month_of_year - 1]
    declination = 0.409 * np.sin(2 * np.pi * day / 365 - 1.39)[None]
    latitude = np.deg2rad(np.asarray(weather.lat, dtype=np.float64))[:, None]
    return np.arccos(np.clip(-np.tan(latitude) * np.tan(declination), -1, 1)), declination, latitude


def day_length(weather: Weather) -> Doubles:
    """Hours from sunrise to sunset in mid-month (FAO-56, Eq. 34); (tower, month)."""
    return np.asarray(24 / np.pi * _sunset_angle(weather)[0])


def extraterrestrial_radiation(weather: Weather) -> Doubles:
    """Shortwave at the top of the atmosphere (FAO-56, Eq. 21); (tower, month) MJ m⁻² d⁻¹."""
    sunset, declination, latitude = _sunset_angle(weather)
    distance = 1 + 0.033 * np.cos(2 * np.pi * MID_MONTH_DAY[weather.month_of_year - 1] / 365)
    height = sunset * np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.sin(sunset)
    return np.asarray(24 * 60 / np.pi * _SOLAR_CONSTANT * distance * np.maximum(height, 0.0))


def potential_evapotranspiration(weather: Weather) -> Doubles:
    """Evaporation of a wet surface (Priestley and Taylor 1972; net radiation by FAO-56, Eq. 38–39).

    Returns:
        (tower, month) mm d⁻¹, not negative.
    """
    clear_sky = np.maximum(_CLEAR_SKY * extraterrestrial_radiation(weather), 1e-6)  # polar night
    sunshine = np.clip(weather.shortwave / clear_sky, *_CLOUD_LIMITS)
    emitted = _STEFAN_BOLTZMANN * ((weather.tmin + _ZERO_CELSIUS) ** 4 + (weather.tmax + _ZERO_CELSIUS) ** 4) / 2
    longwave = emitted * (0.34 - 0.14 * np.sqrt(actual_pressure(weather))) * (1.35 * sunshine - 0.35)
    net = np.maximum((1 - _ALBEDO) * weather.shortwave - longwave, 0.0)
    temperature = weather.temperature
    slope = 4098 * saturation_pressure(temperature) / (temperature + 237.3) ** 2
    return np.asarray(_PRIESTLEY_TAYLOR * slope / (slope + _PSYCHROMETRIC) * net / _LATENT_HEAT)
