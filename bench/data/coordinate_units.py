"""In what a data set measures sizes and distances, as text says it: that of its coordinate reference system."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

UNNAMED = "(unit of the coordinates)"
"""Of planar coordinates whose CRS has no unit that is known, such as a local one."""
_UNKNOWN = "unknown"
_SYMBOLS = {
    "metre": "m",
    "meter": "m",
    "kilometre": "km",
    "foot": "ft",
    "international foot": "ft",
    "us survey foot": "ft (US survey)",
}
"""Names of units in EPSG's registry and in PROJ, in small letters → as printed; others keep their name."""


@dataclass(frozen=True)
class CoordinateUnits:
    """What stands behind a size and behind a distance.

    Attributes:
        of_sizes: of differences of coordinates, such as the edge of a block.
        of_distances: of distances between places.
    """

    of_sizes: str
    of_distances: str

    def size(self, number: float) -> str:
        """A difference of coordinates: ``50000 m``, ``2°``."""
        return f"{number:.10g}{'' if self.of_sizes == '°' else ' '}{self.of_sizes}"

    def distance(self, number: float) -> str:
        """A distance between places: ``50 km``."""
        return f"{number:.10g} {self.of_distances}"


DEGREES = CoordinateUnits("°", "km")
"""Of longitudes and latitudes, between which distances are great circles."""

UNDESCRIBED = CoordinateUnits(UNNAMED, UNNAMED)
"""Of data of which nothing is known."""


@cache
def units_of(crs: str | None) -> CoordinateUnits:
    """Returns the units of the coordinates of a data set.

    Args:
        crs: of planar coordinates, as EPSG code, WKT or PROJ text; None for degrees. One that cannot be read, or that
            has no unit of length, gives units without a name.
    """
    if crs is None:
        return DEGREES
    unit = linear_unit(crs)
    printed = UNNAMED if unit is None else _SYMBOLS.get(unit.lower(), unit)
    return CoordinateUnits(printed, printed)


def linear_unit(crs: str) -> str | None:
    """Returns the name of the unit of planar coordinates, such as ``metre``, or None where the CRS names none."""
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        unit: str = CRS.from_user_input(crs).linear_units
    except CRSError:
        return None
    return None if unit.lower() == _UNKNOWN else unit
