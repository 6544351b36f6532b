"""Units that files hold variables in: how each is written, how it is converted, and how large its values are."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bench.data.era5_land import Era5LandVariable
from bench.errors import BenchError

_SECONDS_PER_DAY = 86400.0
_HOUR_OVER_DAY = {"J m-2": 3.0}
_HOUR_OVER_DAY_OTHERWISE = 24.0
_PREFIXED = re.compile(r"\s*([\d.]+(?:[eE][-+]?\d+)?)\s*[*x×]?\s*([A-Za-z].*)", re.DOTALL)
_SUFFIXED = re.compile(r"\s*([A-Za-z].*?)\s*[*x×]\s*([\d.]+(?:[eE][-+]?\d+)?)\s*", re.DOTALL)
"""A number before or behind a unit, as in ``0.01 gC m-2 d-1``."""


@dataclass(frozen=True)
class Unit:
    """How values of a file become those of the table.

    Attributes:
        name: as we write it.
        spellings: other ways to write it.
        factor: value in the table's unit per value in this one.
        offset: added afterwards.
        rate: it is a flux: over hours it is averaged, where an amount accumulates.
        guessed: files are known that hold it without saying so; others are believed by their attribute only.
        readable: False for what is only told apart from others, and refused.
    """

    name: str
    spellings: tuple[str, ...] = ()
    factor: float = 1.0
    offset: float = 0.0
    rate: bool = False
    guessed: bool = True
    readable: bool = True

    def convert(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Values in the table's unit."""
        return values if (self.factor, self.offset) == (1.0, 0.0) else values * self.factor + self.offset


STORED_GPP = Unit("0.01 gC m-2 d-1", (), 0.01)
"""What PML_V2 stores in whole numbers (its documentation), where an export forgot the scale."""
_LENGTHS = (
    Unit(
        "m", ("metre", "metres", "meter", "meters", "m of water equivalent", "m water equivalent", "m d-1", "m day-1")
    ),
    Unit("mm", ("millimetre", "millimeter", "kg m-2", "mm d-1", "mm day-1", "mm/day", "mm/d"), 1e-3),
    Unit("cm", ("centimetre", "centimeter"), 1e-2, guessed=False),
    Unit("kg m-2 s-1", ("mm s-1", "kg/m2/s", "mm/s"), _SECONDS_PER_DAY * 1e-3, rate=True, guessed=False),
)
_UNITS: dict[str, tuple[Unit, ...]] = {
    "K": (
        Unit("K", ("kelvin", "degK")),
        Unit("degC", ("C", "°C", "celsius", "degree_Celsius", "degrees_celsius", "deg C", "degree C"), offset=273.15),
    ),
    "%": (Unit("%", ("percent", "per cent")), Unit("1", ("(0 - 1)", "fraction", "0-1", "(0,1)"), 100.0)),
    "m": _LENGTHS,
    "m3 m-3": (Unit("m3 m-3", ("m3/m3", "1", "fraction")), Unit("%", ("percent",), 1e-2)),
    "Pa": (Unit("Pa", ("pascal",)), Unit("hPa", ("mbar", "millibar", "mb"), 100.0), Unit("kPa", (), 1000.0)),
    "m s-1": (Unit("m s-1", ("m/s", "m sec-1")), Unit("km h-1", ("km/h", "kmh-1"), 1 / 3.6, guessed=False)),
    "J m-2": (
        Unit("J m-2", ("J/m2", "J/m^2", "J m-2 day-1", "J m-2 d-1")),
        Unit("W m-2", ("W/m2", "W/m^2"), _SECONDS_PER_DAY, rate=True),
        Unit("kJ m-2", ("kJ/m2", "kJ m-2 d-1"), 1e3, guessed=False),
        Unit("MJ m-2", ("MJ/m2", "MJ m-2 d-1", "MJ m-2 day-1"), 1e6, guessed=False),
    ),
    "gC m-2 d-1": (
        Unit("gC m-2 d-1", ("g C m-2 d-1", "gC m-2 day-1", "g C m-2 day-1", "gC/m2/d", "gC/m2/day", "g C/m2/d")),
        STORED_GPP,
        # The last step of a year has 5 or 6 days, so that no one factor makes daily means of these.
        Unit("gC m-2 in 8 days", ("gC m-2 8d-1", "gC/m2/8d", "gC m-2 8day-1"), 1 / 8, readable=False),
        # Not called a rate: daily means are what the table has.
        Unit("kgC m-2 s-1", ("kg C m-2 s-1", "kg m-2 s-1"), 1e3 * _SECONDS_PER_DAY, guessed=False),
    ),
}
"""By the table's unit, which comes first."""


@dataclass(frozen=True)
class Usual:
    """Where the values of a year or more of land usually lie, in the table's unit, by size (without the sign).

    Attributes:
        peak: least and greatest of the largest value.
        mean: greatest of the mean.
    """

    peak: tuple[float, float]
    mean: float = math.inf


_USUAL: dict[str, Usual] = {
    # The sun brings 1e7 J m-2 (115 W m-2) on the best day of a year everywhere; of it the snow of Antarctica keeps 5e6.
    "surface_solar_radiation_downwards_sum": Usual((5e6, 6e7)),
    "surface_net_solar_radiation_sum": Usual((4e6, 6e7)),
    "surface_thermal_radiation_downwards_sum": Usual((5e6, 6e7)),
    "surface_net_thermal_radiation_sum": Usual((3e6, 4e7)),
    # The wettest day: 2 mm in a desert, 1 m in the worst cyclone; the wettest land has 30 mm a day on average.
    "total_precipitation_sum": Usual((2e-3, 1.0), 0.04),
    "total_evaporation_sum": Usual((3e-4, 0.05), 0.012),
    "potential_evaporation_sum": Usual((1e-3, 0.6), 0.06),
    "snow_depth": Usual((1e-3, 60.0)),
    "snow_depth_water_equivalent": Usual((1e-3, 15.0)),  # glaciers hold 10 m in ERA5-Land
    "GPP": Usual((1.0, 40.0), 12.0),  # PML_V2 ends at 39; no forest has 12 on average over a year
}
_USUAL_BY_UNIT = {"m3 m-3": Usual((0.02, 1.0)), "m s-1": Usual((0.5, 45.0), 4.0)}
"""Wind of more than 4 m s-1 on average blows in few regions, and 5 km h-1 in most."""
_STORED_USUAL = Usual((0.2, 40.0), 12.0)
"""Of GPP in its stored unit: a desert with 0.2 gC m-2 d-1 at best would pass for a rain forest without it."""
_LEAST_STORED_MEAN = 0.04
"""gC m-2 d-1: 15 gC m-2 in a year; land with less has no vegetation."""
_RADIATION_GAP = (0.5, 2.0e3)
"""J m-2: no day's largest radiation anywhere lies here, while fluxes in W m-2 do."""


@dataclass(frozen=True)
class Size:
    """What is known of the values of a variable, in the unit of the files.

    Attributes:
        low: least one.
        high: greatest one.
        mean: mean without the sign; NaN if there is no value.
    """

    low: float
    high: float
    mean: float

    @property
    def known(self) -> bool:
        """Whether there is any value."""
        return bool(np.isfinite(self.mean))

    @property
    def span(self) -> str:
        """For messages."""
        return f"{self.low:.6g} to {self.high:.6g}" if self.known else "all missing"


def size_of(values: npt.NDArray[np.float64]) -> Size:
    """Returns the size of some values, NaN where missing."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return Size(np.nan, np.nan, np.nan)
    return Size(float(finite.min()), float(finite.max()), float(np.abs(finite).mean()))


def hour_over_day(variable: Era5LandVariable) -> float:
    """Returns by how much the flux of an hour may exceed the largest mean flux of a day.

    Radiation: 1400 W m-2 at the most, at noon, where no day has a mean above 700 W m-2 (6e7 J m-2); rain and
    evaporation of a day may all fall in one hour.
    """
    return _HOUR_OVER_DAY.get(variable.unit, _HOUR_OVER_DAY_OTHERWISE)


def units_of(variable: Era5LandVariable) -> tuple[Unit, ...]:
    """Returns the units that files hold a variable in, the table's own first."""
    units = _UNITS[variable.unit]
    return units if variable.aggregation == "sum" else tuple(unit for unit in units if not unit.rate)


def by_spelling(variable: Era5LandVariable, text: str) -> Unit | None:
    """Returns the unit that a text names, with a factor before or behind it if there is one, or None."""
    for unit in units_of(variable):
        if _spelled(text) in map(_spelled, (unit.name, *unit.spellings)):
            return unit
    for pattern, number, name in ((_PREFIXED, 1, 2), (_SUFFIXED, 2, 1)):
        match = pattern.fullmatch(text)
        base = by_spelling(variable, match.group(name)) if match else None
        if match is not None and base is not None and base.offset == 0.0:
            try:
                factor = float(match.group(number))
            except ValueError:
                return None  # 1.2.3
            same = next((unit for unit in units_of(variable) if math.isclose(unit.factor, base.factor * factor)), None)
            if same is not None and same.rate == base.rate:
                return same
            return replace(base, name=f"{factor:g} {base.name}", spellings=(), factor=base.factor * factor)
    return None


def possible(variable: Era5LandVariable, unit: Unit, size: Size, spread: float) -> bool:
    """Whether all values lie within what the variable can be.

    Args:
        variable: which one.
        unit: of the values.
        size: of the values.
        spread: how many times the range of a day they may reach.
    """
    if not size.known:
        return False
    low, high = (float(unit.convert(np.array([value]))[0]) / spread for value in (size.low, size.high))
    if low < variable.lowest or high > variable.highest:
        return False
    peak = max(abs(low), abs(high))
    return variable.unit != "J m-2" or not _RADIATION_GAP[0] < peak < _RADIATION_GAP[1]


def usual(variable: Era5LandVariable, unit: Unit, size: Size, spread: float) -> bool:
    """Whether the largest value and the mean are those that the variable usually has over a year or more."""
    if not possible(variable, unit, size, spread):
        return False
    bounds = _USUAL.get(variable.name) or _USUAL_BY_UNIT.get(variable.unit)
    if bounds is None or size.low == size.high == 0.0:
        return True
    mean = size.mean * unit.factor
    if unit == STORED_GPP:
        bounds = _STORED_USUAL
        if mean < _LEAST_STORED_MEAN:
            return False
    peak = max(abs(size.low), abs(size.high)) * unit.factor / spread
    return bounds.peak[0] <= peak <= bounds.peak[1] and mean <= bounds.mean


def require_range(variable: Era5LandVariable, values: npt.NDArray[np.float64], spread: float, where: str) -> None:
    """Checks converted values against the table.

    Args:
        variable: which one.
        values: any shape, in the table's unit, NaN where missing.
        spread: how many times the table's range, which is that of a day, the values may reach.
        where: for the message.

    Raises:
        BenchError: a value lies outside what the variable can be.
    """
    low, high = np.fmin.reduce(values, axis=None) / spread, np.fmax.reduce(values, axis=None) / spread
    if low < variable.lowest or high > variable.highest:
        raise BenchError(
            f"{where}: {variable.name} has the value {low if low < variable.lowest else high:.6g} {variable.unit}, "
            f"outside {variable.lowest:g} to {variable.highest:g}; the unit or a fill value is wrong in the file."
        )


def _spelled(text: str) -> str:
    """A unit without blanks, stars, carets and dots, so that ``J m**-2`` is ``J m-2``."""
    return "".join(character for character in text if character not in " *^·.").casefold()
