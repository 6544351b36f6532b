"""GWR and GTWR as scikit-learn-shaped estimators, exact and in double precision."""

from __future__ import annotations

import dataclasses
import math
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from models import validation
from models.arrays import Doubles
from models.gwr import local, settings
from models.gwr.distance import Distance
from models.gwr.equations import Problem, build_problem
from models.gwr.kernels import KERNELS, Kernel
from models.gwr.search import SearchResult, golden_section
from models.gwr.statistics import CRITERIA, FitStatistics, FittedFigures, fit_statistics
from models.gwr.weighting import CACHE_SHARE, Neighbourhood, dense_sums
from models.inputs import ColumnScaling

DISTANCES = ("planar", "great_circle")

#: Working memory unless told otherwise, bytes.
DEFAULT_MEMORY = 2**30

#: Lower end of an adaptive search: 40 neighbours and two per parameter, as in mgwr.
ADAPTIVE_FLOOR = 40

#: A fixed search ends at a bracket of this share of the upper bound even if the scores still differ.
FIXED_RESOLUTION = 1e-9


class LocalRegression(FittedFigures, RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """What GWR and GTWR share: fit at the samples, search, predict anywhere."""

    bandwidth: float | None
    kernel: str
    adaptive: bool
    distance: str
    criterion: str
    bandwidth_range: tuple[float, float] | None
    standard_errors: bool
    hold_features: bool
    memory: int
    device: str

    def score(self, X: ArrayLike, y: ArrayLike, *places: ArrayLike) -> float:
        """Return R² of the prediction; the arguments are those of ``fit``."""
        target, prediction = validation.target_vector(y), self._predict(X, *places).values
        validation.same_length(X=prediction, y=target)
        error = target - prediction
        return float(1.0 - error @ error / np.square(target - target.mean()).sum())

    def _check_settings(self) -> None:
        settings.one_of(self.kernel, "kernel", KERNELS)
        settings.one_of(self.distance, "distance", DISTANCES)
        settings.one_of(self.criterion, "criterion", CRITERIA)
        if self.bandwidth is not None:
            settings.positive_bandwidth(self.bandwidth, self.adaptive)
        if self.memory <= 0:
            raise ValueError(f"memory must be a positive number of bytes, not {self.memory!r}.")

    def _prepare(self, X: ArrayLike, y: ArrayLike, coords: ArrayLike, times: ArrayLike | None) -> Problem:
        """Check the training data, keep them and standardise the columns."""
        self._check_settings()
        features, target = validation.finite_array(X, "X", 2), validation.target_vector(y)
        places = validation.coordinate_array(coords, self.distance == "great_circle")
        moments = None if times is None else validation.finite_array(times, "times", 1)
        optional = {} if moments is None else {"times": moments}
        validation.same_length(X=features, y=target, coords=places, **optional)
        settings.enough_samples(len(target), features.shape[1] + 1)
        validation.keep_columns(self, X, features.shape[1])
        self._coords, self._times = places, moments
        self._columns = ColumnScaling.of(features)
        self._problem = build_problem(self._usable(features), target, self.device, int(self.memory * CACHE_SHARE))
        return self._problem

    def _usable(self, features: Doubles) -> Doubles:
        """Return the features (m, k - 1) with those that are constant in training at their mean, the others held."""
        return self._columns.hold(features) if self.hold_features else self._columns.drop(features)

    def _kernel(self, bandwidth: float) -> Kernel:
        return Kernel(self.kernel, bandwidth, self.adaptive)

    def _neighbourhood(self, distance: Distance) -> Neighbourhood:
        """Return the samples as locations among themselves."""
        positions = distance.positions(self._coords, self._times, self.device)
        return Neighbourhood(positions, positions, distance, self.memory)

    def _statistics(self, neighbourhood: Neighbourhood, bandwidth: float) -> FitStatistics:
        problem = self._problem
        blocks = dense_sums(neighbourhood, self._kernel(bandwidth), problem.columns, problem.width)
        return local.score_fit(blocks, problem)

    def _search_bandwidth(
        self, neighbourhood: Neighbourhood, score_tolerance: float, resolution: float
    ) -> SearchResult:
        """Search the bandwidth over the user's range, or over mgwr's."""
        samples, parameters = len(self._problem.target), self._problem.parameters
        if self.adaptive:
            # With fewer samples than mgwr's floor the search starts at the fewest that leave a freedom.
            floor = ADAPTIVE_FLOOR + 2 * parameters
            default = (float(floor if floor < samples else min(parameters + 2, samples)), float(samples))
        else:
            nearest, farthest = neighbourhood.extent()
            if math.isinf(nearest):
                raise ValueError("All samples are at one place: no bandwidth can be searched.")
            default = (nearest / 2.0, farthest * 2.0)
        low, high = settings.bandwidth_range(self.bandwidth_range, default, "bandwidth_range")
        return golden_section(
            lambda bandwidth: self._statistics(neighbourhood, bandwidth).score(self.criterion),
            low,
            min(high, samples) if self.adaptive else high,
            whole=self.adaptive,
            score_tolerance=score_tolerance,
            value_tolerance=0.0 if self.adaptive else resolution * high,
        )

    def _finish(self, neighbourhood: Neighbourhood, bandwidth: float) -> None:
        """Fit at the samples and set everything that ends in an underscore."""
        problem, kernel = self._problem, self._kernel(bandwidth)
        samples = len(problem.target)
        blocks = dense_sums(neighbourhood, kernel, problem.columns, problem.width, squared=self.standard_errors)
        fit = local.fit_locally(blocks, problem, samples, problem.design, at_samples=True)
        assert fit.fitted is not None and fit.hat is not None  # asked for: the locations are the samples
        residual = problem.target - (fit.fitted - problem.target_mean)
        self._residual = residual
        r2_blocks = dense_sums(neighbourhood, kernel, local.r2_columns(problem.target, residual), local.R2_WIDTH)
        r2 = local.local_r2(r2_blocks, samples, problem.target)
        figures = fit_statistics(residual, fit.hat, problem.target, fit.singular, fit.starved)
        models = local.local_models(fit, r2, figures.sigma2)
        self.bandwidth_ = bandwidth
        self.coefficients_, self.standard_errors_ = models.coefficients, models.standard_errors
        self.local_r2_, self.singular_ = models.local_r2, models.singular
        self.fitted_values_ = local.to_numpy(fit.fitted)
        self.residuals_ = local.to_numpy(residual)
        self.hat_diagonal_ = local.to_numpy(fit.hat)
        self.trace_sts_ = None if fit.row_norm is None else float(fit.row_norm.sum())
        self.statistics_ = figures
        self._neighbours = dataclasses.replace(neighbourhood)  # a copy without the cached distances

    def _at(self, coords: ArrayLike, times: ArrayLike | None) -> Neighbourhood:
        """Return new locations among the samples."""
        check_is_fitted(self)
        places = validation.coordinate_array(coords, self.distance == "great_circle")
        moments = None if times is None else validation.finite_array(times, "times", 1)
        if moments is not None:
            validation.same_length(coords=places, times=moments)
        distance = self._neighbours.distance
        return dataclasses.replace(self._neighbours, points=distance.positions(places, moments, self.device))

    def _predict(self, X: ArrayLike, *places: ArrayLike) -> local.FlaggedPrediction:
        check_is_fitted(self)
        neighbourhood = self._at(places[0], places[1] if len(places) > 1 else None)
        features = validation.fitted_features(self, X)
        validation.same_length(X=features, coords=local.to_numpy(neighbourhood.points))
        problem = self._problem
        kernel = self._kernel(self.bandwidth_)
        blocks = dense_sums(neighbourhood, kernel, problem.columns, problem.width)
        design = problem.design_at(self._usable(features))
        fit = local.fit_locally(blocks, problem, len(features), design, at_samples=False)
        return local.FlaggedPrediction.of(fit, (len(features),))

    def _local_models(self, coords: ArrayLike, times: ArrayLike | None) -> local.LocalModels:
        neighbourhood = self._at(coords, times)
        problem, kernel = self._problem, self._kernel(self.bandwidth_)
        points = len(neighbourhood.points)
        blocks = dense_sums(neighbourhood, kernel, problem.columns, problem.width, squared=self.standard_errors)
        fit = local.fit_locally(blocks, problem, points, None, at_samples=False)
        columns = local.r2_columns(problem.target, self._residual)
        r2 = local.local_r2(dense_sums(neighbourhood, kernel, columns, local.R2_WIDTH), points, problem.target)
        return local.local_models(fit, r2, self.sigma2_)


class GWR(LocalRegression):
    """Geographically weighted regression (Fotheringham, Brunsdon and Charlton 2002).

    A weighted least-squares fit with intercept around every location. Numbers agree with ``mgwr`` and
    GWR4. Two samples at one place are two samples: each has weight 1 in the other's fit, and both
    count as neighbours of an adaptive bandwidth.

    Args:
        bandwidth: a distance in the unit of the coordinates (km for great-circle distance), infinity
            for the global fit, or, adaptive, a number of neighbours; None to search it.
        kernel: ``bisquare``, ``gaussian`` or ``exponential``.
        adaptive: the bandwidth is a number of neighbours.
        distance: ``planar``, or ``great_circle`` for (lon, lat) in degrees.
        criterion: what the search minimises: ``AICc``, ``AIC``, ``BIC`` or ``CV``.
        bandwidth_range: lower and upper end of the search; None for mgwr's: 40 + 2k neighbours to n,
            or half the smallest positive to twice the largest distance.
        standard_errors: compute them (a second matrix product per block).
        hold_features: take values beyond 5 standard deviations as lying there, in the fit and later. Without it the
            numbers are mgwr's, and a prediction extrapolates linearly without bounds.
        memory: bytes for blocks and caches. The results do not depend on it.
        device: torch device that supports float64, such as ``cpu`` or ``cuda``.

    Attributes:
        bandwidth_: the bandwidth used.
        coefficients_: (n, k) local coefficients, intercept first.
        standard_errors_: (n, k), or None.
        local_r2_: (n,).
        hat_diagonal_: (n,) diagonal of the hat matrix S.
        fitted_values_: (n,).
        residuals_: (n,).
        singular_: (n,) locations whose design is singular and whose model is regularised.
        trace_s_: tr(S).
        trace_sts_: tr(SᵀS), or None without standard errors.
        aicc_: corrected Akaike criterion.
        aic_: Akaike criterion.
        bic_: Bayesian criterion.
        cv_: mean squared leave-one-out residual.
        r2_: R² over all samples.
        sigma2_: residual variance RSS / (n - tr S).
        search_history_: (bandwidth, score) pairs of the search; empty if a bandwidth was given.
    """

    def __init__(
        self,
        bandwidth: float | None = None,
        *,
        kernel: str = "bisquare",
        adaptive: bool = True,
        distance: str = "planar",
        criterion: str = "AICc",
        bandwidth_range: tuple[float, float] | None = None,
        standard_errors: bool = True,
        hold_features: bool = False,
        memory: int = DEFAULT_MEMORY,
        device: str = "cpu",
    ) -> None:
        self.bandwidth = bandwidth
        self.kernel = kernel
        self.adaptive = adaptive
        self.distance = distance
        self.criterion = criterion
        self.bandwidth_range = bandwidth_range
        self.standard_errors = standard_errors
        self.hold_features = hold_features
        self.memory = memory
        self.device = device

    def fit(self, X: ArrayLike, y: ArrayLike, coords: ArrayLike) -> Self:
        """Fit a local model at every sample, and search the bandwidth first if none was given.

        Args:
            X: (n, k - 1) features, without a column of ones.
            y: (n,) target.
            coords: (n, 2) x, y, or lon, lat in degrees.

        Returns:
            The estimator.

        Raises:
            ValueError: NaN, lengths that differ, fewer samples than parameters, an unknown setting,
                or a search range in which no bandwidth leaves a freedom.
        """
        self._prepare(X, y, coords, None)
        neighbourhood = self._neighbourhood(Distance(self.distance == "great_circle"))
        self.search_history_: tuple[tuple[float, float], ...] = ()
        bandwidth = self.bandwidth
        if bandwidth is None:
            found = self._search_bandwidth(neighbourhood, 1e-6, FIXED_RESOLUTION)
            bandwidth, self.search_history_ = found.value, found.history
        self._finish(neighbourhood, float(bandwidth))
        return self

    def predict(self, X: ArrayLike, coords: ArrayLike) -> Doubles:
        """Return predictions (m,) for features (m, k - 1) at any number of locations (m, 2).

        A location without any sample in reach gets the global fit, with a warning that counts them.

        Raises:
            ValueError: not fitted, NaN, lengths that differ or another number of features.
        """
        return self._predict(X, coords).values_with_a_warning()

    def predict_flagged(self, X: ArrayLike, coords: ArrayLike) -> local.FlaggedPrediction:
        """Return the same, and which predictions no sample is in reach of, without a warning."""
        return self._predict(X, coords)

    def local_models(self, coords: ArrayLike) -> local.LocalModels:
        """Return coefficients, standard errors and local R² at any locations (m, 2)."""
        return self._local_models(coords, None)
