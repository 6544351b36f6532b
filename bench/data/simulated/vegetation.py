"""The simulated vegetation: land cover, leaf area and capacity.

Land cover is seen by the models; leaf area and capacity are hidden from them. They are what makes places with
the same climate differ: the hidden spatial heterogeneity of the benchmark.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.arrays import Doubles
from bench.data.pml import IGBP_CLASSES
from bench.data.simulated.climate import Normals, Places, sigmoid
from bench.data.simulated.fields import SmoothField, generator, moving_field, static_fields
from bench.data.simulated.weather import potential_evaporation, usual_rain

_TYPICAL_RANGE = np.array(9.6)  # between the warmest and the coldest time of the day, K
DISTURBANCE = 0.12
"""Standard deviation of the logarithm of what disturbs the leaves."""
_SMALLEST_FRACTION = 0.01  # land cover below this share of a cell is given to the rest

# Largest leaf area index of a class (m2 m-2) and the share of it that stays outside the growing season.
# Choices that give the land a familiar productivity; ranked as in Asner et al. 2003, Global Ecology and
# Biogeography 12, 191-205, but lower.
_LEAVES: dict[str, tuple[float, float]] = {
    "ENF": (2.3, 0.45), "EBF": (3.7, 0.88), "DNF": (2.3, 0.10), "DBF": (3.2, 0.10), "MF": (2.9, 0.28),
    "CSH": (1.4, 0.35), "OSH": (0.7, 0.28), "WSA": (1.7, 0.38), "SAV": (1.3, 0.28), "GRA": (1.1, 0.10),
    "WET": (1.7, 0.25), "CRO": (2.0, 0.07), "URB": (0.9, 0.25), "CNV": (1.8, 0.18), "SNO": (0.0, 0.0),
    "BSV": (0.05, 0.50), "water": (0.0, 0.0),
}  # fmt: skip


@dataclass(frozen=True)
class HiddenTraits:
    """What makes a place differ from others of its climate, each (cell,).

    Attributes:
        capacity: factor on the productivity.
        density: factor on the leaf area.
        lateness: temperature above which leaves grow, relative to others, K.
        thirst: water in the soil below which leaves grow less, as a share of what the soil can hold.
    """

    capacity: Doubles
    density: Doubles
    lateness: Doubles
    thirst: Doubles


def hidden_traits(places: Places, seed: int) -> HiddenTraits:
    """Returns the hidden traits of all cells: smooth at two scales, and a little noise."""
    wide = static_fields(seed, "traits wide", 800.0, 4).at(places.unit_vectors)
    near = static_fields(seed, "traits near", 150.0, 4).at(places.unit_vectors)
    own = generator(seed, "traits own").standard_normal((len(places.lat), 2))
    return HiddenTraits(
        capacity=0.9 * np.exp(0.18 * wide[:, 0] + 0.26 * near[:, 0] + 0.08 * own[:, 0]),
        density=np.exp(0.18 * wide[:, 1] + 0.24 * near[:, 1] + 0.08 * own[:, 1]),
        lateness=2.2 * wide[:, 2] + 3.6 * near[:, 2],
        thirst=0.36 * np.exp(0.22 * wide[:, 3] + 0.36 * near[:, 3]),
    )


def land_cover(places: Places, year: Normals, seed: int) -> Doubles:
    """Returns the fractions of the 17 IGBP classes, (cell, class), adding up to one.

    Args:
        places: the cells.
        year: the average year, (cell, step of one year).
        seed: the data set's seed.
    """
    mean, warmest = year.temperature.mean(axis=1), year.temperature.max(axis=1)
    coldest = year.temperature.min(axis=1)
    rain = usual_rain(year.wetness, year.temperature).mean(axis=1)
    drying = potential_evaporation(year.temperature, _TYPICAL_RANGE, year.top_radiation).mean(axis=1)
    wet = np.clip(rain / np.maximum(drying, 0.2), 0.0, 2.5)
    tundra = _below(warmest, 11.0, 1.5) + _above(warmest, 3.0, 1.0)
    forest_summer = _above(warmest, 10.0, 1.2)
    scores = {
        "ENF": _above(mean, -6.0, 2.0) + _below(mean, 9.0, 3.0) + _above(wet, 0.6, 0.10) + forest_summer + 1.3,
        "EBF": _above(coldest, 15.0, 2.0) + _above(wet, 1.0, 0.12) + 3.0,
        "DNF": _below(mean, -5.0, 2.0) + _above(warmest, 9.0, 1.5) + 1.4,
        "DBF": _above(mean, 6.0, 2.0) + _below(mean, 19.0, 4.0) + _above(wet, 0.75, 0.10) + 0.4,
        "MF": _above(mean, 1.0, 2.0) + _below(mean, 14.0, 3.0) + _above(wet, 0.65, 0.10) + 0.6,
        "CSH": _above(wet, 0.25, 0.10) + _below(wet, 0.5, 0.10) - 1.6,
        "OSH": np.logaddexp(_above(wet, 0.12, 0.04) + _below(wet, 0.32, 0.08), tundra) + 0.6,
        "WSA": _above(mean, 15.0, 3.0) + _above(wet, 0.5, 0.10) + _below(wet, 1.0, 0.12) + 0.6,
        "SAV": _above(mean, 17.0, 3.0) + _above(wet, 0.33, 0.08) + _below(wet, 0.8, 0.12) + 1.2,
        "GRA": np.logaddexp(_above(wet, 0.2, 0.05) + _below(wet, 0.65, 0.12), tundra - 0.5) + 0.9,
        "WET": _above(wet, 0.9, 0.2) - 2.2,
        "CRO": _above(mean, 4.0, 2.0) + _above(wet, 0.33, 0.08) + _below(wet, 0.95, 0.10) + 0.7,
        "URB": _above(mean, 4.0, 3.0) - 4.8,
        "CNV": _above(mean, 8.0, 3.0) + _above(wet, 0.45, 0.10) + _below(wet, 0.95, 0.10) - 0.6,
        "SNO": _below(warmest, 0.5, 1.0) + 3.0,
        "BSV": np.logaddexp(_below(wet, 0.17, 0.03), _below(warmest, 4.0, 1.0)) + 2.6,
        "water": np.full_like(mean, -3.8),
    }
    wide = static_fields(seed, "cover wide", 450.0, len(IGBP_CLASSES)).at(places.unit_vectors)
    near = static_fields(seed, "cover near", 110.0, len(IGBP_CLASSES)).at(places.unit_vectors)
    logits = np.stack([scores[name] for name in IGBP_CLASSES], axis=1) + 1.1 * wide + 0.7 * near
    fractions = np.exp(logits - logits.max(axis=1, keepdims=True))
    fractions /= fractions.sum(axis=1, keepdims=True)
    fractions[fractions < _SMALLEST_FRACTION] = 0.0
    normalised: Doubles = fractions / fractions.sum(axis=1, keepdims=True)
    return normalised


def disturbance_field(seed: int, n_times: int) -> SmoothField:
    """Returns what changes the leaf area from year to year beside the weather: fire, pests, management."""
    return moving_field(seed, "disturbance", 400.0, n_times, ((0.7, 0.975), (0.3, 0.6)))


def leaf_area_index(
    fractions: Doubles,
    traits: HiddenTraits,
    temperature: Doubles,
    soil_water: Doubles,
    top_radiation: Doubles,
    disturbance: Doubles,
) -> Doubles:
    """Returns the leaf area index, (cell, time), m2 m-2.

    Leaves follow warmth, water in the soil and day length with a delay of some steps.

    Args:
        fractions: (cell, class) land cover.
        traits: hidden traits of the cells.
        temperature: (cell, time) degC.
        soil_water: (cell, time) share of what the soil can hold.
        top_radiation: (cell, time) at the top of the atmosphere, W m-2.
        disturbance: (cell, time) of variance 1.
    """
    table = np.array([_LEAVES[name] for name in IGBP_CLASSES])
    largest = traits.density * (fractions @ table[:, 0])
    lasting = traits.density * (fractions @ (table[:, 0] * table[:, 1]))
    warmth = sigmoid((temperature - 9.0 - traits.lateness[:, None]) / 2.6)
    water = np.clip(soil_water / traits.thirst[:, None], 0.0, 1.0)
    growth = warmth * water * sigmoid((top_radiation - 170.0) / 35.0)
    # Satellites see few leaves on frozen ground, evergreen or not.
    visible = (0.15 + 0.85 * sigmoid((temperature - 1.0) / 2.5)) * (0.45 + 0.55 * np.maximum(water, 0.3))
    aim = lasting[:, None] * visible + (largest - lasting)[:, None] * growth
    leaves = np.empty_like(aim)
    state = aim[:, : min(46, aim.shape[1])].mean(axis=1)
    for time in (*range(min(46, aim.shape[1])), *range(aim.shape[1])):  # the first year twice: no cold start
        state = state + np.where(aim[:, time] > state, 0.40, 0.30) * (aim[:, time] - state)
        leaves[:, time] = state
    disturbed: Doubles = leaves * np.exp(DISTURBANCE * disturbance)
    return disturbed


def _above(values: Doubles, threshold: float, width: float) -> Doubles:
    """Logarithm of a soft step up at a threshold."""
    return -np.logaddexp(0.0, -(values - threshold) / width)


def _below(values: Doubles, threshold: float, width: float) -> Doubles:
    """Logarithm of a soft step down at a threshold."""
    return -np.logaddexp(0.0, (values - threshold) / width)
