"""Checks of what a user passes in; each failure is one ``ValueError`` with one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def finite_array(values: ArrayLike, name: str, ndim: int) -> FloatArray:
    """Return the values as a contiguous float64 array of the asked rank.

    Args:
        values: anything numpy can turn into numbers.
        name: what the error message calls it.
        ndim: number of axes wanted.

    Returns:
        A C-contiguous float64 array with ``ndim`` axes.

    Raises:
        ValueError: not numeric, another number of axes, empty, NaN or infinite.
    """
    try:
        array = np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers: {error}") from error
    if array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, but its shape is {array.shape}.")
    if array.size == 0:
        raise ValueError(f"{name} is empty: its shape is {array.shape}.")
    bad = int(np.count_nonzero(~np.isfinite(array)))
    if bad:
        raise ValueError(f"{name} holds {bad} NaN or infinite values; drop or fill them first.")
    return array


def target_vector(y: ArrayLike) -> FloatArray:
    """Return the target as (n,); a single column (n, 1) is accepted too."""
    array = np.asarray(y)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    return finite_array(array, "y", 1)


def coordinate_array(coords: ArrayLike, great_circle: bool, name: str = "coords") -> FloatArray:
    """Return coordinates as (n, 2): planar x, y or, for great-circle distance, lon, lat in degrees.

    Raises:
        ValueError: not two columns, NaN, or outside lon -180..360 and lat -90..90.
    """
    array = finite_array(coords, name, 2)
    if array.shape[1] != 2:
        raise ValueError(f"{name} must have two columns, but its shape is {array.shape}.")
    if great_circle:
        lon, lat = array[:, 0], array[:, 1]
        if np.abs(lat).max() > 90 or lon.min() < -180 or lon.max() > 360:
            raise ValueError(f"{name} must be (lon, lat) in degrees: lon in -180..360, lat in -90..90.")
    return array


def same_length(**arrays: FloatArray) -> None:
    """Check that all arrays have the same number of rows.

    Raises:
        ValueError: the lengths differ.
    """
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"The numbers of samples differ: {listed}.")


def enough_samples(samples: int, parameters: int) -> None:
    """Check that there are more samples than parameters (features and intercept).

    Raises:
        ValueError: there are not.
    """
    if samples <= parameters:
        raise ValueError(
            f"{samples} samples cannot determine {parameters} parameters per location (features + intercept)."
        )


def one_of(value: Any, name: str, allowed: tuple[str, ...]) -> None:
    """Check a named choice.

    Raises:
        ValueError: the value is none of the allowed ones.
    """
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {value!r}.")


def bandwidth_range(pair: tuple[float, float] | None, default: tuple[float, float], name: str) -> tuple[float, float]:
    """Return the user's search range, or the default where none is given.

    Raises:
        ValueError: the range is not two positive, ascending numbers.
    """
    if pair is None:
        return default
    low, high = float(pair[0]), float(pair[1])
    if not 0 < low < high:
        raise ValueError(f"{name} must be two positive, ascending numbers, not {pair!r}.")
    return low, high


def positive_period(period: float | None) -> None:
    """Check the length of a cyclic time axis.

    Raises:
        ValueError: it is not positive.
    """
    if period is not None and not period > 0:
        raise ValueError(f"period must be positive, not {period!r}.")
