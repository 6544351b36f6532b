"""Hourly totals in every form: accumulations since midnight are read, amounts of hours never pass for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.data.climate2gpp import calendar
from bench.data.era5_land import ERA5_LAND, Era5LandVariable
from bench.errors import BenchError
from tests.data.climate2gpp.series import COLUMNS, ROWS, read, write_nc

pytestmark = [pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"), pytest.mark.usefixtures("extra")]
TOTALS = [row for row in ERA5_LAND if row.daily == "total"]
SIZES = {"m": 5e-3, "J m-2": 1.5e7}
HOURS = np.arange("2019-01-01T01", "2020-01-02T01", dtype="datetime64[h]")
"""366 whole days, each from 01 to 24 h."""


def amounts(row: Era5LandVariable, west: float = 100.0) -> np.ndarray:
    """(hour, row, column): of rain in bursts, of radiation and evaporation by the height of the sun."""
    draw = np.random.default_rng(7)
    shape = (len(HOURS), ROWS, COLUMNS)
    if row.short_name == "tp":
        share = draw.gamma(0.2, 1.0, shape) * (draw.random(shape) < 0.2) / 24
    else:
        hour = (np.arange(len(HOURS)) % 24 + 1)[:, None, None] + west / 15 + np.arange(COLUMNS) / 15
        sun = np.maximum(np.cos(2 * np.pi * (hour - 12.5) / 24), 0.0) / 7.6
        night = 1 / 24 if row.short_name in ("strd", "str") else -0.002 if row.short_name in ("e", "pev") else 0.0
        weather = 1 + 0.5 * np.sin(np.arange(len(HOURS)) // 24)[:, None, None]
        share = (sun + night) * weather * np.ones(shape)
    sign = -1 if row.short_name in ("e", "pev", "str") else 1
    scale = SIZES[row.unit] * {"e": 0.3, "str": 0.3, "strd": 0.6}.get(row.short_name, 1.0)
    return sign * scale * share


def accumulated(hourly: np.ndarray, every: int = 24) -> np.ndarray:
    return np.cumsum(hourly.reshape(-1, every, ROWS, COLUMNS), axis=1).reshape(hourly.shape)


def steps(hourly: np.ndarray) -> np.ndarray:
    daily = hourly.reshape(-1, 24, ROWS, COLUMNS).sum(axis=1)[:365]
    number = calendar.step_of(calendar.days(2019))
    return np.stack([daily[number == step].sum(axis=0) for step in range(46)])


FORMS = {
    "accumulated": lambda hourly: accumulated(hourly),
    "of each hour": lambda hourly: hourly,
    "accumulated for 3 h": lambda hourly: accumulated(hourly, 3),
    "accumulated for 6 h": lambda hourly: accumulated(hourly, 6),
    "accumulated for 12 h": lambda hourly: accumulated(hourly, 12),
    "accumulated without end": lambda hourly: np.cumsum(hourly, axis=0),
    "accumulated, dated by the beginning": lambda hourly: np.roll(accumulated(hourly), -1, axis=0),
    "accumulated from noon": lambda hourly: np.roll(accumulated(np.roll(hourly, -12, axis=0)), 12, axis=0),
    "mean of the day so far": lambda hourly: accumulated(hourly) / (np.arange(len(HOURS)) % 24 + 1)[:, None, None],
}


@pytest.mark.parametrize("row", TOTALS, ids=lambda row: row.short_name)
@pytest.mark.parametrize("form", list(FORMS))
def test_only_accumulations_since_midnight_are_read_without_a_word(
    tmp_path: Path, row: Era5LandVariable, form: str
) -> None:
    hourly = amounts(row)
    path = write_nc(tmp_path / "a.nc", row.short_name, HOURS, FORMS[form](hourly), row.unit)
    if form == "accumulated":
        np.testing.assert_allclose(read(row.name, [path]).values, steps(hourly), rtol=1e-5)
    else:
        with pytest.raises(BenchError, match="--hourly-totals per-hour|outside|cannot be that"):
            read(row.name, [path])


@pytest.mark.parametrize("west", [-180.0, -135.0, -90.0, -45.0, 0.0, 45.0, 90.0, 135.0])
@pytest.mark.parametrize("short", ["ssrd", "strd", "e"])
def test_wherever_noon_is(tmp_path: Path, west: float, short: str) -> None:
    row = next(row for row in TOTALS if row.short_name == short)
    hourly = amounts(row, west)
    of_hours = write_nc(tmp_path / "a.nc", short, HOURS, hourly, row.unit)
    whole = write_nc(tmp_path / "b.nc", short, HOURS, accumulated(hourly), row.unit)
    with pytest.raises(BenchError, match="look like amounts of single hours"):
        read(row.name, [of_hours])
    np.testing.assert_allclose(read(row.name, [whole]).values, steps(hourly), rtol=1e-5)


@pytest.mark.parametrize("row", TOTALS, ids=lambda row: row.short_name)
@pytest.mark.parametrize("named", [True, False])
def test_amounts_of_hours_are_summed_where_option_or_name_says_so(
    tmp_path: Path, row: Era5LandVariable, named: bool
) -> None:
    hourly = amounts(row)
    name = row.name.removesuffix("_sum") + "_hourly" if named else row.short_name
    path = write_nc(tmp_path / "a.nc", name, HOURS, hourly, row.unit)
    found = read(row.name, [path], **({} if named else {"hourly_totals": "per-hour"}))
    np.testing.assert_allclose(found.values, steps(hourly), rtol=1e-5)
    assert any("amounts of single hours" in note for note in found.notes)


@pytest.mark.parametrize("row", TOTALS, ids=lambda row: row.short_name)
def test_accumulations_that_are_named_as_amounts_are_asked_about(tmp_path: Path, row: Era5LandVariable) -> None:
    hourly = amounts(row)
    path = write_nc(tmp_path / "a.nc", f"{row.short_name}_hourly", HOURS, accumulated(hourly), row.unit)
    with pytest.raises(BenchError, match="look like accumulations since midnight UTC, where its name says amounts"):
        read(row.name, [path])
    found = read(row.name, [path], hourly_totals="accumulated")
    np.testing.assert_allclose(found.values, steps(hourly), rtol=1e-5)


@pytest.mark.parametrize("row", TOTALS, ids=lambda row: row.short_name)
def test_one_value_a_day_that_is_named_hourly_is_refused(tmp_path: Path, row: Era5LandVariable) -> None:
    daily = amounts(row).reshape(-1, 24, ROWS, COLUMNS)[:, 12]
    days = np.arange("2019-01-01", "2020-01-02", dtype="datetime64[D]")
    path = write_nc(tmp_path / "a.nc", f"{row.short_name}_hourly", days, daily, row.unit)
    with pytest.raises(BenchError, match="named as amounts of single hours, but has no value for each hour|fit|that"):
        read(row.name, [path])


@pytest.mark.parametrize("short", ["ssrd", "tp", "e", "str"])
def test_accumulations_packed_into_16_bits_are_still_accumulations(tmp_path: Path, short: str) -> None:
    row = next(row for row in TOTALS if row.short_name == short)
    hourly = amounts(row)
    values = accumulated(hourly)
    step = float(np.ptp(values)) / 60_000
    encoding = {"dtype": "int16", "scale_factor": step, "add_offset": float(values.min() + values.max()) / 2}
    path = write_nc(tmp_path / "a.nc", short, HOURS, values, row.unit, {**encoding, "_FillValue": -32767})
    wanted = steps(hourly)
    np.testing.assert_allclose(read(row.name, [path]).values, wanted, atol=10 * step)
