"""Rectangular panel data for torch: arrays that stay where they are, batches that are gathers from them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from models.arrays import Indices, Reals
from models.inputs import HELD_DEVIATIONS, ColumnScaling
from models.validation import real_array

_BLOCK_BYTES = 1 << 26  # read at once when a panel is checked, so that a memory map is never read whole
_SAMPLES_PER_BLOCK = 1 << 20  # gathered at once when the statistics of the training samples are taken
_DEVICE_MEMORY_SHARE = 0.5
"""Part of a GPU's free memory that the cube may take; beyond it, the cube stays on the host."""


@dataclass(frozen=True)
class Panel:
    """Everything known about every cell at every step, except the target.

    Attributes:
        climate: (cell, time, feature) any units, finite; may be a memory map.
        static: (cell, static_feature), for example land-cover fractions in 0–1; zero columns are allowed.
        lon: (cell,) degrees east.
        lat: (cell,) degrees north.
        step_of_year: (time,) position of each step in the year, counted from 1.

    Lists, data frames and series are taken for arrays.

    Raises:
        ValueError: shapes disagree, coordinates leave their range, or a value is masked, no real number, NaN,
            infinite or too large for single precision; the message names the array, and of the latter the first place.
    """

    climate: Reals
    static: Reals
    lon: Reals
    lat: Reals
    step_of_year: Indices

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, real_array(getattr(self, field.name), field.name))
        if self.climate.ndim != 3 or 0 in self.climate.shape:
            raise ValueError(f"climate has shape {self.climate.shape}; expected (cell, time, feature), not empty.")
        if self.static.ndim != 2 or len(self.static) != self.n_cells:
            raise ValueError(f"static has shape {self.static.shape}; expected ({self.n_cells}, static_feature).")
        for name, length in (("lon", self.n_cells), ("lat", self.n_cells), ("step_of_year", self.n_times)):
            if getattr(self, name).shape != (length,):
                raise ValueError(f"{name} has shape {getattr(self, name).shape}; expected ({length},).")
        for name in ("static", "lon", "lat", "climate"):
            self._require_finite(name)
        if np.abs(self.lat).max() > 90 or np.abs(self.lon).max() > 360:
            raise ValueError("lat must lie in [-90, 90] and lon in [-360, 360] degrees.")
        if self.step_of_year.dtype.kind not in "iu" or self.step_of_year.min() < 1:
            raise ValueError("step_of_year must hold integers counted from 1.")

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(self.climate.shape[0])

    @property
    def n_times(self) -> int:
        """Number of steps."""
        return int(self.climate.shape[1])

    @property
    def n_features(self) -> int:
        """Number of climate features."""
        return int(self.climate.shape[2])

    @property
    def n_static(self) -> int:
        """Number of static features."""
        return int(self.static.shape[1])

    def _require_finite(self, name: str) -> None:
        array = getattr(self, name)
        rows = max(1, _BLOCK_BYTES // max(1, array[:1].nbytes))
        for start in range(0, len(array), rows):
            # Not finite, or too large for single precision; NaN compares as false.
            bad = ~(np.abs(array[start : start + rows]) <= np.finfo(np.float32).max)
            if bad.any():
                first = np.argwhere(bad)[0]
                first[0] += start
                axes = ("cell", "time step", "feature") if name == "climate" else ("cell", "static feature")
                place = ", ".join(f"{axis} {index}" for axis, index in zip(axes, first, strict=False))
                what = "too large for single precision" if np.isfinite(array[tuple(first)]) else "NaN or infinite"
                raise ValueError(f"{name} is {what} at {place}; drop the cell or fill the value.")

    def check_samples(self, cells: ArrayLike, times: ArrayLike) -> tuple[Indices, Indices]:
        """Returns the pairs as arrays if they are samples of this panel.

        Args:
            cells: (sample,) index of each sample's cell.
            times: (sample,) index of each sample's step.

        Raises:
            ValueError: they differ in length, are empty, are no integers or leave the panel.
        """
        cells, times = real_array(cells, "cells"), real_array(times, "times")
        if cells.ndim != 1 or cells.shape != times.shape:
            raise ValueError(f"cells {cells.shape} and times {times.shape} must be one-dimensional, of one length.")
        if len(cells) == 0:
            raise ValueError("There is no sample: cells and times are empty.")
        for name, index, size in (("cells", cells, self.n_cells), ("times", times, self.n_times)):
            if index.dtype.kind not in "iu" or index.min() < 0 or index.max() >= size:
                raise ValueError(f"{name} must hold integers in [0, {size}).")
        return cells, times


@dataclass(frozen=True)
class Scaling:
    """Statistics of the training samples, and the rule of ``models.inputs`` in torch.

    Attributes:
        climate_mean: (feature,) in the feature's unit.
        climate_scale: (feature,) standard deviation in the feature's unit, 1 for a constant feature.
        climate_varies: (feature,) whether the feature is used; one that is constant in training is not.
        static_mean: (static_feature,).
        static_scale: (static_feature,).
        static_varies: (static_feature,).
        climate_low: (feature,) smallest training value, standardised and held; 0 for a feature that is not used.
        static_low: (static_feature,).
    """

    climate_mean: Tensor
    climate_scale: Tensor
    climate_varies: Tensor
    static_mean: Tensor
    static_scale: Tensor
    static_varies: Tensor
    climate_low: Tensor
    static_low: Tensor

    @classmethod
    def of_samples(cls, panel: Panel, cells: Indices, times: Indices) -> Scaling:
        """Takes the statistics of the training samples only: their cells at their own steps.

        Args:
            panel: the data.
            cells: (sample,) cell index.
            times: (sample,) time index.
        """
        climate = ColumnScaling.of_parts(
            (panel.climate[cells[start:stop], times[start:stop]] for start, stop in _blocks(len(cells))), np.float32
        )
        static = ColumnScaling.of_parts(
            (panel.static[cells[start:stop]] for start, stop in _blocks(len(cells))), np.float32
        )
        lows = (torch.from_numpy(columns.standardise(columns.low[None])[0]).float() for columns in (climate, static))
        return cls(*tensors(climate), *tensors(static), *lows)


def standardise(values: Tensor, mean: Tensor, scale: Tensor, varies: Tensor) -> Tensor:
    """Deviations from the training mean, held within some of them; 0 for a feature that is not used.

    Args:
        values: (..., feature) in the features' units.
        mean: (feature,) of ``Scaling``.
        scale: (feature,) of ``Scaling``.
        varies: (feature,) of ``Scaling``.
    """
    return ((values - mean) / scale).clamp(-HELD_DEVIATIONS, HELD_DEVIATIONS) * varies


def _blocks(n_samples: int) -> list[tuple[int, int]]:
    return [(start, start + _SAMPLES_PER_BLOCK) for start in range(0, n_samples, _SAMPLES_PER_BLOCK)]


def tensors(columns: ColumnScaling) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, scale and whether it varies, (column,) each, as ``standardise`` takes them.

    Args:
        columns: of the training samples.
    """
    mean, scale = torch.from_numpy(columns.mean).float(), torch.from_numpy(columns.scale).float()
    return mean, scale, torch.from_numpy(columns.varies)


class SampleBatch(NamedTuple):
    """One batch of samples, in raw units, on the device.

    Attributes:
        windows: (batch, window, feature) climate of the step and of those before it, oldest first.
        static: (batch, static_feature).
        steps: (batch, window) int64 position in the year of each step, counted from 0.
        cells: (batch,) int64 cell index.
        asked: (sample,) int64 row · window + step of each sample, where the rows are series with samples at several
            steps; None where each row is the window of one sample, its last step.
    """

    windows: Tensor
    static: Tensor
    steps: Tensor
    cells: Tensor
    asked: Tensor | None = None


class DevicePanel:
    """A panel as tensors: on the device where it fits, else memory-mapped on the host.

    A window that would begin before the series repeats the first step.
    """

    def __init__(self, panel: Panel, window: int, device: torch.device) -> None:
        """Opens the panel.

        Args:
            panel: the data.
            window: steps of one window, the predicted one included.
            device: where batches are delivered.
        """
        self.device = device
        self.n_times = panel.n_times
        storage = device if _fits(panel.climate, device) else torch.device("cpu")
        self.climate = _tensor(panel.climate).to(storage)
        self.static = _tensor(panel.static).to(device)
        self.steps = torch.from_numpy(panel.step_of_year.astype(np.int64) - 1).to(device)
        self.offsets = torch.arange(-window + 1, 1, device=device)

    def gather(self, cells: Tensor, times: Tensor) -> SampleBatch:
        """Gathers the windows of a batch in one indexing operation.

        Args:
            cells: (batch,) int64 cell index, on the device.
            times: (batch,) int64 time index, on the device.
        """
        return self._gather(cells, (times[:, None] + self.offsets).clamp_(min=0))

    def _gather(self, cells: Tensor, window_times: Tensor) -> SampleBatch:
        """The given steps, (batch, window), of each cell."""
        rows = cells[:, None] * self.n_times + window_times
        flat = self.climate.view(-1, self.climate.shape[-1])
        windows = flat[rows.to(flat.device)].to(self.device, non_blocking=True)
        return SampleBatch(windows, self.static[cells], self.steps[window_times], cells)


def _fits(array: Reals, device: torch.device) -> bool:
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return array.size * 4 <= _DEVICE_MEMORY_SHARE * free


def _tensor(array: Reals) -> Tensor:
    """The array as float32, sharing its memory (or its map) where it is float32 already."""
    contiguous = np.ascontiguousarray(array, dtype=np.float32)
    with warnings.catch_warnings():
        # A read-only map is safe here: nothing writes into the panel.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(contiguous)
