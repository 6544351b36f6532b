"""Builds the simulated data set block by block."""

from __future__ import annotations

import mmap
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from bench.arrays import Doubles
from bench.data.cube import Cube
from bench.data.cube_zarr import CubeWriter
from bench.data.era5_land import FEATURES
from bench.data.pml import IGBP_CLASSES, carbon_dioxide, gross_primary_productivity
from bench.data.rhythm import STEPS_PER_YEAR
from bench.data.simulated.climate import Places, describe_places, normals
from bench.data.simulated.fields import SmoothField, generator
from bench.data.simulated.land import MINIMUM_CELLS, choose_cells
from bench.data.simulated.truth import DRIVERS, NAME, days_in_step, forcing_from_drivers, step_dates
from bench.data.simulated.vegetation import (
    HiddenTraits,
    disturbance_field,
    hidden_traits,
    land_cover,
    leaf_area_index,
)
from bench.data.simulated.weather import (
    WeatherFields,
    simulate_weather,
    weather_fields,
)
from bench.errors import BenchError

LAST_YEAR = 2020
LONGEST = 41
"""Years: as far back as the table of CO2 goes."""
TILE = 128
"""Cells simulated at once. Every tile has this size (the last is filled up), so that all arithmetic, down to
the order of additions inside a matrix product, is the same however the work is cut into blocks."""
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
    days: Doubles
    seed: int


@dataclass(frozen=True)
class _LandTile:
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
        static_features={f"land_cover_{name}": "1" for name in IGBP_CLASSES},
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


def _simulate_tile(world: _World, number: int) -> _LandTile:
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
    forcing = forcing_from_drivers(drivers, carbon_dioxide(world.time), world.days)
    potential = gross_primary_productivity(forcing, lai.astype(np.float64), fractions)
    return _LandTile(climate, (traits.capacity[:, None] * potential).astype(np.float32), lai)


def _release(writer: CubeWriter) -> None:
    """Tells the system that written pages need not stay in this process; they remain in the files."""
    for array in (writer.climate, writer.target, *writer.withheld.values()):
        pages: object = array.base
        if isinstance(pages, mmap.mmap):
            pages.madvise(mmap.MADV_DONTNEED)
