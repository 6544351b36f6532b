"""Builds the simulated data set block by block, and answers from the cube what the truth is behind it."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from bench.data.cube import STEPS_PER_YEAR, Cube, CubeWriter
from bench.data.pml import (
    IGBP_CLASSES,
    Array,
    PmlForcing,
    carbon_dioxide,
    deficit_to,
    gross_primary_productivity,
    saturation_vapour_pressure,
)
from bench.data.simulated.climate import Places, describe_places, normals
from bench.data.simulated.fields import SmoothField, generator
from bench.data.simulated.land import MINIMUM_CELLS, choose_cells
from bench.data.simulated.vegetation import (
    HiddenTraits,
    disturbance_field,
    hidden_traits,
    land_cover,
    leaf_area_index,
)
from bench.data.simulated.weather import (
    FEATURES,
    FREEZING,
    SECONDS_PER_DAY,
    WeatherFields,
    simulate_weather,
    weather_fields,
)
from bench.errors import BenchError

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
NAME = "simulated"
LAST_YEAR = 2020
LONGEST = 41
"""Years: as far back as the table of CO2 goes."""
TILE = 128
"""Cells simulated at once. Every tile has this size (the last is filled up), so that all arithmetic, down to
the order of additions inside a matrix product, is the same however the work is cut into blocks."""
DRIVERS = (
    "temperature_2m",
    "temperature_2m_max",
    "temperature_2m_min",
    "dewpoint_temperature_2m",
    "surface_solar_radiation_downwards_sum",
)
"""The features that enter the equations, in the order of ``_forcing``."""
PROVENANCE = {
    "title": "Simulated climate and vegetation on the real land mask",
    "source": "bench.data.simulated; land mask from GLOBE (NOAA), CO2 from NOAA GML, equations of PML_V2",
    "licence": "MIT; land mask and CO2 are in the public domain",
    "citation": "Zhang et al. 2019, Remote Sensing of Environment 222, 165-182 (equations)",
    "notes": (
        "Invented weather, heights and vegetation: good for checking methods, no statement about the Earth. "
        "GPP = hidden capacity x PML_V2(features, hidden leaf area index, land cover), daily means."
    ),
}


@dataclass(frozen=True)
class SimulatedOptions:
    """Size and seed of a simulated data set.

    Attributes:
        n_cells: land cells, 64 to 247,302.
        n_years: whole years up to 2020, 1 to 41.
        seed: of all random numbers, not negative.
    """

    n_cells: int = 2000
    n_years: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_cells < MINIMUM_CELLS:
            raise BenchError(f"{self.n_cells} simulated cells are too few; ask for at least {MINIMUM_CELLS}.")
        if not 1 <= self.n_years <= LONGEST:
            raise BenchError(f"The simulated data set has 1 to {LONGEST} years, not {self.n_years}.")
        if self.seed < 0:
            raise BenchError(f"The seed is {self.seed}; it must not be negative.")


@dataclass(frozen=True)
class _World:
    """Everything that is known before the first tile; in memory linear in cells and in steps."""

    places: Places
    traits: HiddenTraits
    fractions: npt.NDArray[np.float32]
    weather: WeatherFields
    disturbance: SmoothField
    time: npt.NDArray[np.datetime64]
    days: Floats
    seed: int


@dataclass(frozen=True)
class _Tile:
    """The arrays of ``TILE`` cells, float32, as the cube stores them."""

    climate: npt.NDArray[np.float32]
    target: npt.NDArray[np.float32]
    lai: npt.NDArray[np.float32]


def build_simulated(path: Path, options: SimulatedOptions, *, block_cells: int = 1024) -> Cube:
    """Simulates a data set and stores it as a cube.

    Args:
        path: folder to create (replaced if there).
        options: size and seed; they alone decide the values.
        block_cells: cells after which written memory is handed back; rounded up to whole tiles of 128 cells.

    Returns:
        the cube, opened from disk. ``withheld`` holds ``LAI`` (m2 m-2) and ``capacity`` (1).

    Raises:
        BenchError: there are not that many land cells.
    """
    cells = choose_cells(options.n_cells)
    time = step_dates(LAST_YEAR - options.n_years + 1, options.n_years)
    writer = CubeWriter(
        path,
        name=NAME,
        lon=cells.lon,
        lat=cells.lat,
        time=time,
        features=FEATURES,
        static_features=dict.fromkeys(IGBP_CLASSES, "1"),
        n_land_cover=len(IGBP_CLASSES),
        target_name="GPP",
        target_units="gC m-2 d-1",
        provenance={**PROVENANCE, "options": str(options)},
        withheld={"LAI": "m2 m-2", "capacity": "1"},
    )
    try:
        # One thread: the split of a matrix product among threads may change its last bits.
        with threadpool_limits(1, user_api="blas"):
            world = _describe_world(describe_places(cells, options.seed), time, options.seed)
            writer.static[:] = world.fractions
            unreleased = 0
            for number, start in enumerate(range(0, options.n_cells, TILE)):
                stop = min(start + TILE, options.n_cells)
                tile = _simulate_tile(world, number)
                writer.climate[start:stop] = tile.climate[: stop - start]
                writer.target[start:stop] = tile.target[: stop - start]
                writer.withheld["LAI"][start:stop] = tile.lai[: stop - start]
                writer.withheld["capacity"][start:stop] = world.traits.capacity[start:stop, None]
                unreleased += stop - start
                if unreleased >= block_cells:
                    _release(writer)
                    unreleased = 0
            _release(writer)
        return writer.finish()
    except BaseException:
        writer.abort()
        raise


def step_dates(first_year: int, n_years: int) -> npt.NDArray[np.datetime64]:
    """Returns the first day of each 8-day step, 46 a year, each year from 1 January."""
    years = np.arange(first_year, first_year + n_years).astype(str).astype("datetime64[D]")
    offsets = (8 * np.arange(STEPS_PER_YEAR)).astype("timedelta64[D]")
    dates: npt.NDArray[np.datetime64] = (years[:, None] + offsets[None, :]).reshape(-1)
    return dates


def days_in_step(time: npt.NDArray[np.datetime64]) -> Floats:
    """Returns the number of days of each step, (time,): 8, and 5 or 6 for the last of a year."""
    new_year = (time.astype("datetime64[Y]") + 1).astype("datetime64[D]")
    left: Floats = (new_year - time.astype("datetime64[D]")).astype(np.float64)
    return np.minimum(left, 8.0)


def forcing_from_cube(cube: Cube, cells: Indices, times: Indices) -> PmlForcing:
    """Returns the exact input of the equations, recovered from the features of a simulated cube.

    Args:
        cube: from ``build_simulated``.
        cells: (cell,) indices.
        times: (time,) indices.

    Raises:
        BenchError: the cube is not a simulated one.
    """
    dates = cube.time[times]
    return _forcing(_drivers(cube, cells, times), carbon_dioxide(dates), days_in_step(dates))


def true_sensitivities(cube: Cube, cells: Indices, times: Indices) -> dict[str, Floats]:
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
    total = (capacity * gross_primary_productivity(_forcing(drivers, co2, days), lai, fractions)).sum()
    gradients = torch.autograd.grad(total, drivers)
    sensitivities = {name: np.zeros((len(cells), len(times))) for name in cube.feature_names}
    return sensitivities | {name: gradient.numpy() for name, gradient in zip(DRIVERS, gradients, strict=True)}


def _drivers(cube: Cube, cells: Indices, times: Indices) -> list[Floats]:
    if cube.name != NAME:
        raise BenchError(
            f"Data set {cube.name!r} is not simulated: its true forcing is not known from its features."
        )
    columns = (cube.feature_names.index(name) for name in DRIVERS)
    return [cube.climate[cells[:, None], times[None, :], column].astype(np.float64) for column in columns]


def _forcing(drivers: Sequence[Array], co2: Array, days: Array) -> PmlForcing:
    """From the features named by ``DRIVERS``, in their units, to the input of the equations."""
    mean, warmest, coldest, dewpoint, solar = drivers
    vapour = saturation_vapour_pressure(dewpoint - FREEZING)
    return PmlForcing(
        tavg=mean - FREEZING,
        vpd=deficit_to(warmest - FREEZING, coldest - FREEZING, vapour),
        rs=solar / (SECONDS_PER_DAY * days),
        co2=co2,
    )


def _describe_world(places: Places, time: npt.NDArray[np.datetime64], seed: int) -> _World:
    one_year = normals(places, np.arange(0.0, 8.0 * STEPS_PER_YEAR, 8.0))
    traits = hidden_traits(places, seed)
    return _World(
        places=places,
        traits=replace(traits, capacity=traits.capacity.astype(np.float32).astype(np.float64)),
        fractions=land_cover(places, one_year, seed).astype(np.float32),
        weather=weather_fields(seed, len(time)),
        disturbance=disturbance_field(seed, len(time)),
        time=time,
        days=days_in_step(time),
        seed=seed,
    )


def _simulate_tile(world: _World, number: int) -> _Tile:
    """Simulates the ``number``-th run of ``TILE`` cells; past the last cell, the last one is repeated."""
    cells = np.minimum(np.arange(number * TILE, (number + 1) * TILE), len(world.places.lat) - 1)
    places = world.places.take(cells)
    traits = HiddenTraits(*(values[cells] for values in vars(world.traits).values()))
    day = (world.time - world.time.astype("datetime64[Y]")).astype(np.float64)
    normal = normals(places, day)
    noise = generator(world.seed, "noise", number)
    weather = simulate_weather(places, normal, world.weather, world.days, noise)
    fractions = world.fractions[cells].astype(np.float64)
    lai = leaf_area_index(
        fractions,
        traits,
        weather.temperature,
        weather.soil_water,
        normal.top_radiation,
        world.disturbance.at(places.unit_vectors),
    ).astype(np.float32)
    climate = np.stack([weather.features[name] for name in FEATURES], axis=2).astype(np.float32)
    # The target is made from the rounded features, so that the cube alone gives it back.
    drivers = [climate[..., list(FEATURES).index(name)].astype(np.float64) for name in DRIVERS]
    forcing = _forcing(drivers, carbon_dioxide(world.time), world.days)
    potential = gross_primary_productivity(forcing, lai.astype(np.float64), fractions)
    return _Tile(climate, (traits.capacity[:, None] * potential).astype(np.float32), lai)


def _release(writer: CubeWriter) -> None:
    """Tells the system that written pages need not stay in this process; they remain in the files."""
    for array in (writer.climate, writer.target, *writer.withheld.values()):
        pages: object = array.base
        if isinstance(pages, mmap.mmap):
            pages.madvise(mmap.MADV_DONTNEED)
