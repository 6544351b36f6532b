"""The global least-squares fit that the networks weight, in standardised columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from models.arrays import Doubles
from models.inputs import ColumnScaling


@dataclass(frozen=True)
class LeastSquares:
    """A ridge fit: every slope is smaller than that of ordinary least squares, by how much depends on the ridge.

    It minimises mean (y - ȳ - Zβ)² + ridge · |β|² over standardised columns Z. Along an eigenvector of their
    correlation matrix, of eigenvalue λ, the least-squares solution is multiplied by λ / (λ + ridge). A column that is
    uncorrelated with the others has λ = 1: it loses 1 % of its slope at the default ridge of 0.01, and 23 % (1 - 1/1.3)
    at the 0.3 of the benchmark's rows. Of m equal columns λ = m, and they share m / (m + ridge) of the slope. A
    direction that the data leave open (λ near 0) gets nothing. This is where the network starts, not the result: it
    multiplies each slope, and can give back what the ridge took where the data ask for it.

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
    low: Doubles
    high: Doubles
    coefficients: Doubles
    target_scale: float

    @classmethod
    def fit(cls, features: Doubles, target: Doubles, ridge: float, reach: float) -> Self:
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

    def design(self, features: Doubles) -> Doubles:
        """Return the design (m, k) of features (m, k - 1): ones, then standardised columns within reach."""
        columns = np.clip(self.columns.standardise(features), self.low, self.high)
        return np.concatenate([np.ones((len(columns), 1)), columns], axis=1)

    def to_user_units(self, coefficients: Doubles) -> Doubles:
        """Return coefficients (m, k) of the design as intercept and slopes of the features as given."""
        slopes = coefficients[:, 1:] / self.columns.scale
        intercept = coefficients[:, :1] - (slopes * self.columns.mean).sum(axis=1, keepdims=True)
        return np.concatenate([intercept, slopes], axis=1)
