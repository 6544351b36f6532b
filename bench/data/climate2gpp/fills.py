"""Fill values that a file does not declare."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_FILLS = (-9999.0, -32767.0, -32768.0, -99.0, -999.0)
_FILLS_IN_RANGE = (-9999.0, -32767.0, -32768.0)
"""Of these, those that are told from true values by their number where they lie in the range of a variable."""
_REPEATED = 1e-3
"""More than this share of the values equals a fill value to the last digit only if it means missing. In J m-2 the
values of a field spread over ten million; even packed into 16 bits, in steps of a few hundred, about 1 in 30,000 meets
any one of them.
"""
_NO_NUMBER = 1.0e19
"""Larger values are fill values that a file forgot to declare (NetCDF's default is 9.97e36)."""


def without_fills(
    values: npt.NDArray[np.float64], lowest: float, missing: tuple[float, ...] = ()
) -> npt.NDArray[np.float64]:
    """Returns the values with undeclared fill values replaced by NaN.

    Args:
        values: any shape, as stored.
        lowest: no true value, in any unit, lies below it.
        missing: fill values above it that the file is known to have; more are recognised if they repeat.
    """
    fills = [fill for fill in _FILLS if fill < lowest]
    low, high = np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)
    fills += {*missing, *repeated_fills(values, lowest)}
    if not (low <= max(fills, default=-_NO_NUMBER) or high >= _NO_NUMBER):
        return values  # the usual case: nothing to search for
    wrong = np.abs(values) >= _NO_NUMBER
    for fill in fills:
        wrong |= values == fill
    return np.where(wrong, np.nan, values)


def repeated_fills(values: npt.NDArray[np.float64], lowest: float) -> tuple[float, ...]:
    """Returns the fill values that might be true, but stand too often in the values to be so.

    Whether the file declares another fill value says nothing: xarray declares NaN for whatever it writes.

    Args:
        values: any shape, as stored; at least a frame.
        lowest: no true value, in any unit, lies below it.
    """
    in_range = [fill for fill in _FILLS_IN_RANGE if fill >= lowest]
    return tuple(fill for fill in in_range if np.count_nonzero(values == fill) > max(1.0, _REPEATED * values.size))
