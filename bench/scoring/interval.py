"""A number with its interval: the one type that statistics make and tables show."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

NAN = float("nan")


@dataclass(frozen=True)
class Interval:
    """A number with its interval.

    Attributes:
        value: the number.
        low: lower end of its 95 % interval; NaN where nothing can be said.
        high: upper end.
        p: two-sided p-value of the hypothesis that the number is 0 (a ratio: 1); NaN where nothing can be said.
    """

    value: float
    low: float = NAN
    high: float = NAN
    p: float = NAN

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return self.low <= self.high

    def excludes(self, number: float) -> bool:
        """Whether the interval lies on one side of a number; an unknown one never does."""
        return self.low > number or self.high < number

    def within(self, least: float, most: float) -> Self:
        """The same with the interval cut off where the number ends, such as −1 and 1 of a correlation."""
        return replace(self, low=float(np.clip(self.low, least, most)), high=float(np.clip(self.high, least, most)))

    def one_minus(self) -> Self:
        """1 − the number, such as R² from 1 − R²; the p-value stays."""
        return replace(self, value=1 - self.value, low=1 - self.high, high=1 - self.low)
