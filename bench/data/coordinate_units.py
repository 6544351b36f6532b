"""In what a data set measures sizes and distances, as text says it: that of its coordinate reference system."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

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
    found = reference_system(crs)
    unit = _UNKNOWN if found is None else str(found.linear_units)
    return None if unit.lower() == _UNKNOWN else unit


def reference_system(crs: str) -> Any:
    """Returns the ``rasterio.crs.CRS`` that a text names, or None where it names none."""
    import rasterio
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        with rasterio.Env():  # outside of one, PROJ writes its own errors to standard error
            return CRS.from_user_input(crs)
    except CRSError:
        return None


def is_plane(found: Any) -> bool:
    """Whether a reference system has planar coordinates: a projected or a local one, neither degrees nor heights."""
    return bool(found.is_projected) or found.to_wkt().startswith("LOCAL_CS")
