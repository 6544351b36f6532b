"""A look at the values of a variable, over all its files, before anything long is started.

All frames are looked at where that takes little; of larger archives the first and last of every file and others evenly
spread, so that seasons and years are there. What is decided from values (units) is decided from this, once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.data.climate2gpp.calendar import Hours
from bench.data.climate2gpp.fills import repeated_fills, without_fills
from bench.data.climate2gpp.layers import Layer
from bench.data.climate2gpp.units import Size
from bench.data.era5_land import Era5LandVariable

SURVEY_BYTES = 1 << 30
"""Of values looked at of one variable: some ten seconds of decoding."""
_BLOCK_BYTES = 1 << 26
_LARGEST_FRAME = 10**7
"""Cells of a raster that is looked at as a whole; the grid of ERA5-Land has 6.5 million."""
_BAND_ROWS = 256
_BYTES_PER_VALUE = 4  # decoded: 16 or 32 bits


@dataclass(frozen=True)
class LayerSurvey:
    """What was seen, frame by frame, in the unit of the files.

    Attributes:
        times: (frame,) sorted.
        layer: (frame,) which layer each is of.
        frame: (frame,) which of its frames.
        valid: (frame,) number of values that are there.
        low: (frame,) least value, NaN if there is none.
        high: (frame,) greatest value.
        mean: (frame,) mean without the sign.
        fills: stored values that mean missing, though they might be true and the files do not say so.
        rows: what was looked at of each frame.
    """

    times: Hours
    layer: npt.NDArray[np.int64]
    frame: npt.NDArray[np.int64]
    valid: npt.NDArray[np.int64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    mean: npt.NDArray[np.float64]
    fills: tuple[float, ...]
    rows: slice

    def size(self, of: npt.NDArray[np.bool_] | slice = slice(None), per: float = 1.0) -> Size:
        """Returns the size of the values of some frames.

        Args:
            of: which frames.
            per: what values are divided by, such as the days of a step.
        """
        valid = self.valid[of]
        if not valid.sum():
            return Size(np.nan, np.nan, np.nan)
        there = valid > 0
        mean = np.average(self.mean[of][there], weights=valid[there])
        return Size(float(np.nanmin(self.low[of])) / per, float(np.nanmax(self.high[of])) / per, float(mean) / per)


def look_at(variable: Era5LandVariable, layers: Sequence[Layer], years: Sequence[int]) -> LayerSurvey:
    """Looks at the values of a variable.

    Args:
        variable: which one.
        layers: all that hold it, on one grid.
        years: that matter; of totals also the midnight after the last.

    Raises:
        BenchError: a file is damaged.
    """
    layer, frame, times = _frames(layers, years)
    rows = _rows(layers[0], int(frame[0]) if len(frame) and layer[0] == 0 else 0)
    width = layers[0].grid.shape[1]
    height = len(range(*rows.indices(layers[0].grid.shape[0])))
    chosen = _spread(layer, max(2, SURVEY_BYTES // (_BYTES_PER_VALUE * height * width)))
    layer, frame, times = layer[chosen], frame[chosen], times[chosen]
    valid = np.zeros(len(frame), np.int64)
    low, high, mean = (np.full(len(frame), np.nan) for _ in range(3))
    fills: set[float] = set()
    for block in _blocks(layer, max(1, _BLOCK_BYTES // (8 * height * width))):
        stored = layers[layer[block[0]]].read(frame[block], rows)
        fills.update(repeated_fills(stored, variable.lowest))
        values = without_fills(stored, variable.lowest, tuple(fills)).reshape(len(block), -1)
        there = np.isfinite(values)
        valid[block] = there.sum(axis=1)
        low[block], high[block] = np.fmin.reduce(values, axis=1), np.fmax.reduce(values, axis=1)
        mean[block] = np.add.reduce(np.abs(values), axis=1, where=there) / np.maximum(valid[block], 1)
    order = np.lexsort((layer, times))
    return LayerSurvey(
        times[order],
        layer[order],
        frame[order],
        valid[order],
        low[order],
        high[order],
        mean[order],
        fills=tuple(sorted(fills)),
        rows=rows,
    )


def empty_times(variable: Era5LandVariable, layers: Sequence[Layer], survey: LayerSurvey) -> list[int]:
    """Returns the frames of a survey that have no value at all, though others have some.

    Raises:
        BenchError: a file is damaged.
    """
    if not survey.valid.any():
        return []  # said already: there is nothing to judge the unit by
    found = []
    for position in np.flatnonzero(survey.valid == 0).tolist():
        if survey.rows != slice(None):
            layer = layers[survey.layer[position]]
            whole = layer.read(survey.frame[position : position + 1], slice(None))
            if np.isfinite(without_fills(whole, variable.lowest, survey.fills)).any():
                continue
        found.append(position)
    return found


def _frames(
    layers: Sequence[Layer], years: Sequence[int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Hours]:
    """Layer, frame and time of all frames of some years, in the order of the files."""
    first, after = np.datetime64(f"{min(years)}-01-01T00", "h"), np.datetime64(f"{max(years) + 1}-01-01T01", "h")
    inside = [np.flatnonzero((layer.times >= first) & (layer.times < after)) for layer in layers]
    layer = np.repeat(np.arange(len(layers)), [len(frames) for frames in inside])
    times = [item.times[frames] for item, frames in zip(layers, inside, strict=True)]
    return layer, np.concatenate(inside), np.concatenate(times)


def _spread(layer: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.int64]:
    """Positions of at most about ``most`` frames: all, or the ends of each layer and others evenly spread."""
    count = len(layer)
    if count <= most:
        return np.arange(count)
    even = np.linspace(0, count - 1, most).round().astype(np.int64)
    ends = np.flatnonzero(np.diff(layer, prepend=-1) | np.diff(layer, append=-1))
    return np.unique(np.concatenate([even, ends]) if len(ends) <= most else even)


def _blocks(layer: npt.NDArray[np.int64], at_once: int) -> Iterator[npt.NDArray[np.int64]]:
    """Positions of frames of one layer that are read at once."""
    positions = np.arange(len(layer))
    for run in np.split(positions, np.flatnonzero(np.diff(layer)) + 1):
        for start in range(0, len(run), at_once):
            yield run[start : start + at_once]


def _rows(layer: Layer, frame: int) -> slice:
    """All rows; of rasters too large for it some that have values, if any have, first about a third from the top."""
    height, width = layer.grid.shape
    most = height if height * width < _LARGEST_FRAME else _BAND_ROWS
    if layer.interleaved:  # each of its blocks decodes all bands
        most = min(most, max(1, _BLOCK_BYTES // (_BYTES_PER_VALUE * width * layer.data.shape[0])))
    if most >= height:
        return slice(None)
    for start in (height // 3, height // 2, height // 5, 2 * height // 3, 0):
        band = slice(min(start, height - most), min(start, height - most) + most)
        if np.isfinite(layer.read(np.array([frame]), band)).any():
            return band
    return slice(None)
