"""Checks of the settings of geographically weighted methods; each failure is one ``ValueError``."""

from __future__ import annotations

import math
import numbers
from typing import Any


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
        ValueError: the range is not two positive, ascending, finite numbers.
    """
    if pair is None:
        return default
    try:
        low, high = (float(end) for end in pair)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be two numbers, not {pair!r}.") from error
    if not 0 < low < high < math.inf:
        raise ValueError(f"{name} must be two positive, ascending and finite numbers, not {pair!r}.")
    return low, high


def positive_bandwidth(bandwidth: Any, adaptive: bool) -> None:
    """Check a bandwidth.

    Args:
        bandwidth: a distance, infinity included; or, adaptive, a number of neighbours.
        adaptive: which of the two.

    Raises:
        ValueError: it is no positive number, or, adaptive, not a whole one.
    """
    if not isinstance(bandwidth, numbers.Real) or not float(bandwidth) > 0:
        raise ValueError(f"The bandwidth must be a positive number, not {bandwidth!r}.")
    if adaptive and not float(bandwidth).is_integer():
        whole = "give adaptive=False for the global fit" if bandwidth == math.inf else "give a whole number"
        raise ValueError(f"An adaptive bandwidth counts neighbours, but is {bandwidth!r}; {whole}.")


def positive_period(period: float | None) -> None:
    """Check the length of a cyclic time axis.

    Raises:
        ValueError: it is not positive.
    """
    if period is not None and not period > 0:
        raise ValueError(f"period must be positive, not {period!r}.")
