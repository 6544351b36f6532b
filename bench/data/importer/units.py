"""Units of measurement as people write them: ``gC m-2 d-1``, ``degC``, ``mm/day``; read with pint.

pint knows no element behind a gram and no powers without a sign, both of which this field writes: `_UNWRITTEN` and
`_POWER` bring them into its form. A unit that pint does not know (``USD``, ``persons``) is a label and nothing more.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench.errors import BenchError

if TYPE_CHECKING:
    import pint

_POWER = re.compile(r"(?<=[A-Za-z])\^?([-+]?\d+)\b")
"""A power as CF and UDUNITS write it: ``m-2``, ``m2``, ``m^-2``."""
_UNWRITTEN = {
    r"\b([kMGTmuµn]?)g\s?(?:C|CO2|H2O|N)\b": r"\1g",  # grams of an element or molecule are grams
    r"\b([mun]?)mol\s?(?:C|CO2|H2O|photons?)\b": r"\1mol",
    r"\bdegrees?_?(?:C|Celsius)\b|\b[Cc]elsius\b|°C": "degC",
    r"\bdegrees?_(?:north|N|east|E)\b": "degree",
    r"\bppmv\b": "ppm",
}
_LABEL = re.compile(r"[^\W_][\w .,/%°µ$€£*^()+\-]*|[%°$€£]|1", re.UNICODE)


@cache
def _registry() -> pint.UnitRegistry[float]:
    import pint

    return pint.UnitRegistry(preprocessors=[_in_pints_form])


def _in_pints_form(text: str) -> str:
    for pattern, plain in _UNWRITTEN.items():
        text = re.sub(pattern, plain, text)
    return _POWER.sub(r"**\1", text)


@cache
def is_known(text: str) -> bool:
    """Whether a unit is one that can be converted."""
    import pint

    try:
        _registry().Unit(text)
    except (pint.PintError, ValueError, TypeError, AttributeError, KeyError, SyntaxError, ArithmeticError):
        # pint reads a unit with Python's own tokeniser, whose complaints are of all these kinds.
        return False
    return True


def checked(text: str, name: str) -> str:
    """The unit of a column, without blanks around it.

    Raises:
        BenchError: there is none, or it holds characters that no unit has.
    """
    text = text.strip()
    if not _LABEL.fullmatch(text):
        raise BenchError(
            f"{text!r} of {name!r} is no unit; write one such as {name}:degC, {name}:'gC m-2 d-1', or {name}:1 for a "
            "number without unit."
        )
    return text


def converted(
    values: npt.NDArray[np.float64], given: str, wanted: str, name: str, where: str
) -> npt.NDArray[np.float64]:
    """Values in another unit; those of one unit under two spellings stay as they are.

    Args:
        values: any shape.
        given: the unit that they have.
        wanted: the unit that they should have.
        name: of the variable.
        where: of which file, for the message.

    Raises:
        BenchError: the units measure different things, or one of them is not known.
    """
    import pint

    if given.strip() == wanted.strip():
        return values
    try:
        quantity = _registry().Quantity(values, _registry().Unit(given))
        return np.asarray(quantity.to(_registry().Unit(wanted)).magnitude, np.float64)
    except (pint.PintError, ValueError, TypeError, AttributeError, KeyError, SyntaxError, ArithmeticError) as error:
        raise BenchError(
            f"Variable {name!r} of {where} is in {given!r}, which cannot be brought to {wanted!r}; name its own unit, "
            "or correct the file."
        ) from error
