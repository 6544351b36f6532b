"""The one rule for what every estimator here does with its columns, decided on the training rows alone.

* **A column that is constant in training is dropped**: it counts as 0 whatever it does later. Its weights are never
  trained, so any later value would be multiplied by what they happened to start with. Constant means up to rounding:
  a spread below ``rounding`` of the largest value, at any scale of the column.
* **Standardised values are held within ±5 deviations**, in training and later. A network is trained where its inputs
  are; far outside it says anything. It also tames almost empty columns. A class that covers a share p of the rows
  has a deviation of about √p, and so its full cover is 1/√p deviations out: 45 for one row in two thousand. Held, it
  is at most 5, and still told from its absence. So almost empty columns are kept; holding them is enough: where the
  class later covers every row, the error of most networks grows by a tenth to two thirds of the target's deviation,
  and of none by more than two (``tests/models/test_inputs.py``).

What each estimator does with the rule:

================================  ===========================  ====================================================
estimator                         constant columns             values far out
================================  ===========================  ====================================================
``DualBranch(Plus)Regressor``     dropped                      held (``training.panel.Scaling``, the same in torch)
``PyTorchFrameRegressor``         dropped                      held
``GNNWR``, ``GTNNWR``             dropped                      held, and within ``reach`` of the training extremes
``GeographicalForest``            dropped                      as given: a tree takes them as beyond its last split
``GWR``, ``GTWR``, ``PanelGTWR``  coefficient 0                as given (linear extrapolation is the method, and
                                                               mgwr's); held where ``hold_features`` is set
================================  ===========================  ====================================================
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import DTypeLike

from models.arrays import Doubles, Mask, Reals

HELD_DEVIATIONS = 5.0
"""Standard deviations from the training mean at which a value is held. Of a normal column, one in two million is."""

LEAST_ROUNDING = 1e-12
"""Spread over size that sums of double precision leave of a constant column."""

_ROWS_AT_ONCE = 1 << 20  # in double precision, when the statistics are taken


def rounding(precision: DTypeLike) -> float:
    """Spread over size up to which a column of this type of number is constant: some units in the last place."""
    kind = np.dtype(precision)
    return max(8 * float(np.finfo(kind).eps), LEAST_ROUNDING) if kind.kind == "f" else LEAST_ROUNDING


@dataclass(frozen=True)
class ColumnScaling:
    """What the training rows say of the columns, and the rule applied to any rows.

    Attributes:
        mean: (column,) in the column's unit.
        scale: (column,) standard deviation in the column's unit, 1 where the column is dropped.
        varies: (column,) whether the column is used: it is not constant in training.
        low: (column,) smallest training value.
        high: (column,) largest training value.
    """

    mean: Doubles
    scale: Doubles
    varies: Mask
    low: Doubles
    high: Doubles

    @classmethod
    def of(cls, features: Reals, precision: DTypeLike | None = None) -> Self:
        """Takes the statistics of training rows.

        Args:
            features: (row, column), finite, at least one row.
            precision: type of number that the estimator computes in, where it is coarser than that of the features.
        """
        starts = range(0, len(features), _ROWS_AT_ONCE)
        parts = (features[start : start + _ROWS_AT_ONCE] for start in starts)
        return cls.of_parts(parts, features.dtype if precision is None else precision)

    @classmethod
    def of_parts(cls, parts: Iterable[Reals], precision: DTypeLike) -> Self:
        """Takes the statistics of training rows that come in parts, by Chan's pairwise update in double precision.

        Args:
            parts: (row, column) each, finite, at least one row.
            precision: type of number that the estimator computes in.
        """
        count, mean, squares, low, high = 0, np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0)
        for part in parts:
            values = part.astype(np.float64)
            part_mean = values.mean(axis=0)
            part_squares = np.square(values - part_mean).sum(axis=0)
            part_low, part_high = values.min(axis=0), values.max(axis=0)
            if count == 0:
                count, mean, squares, low, high = len(values), part_mean, part_squares, part_low, part_high
                continue
            total, delta = count + len(values), part_mean - mean
            squares = squares + part_squares + delta**2 * (count * len(values) / total)
            mean = mean + delta * (len(values) / total)
            low, high = np.minimum(low, part_low), np.maximum(high, part_high)
            count = total
        deviation = np.sqrt(squares / count)
        varies = deviation > rounding(precision) * np.maximum(np.abs(low), np.abs(high))
        return cls(mean, np.where(varies, deviation, 1.0), varies, low, high)

    def standardise(self, features: Reals) -> Doubles:
        """Returns the columns (row, column) as deviations from the training mean, held; 0 where dropped.

        Args:
            features: (row, column) in the columns' units.
        """
        held = np.clip((features - self.mean) / self.scale, -HELD_DEVIATIONS, HELD_DEVIATIONS)
        standardised: Doubles = np.where(self.varies, held, 0.0)
        return standardised

    def hold(self, features: Reals) -> Doubles:
        """Returns the columns (row, column) in their own units, held; at their training mean where dropped.

        Args:
            features: (row, column) in the columns' units.
        """
        reach = HELD_DEVIATIONS * self.scale
        return self.drop(np.clip(features, self.mean - reach, self.mean + reach))

    def drop(self, features: Reals) -> Doubles:
        """Returns the columns (row, column) as they are; at their training mean where dropped.

        Args:
            features: (row, column) in the columns' units.
        """
        kept: Doubles = np.where(self.varies, features, self.mean)
        return kept
