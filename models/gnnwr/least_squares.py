"""The global least-squares fit that the networks weight, in standardised columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from models.gwr.validation import FloatArray
from models.inputs import ColumnScaling


@dataclass(frozen=True)
class LeastSquares:
    """A ridge fit so weak that it differs from ordinary least squares only where that is not determined.

    Columns are standardised as ``models.inputs`` says: one that is constant in the training rows is zero, the others
    are held within a few deviations. Here they are also held within ``reach`` times the training extremes, because a
    local coefficient, unlike a network's saturating units, multiplies whatever comes.

    Attributes:
        columns: standardise the features.
        low: (k - 1,) smallest standardised value that is told from smaller ones.
        high: (k - 1,) the largest.
        coefficients: (k,) of a column of ones, then of the standardised features.
        target_scale: standard deviation of the target, 1 for a constant one.
    """

    columns: ColumnScaling
    low: FloatArray
    high: FloatArray
    coefficients: FloatArray
    target_scale: float

    @classmethod
    def fit(cls, features: FloatArray, target: FloatArray, ridge: float, reach: float) -> Self:
        """Fit by a QR-type solver of the augmented system, which does not square the condition number.

        Args:
            features: (n, k - 1).
            target: (n,).
            ridge: penalty on squared coefficients of standardised columns, relative to the mean square error; the
                intercept is free.
            reach: share of the training extremes at which columns are cut off.
        """
        scaling = ColumnScaling.of(features)
        columns = scaling.standardise(features)
        limit = np.where(scaling.varies, reach, 0.0)  # a constant column is 0, also where the reach is infinite
        width = columns.shape[1]
        augmented = np.concatenate([columns, np.sqrt(ridge * len(target)) * np.eye(width)])
        values = np.concatenate([target - target.mean(), np.zeros(width)])
        slopes = np.linalg.lstsq(augmented, values, rcond=None)[0]  # centred columns: the intercept is the mean
        return cls(
            scaling,
            limit * columns.min(axis=0),
            limit * columns.max(axis=0),
            np.concatenate([[target.mean()], slopes]),
            float(target.std()) or 1.0,
        )

    def design(self, features: FloatArray) -> FloatArray:
        """Return the design (m, k) of features (m, k - 1): ones, then standardised columns within reach."""
        columns = np.clip(self.columns.standardise(features), self.low, self.high)
        return np.concatenate([np.ones((len(columns), 1)), columns], axis=1)

    def to_user_units(self, coefficients: FloatArray) -> FloatArray:
        """Return coefficients (m, k) of the design as intercept and slopes of the features as given."""
        slopes = coefficients[:, 1:] / self.columns.scale
        intercept = coefficients[:, :1] - (slopes * self.columns.mean).sum(axis=1, keepdims=True)
        return np.concatenate([intercept, slopes], axis=1)
