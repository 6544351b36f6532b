"""GNNWR and GTNNWR as scikit-learn-shaped estimators."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from numpy.typing import ArrayLike
from torch import nn

from models import validation
from models.arrays import Doubles
from models.gnnwr.base import WeightedRegression
from models.gnnwr.network import SpaceTimeWeightNetwork, WeightNetwork
from models.gwr import settings
from models.gwr.distance import Distance
from models.training import ProgressCallback


class GNNWR(WeightedRegression):
    """Geographically neural network weighted regression (Du, Wang, Wu et al. 2020, IJGIS 34(7)).

    ŷᵢ = Σₖ wₖ(dᵢ) · β_OLS,k · xᵢₖ, the intercept among the terms: a network turns the distances of a place to the
    landmarks into one weight for each coefficient of the global least-squares fit. It starts at w = 1, which is
    that fit. ``models.gnnwr`` says how it differs from the original.

    Args:
        landmarks: places to which distances are measured; fewer where the samples have fewer places.
        hidden: widths of the weight network's hidden layers.
        dropout: share of hidden values dropped in training.
        ridge: penalty of the global fit on squared coefficients of standardised columns, relative to the mean
            squared error, so that collinear columns get no large coefficients of opposite sign. The slope of a column
            that is uncorrelated with the others is divided by 1 + ridge.
        reach: predictions take a feature beyond this multiple of its standardised training extremes as being there;
            with infinity only the 5 deviations of ``models.inputs`` bound it.
        distance: ``planar``, or ``great_circle`` for (lon, lat) in degrees.
        updates: optimiser steps, about; always whole passes over the rows.
        batch_size: rows of one optimiser step.
        learning_rate: peak of the one-cycle schedule of AdamW.
        weight_decay: of AdamW; it pulls the weights to 1.
        seed: of initialisation, order and dropout.
        device: ``auto`` (a GPU if there is one), ``cpu`` or ``cuda``.

    Attributes:
        training_result_: loss of each round, and time.
    """

    def __init__(
        self,
        *,
        landmarks: int = 256,
        hidden: Sequence[int] = (128, 64),
        dropout: float = 0.2,
        ridge: float = 1e-2,
        reach: float = 1.0,
        distance: str = "planar",
        updates: int = 3000,
        batch_size: int = 256,
        learning_rate: float = 1e-2,
        weight_decay: float = 0.01,
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.landmarks = landmarks
        self.hidden = hidden
        self.dropout = dropout
        self.ridge = ridge
        self.reach = reach
        self.distance = distance
        self.updates = updates
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.seed = seed
        self.device = device

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        coords: ArrayLike,
        *,
        checkpoint: Path | None = None,
        on_progress: ProgressCallback | None = None,
    ) -> Self:
        """Fit the global model, then train the network.

        Fewer rows than columns are allowed: the ridge decides what they leave open.

        Args:
            X: (n, k - 1) features, without a column of ones.
            y: (n,) target.
            coords: (n, 2) x, y, or lon, lat in degrees.
            checkpoint: file for the state of an unfinished training; a killed ``fit`` with the same arguments goes on
                from it to the same numbers.
            on_progress: called with a ``Progress`` now and then.

        Returns:
            The estimator.

        Raises:
            ValueError: NaN, lengths that differ, a single row, a setting out of range, or a checkpoint of another
                training.
            FloatingPointError: the loss became NaN or infinite.
        """
        return self._fit(X, y, coords, None, checkpoint, on_progress)

    def predict(self, X: ArrayLike, coords: ArrayLike) -> Doubles:
        """Return predictions (m,) for features (m, k - 1) at any number of places (m, 2).

        Raises:
            ValueError: not fitted, NaN, lengths that differ or another number of features.
        """
        return self._predict(X, coords, None)

    def coefficients(self, coords: ArrayLike) -> Doubles:
        """Return local coefficients (m, k) at places (m, 2), intercept first, in units of the data.

        Raises:
            ValueError: not fitted or NaN.
        """
        return self._coefficients(coords, None)

    def _network(self, landmarks: int, columns: int) -> nn.Module:
        return WeightNetwork(landmarks, columns, self.hidden, self.dropout)


class GTNNWR(WeightedRegression):
    """Geographically and temporally neural network weighted regression (Wu et al. 2021, IJGIS 35(3)).

    As ``GNNWR``, but landmarks are places at moments, and a small network of its own (STPNN) first turns the distance
    in space and the distance in time to a landmark into one proximity.

    Args:
        landmarks: places at moments to which distances are measured.
        hidden: as for ``GNNWR``.
        dropout: as for ``GNNWR``.
        ridge: as for ``GNNWR``.
        reach: as for ``GNNWR``.
        distance: as for ``GNNWR``.
        updates: as for ``GNNWR``.
        batch_size: as for ``GNNWR``.
        learning_rate: as for ``GNNWR``.
        weight_decay: as for ``GNNWR``.
        seed: as for ``GNNWR``.
        device: as for ``GNNWR``.
        period: length of a cyclic time axis, such as 46 for 8-day steps of the year; None for linear time.
        proximity_width: hidden width of the proximity network.

    Attributes:
        training_result_: loss of each round, and time.
    """

    def __init__(
        self,
        *,
        landmarks: int = 256,
        hidden: Sequence[int] = (256, 128, 64),
        dropout: float = 0.2,
        ridge: float = 1e-2,
        reach: float = 1.0,
        distance: str = "planar",
        updates: int = 4000,
        batch_size: int = 256,
        learning_rate: float = 1e-2,
        weight_decay: float = 0.01,
        seed: int = 0,
        device: str = "auto",
        period: float | None = None,
        proximity_width: int = 8,
    ) -> None:
        self.landmarks = landmarks
        self.hidden = hidden
        self.dropout = dropout
        self.ridge = ridge
        self.reach = reach
        self.distance = distance
        self.updates = updates
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.seed = seed
        self.device = device
        self.period = period
        self.proximity_width = proximity_width

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        coords: ArrayLike,
        times: ArrayLike,
        *,
        checkpoint: Path | None = None,
        on_progress: ProgressCallback | None = None,
    ) -> Self:
        """Fit the global model, then train both networks.

        Args:
            X: (n, k - 1) features, without a column of ones.
            y: (n,) target.
            coords: (n, 2) x, y, or lon, lat in degrees.
            times: (n,) in any unit.
            checkpoint: as for ``GNNWR``.
            on_progress: as for ``GNNWR``.

        Returns:
            The estimator.

        Raises:
            ValueError: as for ``GNNWR``.
            FloatingPointError: the loss became NaN or infinite.
        """
        return self._fit(X, y, coords, validation.finite_array(times, "times", 1), checkpoint, on_progress)

    def predict(self, X: ArrayLike, coords: ArrayLike, times: ArrayLike) -> Doubles:
        """Return predictions (m,) for features (m, k - 1) at places (m, 2) and times (m,).

        Raises:
            ValueError: not fitted, NaN, lengths that differ or another number of features.
        """
        return self._predict(X, coords, validation.finite_array(times, "times", 1))

    def coefficients(self, coords: ArrayLike, times: ArrayLike) -> Doubles:
        """Return local coefficients (m, k) at places (m, 2) and times (m,), intercept first, in units of the data.

        Raises:
            ValueError: not fitted, NaN or lengths that differ.
        """
        return self._coefficients(coords, validation.finite_array(times, "times", 1))

    def _distance(self) -> Distance:
        return Distance(self.distance == "great_circle", period=self.period)

    def _network(self, landmarks: int, columns: int) -> nn.Module:
        return SpaceTimeWeightNetwork(landmarks, columns, self.hidden, self.dropout, self.proximity_width)

    def _check_settings(self) -> None:
        super()._check_settings()
        settings.positive_period(self.period)
        if self.proximity_width < 1:
            raise ValueError(f"proximity_width is {self.proximity_width}; it must be at least 1.")
