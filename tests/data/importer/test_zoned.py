"""Dates with a zone count by the clock of their place, whatever carries them; forms of dates are checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.data import Columns, Feature, from_frame, from_table, from_xarray
from bench.data.cube import Cube
from bench.data.importer.zoned import NO_ZONE, parsed, require_format, zone_of
from bench.errors import BenchError

ZONES = ("+08:00", "-11:00", "+05:45", "Z", "+14:00")
STARTS = {
    "day": pd.date_range("2001-01-01", periods=40, freq="D"),
    "8-day": pd.DatetimeIndex(
        [day for year in (2001, 2002) for day in pd.date_range(f"{year}-01-01", periods=46, freq="8D")]
    ),
    "month": pd.date_range("2001-01-01", periods=24, freq="MS"),
    "year": pd.date_range("2001-01-01", periods=5, freq="YS"),
}


def table(dates: pd.DatetimeIndex, written: Any) -> pd.DataFrame:
    values = np.arange(len(dates)) * 1.0
    return pd.DataFrame({"site": "AA", "lon": 10.0, "lat": 50.0, "date": written, "temp": values, "gpp": values})


def imported(frame: pd.DataFrame, out: Path, **options: Any) -> Cube:
    columns = Columns({"gpp": "1"}, {"temp": Feature("degC")}, place="site", time="date", **options)
    return from_frame(frame, columns, out, name="t")


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("rhythm", list(STARTS))
def test_local_midnight_stays_on_its_day(rhythm: str, zone: str, tmp_path: Path) -> None:
    dates = STARTS[rhythm]
    plain = imported(table(dates, dates.strftime("%Y-%m-%d")), tmp_path / "plain")
    zoned = imported(table(dates, dates.strftime("%Y-%m-%dT%H:%M:%S") + zone), tmp_path / "zoned")
    assert plain.rhythm.name == zoned.rhythm.name == rhythm
    assert zoned.fingerprint == plain.fingerprint and (zoned.time == dates.to_numpy().astype("datetime64[D]")).all()


def test_every_carrier_of_a_zone_gives_the_same_cube(tmp_path: Path) -> None:
    dates = STARTS["month"]
    expected = imported(table(dates, dates.strftime("%Y-%m-%d")), tmp_path / "plain").fingerprint
    aware = dates.tz_localize("Asia/Shanghai")
    mixed = pd.Series([day.tz_localize("Asia/Shanghai" if index % 2 else "UTC") for index, day in enumerate(dates)])
    carriers = {
        "dtype": table(dates, aware),
        "objects": table(dates, mixed.astype(object)),
        "texts": table(dates, [stamp.isoformat() for stamp in mixed]),
    }
    for name, frame in carriers.items():
        assert imported(frame, tmp_path / name).fingerprint == expected, name
    form = imported(table(dates, aware.strftime("%d.%m.%Y %H:%M%z")), tmp_path / "form", time_format="%d.%m.%Y %H:%M%z")
    assert form.fingerprint == expected
    carriers["dtype"].to_parquet(tmp_path / "t.parquet")
    columns = Columns({"gpp": "1"}, {"temp": Feature("degC")}, place="site", time="date")
    assert from_table(tmp_path / "t.parquet", columns, tmp_path / "file", name="t").fingerprint == expected


def test_the_hour_that_a_clock_shows_twice_is_two_rows(tmp_path: Path) -> None:
    hours = pd.date_range("2001-10-26", "2001-10-30", freq="h", tz="Europe/Berlin", inclusive="left")
    assert len(hours) == 4 * 24 + 1
    frame = table(hours, [stamp.isoformat() for stamp in hours])
    cube = imported(frame, tmp_path / "a", rhythm="day")
    expected = frame.gpp.groupby(hours.date).mean()
    np.testing.assert_allclose(cube.target[0], expected, rtol=1e-6)
    with pytest.raises(
        BenchError, match="Rows 51 and 52 of the data frame are both of place AA and time 2001-10-28T02"
    ):
        imported(
            frame.assign(date=[stamp.isoformat() for stamp in hours.tz_localize(None)]), tmp_path / "b", rhythm="day"
        )


@pytest.mark.parametrize("units", ["days since 2000-12-31 16:00:00", "days since 2001-01-01 00:00:00 +08:00"])
def test_units_of_a_netcdf_file_may_name_a_zone(units: str, tmp_path: Path) -> None:
    import xarray as xr

    days = (STARTS["month"] - STARTS["month"][0]).days.to_numpy()
    values = np.arange(24.0).reshape(24, 1, 1)
    data = xr.Dataset(
        {name: (("time", "lat", "lon"), values + shift) for name, shift in (("gpp", 0), ("temp", 5))},
        {"time": ("time", days, {"units": units}), "lat": [50.0], "lon": [10.0]},
    )
    data.to_netcdf(tmp_path / "g.nc")
    columns = Columns({"gpp": "1"}, {"temp": Feature("degC")})
    found = from_xarray(tmp_path / "g.nc", columns, tmp_path / "cube", name="g")
    first = np.datetime64("2001-01-01") if "+08" in units else np.datetime64("2000-12-01")
    assert found.time[0] == first and found.rhythm.name == "month"


@pytest.mark.parametrize(
    ("text", "time", "quarters"),
    [
        ("2001-03-01T00:00:00+08:00", "2001-03-01", 32),
        ("2001-03-01 00:00:00 -0330", "2001-03-01", -14),
        ("20010301T000000Z", "2001-03-01", 0),
        ("2001-03-01T00-03", "2001-03-01", -12),
        ("2001-03-01+08:00", "2001-03-01", 32),
        ("2001-03-01T00:30:00.5+08:00", "2001-03-01T00:30:00", 32),
        ("2001-03-01T10:20", "2001-03-01T10:20", NO_ZONE),
        ("2001/3/1", "2001-03-01", NO_ZONE),
        ("2001", "2001-01-01", NO_ZONE),
        ("2001-03-01T00:00:00 CET", "NaT", NO_ZONE),
        ("2001-03-01T00:00:00+8", "NaT", NO_ZONE),
        ("", "NaT", NO_ZONE),
    ],
)
def test_single_stamps(text: str, time: str, quarters: int) -> None:
    [found], [zone] = parsed(np.array([text], object), None)
    assert str(found) == str(np.datetime64(time, "s")) and zone == quarters


@pytest.mark.parametrize(
    ("units", "seconds"),
    [
        ("days since 2001-01-01", 0),
        ("days since 2001-01-01 00:00:00", 0),
        ("days since 2001-01-01 00:00 +8", 28_800),
        ("hours since 2001-01-01T00:00:00-03:30", -12_600),
        ("days since 2001-01-01 00:00:00 UTC", 0),
        ("degC", 0),
        (None, 0),
    ],
)
def test_zones_of_units(units: str | None, seconds: int) -> None:
    assert zone_of(units) == seconds


@pytest.mark.parametrize(
    "form", ["%Q", "%", "%Y%", "%Y%Y", "", "mixed", "ISO8601", "%d/%m", "%H:%M", "%c", "%-d.%Y", "\0%Y", "Y-m-d", "%s"]
)
def test_a_form_that_is_none_is_refused_in_a_sentence(form: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="--time-format .* write one such as"):
        require_format(form)
    with pytest.raises(BenchError, match="--time-format"):
        imported(table(STARTS["year"], "2001"), tmp_path / "a", time_format=form)


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%Y%j", "%y-%m-%d %H", "%Y-%m-%dT%H:%M:%S%z", "%G-W%V-%u", "%b %Y"])
def test_forms_with_a_year_are_taken(form: str) -> None:
    require_format(form)
