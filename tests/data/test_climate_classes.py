"""Climate classes: textbook stations, units, and the training years alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.data.climate_classes import CLASSES, UNKNOWN, classify, climate_classes
from bench.data.cube import Cube
from tests.conftest import make_cube

# Monthly normals, rounded: mean temperature in degC and precipitation in mm, January to December.
STATIONS = {
    "tropical": (
        [26, 26, 26, 26, 26, 27, 27, 28, 28, 28, 27, 27],  # Manaus
        [264, 262, 298, 283, 204, 103, 67, 46, 63, 111, 161, 220],
    ),
    "desert": ([14, 15, 18, 22, 25, 28, 28, 28, 27, 24, 19, 15], [5, 4, 4, 1, 0, 0, 0, 0, 0, 1, 4, 6]),  # Cairo
    "steppe": (
        [0, 1, 5, 9, 14, 20, 23, 22, 18, 11, 4, 0],  # Denver
        [10, 11, 23, 36, 54, 42, 50, 43, 32, 25, 15, 9],
    ),
    "temperate": (
        [5, 5, 8, 10, 13, 16, 19, 18, 16, 12, 8, 5],  # London
        [55, 41, 42, 44, 49, 45, 45, 50, 49, 69, 59, 55],
    ),
    "cold": (
        [-6, -6, -1, 7, 14, 17, 20, 18, 12, 6, -1, -5],  # Moscow
        [53, 44, 39, 37, 61, 78, 84, 78, 66, 70, 52, 51],
    ),
    "polar": (
        [-10, -10, -11, -8, -2, 3, 7, 6, 2, -3, -6, -8],  # Longyearbyen, wetter, so that it is not arid
        [40, 40, 40, 30, 30, 30, 40, 40, 40, 40, 40, 40],
    ),
}


@pytest.mark.parametrize("name", CLASSES)
def test_textbook_stations_are_classified_as_in_the_textbook(name: str) -> None:
    temperature, precipitation = (np.array([values], float) for values in STATIONS[name])
    assert classify(temperature, precipitation).tolist() == [name]


def test_summer_is_the_warmer_half_of_the_year_on_both_hemispheres() -> None:
    # 600 mm at 18 degC: 10 × (2 × 18 + 28) = 640 > 600 mm with rain in summer, 10 × 2 × 18 = 360 with rain in winter.
    north = 18 - 6 * np.cos(2 * np.pi * np.arange(12) / 12)
    summer = np.where((np.arange(12) >= 3) & (np.arange(12) < 9), 100.0, 0.0)
    temperature = np.stack([north, np.roll(north, 6), north, np.roll(north, 6)])
    precipitation = np.stack([summer, np.roll(summer, 6), np.roll(summer, 6), summer])
    assert classify(temperature, precipitation).tolist() == ["steppe", "steppe", "temperate", "temperate"]


def station_cube(name: str, **changes: object) -> Cube:
    """A toy cube whose every cell has the climate of a station in its training year and another in its test year."""
    cube = make_cube(n_cells=4)
    month = cube.time.astype("datetime64[M]").astype(int) % 12
    days = np.array([31, 28.25, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    climate = np.array(cube.climate)
    climate[:, :, 0] = np.array(STATIONS[name][0], float)[month]
    climate[:, :, 2] = (np.array(STATIONS[name][1], float) / days)[month]
    climate[:, cube.year == 2020, 0] = 27.0
    return replace(cube, climate=climate, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CLASSES)
def test_the_training_year_alone_decides(name: str) -> None:
    assert climate_classes(station_cube(name)).tolist() == [name] * 4


def test_kelvin_and_metres_per_step_give_the_same_class() -> None:
    cube = station_cube("cold")
    climate = np.array(cube.climate)
    climate[:, :, 0] += 273.15
    climate[:, :, 2] *= np.where(cube.step_of_year == 46, 5, 8) / 1000
    names, units = ("temperature_2m", "Rs", "total_precipitation_sum"), ("K", "W m-2", "m")
    assert (
        climate_classes(replace(cube, climate=climate, feature_names=names, feature_units=units)).tolist()
        == ["cold"] * 4
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"feature_names": ("warmth", "Rs", "Prcp")},
        {"feature_names": ("Tavg", "Rs", "rain")},
        {"feature_units": ("degF", "W m-2", "mm d-1")},
        {"feature_units": ("degC", "W m-2", "inch")},
    ],
)
def test_without_known_variables_and_units_no_class_is_invented(changes: dict[str, object]) -> None:
    assert climate_classes(station_cube("cold", **changes)).tolist() == [UNKNOWN] * 4
