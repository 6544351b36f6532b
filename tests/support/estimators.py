"""Regressors as people write them: whole ones and such as lose something."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, RegressorMixin


class Plain(RegressorMixin):
    """Predicts one number; it has no settings and tells none, and its `fit` returns nothing."""

    def fit(self, x: npt.NDArray[Any], y: npt.NDArray[Any]) -> None:
        """Learns nothing."""

    def predict(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The same number for every row."""
        return np.full(len(x), float(getattr(self, "level", 1.0)))


class Untold(Plain):
    """It has a setting and does not tell it."""

    def __init__(self, level: float = 1.0) -> None:
        self.level = level


class Kept(BaseEstimator, Untold):  # type: ignore[misc]
    """It tells its setting."""


class Renamed(BaseEstimator, Plain):  # type: ignore[misc]
    """It keeps its setting under another name, so that asking for it fails."""

    def __init__(self, level: float = 1.0) -> None:
        self.kept = level


class Doubled(BaseEstimator, Plain):  # type: ignore[misc]
    """It changes its setting, so that what it tells makes another regressor."""

    def __init__(self, level: float = 1.0) -> None:
        self.level = 2 * level


def piped() -> Any:
    """A pipeline that ends in a regressor."""
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), Ridge())
