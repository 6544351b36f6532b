"""``--unit NAME=UNIT``: the user's word on the unit of a variable, and how messages ask for it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from bench.data.climate2gpp.units import Unit, by_spelling, units_of
from bench.data.climate2gpp.variables import TARGET, by_any_name
from bench.data.era5_land import Era5LandVariable
from bench.errors import BenchError

OPTION = "--unit"


def parse_units(texts: Iterable[str]) -> dict[str, Unit]:
    """Returns the units that ``--unit NAME=UNIT`` gives, by the variable's name in the table.

    Args:
        texts: a variable by any of its names, and a unit that is known or the factor to the table's unit.

    Raises:
        BenchError: the variable or the unit is unknown, or one is given twice.
    """
    found: dict[str, Unit] = {}
    for text in texts:
        name, _, value = (part.strip() for part in text.partition("="))
        variable = by_any_name(name)
        if variable is None:
            raise BenchError(f"{OPTION} {text!r}: {name!r} is no variable; write NAME=UNIT, such as GPP=0.01 or tp=mm.")
        if variable.name in found:
            raise BenchError(f"{OPTION} is given twice for {variable.name}; all its files hold one unit.")
        # A number is a factor, though "1" is also how fractions spell their unit.
        unit = _by_factor(variable, value) or by_spelling(variable, value)
        if unit is None or not unit.readable:
            known = ", ".join(unit.name for unit in units_of(variable) if unit.readable)
            raise BenchError(
                f"{OPTION} {text!r}: {value!r} is neither a known unit ({known}) nor the number of {variable.unit} "
                "that a value of 1 in the file means."
            )
        found[variable.name] = unit
    return found


def options(variable: Era5LandVariable, units: Sequence[Unit]) -> str:
    """Returns what to give for each of some units, as text: ``--unit GPP=0.01 or --unit GPP=1``."""
    return " or ".join(f"{OPTION} {option(variable, unit)}" for unit in units if unit.readable)


def option(variable: Era5LandVariable, unit: Unit) -> str:
    """Returns what follows ``--unit`` for a unit."""
    name = TARGET.name if variable is TARGET else variable.short_name
    if unit.offset or unit.rate:
        return f"{name}={unit.name}" if " " not in unit.name else f"'{name}={unit.name}'"
    return f"{name}={unit.factor:g}"


def _by_factor(variable: Era5LandVariable, text: str) -> Unit | None:
    try:
        factor = float(text)
    except ValueError:
        return None
    if not 0.0 < factor < math.inf:
        return None
    known = next((u for u in units_of(variable) if u.factor == factor and not u.offset and not u.rate), None)
    return known or Unit(f"{factor:g} {variable.unit}", (), factor)
