"""A process model of ecosystem carbon fluxes by plant type: weather and shares in, six fluxes out.

Light use and respiration follow MOD17 (Running and Zhao 2015), leaves the growing-season index (Jolly et al. 2005),
water a bucket with snow, the decay of dead matter temperature (Lloyd and Taylor 1994) and moisture (Foley 1995), with
stocks in balance with their inputs. The types of a mixture share one canopy and one bucket, so that the fluxes of a
mixture are not the weighted sum of those of its pure types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from models.arrays import Doubles
from models.flux import parameters as published
from models.flux.parameters import Traits, traits_of
from models.flux.weather import Weather, day_length, daylight_vpd, potential_evapotranspiration

GRAMS = 1000.0
"""Per kilogram."""
_SPIN_UP_YEARS = 5
_STEPS_PER_MONTH = 4  # of the bucket, which a dry month would otherwise empty in one step
_GSI_TMIN = (-2.0, 5.0)  # °C, Jolly et al. 2005
_GSI_VPD = (900.0, 4100.0)  # Pa
_GSI_DAY = (10.0, 11.0)  # hours
_COLDEST_DECAY = -40.0  # °C; the curve of Lloyd and Taylor ends at −46.02


@dataclass(frozen=True)
class Calibration:
    """The four free numbers, each a factor on a published value; all 1 in the raw model.

    Attributes:
        light_use: on the light-use efficiency of every type.
        leaf_area: on the leaf area of every type.
        maintenance: on maintenance respiration.
        heterotrophic: on heterotrophic respiration.

    Raises:
        ValueError: a factor is not positive.
    """

    light_use: float = 1.0
    leaf_area: float = 1.0
    maintenance: float = 1.0
    heterotrophic: float = 1.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f"Calibration.{name} is {value}; a factor must be positive.")


class Canopy(NamedTuple):
    """The part of a simulation that has a memory.

    Attributes:
        leaf_area: (tower, month, type) m² m⁻², of the ground of the whole tower.
        full_leaf_area: (tower, month, type) likewise, if no leaf were shed.
        absorbed: (tower, month) part of the light that the canopy absorbs.
        stress: (tower, month) 1 with enough water, 0 with none.
        wetness: (tower, month) filled part of the bucket.
    """

    leaf_area: Doubles
    full_leaf_area: Doubles
    absorbed: Doubles
    stress: Doubles
    wetness: Doubles


class Fluxes(NamedTuple):
    """Six fluxes, each (tower, month) gC m⁻² d⁻¹; NPP = GPP − Ra, RECO = Ra + Rh, NEE = RECO − GPP.

    Attributes:
        gpp: gross primary productivity.
        npp: net primary productivity.
        ra: autotrophic respiration.
        rh: heterotrophic respiration.
        reco: ecosystem respiration.
        nee: net ecosystem exchange, positive to the atmosphere.
    """

    gpp: Doubles
    npp: Doubles
    ra: Doubles
    rh: Doubles
    reco: Doubles
    nee: Doubles


def simulate(weather: Weather, shares: Doubles, calibration: Calibration | None = None) -> Fluxes:
    """Fluxes of towers whose ground the three types share.

    Args:
        weather: of the towers.
        shares: (tower, 3) of broadleaf, needleleaf, grass + shrub, each row summing to 1.
        calibration: the raw model where None.

    Raises:
        ValueError: shares are negative, do not sum to 1 or are of other towers.
    """
    calibration = calibration or Calibration()
    check_shares(shares, len(weather.lat))
    return fluxes(weather, canopy(weather, shares, calibration.leaf_area), calibration)


def check_shares(shares: Doubles, n_towers: int) -> None:
    """Raises unless ``shares`` is (tower, 3), not negative, with rows that sum to 1.

    Raises:
        ValueError: otherwise; the message names the first offending tower.
    """
    expected = (n_towers, len(published.PURE_TYPES))
    if shares.shape != expected:
        raise ValueError(f"shares has shape {shares.shape}; expected {expected}: broadleaf, needleleaf, grass + shrub.")
    wrong = ~(np.abs(shares.sum(axis=1) - 1) <= 1e-6) | (shares < 0).any(axis=1)  # NaN is wrong too
    if wrong.any():
        tower = int(np.argmax(wrong))
        raise ValueError(f"The shares of tower {tower} are {shares[tower].tolist()}; they must be ≥ 0 and sum to 1.")


def growing_season_index(weather: Weather) -> Doubles:
    """Part of the deciduous leaves that is out (Jolly et al. 2005); (tower, month), 0–1."""
    return (
        _ramp(weather.tmin, *_GSI_TMIN)
        * (1 - _ramp(daylight_vpd(weather), *_GSI_VPD))
        * _ramp(day_length(weather), *_GSI_DAY)
    )


def canopy(weather: Weather, shares: Doubles, leaf_area_factor: float = 1.0) -> Canopy:
    """Leaves and water, month after month, after a spin-up with the first year.

    Args:
        weather: of the towers.
        shares: (tower, 3).
        leaf_area_factor: on the published leaf area.
    """
    traits = traits_of(weather.coldest_month)
    n_towers, n_months = weather.tmin.shape
    full = leaf_area_factor * shares * traits.leaf_area[:, 0]  # (tower, type), with water
    leafy = traits.evergreen + (1 - traits.evergreen) * growing_season_index(weather)[..., None]
    demand, temperature, days = potential_evapotranspiration(weather), weather.temperature, weather.days
    capacity = published.SOIL_CAPACITY
    water, snow, density = np.full(n_towers, capacity), np.zeros(n_towers), np.ones(n_towers)
    leaf_area, full_leaf_area = np.empty((n_towers, n_months, 3)), np.empty((n_towers, n_months, 3))
    absorbed, stress, wetness = (np.empty((n_towers, n_months)) for _ in range(3))
    spin_up = [month for _ in range(_SPIN_UP_YEARS) for month in range(12)]
    for month in (*spin_up, *range(n_months)):
        density = density + (_stress(water) - density) / published.CANOPY_MEMORY_MONTHS
        full_leaf_area[:, month] = full * density[:, None]
        leaf_area[:, month] = full_leaf_area[:, month] * leafy[:, month]
        absorbed[:, month] = 1 - np.exp(-published.EXTINCTION * leaf_area[:, month].sum(axis=1))
        freezing, fallen = temperature[:, month] < 0, weather.precipitation[:, month] * days[month]
        melted = np.minimum(snow, published.MELT_RATE * np.maximum(temperature[:, month], 0) * days[month])
        snow = snow - melted + np.where(freezing, fallen, 0)
        supply = (melted + np.where(freezing, 0, fallen)) / _STEPS_PER_MONTH
        month_stress, month_wetness = np.zeros(n_towers), np.zeros(n_towers)
        for _ in range(_STEPS_PER_MONTH):
            cover = absorbed[:, month]
            part = cover * _stress(water) + (1 - cover) * water / capacity  # canopies pump, bare soil dries off
            lost = np.minimum(demand[:, month] * part * days[month] / _STEPS_PER_MONTH, water)
            water = np.minimum(water - lost + supply, capacity)
            month_stress += _stress(water) / _STEPS_PER_MONTH
            month_wetness += water / capacity / _STEPS_PER_MONTH
        stress[:, month], wetness[:, month] = month_stress, month_wetness
    return Canopy(leaf_area, full_leaf_area, absorbed, stress, wetness)


def fluxes(weather: Weather, state: Canopy, calibration: Calibration) -> Fluxes:
    """Carbon fluxes of a canopy.

    Args:
        weather: of the towers.
        state: of ``canopy`` with the same weather.
        calibration: factors; that on leaf area is in ``state`` already.
    """
    traits = traits_of(weather.coldest_month)
    gpp = calibration.light_use * _photosynthesis(weather, state, traits)
    maintenance = calibration.maintenance * _maintenance(weather, state, traits)
    ra = maintenance + published.GROWTH_RESPIRATION * np.maximum(gpp - maintenance, 0)
    npp = gpp - ra
    decay = np.exp(308.56 * (1 / 56.02 - 1 / (np.maximum(weather.temperature, _COLDEST_DECAY) + 46.02)))
    decay = decay * (0.25 + 0.75 * state.wetness)
    # Stocks in balance: over the record, as much decays as grows.
    grown = np.maximum(npp.mean(axis=1, keepdims=True), 0)
    rh = calibration.heterotrophic * grown * decay / decay.mean(axis=1, keepdims=True)
    reco = ra + rh
    return Fluxes(gpp, npp, ra, rh, reco, reco - gpp)


def _photosynthesis(weather: Weather, state: Canopy, traits: Traits) -> Doubles:
    total = state.leaf_area.sum(axis=2, keepdims=True)
    part = state.leaf_area / np.maximum(total, 1e-9)  # of the absorbed light, by leaf area
    cold = _ramp(weather.tmin[..., None], traits.tmin_low, traits.tmin_high)
    dry = 1 - _ramp(daylight_vpd(weather)[..., None], traits.vpd_low, traits.vpd_high)
    efficiency = (traits.light_use_efficiency * part * cold * dry).sum(axis=2)
    light = published.PAR_SHARE * np.maximum(weather.shortwave, 0) * state.absorbed
    fertilised = _light_limited(weather.co2) / _light_limited(np.asarray(published.REFERENCE_CO2))
    return np.asarray(GRAMS * efficiency * light * state.stress * fertilised)


def _light_limited(co2: Doubles) -> Doubles:
    """CO₂ dependence of light-limited photosynthesis (Farquhar et al. 1980)."""
    inside, point = published.CI_TO_CA * co2, published.COMPENSATION_POINT
    return (inside - point) / (inside + 2 * point)


def _maintenance(weather: Weather, state: Canopy, traits: Traits) -> Doubles:
    temperature = weather.temperature[..., None]
    steps = (temperature - 20) / 10
    leaf_rise, other_rise = (3.22 - 0.046 * temperature) ** steps, 2.0**steps  # Running and Zhao 2015
    leaves = state.leaf_area / traits.specific_leaf_area  # kg C m⁻²
    wood = state.full_leaf_area / traits.specific_leaf_area * traits.wood_per_leaf
    roots = leaves * traits.roots_per_leaf
    respired = (
        leaves * traits.leaf_respiration * leaf_rise
        + roots * traits.root_respiration * other_rise
        + wood * traits.wood_respiration * other_rise
    )
    return np.asarray(GRAMS * respired.sum(axis=2))


def _stress(water: Doubles) -> Doubles:
    return np.minimum(1.0, water / (published.STRESS_BELOW * published.SOIL_CAPACITY))


def _ramp(values: Doubles, low: float | Doubles, high: float | Doubles) -> Doubles:
    """0 below ``low``, 1 above ``high``, linear between."""
    return np.clip((values - low) / (high - low), 0, 1)
