"""What is known for certain about a simulated cube: the input of its equations and its sensitivities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bench.arrays import Doubles, Integers
from bench.data.cube import Cube
from bench.data.pml import (
    Array,
    PmlForcing,
    carbon_dioxide,
    deficit_to,
    gross_primary_productivity,
    saturation_vapour_pressure,
)
from bench.data.rhythm import STEPS_PER_YEAR
from bench.data.simulated.weather import FREEZING, SECONDS_PER_DAY
from bench.errors import BenchError

NAME = "simulated"
DRIVERS = (
    "temperature_2m",
    "temperature_2m_max",
    "temperature_2m_min",
    "dewpoint_temperature_2m",
    "surface_solar_radiation_downwards_sum",
)
"""The features that enter the equations, in the order of ``forcing_from_drivers``."""


def step_dates(first_year: int, n_years: int) -> npt.NDArray[np.datetime64]:
    """Returns the first day of each 8-day step, 46 a year, each year from 1 January."""
    years = np.arange(first_year, first_year + n_years).astype(str).astype("datetime64[D]")
    offsets = (8 * np.arange(STEPS_PER_YEAR)).astype("timedelta64[D]")
    dates: npt.NDArray[np.datetime64] = (years[:, None] + offsets[None, :]).reshape(-1)
    return dates


def days_in_step(time: npt.NDArray[np.datetime64]) -> Doubles:
    """Returns the number of days of each step, (time,): 8, and 5 or 6 for the last of a year."""
    new_year = (time.astype("datetime64[Y]") + 1).astype("datetime64[D]")
    left: Doubles = (new_year - time.astype("datetime64[D]")).astype(np.float64)
    return np.minimum(left, 8.0)


def forcing_from_cube(cube: Cube, cells: Integers, times: Integers) -> PmlForcing:
    """Returns the exact input of the equations, recovered from the features of a simulated cube.

    Args:
        cube: from ``build_simulated``.
        cells: (cell,) indices.
        times: (time,) indices.

    Raises:
        BenchError: the cube is not a simulated one.
    """
    dates = cube.time[times]
    return forcing_from_drivers(_drivers(cube, cells, times), carbon_dioxide(dates), days_in_step(dates))


def true_sensitivities(cube: Cube, cells: Integers, times: Integers) -> dict[str, Doubles]:
    """Returns the exact partial derivative of GPP with respect to each climate feature, by autograd.

    They are local: every other feature, the leaf area and the capacity are held. Features that do not enter
    the equations have zero, though a model may well use them as stand-ins for those that do.

    Args:
        cube: from ``build_simulated``.
        cells: (cell,) indices.
        times: (time,) indices.

    Returns:
        by feature name, (cell, time), gC m-2 d-1 per unit of the feature.

    Raises:
        BenchError: the cube is not a simulated one.
    """
    import torch

    drivers = [torch.from_numpy(values).requires_grad_() for values in _drivers(cube, cells, times)]
    co2 = torch.from_numpy(carbon_dioxide(cube.time[times]))
    days = torch.from_numpy(days_in_step(cube.time[times]))
    lai, capacity, fractions = (
        torch.from_numpy(np.asarray(values, dtype=np.float64))
        for values in (
            cube.withheld["LAI"][np.ix_(cells, times)],
            cube.withheld["capacity"][np.ix_(cells, times)],
            cube.static[cells, : cube.n_land_cover],
        )
    )
    total = (capacity * gross_primary_productivity(forcing_from_drivers(drivers, co2, days), lai, fractions)).sum()
    gradients = torch.autograd.grad(total, drivers)
    sensitivities = {name: np.zeros((len(cells), len(times))) for name in cube.feature_names}
    return sensitivities | {name: gradient.numpy() for name, gradient in zip(DRIVERS, gradients, strict=True)}


def forcing_from_drivers(drivers: Sequence[Array], co2: Array, days: Array) -> PmlForcing:
    """Returns the input of the equations.

    Args:
        drivers: the features named by ``DRIVERS``, in their order and units, each (cell, time).
        co2: (time,) ppm.
        days: (time,) number of days in each step.
    """
    mean, warmest, coldest, dewpoint, solar = drivers
    vapour = saturation_vapour_pressure(dewpoint - FREEZING)
    return PmlForcing(
        tavg=mean - FREEZING,
        vpd=deficit_to(warmest - FREEZING, coldest - FREEZING, vapour),
        rs=solar / (SECONDS_PER_DAY * days),
        co2=co2,
    )


def _drivers(cube: Cube, cells: Integers, times: Integers) -> list[Doubles]:
    if cube.name != NAME:
        raise BenchError(f"Data set {cube.name!r} is not simulated: its true forcing is not known from its features.")
    columns = (cube.feature_names.index(name) for name in DRIVERS)
    return [cube.climate[cells[:, None], times[None, :], column].astype(np.float64) for column in columns]
