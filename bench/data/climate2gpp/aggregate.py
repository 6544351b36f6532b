"""From frames of hours or days to 8-day steps on the target grid, reading no more than a bounded block at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bench.arrays import Doubles
from bench.data.climate2gpp import calendar
from bench.data.climate2gpp.calendar import Hours
from bench.data.climate2gpp.fills import without_fills
from bench.data.climate2gpp.grids import Regridder, RegularGrid
from bench.data.climate2gpp.layers import Layer
from bench.data.climate2gpp.source import VariableSource
from bench.data.climate2gpp.units import Unit, hour_over_day, require_range
from bench.data.rhythm import STEPS_PER_YEAR
from bench.errors import BenchError

BLOCK_BYTES = 1 << 27
"""Of float64 values held at once; a few arrays of this size exist at the same time."""


@dataclass
class Regridders:
    """The ways from source grids to one target grid, each computed once.

    Attributes:
        target: the grid of the cube.
    """

    target: RegularGrid
    _known: list[Regridder] = field(default_factory=list)

    def of(self, source: RegularGrid) -> Regridder:
        """Returns the way from a grid."""
        for regridder in self._known:
            if regridder.source.same_as(source):
                return regridder
        self._known.append(Regridder(source, self.target))
        return self._known[-1]


def year_of_steps(
    source: VariableSource,
    year: int,
    regridders: Regridders,
    cells: npt.NDArray[np.int64],
    tick: Callable[[], None] = lambda: None,
) -> npt.NDArray[np.float32]:
    """Returns a year of one variable in some cells of the target grid.

    Means over all days of a step, or their sum: that of the last step covers its 5 or 6 days and is not scaled to 8. A
    pixel counts in a step only if it has a value in every frame of it.

    Args:
        source: complete for that year, its unit decided.
        year: which one.
        regridders: to the target grid.
        cells: flat indices in the target grid, ascending.
        tick: called after every step.

    Returns:
        (46, cell) float32 in the unit of the table, NaN where missing.

    Raises:
        BenchError: a file is damaged, or values lie outside what the variable can be.
    """
    times, days = source.needed(year)
    assert source.decision is not None  # an inventory has decided it
    unit = source.decision.unit
    regridder, read = regridders.of(source.layers[0].grid), _ReadAhead()
    steps = calendar.step_of(days)
    lengths = calendar.step_lengths(year)
    readings = []
    for step in range(STEPS_PER_YEAR):
        chosen = np.flatnonzero(steps == step)
        readings.append(_Step(source, read, unit, times[chosen], days[chosen], int(lengths[step])))
    values = np.empty((STEPS_PER_YEAR, len(cells)), np.float32)
    n_rows, n_columns = regridders.target.shape
    interleaved = any(layer.interleaved for layer in source.layers)
    for step, rows, means in (_by_rows if interleaved else _by_steps)(readings, regridder, source.layers[0]):
        first, after = np.searchsorted(cells, [rows.start * n_columns, rows.stop * n_columns])
        values[step, first:after] = means.ravel()[cells[first:after] - rows.start * n_columns]
        if rows.stop == n_rows:
            tick()
    return values


def require_every_step(source: VariableSource, year: int, values: npt.NDArray[np.float32]) -> None:
    """Refuses a step without a value in any cell, for which every cell would be left out at the end.

    Args:
        source: of the values.
        year: which one.
        values: (46, cell) of all land cells.

    Raises:
        BenchError: there is such a step, and others have values.
    """
    empty = np.isnan(values).all(axis=1)
    if empty.any() and not empty.all():
        starts = calendar.step_starts(year)[empty].astype("datetime64[h]")
        steps = ", ".join(calendar.ranges(starts, 8 * calendar.HOURS_PER_DAY)[:3])
        raise BenchError(
            f"{source.variable.name} has no value in any land cell in the 8-day steps of {steps}: a day of them is "
            "empty in its files; replace these files and run the same command again: finished stages are kept."
        )


_Piece = tuple[int, slice, npt.NDArray[np.float32]]
"""A step, rows of the target grid, and their (row, column) values."""


def _by_steps(readings: Sequence[_Step], regridder: Regridder, layer: Layer) -> Iterator[_Piece]:
    """The whole grid of one step after the other."""
    for step, reading in enumerate(readings):
        yield step, slice(0, regridder.target.shape[0]), regridder.in_bands(reading.band, _bands(layer))


def _by_rows(readings: Sequence[_Step], regridder: Regridder, layer: Layer) -> Iterator[_Piece]:
    """All steps of some rows, then of the next: for files that decode all frames of a block together.

    So many rows are read as hold all frames of the year in a block of memory; what has been read once serves all steps.
    """
    frames = sum(len(reading.times) for reading in readings)
    widest = max(frames * layer.grid.shape[1], len(readings) * regridder.target.shape[1])
    most = max(1, BLOCK_BYTES // (8 * widest))
    for rows in regridder.row_blocks(most):
        steps = [regridder.integrals(rows) for _ in readings]
        for start, stop in _within_chunks(layer, *regridder.source_rows(rows), most):
            for reading, integrals in zip(readings, steps, strict=True):
                integrals.add(reading.band(start, stop), start)
        for step, integrals in enumerate(steps):
            yield step, rows, integrals.means()


class _ReadAhead:
    """Frames of the layer at work: a few more than were asked for, since the next step wants those."""

    def __init__(self) -> None:
        self._layer: Layer | None = None
        self._rows = slice(0, 0)
        self._first, self._values = 0, np.empty((0, 0, 0))

    def __call__(self, layer: Layer, frames: npt.NDArray[np.int64], rows: slice, at_once: int) -> Doubles:
        """(frame, row, column) values in the file's unit; not to be written to."""
        first, stop = int(frames[0]), int(frames[-1]) + 1
        if stop - first != len(frames):
            return layer.read(frames, rows)
        known = layer is self._layer and rows == self._rows and first >= self._first
        if not known or stop > self._first + len(self._values):
            ahead = np.arange(first, min(first + at_once, len(layer.times)))
            self._values = np.empty((0, 0, 0))  # the old ones go before the new ones come
            self._values = layer.read(ahead, rows)
            self._layer, self._rows, self._first = layer, rows, first
        return self._values[first - self._first : stop - self._first]


@dataclass(frozen=True)
class _Step:
    """The frames of one step."""

    source: VariableSource
    read: _ReadAhead
    unit: Unit
    times: Hours
    days: npt.NDArray[np.datetime64]
    length: int

    def band(self, start: int, stop: int) -> Doubles:
        """Some rows of the source grid: the step's mean or sum."""
        variable, rows = self.source.variable, slice(start, stop)
        if self.source.kind == "hourly" and variable.daily in ("minimum", "maximum"):
            extreme = np.minimum if variable.daily == "minimum" else np.maximum
            daily = [self._reduce(self.times[self.days == day], rows, extreme) for day in np.unique(self.days)]
            return np.asarray(sum(daily) / len(daily))
        total = self._reduce(self.times, rows, np.add)
        per_frame = total / len(self.times)
        if variable.aggregation == "mean":
            return per_frame
        # Rates came as the total of a day each: their mean over all frames times the days is the sum.
        return per_frame * self.length if self.source.rate else total

    def _reduce(self, times: Hours, rows: slice, combine: np.ufunc) -> Doubles:
        variable = self.source.variable
        if self.source.rate:
            spread = hour_over_day(variable) if self.source.kind == "hourly" else 1.0
        else:  # an amount of a whole step is spread over its days before it is held against the range of a day
            spread = self.length if self.source.kind == "step" and variable.aggregation == "sum" else 1.0
        result: Doubles | None = None
        for layer, frames, at_once in self._blocks(times, rows):
            stored = without_fills(self.read(layer, frames, rows, at_once), variable.lowest, self.source.fills)
            values = self.unit.convert(stored)
            require_range(variable, values, spread, f"{layer.path}, {str(times[0])[:10]}")
            block: Doubles = combine.reduce(values, axis=0)
            result = block if result is None else combine(result, block)
        assert result is not None  # a step has at least one frame
        return result

    def _blocks(self, times: Hours, rows: slice) -> Iterator[tuple[Layer, npt.NDArray[np.int64], int]]:
        layer_of, frame_of = self.source.place(times)
        for number in dict.fromkeys(layer_of.tolist()):
            layer = self.source.layers[number]
            frames = frame_of[layer_of == number]
            height = len(range(*rows.indices(layer.grid.shape[0])))
            at_once = max(1, BLOCK_BYTES // (8 * height * layer.grid.shape[1]))
            for start in range(0, len(frames), at_once):
                yield layer, frames[start : start + at_once], at_once


def _bands(layer: Layer) -> list[tuple[int, int]]:
    """Rows to read at once: all, or, of rasters too large for it, those that lie together in the file."""
    height, width = layer.grid.shape
    if 8 * height * width <= BLOCK_BYTES:
        return [(0, height)]
    return _within_chunks(layer, 0, height, max(1, BLOCK_BYTES // (8 * width)))


def _within_chunks(layer: Layer, first: int, after: int, most: int) -> list[tuple[int, int]]:
    """Divides rows of the source into bands of at most ``most`` that lie together in the file."""
    bounds = np.clip(np.concatenate([[0], np.cumsum(layer.data.chunks[1])]), first, after).tolist()
    return [
        (start, min(start + most, upper))
        for lower, upper in zip(bounds[:-1], bounds[1:], strict=True)
        for start in range(lower, upper, most)
    ]
