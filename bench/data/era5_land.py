"""The 26 variables of ERA5-Land that every data set with its names uses: the one table of them.

The paper uses 26 variables of ERA5-Land (Earth Engine: ``ECMWF/ERA5_LAND/DAILY_AGGR``) and does not list them; the 26
here are this project's choice. Names, units and signs are Earth Engine's (evaporation is negative: the flux is counted
downwards). Over the days of a step radiation, precipitation and evaporation are summed, the rest averaged: the paper's
rule. Leaf area index is not among them.

Names in files: Muñoz-Sabater et al. 2021 (Earth System Science Data 13, 4349-4383) and ECMWF's parameter database.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Era5LandVariable:
    """One variable.

    Attributes:
        name: in this project and, as a band, in Earth Engine's daily aggregates.
        unit: of a daily value there.
        aggregation: how the days of a step are combined, ``mean`` or ``sum``.
        short_name: in NetCDF files, and what cfgrib calls it.
        grib_name: ECMWF's short name in GRIB files.
        lowest: no true daily value lies below it, in ``unit``.
        highest: no true daily value lies above it, in ``unit``.
        daily: how the hours of a day are combined; a ``total`` is read off at the following midnight, because
            ERA5-Land accumulates from midnight to midnight UTC.
        others: names in other common files (CF, the Climate Data Store's daily statistics).
    """

    name: str
    unit: str
    aggregation: Literal["mean", "sum"]
    short_name: str
    grib_name: str
    lowest: float
    highest: float
    daily: Literal["mean", "minimum", "maximum", "total"] = "mean"
    others: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every name by which files call it."""
        return (self.name, self.short_name, self.grib_name, *self.others)


def _temperature(
    name: str,
    short_name: str,
    grib_name: str,
    daily: Literal["mean", "minimum", "maximum"] = "mean",
    others: tuple[str, ...] = (),
) -> Era5LandVariable:
    return Era5LandVariable(name, "K", "mean", short_name, grib_name, 150.0, 350.0, daily, others)


def _radiation(name: str, short_name: str, lowest: float, highest: float, other: str) -> Era5LandVariable:
    return Era5LandVariable(name, "J m-2", "sum", short_name, short_name, lowest, highest, "total", (other,))


def _water(name: str, short_name: str, lowest: float, highest: float, *others: str) -> Era5LandVariable:
    return Era5LandVariable(name, "m", "sum", short_name, short_name, lowest, highest, "total", others)


def _soil_water(layer: int) -> Era5LandVariable:
    short_name = f"swvl{layer}"
    return Era5LandVariable(
        f"volumetric_soil_water_layer_{layer}", "m3 m-3", "mean", short_name, short_name, -0.05, 1.0
    )


# Packing of GRIB files leaves small negative values in quantities that have none: the lower limits allow for them.
ERA5_LAND: tuple[Era5LandVariable, ...] = (
    _temperature("dewpoint_temperature_2m", "d2m", "2d", others=("tdps",)),
    _temperature("temperature_2m", "t2m", "2t", others=("tas",)),
    _temperature("temperature_2m_min", "mn2t", "mn2t", "minimum", ("tasmin", "t2m_min")),
    _temperature("temperature_2m_max", "mx2t", "mx2t", "maximum", ("tasmax", "t2m_max")),
    _temperature("skin_temperature", "skt", "skt"),
    _temperature("soil_temperature_level_1", "stl1", "stl1"),
    _temperature("soil_temperature_level_2", "stl2", "stl2"),
    _temperature("soil_temperature_level_3", "stl3", "stl3"),
    _temperature("soil_temperature_level_4", "stl4", "stl4"),
    Era5LandVariable("snow_cover", "%", "mean", "snowc", "snowc", -1.0, 101.0),
    Era5LandVariable("snow_depth", "m", "mean", "sde", "sde", -0.01, 200.0, others=("snd",)),
    Era5LandVariable("snow_depth_water_equivalent", "m", "mean", "sd", "sd", -0.01, 50.0, others=("swe", "snw")),
    _soil_water(1),
    _soil_water(2),
    _soil_water(3),
    _soil_water(4),
    Era5LandVariable("surface_pressure", "Pa", "mean", "sp", "sp", 3.0e4, 1.15e5, others=("ps",)),
    Era5LandVariable("u_component_of_wind_10m", "m s-1", "mean", "u10", "10u", -80.0, 80.0, others=("uas",)),
    Era5LandVariable("v_component_of_wind_10m", "m s-1", "mean", "v10", "10v", -80.0, 80.0, others=("vas",)),
    _radiation("surface_solar_radiation_downwards_sum", "ssrd", -5.0e5, 6.0e7, "rsds"),
    _radiation("surface_net_solar_radiation_sum", "ssr", -5.0e5, 6.0e7, "rss"),
    _radiation("surface_thermal_radiation_downwards_sum", "strd", 0.0, 6.0e7, "rlds"),  # nowhere near zero
    _radiation("surface_net_thermal_radiation_sum", "str", -4.0e7, 2.0e7, "rls"),
    _water("total_precipitation_sum", "tp", -1.0e-3, 2.0, "pr"),
    _water("total_evaporation_sum", "e", -0.05, 0.02),
    _water("potential_evaporation_sum", "pev", -0.6, 0.1),
)
"""The table, in the order of the features of a cube."""

FEATURES: dict[str, str] = {variable.name: variable.unit for variable in ERA5_LAND}
"""The climate features and their units."""


def by_file_name(name: str) -> Era5LandVariable | None:
    """Returns the variable that files call ``name``, or None."""
    return next((variable for variable in ERA5_LAND if name in variable.names), None)


def by_name(name: str) -> Era5LandVariable:
    """Returns the variable of this name."""
    return next(variable for variable in ERA5_LAND if variable.name == name)
