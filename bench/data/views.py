"""Feature views: what one row of a tabular model holds.

`point` is this step's climate and the static features. `located` adds the coordinates and, where the rhythm has
seasons, the season, so that a tabular model knows where and when, as the proposed model does. `window` adds the climate
of the L − 1 earlier steps; a lag that would reach before the series repeats the first step.
Nothing here is fitted, so nothing can leak: scaling is each runner's own work on its training rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.data.cube import Cube, FloatArray
from bench.data.splits import Part
from bench.errors import BenchError

VIEWS = ("point", "located", "window")
DEFAULT_VIEW = "located"
WINDOW_LENGTH = 8
"""Steps in the `window` view and in the proposed model's input, this step included (of 8-day data 64 days)."""


@dataclass(frozen=True)
class FeatureTable:
    """Rows of a view, ordered as the samples of the `Part` they were made from.

    Attributes:
        values: (n_samples, n_columns) float32.
        columns: one name per column.
    """

    values: FloatArray
    columns: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """The same rows as a data frame (no copy)."""
        return pd.DataFrame(self.values, columns=list(self.columns), copy=False)


def view_columns(cube: Cube, view: str) -> tuple[str, ...]:
    """Column names of a view, without making its rows.

    Raises:
        BenchError: the view is unknown.
    """
    columns = (*cube.feature_names, *cube.static_names)
    if view == "point":
        return columns
    columns += cube.coordinate_names
    if cube.rhythm.has_seasons:
        columns += ("season_sin", "season_cos")
    if view == "located":
        return columns
    if view == "window":
        return columns + tuple(f"{name}_lag{lag}" for lag in range(1, WINDOW_LENGTH) for name in cube.feature_names)
    raise BenchError(f"Unknown view {view!r}; choose one of {', '.join(VIEWS)}.")


def build_view(cube: Cube, part: Part, view: str) -> FeatureTable:
    """Makes the rows of a view for every sample of a part, in its order.

    Args:
        cube: the data; its target is not read.
        part: which samples.
        view: `point`, `located` or `window`.

    Raises:
        BenchError: the view is unknown.
    """
    columns = view_columns(cube, view)
    n_features = len(cube.feature_names)
    values = np.empty((*part.shape, len(columns)), np.float32)
    values[:, :, :n_features] = part.of(cube.climate)
    end = n_features + len(cube.static_names)
    values[:, :, n_features:end] = cube.static[part.cells][:, None, :]
    if view != "point":
        values[:, :, end : end + 2] = cube.places[part.cells][:, None, :]
        end += 2
        if cube.rhythm.has_seasons:
            angle = 2 * np.pi * (cube.step_of_year[part.times] - 1) / cube.steps_per_year
            values[:, :, end] = np.sin(angle)
            values[:, :, end + 1] = np.cos(angle)
            end += 2
    if view == "window":
        for lag in range(1, WINDOW_LENGTH):
            start = end + (lag - 1) * n_features
            earlier = Part(part.cells, np.maximum(part.times - lag, 0))
            values[:, :, start : start + n_features] = earlier.of(cube.climate)
    return FeatureTable(part.select(values), columns)
