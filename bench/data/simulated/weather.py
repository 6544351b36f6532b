"""The simulated weather: departures from the average year, soil water and heat, 26 ERA5-Land variables.

The variables are those of the table in ``bench.data.era5_land``, with its names, units, signs and sums. Nothing here
depends on the vegetation: as in ERA5-Land, evaporation does not see the leaves of the year.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.arrays import Doubles
from bench.data.era5_land import FEATURES
from bench.data.pml import saturation_vapour_pressure
from bench.data.simulated.climate import Normals, Places, sigmoid
from bench.data.simulated.fields import SmoothField, moving_field

FREEZING = 273.15
"""0 degC in K."""
SECONDS_PER_DAY = 86400.0
_LATENT_HEAT = 2.45e6  # J per kg of water
_STEFAN_BOLTZMANN = 5.670374e-8  # W m-2 K-4
_SOIL_CAPACITY = 140.0  # mm of water that the roots can draw on
_MELT = 3.0  # mm of snow per day and degree
_THINNEST_SNOW = 0.1  # mm of water; less is none
_HEAT_RATES = (0.80, 0.55, 0.28, 0.07)  # share of the way to the layer above in one step, by soil level
_WATER_RATES = (0.60, 0.18, 0.05)  # the same for water below the first layer


@dataclass(frozen=True)
class WeatherFields:
    """The random fields behind the weather, each of variance 1 at every place and step."""

    warmth: SmoothField
    moisture: SmoothField
    wind_east: SmoothField
    wind_north: SmoothField


@dataclass(frozen=True)
class SimulatedWeather:
    """What the vegetation needs of the weather, each (cell, time), beside the 26 features in their units.

    Attributes:
        temperature: mean air temperature, degC.
        soil_water: water in reach of the roots, as a share of what the soil can hold, 0 to 1.
        features: by the names of ``FEATURES``.
    """

    temperature: Doubles
    soil_water: Doubles
    features: dict[str, Doubles]


def weather_fields(seed: int, n_times: int) -> WeatherFields:
    """Returns the fields of the whole series; their memory does not grow with the number of cells."""
    return WeatherFields(
        warmth=moving_field(seed, "warmth", 1300.0, n_times, ((0.6, 0.35), (0.4, 0.93))),
        moisture=moving_field(seed, "moisture", 800.0, n_times, ((0.7, 0.20), (0.3, 0.90))),
        wind_east=moving_field(seed, "wind east", 1500.0, n_times, ((1.0, 0.25),)),
        wind_north=moving_field(seed, "wind north", 1500.0, n_times, ((1.0, 0.25),)),
    )


def simulate_weather(
    places: Places, normal: Normals, fields: WeatherFields, days: Doubles, random: np.random.Generator
) -> SimulatedWeather:
    """Returns the weather of some cells over the whole series.

    Args:
        places: the cells.
        normal: their average year, (cell, time), over the whole series.
        fields: of the same number of steps.
        days: (time,) number of days in each step.
        random: for noise that no place shares with its neighbours.
    """
    shape = normal.temperature.shape
    sine = np.abs(np.sin(np.radians(places.lat)))[:, None]
    moisture = fields.moisture.at(places.unit_vectors)
    warmth = fields.warmth.at(places.unit_vectors)
    cold_season = np.clip((8.0 - normal.temperature) / 25.0, 0.0, 1.0)
    temperature = normal.temperature + (0.8 + 2.0 * sine + 1.4 * cold_season) * warmth
    cloud = sigmoid(4.0 * (normal.wetness - 0.45) + 0.75 * moisture)
    transmissivity = 0.78 - 0.45 * cloud + 2.0e-5 * places.elevation[:, None]
    solar = normal.top_radiation * transmissivity
    daily_range = (4.0 + 12.0 * (1.0 - cloud)) * np.clip(0.35 + solar / 300.0, 0.0, 1.1)
    warmest, coldest = temperature + 0.5 * daily_range, temperature - 0.5 * daily_range
    humidity = 0.20 + 0.72 * sigmoid(4.0 * (normal.wetness - 0.33) + 0.5 * moisture)
    humidity = humidity + (0.9 - humidity) * 0.55 * sigmoid((2.0 - temperature) / 5.0)
    vapour: Doubles = np.minimum(humidity, 0.98) * saturation_vapour_pressure(temperature)
    rain = usual_rain(normal.wetness, temperature) * np.exp(0.65 * moisture - 0.21)
    drying = potential_evaporation(temperature, daily_range, normal.top_radiation)
    stores = _integrate(temperature, rain, drying, days)
    snow_share = np.clip(stores["snow"] / 25.0, 0.0, 1.0)
    net_solar = solar * (1.0 - (0.20 + 0.42 * snow_share + 0.01 * random.standard_normal(shape)))
    emissivity = 1.24 * (10.0 * vapour / (temperature + FREEZING)) ** (1 / 7)  # Brutsaert 1975
    emissivity = np.minimum(emissivity * (1.0 + 0.20 * cloud**2), 1.0)
    thermal = emissivity * _STEFAN_BOLTZMANN * (temperature + FREEZING) ** 4
    skin = temperature + 0.008 * (net_solar - 60.0) * (1.0 - cloud) + 0.3 * random.standard_normal(shape)
    net_thermal = thermal - 0.98 * _STEFAN_BOLTZMANN * (skin + FREEZING) ** 4
    exponent = np.log(vapour / 0.6108)
    eastward = np.where(sine < 0.5, -2.5, 2.0) * np.abs(np.sin(3.0 * np.radians(places.lat)))[:, None]
    eastward = eastward + 1.8 * fields.wind_east.at(places.unit_vectors)
    northward = 1.5 * fields.wind_north.at(places.unit_vectors)
    usual_pressure = 101325.0 * np.exp(-places.elevation / 8400.0)[:, None]
    energy, depth = SECONDS_PER_DAY * days, days / 1000.0
    features = {
        "dewpoint_temperature_2m": 237.3 * exponent / (17.27 - exponent) + FREEZING,
        "temperature_2m": temperature + FREEZING,
        "temperature_2m_min": coldest + FREEZING,
        "temperature_2m_max": warmest + FREEZING,
        "skin_temperature": skin + FREEZING,
        "snow_cover": 100.0 * snow_share,
        "snow_depth": stores["snow"] / 1000.0 / 0.25,  # snow a quarter as dense as water
        "snow_depth_water_equivalent": stores["snow"] / 1000.0,
        "surface_pressure": usual_pressure * (1.0 - 0.004 * moisture + 0.0005 * random.standard_normal(shape)),
        "u_component_of_wind_10m": eastward + 0.2 * random.standard_normal(shape),
        "v_component_of_wind_10m": northward + 0.2 * random.standard_normal(shape),
        "surface_solar_radiation_downwards_sum": solar * energy,
        "surface_net_solar_radiation_sum": net_solar * energy,
        "surface_thermal_radiation_downwards_sum": thermal * energy,
        "surface_net_thermal_radiation_sum": net_thermal * energy,
        "total_precipitation_sum": rain * depth,
        "total_evaporation_sum": -stores["evaporation"] * depth,
        "potential_evaporation_sum": -drying * depth,
    }
    for level in range(1, 5):
        features[f"soil_temperature_level_{level}"] = (
            stores[f"heat {level}"] + 0.15 * random.standard_normal(shape) + FREEZING
        )
        features[f"volumetric_soil_water_layer_{level}"] = np.clip(
            0.05 + 0.38 * stores[f"water {level}"] + 0.006 * random.standard_normal(shape), 0.01, 0.55
        )
    return SimulatedWeather(temperature, stores["water 2"], {name: features[name] for name in FEATURES})


def usual_rain(wetness: Doubles, temperature: Doubles) -> Doubles:
    """Returns rain and snow in mm d-1; warm air brings more of it.

    Args:
        wetness: (cell, time) of the average year.
        temperature: (cell, time) degC.
    """
    rain: Doubles = 9.5 * wetness**1.5 * np.exp(0.035 * np.clip(temperature - 20.0, -40.0, 10.0))
    return rain


def potential_evaporation(temperature: Doubles, daily_range: Doubles, top_radiation: Doubles) -> Doubles:
    """Returns potential evaporation in mm d-1 (Hargreaves and Samani 1985; Allen et al. 1998, equation 52).

    Args:
        temperature: (cell, time) degC.
        daily_range: broadcasts against it; between the warmest and the coldest time of the day, K.
        top_radiation: (cell, time) at the top of the atmosphere, W m-2.
    """
    evaporable = top_radiation * SECONDS_PER_DAY / _LATENT_HEAT
    drying: Doubles = np.maximum(0.0023 * (temperature + 17.8) * np.sqrt(daily_range) * evaporable, 0.0)
    return drying


def _integrate(temperature: Doubles, rain: Doubles, drying: Doubles, days: Doubles) -> dict[str, Doubles]:
    """Steps snow, soil water and soil heat through time; the first year runs once before, as a warm-up.

    Args:
        temperature: (cell, time) degC.
        rain: (cell, time) rain and snow, mm d-1.
        drying: (cell, time) potential evaporation, mm d-1.
        days: (time,) days per step.

    Returns:
        (cell, time) of ``snow`` (mm of water), ``evaporation`` (mm d-1), ``water 1`` to ``water 4`` (shares
        of what the soil can hold) and ``heat 1`` to ``heat 4`` (degC).
    """
    n_cells, n_times = temperature.shape
    first_year = min(46, n_times)
    names = (
        "snow",
        "evaporation",
        *(f"{what} {level}" for what in ("water", "heat") for level in range(1, 5)),
    )
    kept = {name: np.empty((n_times, n_cells)) for name in names}  # time first: each step is contiguous
    temperature, rain, drying = (np.ascontiguousarray(array.T) for array in (temperature, rain, drying))
    snow, water = np.zeros(n_cells), np.full(n_cells, 0.5)
    layers = [water.copy() for _ in _WATER_RATES]
    heat = [temperature[:first_year].mean(axis=0) for _ in _HEAT_RATES]
    for time in (*range(first_year), *range(n_times)):
        length = days[time]
        frozen = sigmoid((0.5 - temperature[time]) / 1.5)
        melt = np.minimum(snow / length, _MELT * np.maximum(temperature[time], 0.0))
        snow = np.clip(snow + length * (rain[time] * frozen - melt), 0.0, 400.0)
        snow = np.where(snow < _THINNEST_SNOW, 0.0, snow)
        loss = drying[time] * np.minimum(water / 0.55, 1.0) * (1.0 - 0.7 * frozen)
        liquid = rain[time] * (1.0 - frozen) + melt
        # Exponential approach to balance, so that a long, hot step cannot empty more than the soil holds.
        rate = np.maximum(drying[time] / 0.55 / _SOIL_CAPACITY, 1e-3)
        water = np.clip(
            water * np.exp(-rate * length) + liquid / _SOIL_CAPACITY / rate * -np.expm1(-rate * length),
            0.0,
            1.0,
        )
        above = water
        for index, share in enumerate(_WATER_RATES):
            layers[index] = layers[index] + share * (above - layers[index])
            above = layers[index]
        above = temperature[time]
        for index, share in enumerate(_HEAT_RATES):
            heat[index] = heat[index] + share * (above - heat[index])
            above = heat[index]
        values = (snow, np.minimum(loss, liquid + water * _SOIL_CAPACITY / length), water, *layers, *heat)
        for name, value in zip(names, values, strict=True):
            kept[name][time] = value
    return {name: np.ascontiguousarray(array.T) for name, array in kept.items()}
