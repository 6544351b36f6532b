"""Geographical random forest: local forests at anchors, blended with a global one; scikit-learn shaped.

Source: Georganos et al. (2019), Geographical random forests, Geocarto International 36(2):121-136: a forest for every
sample, grown on its nearest samples (adaptive bandwidth), blended with a global one: ŷ = α·local + (1 - α)·global.
Three choices are ours:

* Local forests stand at a bounded number of anchors (K-means of the places) instead of at every sample, so that time
  and memory do not grow with the square of the samples.
* A place takes its local prediction from its nearest anchors, weighted by a bisquare kernel that reaches zero at the
  next anchor: the prediction is continuous in space, where the nearest forest alone would jump.
* Bandwidth and α are those with the smallest out-of-bag error of the blend on the training samples. A sample outside
  the neighbourhood of an anchor is predicted by its whole forest, which never saw it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestRegressor
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from models import validation
from models.arrays import Doubles, Indices
from models.inputs import ColumnScaling
from models.sphere import unit_sphere

FEWEST_TREES = 30
"""A sample in the bag of every tree has no out-of-bag prediction: a chance of 0.632 to this power, one in a million."""
SMALLEST_NEIGHBOURHOOD = 20
"""Samples below which no local forest is grown."""


@dataclass(frozen=True)
class _LocalForest:
    """A forest at an anchor and the samples that it was grown on."""

    rows: Indices
    forest: RandomForestRegressor


class GeographicalForest(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Random forests at anchors on the globe, blended with a global random forest.

    Args:
        bandwidths: shares of the samples to try as the number of nearest samples of an anchor.
        anchors: largest number of local forests.
        neighbours: how many nearest anchors a place takes its local prediction from.
        trees: trees of the global forest and of each local forest.
        min_samples_leaf: as in scikit-learn's forest.
        max_features: share of the features tried at each split; a third is Breiman's choice for regression.
        random_state: seed of anchors and forests.
        n_jobs: threads; the numbers do not depend on it.

    Attributes:
        bandwidth_: number of nearest samples that each local forest was grown on.
        local_weight_: α, the weight of the local forests, between 0 and 1.
        oob_rmse_: out-of-bag error of the blend on the training samples, in the target's units.
        search_history_: (bandwidth, α, out-of-bag RMSE) of each bandwidth tried.
        anchors_: (anchors, 3) unit vectors.
    """

    def __init__(
        self,
        *,
        bandwidths: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4),
        anchors: int = 24,
        neighbours: int = 3,
        trees: int = 50,
        min_samples_leaf: int = 5,
        max_features: float = 1 / 3,
        random_state: int = 0,
        n_jobs: int = 1,
    ) -> None:
        self.bandwidths = bandwidths
        self.anchors = anchors
        self.neighbours = neighbours
        self.trees = trees
        self.min_samples_leaf = min_samples_leaf
        self.max_features = max_features
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: ArrayLike, coords: ArrayLike) -> Self:
        """Grow the global and the local forests; choose bandwidth and α by out-of-bag error.

        Args:
            X: (n, k) features.
            y: (n,) target.
            coords: (n, 2) lon, lat in degrees.

        Returns:
            The estimator.

        Raises:
            ValueError: NaN, lengths that differ, too few samples or a setting out of range.
        """
        self._check_settings()
        features, target = validation.finite_array(X, "X", 2), validation.target_vector(y)
        places = validation.coordinate_array(coords, great_circle=True)
        validation.same_length(X=features, y=target, coords=places)
        if len(target) < SMALLEST_NEIGHBOURHOOD:
            raise ValueError(f"{len(target)} samples are too few for local forests; give {SMALLEST_NEIGHBOURHOOD}.")
        validation.keep_columns(self, X, features.shape[1])
        self._columns = ColumnScaling.of(features, np.float32)
        features = self._usable(features)
        random = check_random_state(self.random_state)
        points = unit_sphere(*places.T)
        self.anchors_ = self._place_anchors(points, random)
        seeds = random.randint(np.iinfo(np.int32).max, size=len(self.anchors_) + 1)
        self._global = self._grow(features, target, int(seeds[-1]), self.n_jobs)
        order = np.argsort(_distances(self.anchors_, points), axis=1, kind="stable")
        weights = self._anchor_weights(points)
        history: list[tuple[int, float, float]] = []
        for bandwidth in self._candidates(len(target)):
            forests = self._grow_locally(features, target, order[:, :bandwidth], seeds)
            local = _out_of_bag(forests, weights, features)
            alpha, rmse = _best_blend(local, self._global.oob_prediction_, target)
            history.append((bandwidth, alpha, rmse))
            if rmse <= min(item[2] for item in history):
                self.bandwidth_, self.local_weight_, self.oob_rmse_, self._local = bandwidth, alpha, rmse, forests
        self.search_history_ = tuple(history)
        return self

    def predict(self, X: ArrayLike, coords: ArrayLike) -> Doubles:
        """Return predictions (m,) for features (m, k) at places (m, 2).

        Raises:
            ValueError: not fitted, NaN, lengths that differ or another number of features.
        """
        check_is_fitted(self)
        features, places = validation.fitted_features(self, X), validation.coordinate_array(coords, great_circle=True)
        validation.same_length(X=features, coords=places)
        features = self._usable(features)
        weights = self._anchor_weights(unit_sphere(*places.T))
        local = np.zeros(len(features))
        for anchor, item in enumerate(self._local):
            near = np.flatnonzero(weights[:, anchor])
            if len(near):
                local[near] += weights[near, anchor] * item.forest.predict(features[near])
        blend: Doubles = self.local_weight_ * local + (1 - self.local_weight_) * self._global.predict(features)
        return blend

    def score(self, X: ArrayLike, y: ArrayLike, coords: ArrayLike) -> float:
        """Return R² of the prediction; the arguments are those of ``fit``."""
        target, prediction = validation.target_vector(y), self.predict(X, coords)
        validation.same_length(X=prediction, y=target)
        return float(1.0 - np.square(target - prediction).sum() / np.square(target - target.mean()).sum())

    def importances(self, coords: ArrayLike) -> Doubles:
        """Return each feature's share of the impurity decrease (m, k) at places (m, 2), blended as predictions are.

        Shares add up to 1 where the target of every forest varies; a forest of a constant target has none.
        """
        check_is_fitted(self)
        weights = self._anchor_weights(unit_sphere(*validation.coordinate_array(coords, great_circle=True).T))
        local = weights @ np.stack([item.forest.feature_importances_ for item in self._local])
        blend: Doubles = self.local_weight_ * local + (1 - self.local_weight_) * self._global.feature_importances_
        return blend

    def _check_settings(self) -> None:
        if not self.bandwidths or not all(0 < share <= 1 for share in self.bandwidths):
            raise ValueError(f"bandwidths must be shares of the samples in (0, 1], not {self.bandwidths!r}.")
        smallest = {"anchors": 1, "neighbours": 1, "trees": FEWEST_TREES, "min_samples_leaf": 1}
        for name, least in smallest.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)!r}.")

    def _usable(self, features: Doubles) -> Doubles:
        """Return the features as the forests take them: constant ones at their mean, all of about the same size.

        scikit-learn's trees are of single precision and never split a column whose range is below 1e-7, whatever its
        unit. Powers of two change no digit, and so no split either.
        """
        return np.ldexp(self._columns.drop(features), -np.frexp(self._columns.scale)[1])

    def _candidates(self, samples: int) -> list[int]:
        numbers = (min(max(round(share * samples), SMALLEST_NEIGHBOURHOOD), samples) for share in self.bandwidths)
        return sorted(set(numbers))

    def _place_anchors(self, points: Doubles, random: np.random.RandomState) -> Doubles:
        number = min(self.anchors, len(np.unique(points, axis=0)))
        with threadpool_limits(1):  # more threads add in another order, and cells of a grid are often equally far
            centres = KMeans(number, n_init=3, random_state=random).fit(points).cluster_centers_
        # A cluster on opposite sides of the globe may have its centre near the origin; any direction serves then.
        anchors: Doubles = centres / np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
        return anchors

    def _anchor_weights(self, points: Doubles) -> Doubles:
        """Return weights (m, anchors) that add up to 1, zero from the anchor after the nearest `neighbours` on."""
        distances = _distances(points, self.anchors_)
        number = distances.shape[1]
        if number > self.neighbours:
            reach = np.partition(distances, self.neighbours, axis=1)[:, self.neighbours, None]
        else:
            reach = 2 * distances.max(axis=1, keepdims=True)
        weights = np.square(np.clip(1 - np.square(distances / np.where(reach > 0, reach, 1.0)), 0, None))
        none = weights.sum(axis=1) == 0  # all of the nearest are equally far
        weights[none] = distances[none] <= reach[none]
        normalised: Doubles = weights / weights.sum(axis=1, keepdims=True)
        return normalised

    def _grow(self, features: Doubles, target: Doubles, seed: int, n_jobs: int) -> RandomForestRegressor:
        forest = RandomForestRegressor(
            self.trees,
            min_samples_leaf=self.min_samples_leaf,
            max_features=self.max_features,
            oob_score=_no_score,
            random_state=seed,
            n_jobs=n_jobs,
        ).fit(features, target)
        forest.n_jobs = 1  # several threads would add the trees' predictions in any order, which moves last digits
        return forest

    def _grow_locally(
        self, features: Doubles, target: Doubles, rows: Indices, seeds: NDArray[Any]
    ) -> list[_LocalForest]:
        grown = Parallel(n_jobs=self.n_jobs, prefer="threads")(
            delayed(self._grow)(features[near], target[near], int(seed), 1)
            for near, seed in zip(rows, seeds[:-1], strict=True)
        )
        return [_LocalForest(near, forest) for near, forest in zip(rows, grown, strict=True)]


def _no_score(target: Doubles, prediction: Doubles) -> float:
    """Only the out-of-bag predictions are wanted; R² is undefined for the constant targets of bare winters."""
    return 0.0


def _out_of_bag(forests: list[_LocalForest], weights: Doubles, features: Doubles) -> Doubles:
    """Return local predictions (n,) of the training samples by trees that did not see them."""
    local = np.zeros(len(features))
    for anchor, item in enumerate(forests):
        unseen = item.forest.predict(features)
        unseen[item.rows] = item.forest.oob_prediction_
        local += weights[:, anchor] * unseen
    return local


def _best_blend(local: Doubles, everywhere: Doubles, target: Doubles) -> tuple[float, float]:
    """Return α in [0, 1] with the smallest error of α·local + (1 - α)·global, and that RMSE."""
    difference = local - everywhere
    size = float(difference @ difference)
    alpha = float(np.clip(difference @ (target - everywhere) / size, 0, 1)) if size > 0 else 0.0
    error = everywhere + alpha * difference - target
    return alpha, float(np.sqrt(np.mean(np.square(error))))


def _distances(points: Doubles, others: Doubles) -> Doubles:
    """Return chords (m, n) between unit vectors (m, 3) and (n, 3)."""
    with threadpool_limits(1):
        chords: Doubles = np.sqrt(np.clip(2 - 2 * points @ others.T, 0, None))
    return chords
