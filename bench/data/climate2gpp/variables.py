"""The variables that files are searched for: the 26 of ERA5-Land, and the target."""

from __future__ import annotations

from bench.data.era5_land import Era5LandVariable, by_file_name

TARGET = Era5LandVariable("GPP", "gC m-2 d-1", "mean", "gpp", "GPP", -0.01, 40.0, others=("Gpp", ""))
"""PML_V2's gross primary productivity: the daily mean of each step; its documented maximum is 39.01."""


def is_wanted(name: str) -> bool:
    """Whether files call one of the variables ``name``."""
    return by_file_name(name) is not None or name in TARGET.names
