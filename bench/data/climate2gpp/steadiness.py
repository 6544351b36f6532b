"""Whether files that were given one unit can be in one unit: years, and neighbouring images, are of one size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bench.data.climate2gpp.layers import Layer
from bench.data.climate2gpp.survey import LayerSurvey
from bench.data.climate2gpp.units import Unit
from bench.data.climate2gpp.variables import TARGET
from bench.data.era5_land import Era5LandVariable
from bench.errors import BenchError

_YEARS_APART = 30.0
"""No region's mean of a year is so many times that of another year, but units differ by 100 or more."""
_IMAGES_APART = 40.0
"""Nor is a region's mean GPP so many times that of eight days before, or of the same days of another year, where the
larger is no less than ``_CLEAR_GPP``.
"""
_CLEAR_GPP = 0.5
"""gC m-2 d-1, mean of a region: below it snow that melts may raise GPP by any factor."""
_FRAMES_OF_A_YEAR = 4
_WINTERS_APART, _CLEAR_SNOW = 80.0, 0.02
"""Snow differs more between years: the same for it, where the larger mean is no less than these metres."""
_NOT_BY_FACTOR = ("K", "Pa", "%")
"""Units whose alternatives have other ranges, so that one look at all values tells them apart."""


def require_steady(variable: Era5LandVariable, layers: Sequence[Layer], survey: LayerSurvey, unit: Unit) -> None:
    """Refuses files of which some must be in another unit than the rest.

    Args:
        variable: which one.
        layers: all that hold it.
        survey: of their values.
        unit: that was decided for all.

    Raises:
        BenchError: a year, or an image, is many times larger than another.
    """
    if variable.unit in _NOT_BY_FACTOR:
        return
    mean = np.where(survey.valid > 0, survey.mean * unit.factor, np.nan)
    years = survey.times.astype("datetime64[Y]").astype(np.int64) + 1970
    by_year = {year: years == year for year in np.unique(years).tolist()}
    means = {
        year: float(np.nanmean(mean[chosen]))
        for year, chosen in by_year.items()
        if np.isfinite(mean[chosen]).sum() >= _FRAMES_OF_A_YEAR
    }
    is_snow = variable.name.startswith("snow_")
    apart, clear = (_WINTERS_APART, _CLEAR_SNOW) if is_snow else (_YEARS_APART, 0.0)
    if len(means) > 1:
        most, least = max(means, key=lambda year: means[year]), min(means, key=lambda year: means[year])
        if means[least] > 0 and means[most] > apart * means[least] and means[most] >= clear:
            pair = [int(np.flatnonzero(by_year[year])[0]) for year in (most, least)]
            raise _apart(variable, layers, survey, pair, means[most] / means[least])
    if variable is TARGET:
        _require_steady_images(layers, survey, mean)


def _require_steady_images(layers: Sequence[Layer], survey: LayerSurvey, mean: npt.NDArray[np.float64]) -> None:
    days = survey.times.astype("datetime64[D]")
    day_of_year = (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64)
    in_time = np.arange(len(mean))
    by_day = np.lexsort((days, day_of_year))
    for order, neighbours in (
        (in_time, np.diff(days).astype(np.int64) <= 8),
        (by_day, np.diff(day_of_year[by_day]) == 0),
    ):
        one, other = mean[order[:-1]], mean[order[1:]]
        large, small = np.fmax(one, other), np.fmin(one, other)
        with np.errstate(invalid="ignore"):
            jump = neighbours & (large >= _CLEAR_GPP) & (large > _IMAGES_APART * small) & np.isfinite(one + other)
        if jump.any():
            position = int(np.flatnonzero(jump)[0])
            pair = sorted((int(order[position]), int(order[position + 1])), key=lambda at: -mean[at])
            raise _apart(TARGET, layers, survey, pair, float(large[position] / small[position]))


def _apart(
    variable: Era5LandVariable, layers: Sequence[Layer], survey: LayerSurvey, pair: Sequence[int], times: float
) -> BenchError:
    (one, when), (other, then) = ((layers[survey.layer[at]].path, str(survey.times[at])[:10]) for at in pair)
    return BenchError(
        f"{variable.name} is {times:.3g} times larger about {when} ({one}) than about {then} ({other}): the files hold "
        "different units or scales; convert some of them, so that one unit holds for all."
    )
