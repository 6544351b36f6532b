"""All files of one variable: which of their frames a year is made of, and where each stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from bench.data.climate2gpp import calendar
from bench.data.climate2gpp.calendar import HOURS_PER_DAY, Hours
from bench.data.climate2gpp.decisions import Decision
from bench.data.climate2gpp.layers import Layer
from bench.data.era5_land import Era5LandVariable
from bench.errors import BenchError

Kind = Literal["step", "daily", "hourly"]


@dataclass(frozen=True)
class VariableSource:
    """All layers of one variable.

    Attributes:
        variable: which one.
        layers: on one grid.
        kind: what a frame is: an hour, a day, or a whole 8-day step (as exported by Earth Engine).
        decision: the unit of all files, once it is decided.
        fills: stored values that mean missing, though the files do not say so.
        next_midnight: the total of a day is dated by the following midnight, as in the hours of ERA5-Land.
        per_hour: hourly values are the amount of each hour, which do not accumulate.
    """

    variable: Era5LandVariable
    layers: tuple[Layer, ...]
    kind: Kind
    decision: Decision | None = None
    fills: tuple[float, ...] = ()
    next_midnight: bool = False
    per_hour: bool = False

    @property
    def rate(self) -> bool:
        """Whether the values are fluxes, not amounts that accumulate over the day."""
        return self.decision is not None and self.decision.unit.rate

    @cached_property
    def _index(self) -> tuple[Hours, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        times = np.concatenate([layer.times for layer in self.layers])
        if self.kind != "hourly":
            times = times.astype("datetime64[D]").astype("datetime64[h]")  # daily means are stamped at noon by some
        layer = np.repeat(np.arange(len(self.layers)), [len(layer.times) for layer in self.layers])
        frame = np.concatenate([np.arange(len(layer.times)) for layer in self.layers])
        order = np.lexsort((layer, times))
        return times[order], layer[order], frame[order]

    @property
    def times(self) -> Hours:
        """(frame,) datetime64[h], sorted, of all layers."""
        return self._index[0]

    @property
    def spacing_hours(self) -> int:
        """Between frames."""
        return {"hourly": 1, "daily": HOURS_PER_DAY, "step": 8 * HOURS_PER_DAY}[self.kind]

    def needed(self, year: int) -> tuple[Hours, npt.NDArray[np.datetime64]]:
        """Returns the times of the frames that a year is made of, and the day that each belongs to."""
        days: npt.NDArray[np.datetime64]
        days = calendar.step_starts(year) if self.kind == "step" else calendar.days(year)
        midnights: Hours = days.astype("datetime64[h]")
        totals = self.kind == "hourly" and self.variable.daily == "total" and not self.rate
        if self.next_midnight or (totals and not self.per_hour):
            return midnights + np.timedelta64(HOURS_PER_DAY, "h"), days
        if self.kind != "hourly":
            return midnights, days
        first = 1 if totals else 0  # the amount of an hour is dated by its end
        hours: Hours = (midnights[:, None] + np.arange(first, first + HOURS_PER_DAY).astype("timedelta64[h]")).reshape(
            -1
        )
        repeated: npt.NDArray[np.datetime64] = np.repeat(days, HOURS_PER_DAY)
        return hours, repeated

    def missing(self, year: int) -> Hours:
        """Returns the times that the archive lacks of a year."""
        needed, _ = self.needed(year)
        return needed[~np.isin(needed, self.times)]

    def place(self, times: Hours) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Returns in which layer and which of its frames each time stands; all of them must be there."""
        position = np.searchsorted(self.times, times)
        if not np.isin(times, self.times).all():
            raise ValueError(f"{self.variable.name} lacks {times[~np.isin(times, self.times)][0]}")
        return self._index[1][position], self._index[2][position]

    def layers_of(self, year: int) -> tuple[Layer, ...]:
        """Returns the layers that a year is read from."""
        layer, _ = self.place(self.needed(year)[0])
        return tuple(self.layers[index] for index in np.unique(layer))

    def overlaps(self) -> list[str]:
        """Says which times stand in two layers."""
        times, layer, _ = self._index
        again = np.flatnonzero(np.diff(times) == np.timedelta64(0, "h"))
        pairs = {(int(layer[index]), int(layer[index + 1])) for index in again}
        found = []
        for first, second in sorted(pairs):
            here = [index for index in again if (layer[index], layer[index + 1]) == (first, second)]
            when = ", ".join(calendar.ranges(times[here], self.spacing_hours)[:3])
            one, other = self.layers[first].path, self.layers[second].path
            found.append(f"{self.variable.name} of {when} stands in both {one} and {other}")
        return found


def source_of(variable: Era5LandVariable, layers: Sequence[Layer]) -> VariableSource:
    """Returns the layers of one variable as a source, its kind told by the dates.

    Raises:
        BenchError: the layers are on different grids.
    """
    for layer in layers[1:]:
        if not layer.grid.same_as(layers[0].grid):
            raise BenchError(
                f"{layer.path} has another grid ({layer.grid.shape[0]} x {layer.grid.shape[1]}) than {layers[0].path} "
                f"({layers[0].grid.shape[0]} x {layers[0].grid.shape[1]}) for {variable.name}; use files of one grid, "
                "and mosaic the tiles of one image (gdal_merge.py) unless they are named as Earth Engine names them."
            )
    times = np.unique(np.concatenate([layer.times for layer in layers]))
    days = np.unique(times.astype("datetime64[D]"))
    kind: Kind = "daily"
    if len(times) > len(days):
        kind = "hourly"
    elif len(days) and (calendar.step_of(days) * 8 == _day_of_year(days)).all():
        kind = "step"
    return VariableSource(variable, tuple(layers), kind)


def _day_of_year(days: npt.NDArray[np.datetime64]) -> npt.NDArray[np.int64]:
    elapsed: npt.NDArray[np.int64] = (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64)
    return elapsed
