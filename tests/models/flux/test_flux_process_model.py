import math
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import models.flux
from models.flux.calibration import calibrate
from models.flux.parameters import DECIDUOUS_BROADLEAF, EVERGREEN_BROADLEAF, EVERGREEN_NEEDLELEAF, GRASS, OPEN_SHRUB
from models.flux.process_model import Calibration, canopy, simulate
from models.flux.weather import DAYS_IN_MONTH, day_length, potential_evapotranspiration
from tests.support.flux_towers import weather

ROOT = Path(__file__).parents[3]
MIXED = np.array([0.3, 0.3, 0.4])


def shares_of(n, row=MIXED):
    return np.tile(np.asarray(row, dtype=float), (n, 1))


def test_identities_are_exact_to_rounding():
    w = weather(20, 48)
    for row in (*np.eye(3), MIXED):
        fluxes = simulate(w, shares_of(20, row))
        np.testing.assert_allclose(fluxes.reco, fluxes.ra + fluxes.rh, rtol=0, atol=1e-13)
        np.testing.assert_allclose(fluxes.npp, fluxes.gpp - fluxes.ra, rtol=0, atol=1e-13)
        np.testing.assert_allclose(fluxes.nee, fluxes.reco - fluxes.gpp, rtol=0, atol=1e-13)
        np.testing.assert_allclose(fluxes.nee, fluxes.rh - fluxes.npp, rtol=0, atol=1e-13)
        for name in ("gpp", "ra", "rh", "reco"):
            assert getattr(fluxes, name).min() >= 0


def test_magnitudes_are_those_of_grams_per_square_metre_and_day():
    fluxes = simulate(weather(30, 48), shares_of(30))
    assert 0.3 < fluxes.gpp.mean() < 10
    assert fluxes.gpp.max() < 25
    assert 0.3 < fluxes.reco.mean() < 10


def test_stocks_are_in_balance_over_the_record():
    fluxes = simulate(weather(10, 48), shares_of(10))
    growing = fluxes.npp.mean(axis=1) > 0
    assert growing.any()
    np.testing.assert_allclose(fluxes.nee.mean(axis=1)[growing], 0, atol=1e-12)


def test_a_mixture_is_not_the_sum_of_its_pure_types():
    w = weather(6, 36)
    pure = [simulate(w, shares_of(6, unit)).gpp for unit in np.eye(3)]
    whole = simulate(w, shares_of(6)).gpp
    total = sum(share * part for share, part in zip(MIXED, pure, strict=True))
    assert np.abs(whole - total).max() > 0.05 * total.max()
    np.testing.assert_allclose(simulate(w, shares_of(6, [1, 0, 0])).gpp, pure[0])


@pytest.mark.parametrize(
    ("field", "change", "sign"),
    [("shortwave", 1.1, 1), ("co2", 1.1, 1), ("vpd", 1.3, -1), ("precipitation", 0.3, -1), ("precipitation", 2.0, 1)],
)
def test_photosynthesis_responds_in_the_right_direction(field, change, sign):
    # A dry climate, so that water matters; with more light or VPD the bucket is left out by its stress being tracked.
    w = weather(8, 36)
    w = (
        replace(w, precipitation=0.4 * w.precipitation)
        if field == "precipitation"
        else replace(w, precipitation=0 * w.tmin + 30)
    )
    before = simulate(w, shares_of(8)).gpp
    after = simulate(replace(w, **{field: change * getattr(w, field)}), shares_of(8)).gpp
    assert (sign * (after - before)).min() >= -1e-9
    assert np.abs(after - before).max() > 0


def test_respiration_rises_with_temperature_and_leaves_go_with_the_cold():
    w = weather(8, 36)
    warm = replace(w, tmin=w.tmin + 2, tmax=w.tmax + 2)
    state = canopy(w, shares_of(8, [1, 0, 0]))
    winter = state.leaf_area[:, w.month_of_year == 1].sum(axis=2)
    summer = state.leaf_area[:, w.month_of_year == 7].sum(axis=2)
    deciduous = w.coldest_month < 0
    assert deciduous.any()
    assert (winter[deciduous] < 0.2 * summer[deciduous]).all()
    needles = shares_of(8, [0, 1, 0])
    assert simulate(warm, needles).ra.mean() > simulate(w, needles).ra.mean()


def test_broadleaf_keeps_its_leaves_where_winter_is_warm():
    w = weather(8, 24)
    hot = replace(w, tmin=w.tmin - w.tmin.min() + 15, tmax=w.tmax - w.tmin.min() + 15)
    assert (hot.coldest_month > 12).all()
    state = canopy(hot, shares_of(8, [1, 0, 0]))
    np.testing.assert_allclose(state.leaf_area, state.full_leaf_area)


def test_no_light_no_photosynthesis_and_snow_waits_for_spring():
    w = weather(4, 24)
    assert simulate(replace(w, shortwave=0 * w.tmin), shares_of(4)).gpp.max() == 0
    frozen = replace(w, tmin=0 * w.tmin - 20, tmax=0 * w.tmin - 5)
    wetness = canopy(frozen, shares_of(4)).wetness
    assert (np.diff(wetness, axis=1) <= 1e-12).all()  # nothing melts, nothing comes in


def test_the_series_may_begin_in_any_month_and_a_tower_does_not_feel_the_others():
    w = weather(5, 30, first_month=8)
    whole = simulate(w, shares_of(5))
    alone = simulate(w.at(np.array([3])), shares_of(1))
    np.testing.assert_allclose(alone.gpp[0], whole.gpp[3], rtol=1e-12)
    np.testing.assert_allclose(alone.rh[0], whole.rh[3], rtol=1e-12)


def literal(w, tower, shares):
    """The model's equations for one tower with plain numbers, month by month."""
    months = len(w.month_of_year)
    lat = math.radians(w.lat[tower])
    column = {name: getattr(w, name)[tower] for name in ("tmin", "tmax", "shortwave", "co2", "vpd", "precipitation")}
    mean_of_month = {}
    for t in range(months):
        mean_of_month.setdefault(int(w.month_of_year[t]), []).append((column["tmin"][t] + column["tmax"][t]) / 2)
    coldest = min(sum(values) / len(values) for values in mean_of_month.values())
    grass_shrub = [(a + b) / 2 for a, b in zip(GRASS, OPEN_SHRUB, strict=True)]
    types = [EVERGREEN_BROADLEAF if coldest > 12 else DECIDUOUS_BROADLEAF, EVERGREEN_NEEDLELEAF, grass_shrub]

    def svp(x):
        return 0.6108 * math.exp(17.27 * x / (x + 237.3))

    def ramp(x, low, high):
        return min(max((x - low) / (high - low), 0.0), 1.0)

    facts = []
    for t in range(months):
        low, high = column["tmin"][t], column["tmax"][t]
        mean, days = (low + high) / 2, DAYS_IN_MONTH[w.month_of_year[t] - 1]
        ea = max(svp(high) - column["vpd"][t] / 1000, 0.01)
        vpd = 1000 * max(svp(mean + 0.45 * (high - mean)) - ea, 0)
        day = sum(DAYS_IN_MONTH[: w.month_of_year[t]]) - days / 2
        declination = 0.409 * math.sin(2 * math.pi * day / 365 - 1.39)
        sunset = math.acos(min(max(-math.tan(lat) * math.tan(declination), -1), 1))
        top = sunset * math.sin(lat) * math.sin(declination) + math.cos(lat) * math.cos(declination) * math.sin(sunset)
        clear = max(
            0.75 * 1440 / math.pi * 0.0820 * (1 + 0.033 * math.cos(2 * math.pi * day / 365)) * max(top, 0), 1e-6
        )
        sunshine = min(max(column["shortwave"][t] / clear, 0.3), 1.0)
        emitted = 4.903e-9 * ((low + 273.16) ** 4 + (high + 273.16) ** 4) / 2
        net = max(0.77 * column["shortwave"][t] - emitted * (0.34 - 0.14 * math.sqrt(ea)) * (1.35 * sunshine - 0.35), 0)
        slope = 4098 * svp(mean) / (mean + 237.3) ** 2
        demand = 1.26 * slope / (slope + 0.066) * net / 2.45
        gsi = ramp(low, -2, 5) * (1 - ramp(vpd, 900, 4100)) * ramp(24 / math.pi * sunset, 10, 11)
        facts.append((mean, days, vpd, demand, gsi))
    water, snow, density, result = 150.0, 0.0, 1.0, []
    for t in [*list(range(12)) * 5, *range(months)]:
        mean, days, vpd, demand, gsi = facts[t]
        density += (min(1.0, water / 60) - density) / 12
        full = [share * traits[11] * density for share, traits in zip(shares, types, strict=True)]
        leaves = [area * (traits[12] + (1 - traits[12]) * gsi) for area, traits in zip(full, types, strict=True)]
        absorbed = 1 - math.exp(-0.5 * sum(leaves))
        melted = min(snow, 2.74 * max(mean, 0) * days)
        fallen = column["precipitation"][t] * days
        snow += -melted + (fallen if mean < 0 else 0)
        supply = (melted + (0 if mean < 0 else fallen)) / 4
        stress = wetness = 0.0
        for _ in range(4):
            part = absorbed * min(1.0, water / 60) + (1 - absorbed) * water / 150
            water = min(water - min(demand * part * days / 4, water) + supply, 150.0)
            stress += min(1.0, water / 60) / 4
            wetness += water / 150 / 4
        efficiency = maintenance = 0.0
        for area, whole, traits in zip(leaves, full, types, strict=True):
            cold, dry = ramp(column["tmin"][t], traits[1], traits[2]), 1 - ramp(vpd, traits[3], traits[4])
            efficiency += traits[0] * area / max(sum(leaves), 1e-9) * cold * dry
            leaf = area / traits[5]
            maintenance += leaf * traits[8] * (3.22 - 0.046 * mean) ** ((mean - 20) / 10)
            maintenance += leaf * traits[6] * traits[9] * 2 ** ((mean - 20) / 10)
            maintenance += whole / traits[5] * traits[7] * traits[10] * 2 ** ((mean - 20) / 10)
        inside = 0.7 * column["co2"][t]
        co2 = (inside - 42.75) / (inside + 85.5) / ((262.5 - 42.75) / (262.5 + 85.5))
        gpp = 1000 * efficiency * 0.45 * column["shortwave"][t] * absorbed * stress * co2
        ra = 1000 * maintenance + 0.2 * max(gpp - 1000 * maintenance, 0)
        decay = math.exp(308.56 * (1 / 56.02 - 1 / (max(mean, -40) + 46.02))) * (0.25 + 0.75 * wetness)
        result.append((gpp, ra, decay))
    gpp, ra, decay = (np.array(part) for part in zip(*result[-months:], strict=True))
    rh = max((gpp - ra).mean(), 0) * decay / decay.mean()
    return gpp, ra, rh


@pytest.mark.parametrize("row", [(1, 0, 0), (0.2, 0.5, 0.3)])
def test_equals_its_equations_written_out(row):
    w = weather(6, 18, seed=4)
    fluxes = simulate(w, shares_of(6, row))
    for tower in (0, 3, 5):
        gpp, ra, rh = literal(w, tower, row)
        np.testing.assert_allclose(fluxes.gpp[tower], gpp, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(fluxes.ra[tower], ra, rtol=1e-9)
        np.testing.assert_allclose(fluxes.rh[tower], rh, rtol=1e-9)


def test_day_length_and_water_demand_of_known_places():
    w = weather(3, 12)
    w = replace(w, lat=np.array([0.0, 51.0, -51.0]))
    hours = day_length(w)
    assert hours[0] == pytest.approx(np.full(12, 12.0), abs=0.2)
    assert 16 < hours[1, 5] < 17 and 7.5 < hours[1, 11] < 8.5  # almanac: London has 16.6 and 7.9 hours
    np.testing.assert_allclose(hours[1] + hours[2], 24, atol=1e-9)
    demand = potential_evapotranspiration(w)
    assert demand.min() >= 0 and demand.max() < 12


def test_two_hundred_towers_take_about_a_second():
    w = weather(204, 192)
    started = time.process_time()
    simulate(w, shares_of(204))
    assert time.process_time() - started < 2


def test_calibration_finds_the_factors_that_made_the_fluxes():
    w, truth = weather(12, 36), Calibration(1.3, 0.8, 1.2, 0.7)
    fluxes = simulate(w, shares_of(12), truth)
    targets = np.stack([fluxes.gpp, fluxes.reco, fluxes.nee], axis=-1)
    targets[::2, ::3] = np.nan
    targets[10:] = 1e6  # of other towers: never read
    found = calibrate(w, shares_of(12), targets, np.arange(10))
    for name, value in vars(truth).items():
        assert getattr(found, name) == pytest.approx(value, rel=0.02)


def test_bad_input():
    w = weather(3, 24)
    with pytest.raises(ValueError, match="tower 1 are .* sum to 1"):
        simulate(w, np.array([[1, 0, 0], [0.5, 0.4, 0], [0, 0, 1.0]]))
    with pytest.raises(ValueError, match="sum to 1"):
        simulate(w, np.array([[1, 0, 0], [np.nan, 1, 0], [0, 0, 1.0]]))
    with pytest.raises(ValueError, match=r"expected \(3, 3\)"):
        simulate(w, np.ones((3, 2)) / 2)
    with pytest.raises(ValueError, match="at least a year"):
        weather(3, 11)
    with pytest.raises(ValueError, match="consecutive"):
        replace(w, month_of_year=w.month_of_year[::-1].copy())
    broken = w.vpd.copy()
    broken[2, 5] = np.nan
    with pytest.raises(ValueError, match=r"vpd is NaN or infinite at \[2, 5\]"):
        replace(w, vpd=broken)
    with pytest.raises(ValueError, match="must be positive"):
        Calibration(light_use=0)
    with pytest.raises(ValueError, match="cannot be calibrated"):
        calibrate(w, shares_of(3), np.full((3, 24, 3), np.nan), np.arange(3))


def test_the_process_model_and_the_towers_need_no_torch():
    program = "import sys; from models.flux import TowerPanel, calibrate, simulate; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


def test_every_public_name_can_be_imported():
    for name in models.flux.__all__:
        assert getattr(models.flux, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Fluxx'"):
        models.flux.Fluxx  # noqa: B018
