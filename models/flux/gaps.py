"""Two plain ways to fill the gaps of a tower, to compare an imputation with."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from models.arrays import Reals

MONTHS = np.arange(1, 13)


def interpolated(targets: Reals) -> npt.NDArray[np.float64]:
    """Linear in time between the observed months; before the first and after the last, their values.

    Args:
        targets: (tower, month, flux); NaN where missing.

    Returns:
        The same with its gaps filled; NaN only where a tower has no value of a flux at all.
    """
    filled = np.array(targets, dtype=np.float64)
    months = np.arange(filled.shape[1])
    for tower, flux in np.ndindex(filled.shape[0], filled.shape[2]):
        series = filled[tower, :, flux]
        seen = np.isfinite(series)
        if seen.any():
            series[~seen] = np.interp(months[~seen], months[seen], series[seen])
    return filled


def climatology(targets: Reals, month_of_year: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float64]:
    """The tower's mean of the same month of the year; where it has none, the tower's mean.

    Args:
        targets: (tower, month, flux); NaN where missing.
        month_of_year: (month,) 1–12.

    Returns:
        (tower, month, flux); observed months too have the mean. NaN only where a tower has no value of a flux at all.
    """
    values = np.asarray(targets, dtype=np.float64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Mean of empty slice")  # such a month gets the tower's mean
        overall = np.nanmean(values, axis=1)
        means = np.stack([np.nanmean(values[:, month_of_year == month], axis=1) for month in MONTHS], axis=1)
    means = np.where(np.isnan(means), overall[:, None], means)
    return np.asarray(means[:, month_of_year - 1])
