"""Published numbers of the component process model, each with its source; none is fitted to a flux tower."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.arrays import Doubles

PURE_TYPES = ("broadleaf", "needleleaf", "grass_shrub")
"""The three plant functional types, in the order of every axis of shares."""

EVERGREEN_COLDEST_MONTH = 12.0
"""°C; broadleaf trees keep their leaves where the mean of the coldest month is above it."""
EXTINCTION = 0.5
"""Of light in a canopy with randomly inclined leaves (Monsi and Saeki 1953)."""
PAR_SHARE = 0.45
"""Photosynthetically active part of shortwave radiation (Running and Zhao 2015, MOD17 user's guide)."""
GROWTH_RESPIRATION = 0.2
"""Of what maintenance leaves: NPP = 0.8 (GPP − maintenance) (Running and Zhao 2015)."""
CI_TO_CA = 0.7
"""CO₂ in the leaf ÷ outside, C3 plants (Wong et al. 1979)."""
COMPENSATION_POINT = 42.75
"""µmol mol⁻¹ at 25 °C, without day respiration (Bernacchi et al. 2001)."""
REFERENCE_CO2 = 375.0
"""ppm; of 2000–2006, the years of MOD17's table."""
SOIL_CAPACITY = 150.0
"""mm of plant-available water of the bucket (Manabe 1969)."""
STRESS_BELOW = 0.4
"""Relative extractable water below which canopies close their stomata (Granier et al. 1999)."""
MELT_RATE = 2.74
"""mm of snow per day and °C (USDA NRCS, National Engineering Handbook 630, chapter 11)."""
CANOPY_MEMORY_MONTHS = 12
"""Over which a canopy's density follows the water it had (hydrologic equilibrium, Nemani and Running 1989)."""


class Traits(NamedTuple):
    """Traits of the three pure types at each tower, each (tower, 1, type): the middle axis is that of the months.

    The first eleven are the biome properties of MOD17 Collection 5.1 (Zhao and Running 2010; table
    ``MOD17_BPLUT_C5.1_MERRA_NASA.txt`` as redistributed by ``arthur-e/MOD17``).

    Attributes:
        light_use_efficiency: kg C MJ⁻¹ of absorbed PAR, at most.
        tmin_low: °C of the night at which light use is zero.
        tmin_high: °C from which it is not limited.
        vpd_low: Pa up to which it is not limited.
        vpd_high: Pa at which it is zero.
        specific_leaf_area: m² kg⁻¹ C.
        roots_per_leaf: fine-root ÷ leaf carbon.
        wood_per_leaf: live-wood ÷ largest leaf carbon.
        leaf_respiration: kg C kg⁻¹ C d⁻¹ at 20 °C.
        root_respiration: likewise.
        wood_respiration: likewise.
        leaf_area: m² m⁻² of a canopy with water; means of Scurlock, Asner and Gower (2001, ORNL/TM-2001/268).
        evergreen: part of the leaves that stays in the unfavourable season, 0–1.
    """

    light_use_efficiency: Doubles
    tmin_low: Doubles
    tmin_high: Doubles
    vpd_low: Doubles
    vpd_high: Doubles
    specific_leaf_area: Doubles
    roots_per_leaf: Doubles
    wood_per_leaf: Doubles
    leaf_respiration: Doubles
    root_respiration: Doubles
    wood_respiration: Doubles
    leaf_area: Doubles
    evergreen: Doubles


# In the order of Traits; leaf area: tropical evergreen broadleaf, temperate deciduous broadleaf, the mean of boreal and
# temperate evergreen needleleaf, grassland, shrubland.
EVERGREEN_BROADLEAF = (0.001405, -8.0, 9.09, 1000.0, 4000.0, 26.9, 1.1, 0.162, 0.00604, 0.00519, 0.00397, 4.78, 1.0)
DECIDUOUS_BROADLEAF = (0.001526, -6.0, 9.94, 650.0, 2900.0, 24.7, 1.1, 0.203, 0.00778, 0.00519, 0.00371, 5.06, 0.0)
EVERGREEN_NEEDLELEAF = (0.001211, -8.0, 8.31, 650.0, 3000.0, 15.0, 1.2, 0.182, 0.00604, 0.00519, 0.00397, 4.06, 1.0)
GRASS = (0.001215, -8.0, 12.02, 650.0, 4200.0, 38.0, 2.6, 0.0, 0.0098, 0.00819, 0.0, 1.71, 0.0)
OPEN_SHRUB = (0.001027, -8.0, 8.80, 650.0, 4400.0, 12.0, 1.3, 0.040, 0.00519, 0.00519, 0.00218, 2.08, 1.0)


def traits_of(coldest_month: Doubles) -> Traits:
    """Traits at each tower; broadleaf depends on its winter, grass + shrub is the mean of grass and open shrub.

    Args:
        coldest_month: (tower,) °C, mean of the coldest month of the year.
    """
    evergreen = np.asarray(coldest_month)[:, None] > EVERGREEN_COLDEST_MONTH
    broadleaf = np.where(evergreen, EVERGREEN_BROADLEAF, DECIDUOUS_BROADLEAF)
    needleleaf = np.broadcast_to(EVERGREEN_NEEDLELEAF, broadleaf.shape)
    grass_shrub = np.broadcast_to((np.array(GRASS) + np.array(OPEN_SHRUB)) / 2, broadleaf.shape)
    table = np.stack([broadleaf, needleleaf, grass_shrub], axis=1)[:, None]  # (tower, 1, type, trait)
    return Traits(*np.moveaxis(table, -1, 0))
