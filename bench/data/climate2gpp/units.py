"""Units of files: by the attribute, checked by the range of the values, or by the range alone without an attribute."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.data.era5_land import Era5LandVariable
from bench.errors import BenchError

_SECONDS_PER_DAY = 86400.0
_RADIATION_GAP = (0.5, 2.0e3)
"""J m-2: no day's largest radiation anywhere lies here, while fluxes in W m-2 do."""
_FILLS = (-9999.0, -32767.0, -32768.0, -99.0, -999.0)
_FILLS_IN_RANGE = (-9999.0, -32767.0, -32768.0)
"""Of these, those that are told from true values by their number where they lie in the range of a variable."""
_REPEATED = 1e-3
"""More than this share of the values equals a fill value to the last digit only if it means missing. In J m-2 the
values of a field spread over ten million; even packed into 16 bits, in steps of a few hundred, about 1 in 30,000 meets
any one of them.
"""
_NO_NUMBER = 1.0e19
"""Larger values are fill values that a file forgot to declare (NetCDF's default is 9.97e36)."""


_HOUR_OVER_DAY = {"J m-2": 3.0}
_HOUR_OVER_DAY_OTHERWISE = 24.0


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
        missing: stored values of this file that mean missing, though they might be true and it does not say so.
    """

    name: str
    spellings: tuple[str, ...] = ()
    factor: float = 1.0
    offset: float = 0.0
    rate: bool = False
    guessed: bool = True
    missing: tuple[float, ...] = ()

    def convert(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Values in the table's unit."""
        return values if (self.factor, self.offset) == (1.0, 0.0) else values * self.factor + self.offset


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
        Unit("0.01 gC m-2 d-1", (), 0.01),  # what PML_V2 stores, where an export forgot its scale
        Unit("kgC m-2 s-1", ("kg C m-2 s-1", "kg m-2 s-1"), 1e3 * _SECONDS_PER_DAY, guessed=False),
    ),
}


def hour_over_day(variable: Era5LandVariable) -> float:
    """Returns by how much the flux of an hour may exceed the largest mean flux of a day.

    Radiation: 1400 W m-2 at the most, at noon, where no day has a mean above 700 W m-2 (6e7 J m-2); rain and
    evaporation of a day may all fall in one hour.
    """
    return _HOUR_OVER_DAY.get(variable.unit, _HOUR_OVER_DAY_OTHERWISE)


def without_fills(
    values: npt.NDArray[np.float64], lowest: float, missing: tuple[float, ...] = ()
) -> npt.NDArray[np.float64]:
    """Returns the values with undeclared fill values replaced by NaN.

    Args:
        values: any shape, as stored.
        lowest: no true value, in any unit, lies below it.
        missing: fill values above it that the file is known to have; more are recognised if they repeat.
    """
    fills = [fill for fill in _FILLS if fill < lowest]
    low, high = np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)
    fills += {*missing, *repeated_fills(values, lowest)}
    if not (low <= max(fills, default=-_NO_NUMBER) or high >= _NO_NUMBER):
        return values  # the usual case: nothing to search for
    wrong = np.abs(values) >= _NO_NUMBER
    for fill in fills:
        wrong |= values == fill
    return np.where(wrong, np.nan, values)


def repeated_fills(values: npt.NDArray[np.float64], lowest: float) -> tuple[float, ...]:
    """Returns the fill values that might be true, but stand too often in the values to be so.

    Whether the file declares another fill value says nothing: xarray declares NaN for whatever it writes.

    Args:
        values: any shape, as stored; at least a frame.
        lowest: no true value, in any unit, lies below it.
    """
    in_range = [fill for fill in _FILLS_IN_RANGE if fill >= lowest]
    return tuple(fill for fill in in_range if np.count_nonzero(values == fill) > max(1.0, _REPEATED * values.size))


def decide_unit(
    variable: Era5LandVariable,
    attribute: str | None,
    sample: npt.NDArray[np.float64],
    where: str,
    hourly: bool = False,
) -> tuple[Unit, str | None]:
    """Decides in which unit a file holds a variable.

    Args:
        variable: which one.
        attribute: the file's units, if it says any.
        sample: some of the values, NaN where missing.
        where: file and variable, for messages.
        hourly: whether a flux is that of an hour, not the mean of a day.

    Returns:
        the unit, and a note for the report where it is not the table's own.

    Raises:
        BenchError: the attribute is unknown, contradicts the values, or there is none and the values fit no unit.
    """
    units = _UNITS[variable.unit]
    finite = sample[np.isfinite(sample)]
    span = f"{finite.min():.6g} to {finite.max():.6g}" if finite.size else "all missing"
    fitting = [
        unit
        for unit in units
        if _fits(variable, unit, finite, spread=hour_over_day(variable) if hourly and unit.rate else 1.0)
    ]
    if attribute:
        stated = next(
            (unit for unit in units if _spelled(attribute) in map(_spelled, (unit.name, *unit.spellings))), None
        )
        if stated is None:
            raise BenchError(
                f"{where} has units {attribute!r}; this project knows {', '.join(unit.name for unit in units)}: "
                "convert the file."
            )
        if finite.size and stated not in fitting:
            guess = f" and look like {fitting[0].name}" if fitting else ""
            raise BenchError(
                f"{where} says units {attribute!r}, but its values ({span}) cannot be that{guess}; correct the "
                "attribute or the file."
            )
        return stated, None if stated is units[0] else f"converted from {stated.name} to {variable.unit} (attribute)"
    if not finite.size:
        raise BenchError(f"{where} has no units attribute and no valid values to judge by; add the attribute.")
    fitting = [unit for unit in fitting if unit.guessed]
    if variable.unit == "%" and finite.max() <= 1.0:
        raise BenchError(f"{where} has no units attribute and values ({span}) that may be % or fractions; add it.")
    if not fitting:
        raise BenchError(
            f"{where} has no units attribute and values ({span}) that fit none of "
            f"{', '.join(unit.name for unit in units)}; correct the file and add the attribute."
        )
    chosen = fitting[0]  # the table's own unit comes first
    if chosen is not units[0] and len(fitting) > 1:
        raise BenchError(
            f"{where} has no units attribute and values ({span}) that fit {' and '.join(u.name for u in fitting)}; add "
            "the attribute."
        )
    return chosen, f"no units attribute: taken as {chosen.name} by the range of the values"


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


def _fits(variable: Era5LandVariable, unit: Unit, values: npt.NDArray[np.float64], spread: float) -> bool:
    if not values.size:
        return False
    converted = unit.convert(values) / spread
    if converted.min() < variable.lowest or converted.max() > variable.highest:
        return False
    peak = np.abs(converted).max()
    return variable.unit != "J m-2" or not _RADIATION_GAP[0] < peak < _RADIATION_GAP[1]


def _spelled(text: str) -> str:
    """A unit without blanks, stars, carets and dots, so that ``J m**-2`` is ``J m-2``."""
    return "".join(character for character in text if character not in " *^·.").casefold()
