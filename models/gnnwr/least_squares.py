"""The global least-squares fit that the networks weight, in standardised columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from models.gwr.equations import CONSTANT_SPREAD
from models.gwr.validation import FloatArray


@dataclass(frozen=True)
class LeastSquares:
    """A ridge fit so weak that it differs from ordinary least squares only where that is not determined.

    Columns are standardised by the training rows, and a column that is constant in them becomes zero. Beyond what
    the training rows hold, a standardised column is cut off at ``reach`` times their extremes.

    Attributes:
        mean: (k - 1,) of the features.
        scale: (k - 1,) standard deviation of the features, 1 for a constant one.
        low: (k - 1,) smallest standardised value that is told from smaller ones.
        high: (k - 1,) the largest.
        coefficients: (k,) of a column of ones, then of the standardised features.
        target_scale: standard deviation of the target, 1 for a constant one.
    """

    mean: FloatArray
    scale: FloatArray
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
        mean, spread = features.mean(axis=0), features.std(axis=0)
        constant = spread <= CONSTANT_SPREAD * np.abs(features).max(axis=0)
        scale = np.where(constant, 1.0, spread)
        columns = np.where(constant, 0.0, (features - mean) / scale)
        width = columns.shape[1]
        augmented = np.concatenate([columns, np.sqrt(ridge * len(target)) * np.eye(width)])
        values = np.concatenate([target - target.mean(), np.zeros(width)])
        slopes = np.linalg.lstsq(augmented, values, rcond=None)[0]  # centred columns: the intercept is the mean
        return cls(
            mean,
            scale,
            reach * columns.min(axis=0),
            reach * columns.max(axis=0),
            np.concatenate([[target.mean()], slopes]),
            float(target.std()) or 1.0,
        )

    def design(self, features: FloatArray) -> FloatArray:
        """Return the design (m, k) of features (m, k - 1): ones, then standardised columns within reach."""
        columns = np.clip((features - self.mean) / self.scale, self.low, self.high)
        return np.concatenate([np.ones((len(columns), 1)), columns], axis=1)

    def to_user_units(self, coefficients: FloatArray) -> FloatArray:
        """Return coefficients (m, k) of the design as intercept and slopes of the features as given."""
        slopes = coefficients[:, 1:] / self.scale
        intercept = coefficients[:, :1] - (slopes * self.mean).sum(axis=1, keepdims=True)
        return np.concatenate([intercept, slopes], axis=1)
