"""GTWR on a full panel with separable space-time weights, exact for hundreds of thousands of samples."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from models import validation
from models.arrays import Doubles
from models.gwr import local, settings
from models.gwr.distance import Distance, time_differences
from models.gwr.equations import build_problem
from models.gwr.kernels import KERNELS, Kernel
from models.gwr.panel_search import search_panel
from models.gwr.panel_sums import space_sums, sum_over_time
from models.gwr.regression import DEFAULT_MEMORY, DISTANCES
from models.gwr.statistics import CRITERIA, FittedFigures, fit_statistics
from models.gwr.weighting import CACHE_SHARE, ColumnTable, LocalSums, Neighbourhood
from models.inputs import ColumnScaling


class PanelGTWR(FittedFigures, RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """GTWR for full panels: the weight of a sample is K_s(ds / b_s) · K_t(dt / b_t).

    Space and time have a kernel each, as in Fotheringham, Crespo and Yao (2015, Geogr. Anal. 47(4)),
    with one spatial bandwidth for all times (theirs varies with time). An adaptive spatial bandwidth
    counts cells; the temporal one is fixed. With two Gaussian kernels and fixed bandwidths this *is* the
    model of Huang et al. (2010) and mgtwr with bandwidth b_s and τ = b_s² / b_t²; with other kernels
    the product differs from one kernel of the joint distance. Sums are exact either way: nothing is
    approximated or subsampled.

    Args:
        space_bandwidth: a distance, or, adaptive, a number of cells; None to search it.
        time_bandwidth: in the unit of the times; infinity for no weighting in time; None to search it.
        kernel: spatial kernel, ``bisquare``, ``gaussian`` or ``exponential``.
        time_kernel: temporal kernel, one of the same.
        adaptive: the spatial bandwidth is a number of cells.
        distance: ``planar``, or ``great_circle`` for (lon, lat) in degrees.
        period: length of a cyclic time axis, such as 46 for 8-day steps of the year; None for linear time.
        criterion: ``AICc``, ``AIC``, ``BIC`` or ``CV``.
        space_range: ends of the spatial search; None as for ``GWR``, or, adaptive, 20 cells (or a fifth
            of them, whichever is fewer) to all.
        time_range: ends of the temporal search; None for half the smallest to twice the largest
            difference in time.
        standard_errors: compute them; doubles the time of the final fit.
        hold_features: as for ``GWR``.
        memory: bytes for blocks and caches. The results do not depend on it.
        device: torch device that supports float64.

    Attributes:
        space_bandwidth_: the spatial bandwidth used.
        time_bandwidth_: the temporal bandwidth used.
        coefficients_: (cells, steps, k) local coefficients, intercept first.
        standard_errors_: (cells, steps, k), or None.
        local_r2_: (cells, steps).
        hat_diagonal_: (cells, steps).
        fitted_values_: (cells, steps).
        residuals_: (cells, steps).
        singular_: (cells, steps) booleans.
        search_history_: (space bandwidth, time bandwidth, score) triples; empty if both were given.

    The figures (``aicc_``, ``aic_``, ``bic_``, ``cv_``, ``r2_``, ``sigma2_``, ``trace_s_``,
    ``trace_sts_``) are those of ``GWR``.
    """

    def __init__(
        self,
        space_bandwidth: float | None = None,
        time_bandwidth: float | None = None,
        *,
        kernel: str = "bisquare",
        time_kernel: str = "gaussian",
        adaptive: bool = True,
        distance: str = "planar",
        period: float | None = None,
        criterion: str = "AICc",
        space_range: tuple[float, float] | None = None,
        time_range: tuple[float, float] | None = None,
        standard_errors: bool = True,
        hold_features: bool = False,
        memory: int = DEFAULT_MEMORY,
        device: str = "cpu",
    ) -> None:
        self.space_bandwidth = space_bandwidth
        self.time_bandwidth = time_bandwidth
        self.kernel = kernel
        self.time_kernel = time_kernel
        self.adaptive = adaptive
        self.distance = distance
        self.period = period
        self.criterion = criterion
        self.space_range = space_range
        self.time_range = time_range
        self.standard_errors = standard_errors
        self.hold_features = hold_features
        self.memory = memory
        self.device = device

    def fit(self, X: ArrayLike, y: ArrayLike, coords: ArrayLike, times: ArrayLike) -> Self:
        """Fit a local model at every cell and step; search bandwidths that were not given.

        Args:
            X: (cells, steps, k - 1) features, without a column of ones.
            y: (cells, steps) target.
            coords: (cells, 2) x, y, or lon, lat in degrees.
            times: (steps,) in any unit.

        Returns:
            The estimator.

        Raises:
            ValueError: NaN or a panel with gaps (use ``GTWR``), shapes that do not match, fewer samples
                than parameters, an unknown setting, or no bandwidth in range that leaves a freedom.
        """
        self._check_settings()
        features, target = validation.finite_array(X, "X", 3), validation.finite_array(y, "y", 2)
        places = validation.coordinate_array(coords, self.distance == "great_circle")
        moments = validation.finite_array(times, "times", 1)
        cells, steps, columns = features.shape
        if target.shape != (cells, steps) or len(places) != cells or len(moments) != steps:
            shapes = ", ".join(str(array.shape) for array in (features, target, places, moments))
            raise ValueError(
                f"A panel needs X (cells, steps, features), y (cells, steps), coords (cells, 2) and "
                f"times (steps,), but the shapes are {shapes}."
            )
        settings.enough_samples(cells * steps, columns + 1)
        self.n_features_in_ = columns
        self._columns = ColumnScaling.of(features.reshape(-1, columns))
        self._problem = build_problem(
            self._usable(features), target.ravel(), self.device, int(self.memory * CACHE_SHARE)
        )
        self._times = torch.as_tensor(moments, dtype=torch.float64, device=self.device)
        distance = Distance(self.distance == "great_circle")
        positions = distance.positions(places, None, self.device)
        self._cells = Neighbourhood(positions, positions, distance, self.memory)
        self.search_history_: tuple[tuple[float, float, float], ...] = ()
        space, time = self.space_bandwidth, self.time_bandwidth
        if space is None or time is None:
            space, time, self.search_history_ = search_panel(
                self._problem,
                self._cells,
                lambda bandwidth: self._time_weights(self._times, bandwidth),
                self._space_kernel,
                criterion=self.criterion,
                space=(space, space) if space is not None else self._space_ends(),
                time=(time, time) if time is not None else self._time_ends(),
            )
        self.space_bandwidth_, self.time_bandwidth_ = float(space), float(time)
        self._finish(cells, steps)
        return self

    def predict(self, X: ArrayLike, coords: ArrayLike, times: ArrayLike) -> Doubles:
        """Return predictions (m, t) for features (m, t, k - 1) at places (m, 2) and times (t,).

        Out of reach of every sample they are those of the global fit, with a warning that counts them.

        Raises:
            ValueError: not fitted, NaN, shapes that do not match or another number of features.
        """
        return self.predict_flagged(X, coords, times).values_with_a_warning()

    def predict_flagged(self, X: ArrayLike, coords: ArrayLike, times: ArrayLike) -> local.FlaggedPrediction:
        """Return the same, and which predictions no sample is in reach of, without a warning."""
        check_is_fitted(self)
        features = validation.finite_array(X, "X", 3)
        cells, moments = self._at(coords, times)
        if features.shape != (len(cells.points), len(moments), self.n_features_in_):
            raise ValueError(
                f"X must be (places, times, features) = "
                f"{(len(cells.points), len(moments), self.n_features_in_)}, not {features.shape}."
            )
        design = self._problem.design_at(self._usable(features))
        sums = self._sums(cells, moments, self._problem.columns, self._problem.width, squared=False)
        fit = local.fit_locally(sums, self._problem, len(design), design, at_samples=False)
        return local.FlaggedPrediction.of(fit, features.shape[:2])

    def local_models(self, coords: ArrayLike, times: ArrayLike) -> local.LocalModels:
        """Return local models at places (m, 2) and times (t,); place · t + time is the row."""
        check_is_fitted(self)
        cells, moments = self._at(coords, times)
        problem, points = self._problem, len(cells.points) * len(moments)
        sums = self._sums(cells, moments, problem.columns, problem.width, self.standard_errors)
        fit = local.fit_locally(sums, problem, points, None, at_samples=False)
        return local.local_models(fit, self._local_r2(cells, moments), self.sigma2_)

    def score(self, X: ArrayLike, y: ArrayLike, coords: ArrayLike, times: ArrayLike) -> float:
        """Return R² of the prediction; the arguments are those of ``fit``."""
        target, prediction = validation.finite_array(y, "y", 2), self.predict_flagged(X, coords, times).values
        if target.shape != prediction.shape:
            raise ValueError(f"y must be (places, times) = {prediction.shape}, not {target.shape}.")
        error = target - prediction
        return float(1.0 - np.square(error).sum() / np.square(target - target.mean()).sum())

    def _check_settings(self) -> None:
        settings.one_of(self.kernel, "kernel", KERNELS)
        settings.one_of(self.time_kernel, "time_kernel", KERNELS)
        settings.one_of(self.distance, "distance", DISTANCES)
        settings.one_of(self.criterion, "criterion", CRITERIA)
        settings.positive_period(self.period)
        if self.space_bandwidth is not None:
            settings.positive_bandwidth(self.space_bandwidth, self.adaptive)
        if self.time_bandwidth is not None:
            settings.positive_bandwidth(self.time_bandwidth, adaptive=False)
        if self.memory <= 0:
            raise ValueError(f"memory must be a positive number of bytes, not {self.memory!r}.")

    def _usable(self, features: Doubles) -> Doubles:
        """Return the features (m, t, k - 1) as rows, constant ones at their mean, the others held if so wanted."""
        rows = features.reshape(-1, self.n_features_in_)
        return self._columns.hold(rows) if self.hold_features else self._columns.drop(rows)

    def _space_kernel(self, bandwidth: float) -> Kernel:
        return Kernel(self.kernel, bandwidth, self.adaptive)

    def _time_weights(self, times: Tensor, bandwidth: float) -> Tensor:
        """Return Wt (t, steps) of the data's steps at the given times (t,)."""
        differences = time_differences(times, self._times, self.period)
        return Kernel(self.time_kernel, bandwidth, adaptive=False).weights(differences)

    def _space_ends(self) -> tuple[float, float]:
        cells = len(self._cells.data)
        if self.adaptive:
            default = (float(min(20, max(cells // 5, 1))), float(cells))
        else:
            nearest, farthest = self._cells.extent()
            default = (nearest / 2.0, farthest * 2.0)
            if math.isinf(nearest):
                raise ValueError("All cells are at one place: fit a GTWR, or give space_bandwidth.")
        low, high = settings.bandwidth_range(self.space_range, default, "space_range")
        return low, min(high, cells) if self.adaptive else high

    def _time_ends(self) -> tuple[float, float]:
        differences = time_differences(self._times, self._times, self.period)
        positive = differences[differences > 0]
        if not len(positive):
            raise ValueError("All steps are at one time: fit a GWR, or give time_bandwidth.")
        default = (float(positive.min()) / 2.0, float(positive.max()) * 2.0)
        return settings.bandwidth_range(self.time_range, default, "time_range")

    def _at(self, coords: ArrayLike, times: ArrayLike) -> tuple[Neighbourhood, Tensor]:
        """Return new places among the cells, and new times."""
        places = validation.coordinate_array(coords, self.distance == "great_circle")
        moments = validation.finite_array(times, "times", 1)
        distance = self._cells.distance
        points = distance.positions(places, None, self.device)
        cells = Neighbourhood(points, self._cells.data, distance, self.memory)
        return cells, torch.as_tensor(moments, dtype=torch.float64, device=self.device)

    def _sums(
        self, cells: Neighbourhood, times: Tensor, columns: ColumnTable, width: int, squared: bool
    ) -> Iterator[LocalSums]:
        weights = self._time_weights(times, self.time_bandwidth_)
        kernel = self._space_kernel(self.space_bandwidth_)
        for block in space_sums(cells, kernel, columns, len(self._times), width, squared):
            yield sum_over_time(block, weights)

    def _local_r2(self, cells: Neighbourhood, times: Tensor) -> Tensor:
        columns = local.r2_columns(self._problem.target, self._residual)
        sums = self._sums(cells, times, columns, local.R2_WIDTH, squared=False)
        return local.local_r2(sums, len(cells.points) * len(times), self._problem.target)

    def _finish(self, cells: int, steps: int) -> None:
        """Fit at the samples and set everything that ends in an underscore."""
        problem, shape = self._problem, (cells, steps)
        sums = self._sums(self._cells, self._times, problem.columns, problem.width, self.standard_errors)
        fit = local.fit_locally(sums, problem, cells * steps, problem.design, at_samples=True)
        assert fit.fitted is not None and fit.hat is not None  # asked for: the locations are the samples
        self._residual = problem.target - (fit.fitted - problem.target_mean)
        figures = fit_statistics(self._residual, fit.hat, problem.target, fit.singular, fit.starved)
        models = local.local_models(fit, self._local_r2(self._cells, self._times), figures.sigma2)
        errors = models.standard_errors
        self.coefficients_ = models.coefficients.reshape(*shape, -1)
        self.standard_errors_ = None if errors is None else errors.reshape(*shape, -1)
        self.local_r2_, self.singular_ = models.local_r2.reshape(shape), models.singular.reshape(shape)
        self.fitted_values_ = local.to_numpy(fit.fitted).reshape(shape)
        self.residuals_ = local.to_numpy(self._residual).reshape(shape)
        self.hat_diagonal_ = local.to_numpy(fit.hat).reshape(shape)
        self.statistics_ = figures
        self.trace_sts_ = None if fit.row_norm is None else float(fit.row_norm.sum())
