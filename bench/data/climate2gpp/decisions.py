"""In which unit the files hold a variable: decided once for all of them, from what they say and from their values.

What may say it, first to last: the user (``--unit``), the attribute, the documentation of the product, the values. What
is said is held against the values; where two units fit, the build stops and names the option that decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.data.climate2gpp.layers import Layer
from bench.data.climate2gpp.survey import LayerSurvey
from bench.data.climate2gpp.unit_option import OPTION, option, options
from bench.data.climate2gpp.units import (
    STORED_GPP,
    Size,
    Unit,
    by_spelling,
    hour_over_day,
    possible,
    units_of,
    usual,
)
from bench.data.climate2gpp.variables import TARGET
from bench.data.era5_land import Era5LandVariable
from bench.errors import BenchError

_BY_ATTRIBUTE = "the units attribute"


@dataclass(frozen=True)
class Decision:
    """The unit of a variable.

    Attributes:
        unit: of the values as the files' own scale gives them.
        evidence: what it was decided from.
    """

    unit: Unit
    evidence: str

    def note(self, variable: Era5LandVariable) -> str | None:
        """What the report should say, if anything."""
        if self.evidence != _BY_ATTRIBUTE:
            return f"taken as {self.unit.name} by {self.evidence}"
        is_own = self.unit == units_of(variable)[0]
        return None if is_own else f"converted from {self.unit.name} to {variable.unit} (attribute)"


@dataclass(frozen=True)
class Said:
    """What some files say of the unit of their values.

    Attributes:
        attribute: their units, if any.
        integers: they hold whole numbers without a scale.
        decimal_scale: a scale of values that are stored as decimals and need none.
        documented: the unit that documentation gives them, and by what they are known to be meant.
    """

    attribute: str | None = None
    integers: bool = False
    decimal_scale: float = 1.0
    documented: tuple[Unit, str] | None = None


def decide(
    variable: Era5LandVariable, layers: Sequence[Layer], survey: LayerSurvey, kind: str, given: Unit | None = None
) -> Decision:
    """Decides the unit of all files of a variable.

    Args:
        variable: which one.
        layers: all that hold it.
        survey: of their values.
        kind: what a frame is: ``hourly``, ``daily`` or ``step``.
        given: the user's word.

    Raises:
        BenchError: files disagree with each other or with their values, or the values fit two units or none.
    """
    per = 8.0 if kind == "step" and variable.aggregation == "sum" else 1.0
    hourly = kind == "hourly"
    if given is not None:
        _require_possible(variable, given, survey.size(per=per), layers[0].where, hourly)
        return Decision(given, OPTION)
    groups: dict[tuple[str, bool, float, bool], list[int]] = {}
    used = set(survey.layer.tolist())
    for number, layer in enumerate(layers):
        if number in used:
            named = variable is not TARGET and layer.name == variable.name
            groups.setdefault((layer.units or "", layer.integers, layer.decimal_scale, named), []).append(number)
    said: dict[tuple[str, bool, float, bool], Decision] = {}
    # Files with an attribute first: it tells of the others, too.
    for key in sorted(groups, key=lambda group: group[0] == ""):
        attribute, integers, decimal_scale, named = key
        size = survey.size(np.isin(survey.layer, groups[key]), per)
        documented = _documented(variable, integers, named, said.values())
        words = Said(attribute or None, integers, decimal_scale, documented)
        said[key] = decide_unit(variable, words, size, layers[groups[key][0]].where, hourly=hourly)
    decisions = list(said.items())
    if not decisions:
        return decide_by_header(variable, layers)
    key, first = decisions[0]
    for other, decision in decisions[1:]:
        if not _same(decision.unit, first.unit):
            raise BenchError(
                f"{layers[groups[key][0]].where} is in {first.unit.name} (by {first.evidence}) and "
                f"{layers[groups[other][0]].path} in {decision.unit.name} (by {decision.evidence}); all files of "
                f"{variable.name} must hold one unit: convert some of them, or say which it is ({OPTION} "
                f"{option(variable, first.unit)})."
            )
    return first


def decide_by_header(variable: Era5LandVariable, layers: Sequence[Layer]) -> Decision:
    """Returns the unit that the first file says, of files with nothing in the years asked for: these are missing."""
    unit = by_spelling(variable, layers[0].units or "") or units_of(variable)[0]
    return Decision(unit, _BY_ATTRIBUTE)


def decide_unit(variable: Era5LandVariable, said: Said, size: Size, where: str, *, hourly: bool = False) -> Decision:
    """Decides in which unit some files hold a variable.

    Args:
        variable: which one.
        said: what the files say.
        size: of their values, in their unit.
        where: file and variable, for messages.
        hourly: whether a flux is that of an hour, not the mean of a day.

    Raises:
        BenchError: the attribute is unknown or contradicts the values; or there is none, and these fit no unit or two.
    """
    fitting = _fitting(variable, size, hourly)
    own = units_of(variable)[0]
    if said.attribute is not None:
        stated = _stated(variable, said.attribute, where)
        if not (said.integers and variable is TARGET and stated == own):
            words = f"says units {said.attribute!r}"
            _require_agreement(variable, stated, words, said, size, fitting, where, hourly)
            return Decision(stated, _BY_ATTRIBUTE)
    if not size.known:
        raise BenchError(f"{where} has no units attribute and no valid values to judge by; add the attribute.")
    if said.integers and variable is TARGET and possible(variable, own, size, 1.0) and size.high > 0:
        raise BenchError(
            f"{where} holds whole numbers ({size.span}) that may be {STORED_GPP.name}, as PML_V2 stores them, or "
            f"{own.name}; say which by {options(variable, [STORED_GPP, own])}."
        )
    if said.documented is not None:
        unit, evidence = said.documented
        _require_agreement(variable, unit, f"is {unit.name} by {evidence}", said, size, fitting, where, hourly)
        return Decision(unit, evidence)
    return Decision(
        _by_values(variable, size, fitting, where, hourly), f"the values of all files, {size.span}; no units attribute"
    )


def _by_values(variable: Era5LandVariable, size: Size, fitting: list[Unit], where: str, hourly: bool) -> Unit:
    units = units_of(variable)
    if size.low == size.high == 0.0:
        return units[0]  # zero is zero
    nameless = f"{where} has no units attribute and values ({size.span}) that"
    if variable.unit == "%" and size.high <= 1.0:
        raise BenchError(f"{nameless} may be % or fractions; say which by {options(variable, list(units))}.")
    if not fitting:
        left = [unit for unit in units if possible(variable, unit, size, _spread(variable, unit, hourly))]
        if len(left) == 1 and left[0].guessed and left[0].readable:
            return left[0]
        known = ", ".join(unit.name for unit in units if unit.guessed and unit.readable)
        raise BenchError(
            f"{nameless} fit none of {known} as they usually are over a year; say what they are by "
            f"{options(variable, left or [units[0]])}, or correct the file."
        )
    if len(fitting) > 1 or not fitting[0].readable:
        raise BenchError(
            f"{nameless} fit {' and '.join(unit.name for unit in fitting)}; say which by {options(variable, fitting)}."
        )
    return fitting[0]


def _fitting(variable: Era5LandVariable, size: Size, hourly: bool) -> list[Unit]:
    """The units that the values look like."""
    units = units_of(variable)
    found = [unit for unit in units if unit.guessed and usual(variable, unit, size, _spread(variable, unit, hourly))]
    if possible(variable, units[0], size, 1.0):
        # Sums over steps are no storage of PML_V2: they are thought of only where daily means cannot be.
        found = [unit for unit in found if unit.readable]
    return found


def _require_agreement(
    variable: Era5LandVariable,
    unit: Unit,
    words: str,
    said: Said,
    size: Size,
    fitting: list[Unit],
    where: str,
    hourly: bool,
) -> None:
    """Refuses a unit that the values cannot have, or that is unusual for them where another one is not."""
    spread = _spread(variable, unit, hourly)
    if not size.known or usual(variable, unit, size, spread):
        return
    others = [other for other in fitting if other != unit and other.readable]
    like = f" and look like {others[0].name}" if others else ""
    if not possible(variable, unit, size, spread) or others:
        best = others[0] if others else unit
        raise BenchError(
            f"{where} {words}, but its values ({size.span}) cannot be that{like}; correct the attribute or the file, "
            f"or say what it is by {options(variable, [best])}."
        )
    if said.decimal_scale != 1.0:
        stored = Size(*(value / said.decimal_scale for value in (size.low, size.high, size.mean)))
        if any(usual(variable, other, stored, spread) for other in units_of(variable) if other.guessed):
            raise BenchError(
                f"{where} {words} and has the scale {said.decimal_scale:g}, though it stores decimals that need none "
                f"({stored.span}); take the scale out of the file if it is applied already, or "
                f"say what the scaled values are by {options(variable, [unit])}."
            )


def _require_possible(variable: Era5LandVariable, unit: Unit, size: Size, where: str, hourly: bool) -> None:
    if size.known and not possible(variable, unit, size, _spread(variable, unit, hourly)):
        raise BenchError(
            f"{where}: {OPTION} says {unit.name}, but the values of {variable.name} ({size.span}) cannot be that; "
            "correct the option."
        )


def _stated(variable: Era5LandVariable, attribute: str, where: str) -> Unit:
    stated = by_spelling(variable, attribute)
    known = ", ".join(unit.name for unit in units_of(variable) if unit.readable)
    if stated is None:
        raise BenchError(
            f"{where} has units {attribute!r}; this project knows {known}: convert the file, or say what it is by "
            f"{OPTION} {variable.short_name}=UNIT."
        )
    if not stated.readable:
        raise BenchError(
            f"{where} has units {attribute!r}, sums over steps of which the last has 5 or 6 days; divide each by its "
            f"days: this project knows {known}."
        )
    return stated


def _documented(
    variable: Era5LandVariable, integers: bool, named: bool, said: Iterable[Decision]
) -> tuple[Unit, str] | None:
    if integers and variable is TARGET:
        return STORED_GPP, "PML_V2's documentation of whole numbers"
    stated = next((decision.unit for decision in said if decision.evidence == _BY_ATTRIBUTE), None)
    if stated is not None:
        return stated, "the units attribute of other files"
    return (units_of(variable)[0], "the documentation of Earth Engine's band of this name") if named else None


def _spread(variable: Era5LandVariable, unit: Unit, hourly: bool) -> float:
    """Amounts of hours are at most those of the day, for which the table has the range; fluxes may be more."""
    return hour_over_day(variable) if hourly and unit.rate else 1.0


def _same(one: Unit, other: Unit) -> bool:
    return (one.factor, one.offset, one.rate) == (other.factor, other.offset, other.rate)
