"""Features that are missing: filled by means, in a fixed order, with a column that says so.

A missing feature takes the mean of its place at that step of the year; where the place has none, the mean of the place;
else the mean of all. Where the data bring a split, samples that test enter none of these means. A feature that is
missing in some sample with a measured target gets a column beside it, ``NAME_missing``, that is 1 where it was filled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.data.importer.rectangle import Rectangle
from bench.data.own_split import TESTS
from bench.errors import BenchError

Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
INDICATOR = "_missing"
"""Ending of the columns that say what was filled."""


@dataclass(frozen=True)
class Overview:
    """What filling needs to know of all places.

    Attributes:
        kept: (place,) indices of places with a measured target.
        means: (feature,) mean of every feature over the samples that do not test.
        indicated: (feature,) whether it is missing in some sample with a measured target.
        filled: (feature,) number of samples with a measured target in which it is missing.
        measured: (target,) number of measured values.
        unmeasured_for_features: samples with a measured target but no feature at all; they count as not measured.
        too_few_days: (place, step) pairs with a target on too few days.
        static_means: (static,) mean over places that train.
    """

    kept: npt.NDArray[np.int64]
    means: Doubles
    indicated: Bools
    filled: npt.NDArray[np.int64]
    measured: npt.NDArray[np.int64]
    unmeasured_for_features: int
    too_few_days: int
    static_means: Doubles


def overview(rectangle: Rectangle, what: str) -> Overview:
    """Goes through all places once.

    Raises:
        BenchError: a target is measured nowhere, or a feature or static column has no value at all.
    """
    columns, n_features = rectangle.columns, len(rectangle.columns.features)
    n_places, n_targets = rectangle.survey.shape[0], len(columns.target)
    totals, counts = np.zeros(n_features), np.zeros(n_features, np.int64)
    filled, measured = np.zeros(n_features, np.int64), np.zeros(n_targets, np.int64)
    has_target, trains = np.zeros(n_places, bool), np.zeros(n_places, bool)
    bare = too_few = 0
    for places in rectangle.blocks():
        values = rectangle.block(places)
        present = np.asarray(~np.isnan(values))
        learns = not_testing(rectangle, places)
        seen = present[:, :, :n_features] & learns[:, :, None]
        totals += np.where(seen, values[:, :, :n_features], 0).sum(axis=(0, 1))
        counts += seen.sum(axis=(0, 1))
        target = present[:, :, n_features:].copy()
        without = target.any(axis=2) & ~present[:, :, :n_features].any(axis=2)
        bare += int(without.sum())
        target[without] = False
        measured += target.sum(axis=(0, 1))
        any_target = np.asarray(target.any(axis=2))
        filled += (~present[:, :, :n_features] & any_target[:, :, None]).sum(axis=(0, 1))
        has_target[places] = any_target.any(axis=1)
        trains[places] = (any_target & learns).any(axis=1)
        too_few += _too_few_days(rectangle, places, values)
    for name, count in zip(columns.target, measured, strict=True):
        if count == 0:
            raise BenchError(
                f"Target {name!r} of {what} is measured nowhere: every value is missing (or on fewer than --least-days "
                f"{columns.least_days} days of its step)."
            )
    for name, count in zip(columns.features, counts, strict=True):
        if count == 0:
            raise BenchError(f"Feature {name!r} of {what} has no value in any training row; leave it out.")
    static = rectangle.static[trains] if trains.any() else rectangle.static
    for name, column in zip(columns.static, static.T, strict=True):
        if np.isnan(column).all():
            raise BenchError(f"Static column {name!r} of {what} has no value at any training place; leave it out.")
    return Overview(
        np.flatnonzero(has_target),
        totals / counts,
        filled > 0,
        filled,
        measured,
        bare,
        too_few,
        np.nanmean(static, axis=0) if len(columns.static) else np.empty(0),
    )


def filled_block(rectangle: Rectangle, places: slice, found: Overview) -> tuple[Doubles, Doubles]:
    """Complete features with their indicators, and targets, of some places.

    Returns:
        (place, time, feature + indicator) and (place, time, target), the latter NaN where not measured.
    """
    n_features = len(rectangle.columns.features)
    values = rectangle.block(places)
    features, target = values[:, :, :n_features], values[:, :, n_features:].copy()
    missing = np.isnan(features)
    target[missing.all(axis=2)] = np.nan
    if missing.any():
        usable = ~missing & not_testing(rectangle, places)[:, :, None]
        step = rectangle.survey.rhythm.step_of_year(rectangle.survey.time)
        of_place = _mean(features, usable)
        fallback = np.where(np.isnan(of_place), found.means, of_place)
        for number in np.unique(step):
            here = step == number
            of_step = _mean(features[:, here], usable[:, here])
            mean = np.where(np.isnan(of_step), fallback, of_step)
            features[:, here] = np.where(missing[:, here], mean, features[:, here])
    return np.concatenate([features, missing[:, :, found.indicated]], axis=2), target


def filled_static(rectangle: Rectangle, found: Overview) -> tuple[Doubles, list[str]]:
    """(place, column) static numbers, their indicators and one column per level of each category; and their names.

    A missing number takes the mean of the places that train; a missing category is a level of its own, ``missing``.
    """
    kept = rectangle.static[found.kept]
    gaps = np.isnan(kept)
    parts = [np.where(gaps, found.static_means, kept)]
    names = list(rectangle.columns.static)
    for column, name in enumerate(rectangle.columns.static):
        if gaps[:, column].any():
            parts.append(gaps[:, column, None])
            names.append(name + INDICATOR)
    for name, labels in rectangle.labels.items():
        here = labels[found.kept]
        levels = [*rectangle.levels[name], "missing"] if (here < 0).any() else list(rectangle.levels[name])
        codes = np.where(here < 0, len(levels) - 1, here)
        present = np.unique(codes)  # a level of places that were left out is none
        parts.append(codes[:, None] == present)
        names += [f"{name}={levels[code]}" for code in present]
    return np.concatenate(parts, axis=1).astype(np.float64), names


def _mean(values: Doubles, usable: Bools) -> Doubles:
    """(place, 1, feature) mean over time of the usable values, NaN where there is none."""
    total = np.where(usable, values, 0).sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Doubles = total / usable.sum(axis=1, keepdims=True)
    return mean


def not_testing(rectangle: Rectangle, places: slice) -> Bools:
    """(place, time) which samples do not test."""
    n_times = rectangle.survey.shape[1]
    if rectangle.split is None:
        return np.ones((places.stop - places.start, n_times), bool)
    return np.asarray(rectangle.split[places.start * n_times : places.stop * n_times] != TESTS).reshape(-1, n_times)


def _too_few_days(rectangle: Rectangle, places: slice, values: Doubles) -> int:
    """(place, step) pairs of some places in which every target that has rows has them on too few days."""
    if rectangle.counts is None:
        return 0
    n_times, n_features = rectangle.survey.shape[1], len(rectangle.columns.features)
    count = rectangle.counts[places.start * n_times : places.stop * n_times, n_features:]
    has_rows = (count > 0).any(axis=1).reshape(-1, n_times)
    return int((has_rows & np.isnan(values[:, :, n_features:]).all(axis=2)).sum())
