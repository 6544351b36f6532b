"""The variables that files are searched for: the 26 of ERA5-Land, and the target."""

from __future__ import annotations

from bench.data.era5_land import ERA5_LAND, Era5LandVariable, by_file_name

TARGET = Era5LandVariable("GPP", "gC m-2 d-1", "mean", "gpp", "GPP", -0.01, 40.0, others=("Gpp", ""))
"""PML_V2's gross primary productivity: the daily mean of each step; its documented maximum is 39.01."""
_HOURLY = "_hourly"
"""End of the names that Earth Engine gives to the amounts of single hours (``ECMWF/ERA5_LAND/HOURLY``)."""


def is_wanted(name: str) -> bool:
    """Whether files call one of the variables ``name``."""
    return by_file_name(name) is not None or name in TARGET.names or of_hours(name) is not None


def of_hours(name: str) -> Era5LandVariable | None:
    """Returns the variable of whose single hours a name like ``total_precipitation_hourly`` speaks, or None."""
    if not name.endswith(_HOURLY):
        return None
    stem = name.removesuffix(_HOURLY)
    return next(
        (row for row in ERA5_LAND if row.daily == "total" and stem in (*row.names, row.name.removesuffix("_sum"))), None
    )


def by_any_name(name: str) -> Era5LandVariable | None:
    """Returns the variable of this name in the table or in files, or None."""
    return TARGET if name and name in TARGET.names else by_file_name(name)
