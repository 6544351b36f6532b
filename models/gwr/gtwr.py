"""GTWR on any samples in space and time: GWR with a space-time distance."""

from __future__ import annotations

import math
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from models import validation
from models.arrays import Doubles
from models.gwr import local, settings
from models.gwr.distance import Distance
from models.gwr.regression import DEFAULT_MEMORY, LocalRegression
from models.gwr.search import golden_section

#: Difference of scores at which the search of a bandwidth for one time scale ends: a hundredth of what
#: counts as a difference between models (2 to 3 units of AICc; Fotheringham et al. 2002, p. 70).
BANDWIDTH_SCORE_TOLERANCE = 0.02
#: The same search ends at this share of the largest bandwidth.
BANDWIDTH_RESOLUTION = 1e-4
#: The search of the time scale ends when its inner points differ by this share.
TIME_SCALE_RESOLUTION = 0.02


class GTWR(LocalRegression):
    """Geographically and temporally weighted regression (Huang, Wu and Barry 2010), dense form.

    GWR in which the distance is d = sqrt(ds² + τ·dt²) and one kernel K(d / b) weights space and time at
    once, as in Huang et al. (2010, eq. 9-12) and in mgtwr. An adaptive bandwidth counts samples, that is
    neighbours in space-time. For a full panel with separate kernels see ``PanelGTWR``.

    The search nests: for every time scale visited (golden section on log τ) the bandwidth is searched
    anew. mgtwr does the same on a grid of one decimal.

    Args:
        bandwidth: as for ``GWR``; None to search it.
        time_scale: τ, squared distance unit per squared time unit; None to search it.
        kernel: ``bisquare``, ``gaussian`` or ``exponential``.
        adaptive: the bandwidth is a number of neighbours.
        distance: ``planar``, or ``great_circle`` for (lon, lat) in degrees.
        period: length of a cyclic time axis, such as 46 for 8-day steps of the year; None for linear time.
        criterion: ``AICc``, ``AIC``, ``BIC`` or ``CV``.
        bandwidth_range: as for ``GWR``.
        time_scale_range: ends of the search of τ; None for a range in which the spread of time counts
            between a hundredth of and ten times that of space.
        standard_errors: compute them.
        hold_features: as for ``GWR``.
        memory: bytes for blocks and caches. The results do not depend on it.
        device: torch device that supports float64.

    Attributes:
        bandwidth_: the bandwidth used.
        time_scale_: the τ used.
        search_history_: (τ, bandwidth, score) triples of the search, one for each τ visited.

    All other attributes are those of ``GWR``.
    """

    def __init__(
        self,
        bandwidth: float | None = None,
        time_scale: float | None = None,
        *,
        kernel: str = "bisquare",
        adaptive: bool = True,
        distance: str = "planar",
        period: float | None = None,
        criterion: str = "AICc",
        bandwidth_range: tuple[float, float] | None = None,
        time_scale_range: tuple[float, float] | None = None,
        standard_errors: bool = True,
        hold_features: bool = False,
        memory: int = DEFAULT_MEMORY,
        device: str = "cpu",
    ) -> None:
        self.bandwidth = bandwidth
        self.time_scale = time_scale
        self.kernel = kernel
        self.adaptive = adaptive
        self.distance = distance
        self.period = period
        self.criterion = criterion
        self.bandwidth_range = bandwidth_range
        self.time_scale_range = time_scale_range
        self.standard_errors = standard_errors
        self.hold_features = hold_features
        self.memory = memory
        self.device = device

    def fit(self, X: ArrayLike, y: ArrayLike, coords: ArrayLike, times: ArrayLike) -> Self:
        """Fit a local model at every sample; search bandwidth and time scale where not given.

        Args:
            X: (n, k - 1) features, without a column of ones.
            y: (n,) target.
            coords: (n, 2) x, y, or lon, lat in degrees.
            times: (n,) in any unit.

        Returns:
            The estimator.

        Raises:
            ValueError: as for ``GWR.fit``; a negative time scale or period; a search of the time scale
                where all times, or all places, are the same.
        """
        settings.positive_period(self.period)
        if self.time_scale is not None and not 0 <= self.time_scale < math.inf:
            raise ValueError(f"time_scale must be zero or positive, not {self.time_scale!r}.")
        self._prepare(X, y, coords, validation.finite_array(times, "times", 1))
        self.search_history_: tuple[tuple[float, float, float], ...] = ()
        bandwidth, time_scale = self.bandwidth, self.time_scale
        if time_scale is None:
            bandwidth, time_scale = self._search_both()
        elif bandwidth is None:
            bandwidth, score = self._best_bandwidth(time_scale)
            self.search_history_ = ((time_scale, bandwidth, score),)
        self.time_scale_ = float(time_scale)
        self._finish(self._neighbourhood(self._distance(self.time_scale_)), float(bandwidth))
        return self

    def predict(self, X: ArrayLike, coords: ArrayLike, times: ArrayLike) -> Doubles:
        """Return predictions (m,) for features (m, k - 1) at locations (m, 2) and times (m,).

        Out of reach of every sample they are those of the global fit, with a warning that counts them.

        Raises:
            ValueError: not fitted, NaN, lengths that differ or another number of features.
        """
        return self.predict_flagged(X, coords, times).values_with_a_warning()

    def predict_flagged(self, X: ArrayLike, coords: ArrayLike, times: ArrayLike) -> local.FlaggedPrediction:
        """Return the same, and which predictions no sample is in reach of, without a warning."""
        return self._predict(X, coords, validation.finite_array(times, "times", 1))

    def local_models(self, coords: ArrayLike, times: ArrayLike) -> local.LocalModels:
        """Return coefficients, standard errors and local R² at locations (m, 2) and times (m,)."""
        return self._local_models(coords, validation.finite_array(times, "times", 1))

    def _distance(self, time_scale: float) -> Distance:
        return Distance(self.distance == "great_circle", time_scale, self.period)

    def _best_bandwidth(self, time_scale: float) -> tuple[float, float]:
        """Return the best bandwidth for one time scale, and its score."""
        neighbourhood = self._neighbourhood(self._distance(time_scale))
        if self.bandwidth is not None:
            score = self._statistics(neighbourhood, self.bandwidth).score(self.criterion)
            return self.bandwidth, score
        found = self._search_bandwidth(neighbourhood, BANDWIDTH_SCORE_TOLERANCE, BANDWIDTH_RESOLUTION)
        return found.value, found.score

    def _search_both(self) -> tuple[float, float]:
        low, high = settings.bandwidth_range(self.time_scale_range, self._default_time_scales(), "time_scale_range")
        bandwidths: dict[float, float] = {}

        # Over -log τ: its upper end has the most neighbours, where a search moves when no fit is possible.
        def score(exponent: float) -> float:
            bandwidths[exponent], value = self._best_bandwidth(math.exp(-exponent))
            return value

        found = golden_section(score, -math.log(high), -math.log(low), value_tolerance=TIME_SCALE_RESOLUTION)
        self.search_history_ = tuple(
            (math.exp(-exponent), bandwidths[exponent], value) for exponent, value in found.history
        )
        return bandwidths[found.value], math.exp(-found.value)

    def _default_time_scales(self) -> tuple[float, float]:
        """Return the τ at which time spreads a hundredth of, and ten times, as far as space."""
        assert self._times is not None  # GTWR.fit requires them
        space = Distance(self.distance == "great_circle")
        positions = space.positions(self._coords, None, self.device)
        # The distance from the centre suits any number of samples; all pairs are not needed for a range.
        radius = float(space.between(positions.mean(dim=0, keepdim=True), positions).square().mean())
        spread = float(np.var(self._times))
        if radius == 0.0 or spread == 0.0:
            raise ValueError("All samples are at one place or at one time: fit a GWR, or give time_scale.")
        ratio = radius / spread
        return ratio * 1e-4, ratio * 1e2
