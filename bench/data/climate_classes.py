"""Climate classes of cells: the main Köppen–Geiger groups, arid climates split into desert and steppe.

Thresholds: Beck et al. 2018, Scientific Data 5:180214, Table 2 (after Peel et al. 2007, Hydrology and Earth System
Sciences 11:1633–1644). They ask for the mean temperature and the precipitation of every calendar month.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.arrays import Doubles
from bench.data.cube import Cube

TEMPERATURE_NAMES = ("temperature_2m", "Tavg", "tair", "temperature")
"""What data sets call the mean air temperature near the ground, the first that is there counts: ERA5-Land, then
GLDAS as PML_V2 names it, then plain names."""
EXTREME_NAMES = ("tmin", "tmax")
"""Where none of them is there: the daily extremes, whose mean stands for the daily mean."""
PRECIPITATION_NAMES = ("total_precipitation_sum", "Prcp", "precipitation", "precip")
"""What data sets call precipitation, in the same order."""
CLASSES = ("tropical", "desert", "steppe", "temperate", "cold", "polar")
"""Köppen–Geiger A, BW, BS, C, D and E."""
UNKNOWN = "unknown"
"""Class of every cell where temperature or precipitation is no feature of the data set, or some month has no step."""
SOURCE = (
    "Köppen–Geiger main groups A, BW, BS, C, D, E by the thresholds of Beck et al. 2018 (Scientific Data 5:180214, "
    "Table 2), from monthly means over the training years"
)
_BLOCK_CELLS = 2000  # cells read at once, so that a memory-mapped cube is never in memory whole
_SUMMER_MONTHS = np.arange(3, 9)  # April to September, as indices from 0
_MONTH_DAYS = np.array([31, 28.25, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


def named_feature(feature_names: tuple[str, ...], candidates: tuple[str, ...]) -> int | None:
    """Index of the first candidate that is a feature, or None."""
    return next((feature_names.index(name) for name in candidates if name in feature_names), None)


def climate_classes(cube: Cube) -> npt.NDArray[np.str_]:
    """(cell,) climate class of every cell of a data set, from all its years but the last, which is the test year.

    Args:
        cube: the data; its mean air temperature in K or degC and its precipitation in mm d-1 or in m per step are found
            by name (`TEMPERATURE_NAMES`, else `EXTREME_NAMES`; `PRECIPITATION_NAMES`).

    Returns:
        One of `CLASSES` for each cell, or `UNKNOWN` for all of them.
    """
    unknown = np.full(cube.n_cells, UNKNOWN)
    temperature_at = _temperatures(cube)
    precipitation_at = named_feature(cube.feature_names, PRECIPITATION_NAMES)
    if not temperature_at or precipitation_at is None:
        return unknown
    shift = {"K": -273.15, "degC": 0.0}.get(cube.feature_units[temperature_at[0]])
    per_day = _to_mm_per_day(cube, cube.feature_units[precipitation_at])
    training = np.flatnonzero(cube.year < cube.year[-1])
    # A step counts in the month of its middle, but in its own year: of the last 8-day step that is December.
    half = np.timedelta64(int((cube.rhythm.days or 0) // 2), "D")
    first = cube.time[training]
    middle = np.minimum(first + half, _next_year(first) - np.timedelta64(1, "D")).astype("datetime64[M]")
    month = middle.astype(np.int64) % 12
    if shift is None or per_day is None or not cube.rhythm.has_seasons or len(np.unique(month)) < 12:
        return unknown
    share = (month == np.arange(12)[:, None]) / np.bincount(month, minlength=12)[:, None]  # (month, training step)
    monthly = np.empty((2, cube.n_cells, 12))
    for start in range(0, cube.n_cells, _BLOCK_CELLS):
        block = np.asarray(cube.climate[start : start + _BLOCK_CELLS], dtype=np.float64)[:, training]
        monthly[0, start : start + len(block)] = (block[:, :, temperature_at].mean(axis=2) + shift) @ share.T
        monthly[1, start : start + len(block)] = (block[:, :, precipitation_at] * per_day[training]) @ share.T
    return classify(monthly[0], np.maximum(monthly[1], 0.0) * _MONTH_DAYS)


def _temperatures(cube: Cube) -> list[int]:
    """The features whose mean is the air temperature; none where it is not known."""
    mean = named_feature(cube.feature_names, TEMPERATURE_NAMES)
    if mean is not None:
        return [mean]
    if not set(EXTREME_NAMES) <= set(cube.feature_names):
        return []
    extremes = [cube.feature_names.index(name) for name in EXTREME_NAMES]
    return extremes if len({cube.feature_units[at] for at in extremes}) == 1 else []


def classify(temperature: Doubles, precipitation: Doubles) -> npt.NDArray[np.str_]:
    """(cell,) main Köppen–Geiger group of each cell.

    Args:
        temperature: (cell, month) mean of January to December, degC.
        precipitation: (cell, month) sum of each month, mm.
    """
    annual = precipitation.sum(axis=1)
    first_half = precipitation[:, _SUMMER_MONTHS].sum(axis=1)  # April to September
    # Summer is the warmer half of the year, which is the other one south of the equator.
    northern = temperature[:, _SUMMER_MONTHS].mean(axis=1) >= np.delete(temperature, _SUMMER_MONTHS, axis=1).mean(
        axis=1
    )
    summer = np.where(northern, first_half, annual - first_half) / np.maximum(annual, 1e-9)
    threshold = 2 * temperature.mean(axis=1) + np.select([summer > 0.7, summer < 0.3], [28.0, 0.0], 14.0)
    coldest, hottest = temperature.min(axis=1), temperature.max(axis=1)
    arid = annual < 10 * threshold
    conditions = [arid & (annual < 5 * threshold), arid, coldest >= 18, hottest <= 10, coldest > 0]
    return np.select(conditions, ["desert", "steppe", "tropical", "polar", "temperate"], "cold")


def _to_mm_per_day(cube: Cube, unit: str) -> Doubles | None:
    """(time,) factor that turns precipitation of a step into mm per day, or None for a unit that is not known."""
    if unit == "mm d-1":
        return np.ones(cube.n_times)
    if unit == "m":  # a sum over the step, as ERA5-Land's are here
        return np.asarray(1000.0 / _days_of_steps(cube), dtype=np.float64)
    return None


def _days_of_steps(cube: Cube) -> Doubles:
    """(time,) days of each step: of months those of the month; the last 8-day step of a year is shorter."""
    if cube.rhythm.name == "month":
        month = cube.time.astype("datetime64[M]")
        days = ((month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")).astype(np.float64)
        return np.asarray(days)
    return np.minimum((_next_year(cube.time) - cube.time).astype(np.float64), cube.rhythm.days or 1.0)


def _next_year(time: npt.NDArray[np.datetime64]) -> npt.NDArray[np.datetime64]:
    return (time.astype("datetime64[Y]") + 1).astype("datetime64[D]")
