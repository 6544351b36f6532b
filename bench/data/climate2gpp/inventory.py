"""What an archive holds of each variable, and everything that is missing from it, told in one go."""

from __future__ import annotations

import dataclasses
import glob
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from bench.data.climate2gpp import calendar
from bench.data.climate2gpp.calendar import HOURS_PER_DAY, Hours
from bench.data.climate2gpp.readers import Layer, few_open_files, open_layers
from bench.data.climate2gpp.units import Unit, decide_unit, repeated_fills, without_fills
from bench.data.climate2gpp.variables import TARGET
from bench.data.era5_land import ERA5_LAND, Era5LandVariable, by_file_name
from bench.errors import BenchError

Kind = Literal["step", "daily", "hourly"]
MidnightTotals = Literal["previous-day", "same-day"]
PML_SCALE = 0.01
"""gC m-2 d-1 per stored unit, where a file holds whole numbers and no scale of its own (PML_V2's documentation)."""
_YEAR = re.compile(r"(?<!\d)(?:A)?((?:19|20)\d{2})(?:\d{3})?(?!\d)")
_SHOWN = 12  # gaps named in the message; the rest is counted


@dataclass(frozen=True)
class Source:
    """All layers of one variable.

    Attributes:
        variable: which one.
        layers: on one grid.
        kind: what a frame is: an hour, a day, or a whole 8-day step (as exported by Earth Engine).
        rate: hourly values are fluxes, not amounts that accumulate over the day.
        next_midnight: the total of a day is dated by the following midnight, as in the hours of ERA5-Land.
    """

    variable: Era5LandVariable
    layers: tuple[Layer, ...]
    kind: Kind
    rate: bool = False
    next_midnight: bool = False

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
        if self.next_midnight or (self.kind == "hourly" and self.variable.daily == "total" and not self.rate):
            return midnights + np.timedelta64(HOURS_PER_DAY, "h"), days
        if self.kind != "hourly":
            return midnights, days
        hours: Hours = (midnights[:, None] + np.arange(HOURS_PER_DAY).astype("timedelta64[h]")).reshape(-1)
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


@dataclass(frozen=True)
class Inventory:
    """An archive that is complete for the years asked for.

    Attributes:
        climate: one source per variable of the table, in its order.
        target: PML_V2.
        land_cover: file of each year.
        years: all years, the last one being the test year.
        notes: what the report should say of units.
    """

    climate: Mapping[str, Source]
    target: Source
    land_cover: Mapping[int, Path]
    years: tuple[int, ...]
    notes: tuple[str, ...]

    def sources(self) -> dict[str, Source]:
        """Every time series by name, the target last."""
        return {**self.climate, self.target.variable.name: self.target}


def expand(patterns: Sequence[str], option: str) -> list[Path]:
    """Returns the files that patterns (or folders) name, sorted.

    Raises:
        BenchError: a pattern names no file.
    """
    found: set[Path] = set()
    for pattern in patterns:
        whole = str(Path(pattern).expanduser())
        matches = glob.glob(whole + "/**" if Path(whole).is_dir() else whole, recursive=True)
        files = {Path(match) for match in matches if Path(match).is_file()}
        if not files:
            raise BenchError(f"{option} {pattern!r} names no file; correct the pattern (and quote it for the shell).")
        found |= files
    return sorted(found)


@few_open_files()
def take_stock(
    era5: Iterable[Path],
    land_cover: Iterable[Path],
    target: Iterable[Path],
    years: tuple[int, ...],
    say: Callable[[str], None] = lambda _: None,
    midnight_totals: MidnightTotals | None = None,
) -> Inventory:
    """Opens every file's header and checks that everything is there once.

    Args:
        era5: ERA5-Land files.
        land_cover: MCD12C1 files.
        target: PML_V2 files.
        years: consecutive years, the last one being the test year.
        say: is told of progress.
        midnight_totals: of which day the totals are whose only hour is midnight; None if there are none such.

    Raises:
        BenchError: a file is unusable, it is not known of which day its totals are, or something is missing or there
            twice; the message lists all of it.
    """
    sources, problems = _era5_sources(list(era5), say)
    for variable in ERA5_LAND:
        if variable.name not in sources:
            problems.append(f"{variable.name} ({variable.short_name}) is in no file")
    layers = []
    for path in target:
        for layer in open_layers(path):
            if layer.name in TARGET.names:
                layers.append(dataclasses.replace(layer, factor=PML_SCALE) if layer.integers else layer)
    if layers:
        sources[TARGET.name] = _source(TARGET, layers)
        if sources[TARGET.name].kind != "step":
            raise BenchError(
                f"{layers[0].where} has no 8-day images: each must be dated by the first day of a step (1 January and "
                "every eighth day after it)."
            )
    else:
        problems.append("GPP is in no file")
    covers = _by_year(land_cover)
    training = years[:-1] or years
    problems += [f"land cover of {year} is missing" for year in training if year not in covers]
    notes = []
    for name in sources:
        source, said = settled(sources[name], midnight_totals)
        sources[name] = source
        notes += [f"{name}: {note}" for note in said]
        problems += source.overlaps()
        gaps = [gap for year in years for gap in calendar.ranges(source.missing(year), source.spacing_hours)]
        problems += [f"{name} of {gap} is missing" for gap in gaps]
    if problems:
        listed = "; ".join(problems[:_SHOWN]) + (f"; and {len(problems) - _SHOWN} more" if problems[_SHOWN:] else "")
        raise BenchError(
            f"The archive is not complete for {years[0]}-{years[-1]}: {listed}; add, or take away, files or change "
            "--years."
        )
    climate = {variable.name: sources[variable.name] for variable in ERA5_LAND}
    used = {year: covers[year] for year in training}
    return Inventory(climate, sources[TARGET.name], used, years, tuple(notes))


def settled(source: Source, midnight_totals: MidnightTotals | None) -> tuple[Source, list[str]]:
    """Decides what the frames of a year are: every hour of a flux, one of an amount, and of which day it is.

    Args:
        source: as its files are.
        midnight_totals: see ``take_stock``.

    Returns:
        the source with ``rate`` and ``next_midnight``, and what the report should say.

    Raises:
        BenchError: the unit is wrong, or it is not known of which day its totals are.
    """
    unit, note = unit_of(source.variable, source.layers[0], source.kind)
    source = dataclasses.replace(source, rate=unit.rate)
    source = dataclasses.replace(source, next_midnight=_next_midnight(source, midnight_totals))
    notes = [note] if note else []
    return source, notes + (["totals at 00:00 are those of the day before"] if source.next_midnight else [])


def unit_of(variable: Era5LandVariable, layer: Layer, kind: Kind) -> tuple[Unit, str | None]:
    """Decides the unit of a layer, and what means missing in it, from its attribute and from three of its frames.

    Raises:
        BenchError: see ``decide_unit``.
    """
    frames = np.unique([0, len(layer.times) // 2, len(layer.times) - 1])
    height = layer.grid.shape[0]
    # Some rows of a raster that is too large to look at as a whole: a band about its middle.
    rows = slice(None) if np.prod(layer.grid.shape) < 1e7 else slice(height // 3, height // 3 + 256)
    stored = layer.read(frames, rows)
    missing = repeated_fills(stored, variable.lowest)
    sample = without_fills(stored, variable.lowest)
    if kind == "step" and variable.aggregation == "sum":
        sample = sample / 8.0
    # Amounts of hours are at most those of the day, for which the table has the range.
    unit, note = decide_unit(variable, layer.units, sample, layer.where, hourly=kind == "hourly")
    notes = [note] if note else []
    notes += [f"{fill:g} repeats and is taken as missing, which the file does not say" for fill in missing]
    return dataclasses.replace(unit, missing=missing), "; ".join(notes) or None


def _era5_sources(paths: list[Path], say: Callable[[str], None]) -> tuple[dict[str, Source], list[str]]:
    layers: dict[str, list[Layer]] = {}
    for count, path in enumerate(paths, 1):
        recognised = False
        for layer in open_layers(path):
            variable = by_file_name(layer.name)
            if variable is None:
                continue
            recognised = True
            name = variable.name
            if name == "temperature_2m" and layer.statistic:
                # The Climate Data Store's daily statistics call all three t2m and tell them apart by this attribute.
                name += "_min" if layer.statistic == "minimum" else "_max"
            layers.setdefault(name, []).append(layer)
        if not recognised:
            raise BenchError(f"{path} holds none of the 26 variables (docs/climate2gpp.md); narrow --era5.")
        if count % 200 == 0:
            say(f"Looked into {count} of {len(paths)} ERA5-Land files.")
    sources = {
        variable.name: _source(variable, layers[variable.name]) for variable in ERA5_LAND if variable.name in layers
    }
    hourly = sources.get("temperature_2m")
    if hourly is not None and hourly.kind == "hourly":
        for variable in ERA5_LAND:
            if variable.daily in ("minimum", "maximum") and variable.name not in sources:
                sources[variable.name] = dataclasses.replace(hourly, variable=variable)
    return sources, []


def _source(variable: Era5LandVariable, layers: list[Layer]) -> Source:
    for layer in layers[1:]:
        if not layer.grid.same_as(layers[0].grid):
            raise BenchError(
                f"{layer.path} has another grid ({layer.grid.shape[0]} x {layer.grid.shape[1]}) than {layers[0].path} "
                f"({layers[0].grid.shape[0]} x {layers[0].grid.shape[1]}) for {variable.name}; use files of one grid."
            )
    times = np.unique(np.concatenate([layer.times for layer in layers]))
    days = np.unique(times.astype("datetime64[D]"))
    kind: Kind = "daily"
    if len(times) > len(days):
        kind = "hourly"
    elif len(days) and (calendar.step_of(days) * 8 == _day_of_year(days)).all():
        kind = "step"
    return Source(variable, tuple(layers), kind)


def _next_midnight(source: Source, midnight_totals: MidnightTotals | None) -> bool:
    """Whether daily totals are dated by the following midnight, which a file does not say.

    Raises:
        BenchError: they may be, and the option does not tell.
    """
    if source.kind != "daily" or source.variable.daily != "total" or source.rate:
        return False
    stamps = np.concatenate([layer.times for layer in source.layers])
    accumulated = [layer for layer in source.layers if layer.accumulated]
    if not accumulated or (stamps != stamps.astype("datetime64[D]")).any():
        return False  # sums that somebody made of days, dated by these
    if midnight_totals is None:
        raise BenchError(
            f"{accumulated[0].where} holds accumulations at 00:00 only: of the day before, if these are hours of "
            "ERA5-Land as it publishes them, or of the day, if they were summed later; say which by --midnight-totals "
            "previous-day or same-day."
        )
    return midnight_totals == "previous-day"


def _day_of_year(days: npt.NDArray[np.datetime64]) -> npt.NDArray[np.int64]:
    elapsed: npt.NDArray[np.int64] = (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64)
    return elapsed


def _by_year(paths: Iterable[Path]) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for path in paths:
        match = _YEAR.search(path.stem)
        if match is None:
            raise BenchError(f"{path} has no year in its name; name it like MCD12C1.A2019001.061.hdf.")
        year = int(match.group(1))
        if year in found:
            raise BenchError(f"Land cover of {year} stands in both {found[year]} and {path}; take one away.")
        found[year] = path
    return found
