"""Long tables become cubes: aggregation, filling, places, splits, categories; the same from every kind of file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data import Columns, Feature, from_frame, from_table
from bench.data.cube import Cube
from bench.data.cube_zarr import open_cube, verify_cube
from bench.data.own_split import NEITHER, TESTS, TRAINS
from tests.data.importer.test_bad_input import HOUSES, TOWERS, call, houses, towers

GPP = {"gpp": "gC m-2 d-1"}


def columns(**changes: object) -> Columns:
    given: dict[str, object] = {
        "target": GPP,
        "features": {"temp": Feature("degC"), "rain": Feature("mm", "sum")},
        "place": "site",
        "time": "date",
    }
    return Columns(**(given | changes))  # type: ignore[arg-type]


def daily(n_days: int = 60, sites: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Days of each site from 1 January 2001: temp counts the days, rain is 1, gpp is the site's number."""
    dates = pd.date_range("2001-01-01", periods=n_days)
    parts = [
        pd.DataFrame(
            {"site": name, "lon": lon, "lat": 50.0, "date": dates, "temp": np.arange(n_days) * 1.0, "rain": 1.0}
        )
        for name, lon in (sites or {"AA": 10.0, "BB": 20.0}).items()
    ]
    return pd.concat(parts, ignore_index=True).assign(rain=1.0, gpp=lambda frame: frame.lon)


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "tsv", "parquet"])
def test_every_kind_of_file_gives_the_cube_of_the_frame(suffix: str, tmp_path: Path) -> None:
    frame = towers()
    path = tmp_path / f"towers.{suffix}"
    if suffix == "parquet":
        frame.assign(date=pd.to_datetime(frame.date), igbp=frame.igbp.astype("category")).to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix == "tsv" else ",")
    options = columns(static={"height": "m"}, categories=("igbp",), groups=("igbp",), split="part")
    expected = from_frame(frame, options, tmp_path / "frame", name="towers")
    found = from_table(path, options, tmp_path / "table", name="towers")
    assert found.fingerprint == expected.fingerprint == verify_cube(tmp_path / "table")
    assert found.rhythm.name == "month" and found.place_names == ("AA", "BB", "CC")
    assert found.static_names == ("height", "igbp=ENF", "igbp=GRA") and found.groupings == ("igbp",)


def test_the_order_of_the_rows_does_not_matter(tmp_path: Path) -> None:
    frame = towers()
    first = from_frame(frame, columns(), tmp_path / "a", name="t")
    second = from_frame(frame.sample(frac=1, random_state=0), columns(), tmp_path / "b", name="t")
    assert first.fingerprint == second.fingerprint


def test_the_values_are_those_of_the_table(tmp_path: Path) -> None:
    frame = towers()
    cube = from_frame(frame, columns(), tmp_path / "a")
    wide = frame.pivot(index="site", columns="date", values="gpp")
    np.testing.assert_allclose(cube.target, wide.to_numpy(), rtol=1e-6)
    np.testing.assert_allclose(
        cube.climate[:, :, 1], frame.pivot(index="site", columns="date", values="rain"), rtol=1e-6
    )


def test_a_file_larger_than_a_batch_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = daily(400, {f"S{index:02d}": index for index in range(20)})
    frame.to_csv(tmp_path / "d.csv", index=False)
    whole = from_table(tmp_path / "d.csv", columns(rhythm="8-day"), tmp_path / "a", name="d")
    monkeypatch.setattr("bench.data.importer.sources.CSV_BLOCK_BYTES", 5_000)
    monkeypatch.setattr("bench.data.importer.survey._CHUNK", 77)
    monkeypatch.setattr("bench.data.importer.rectangle.BLOCK_BYTES", 2_000)
    parts = from_table(tmp_path / "d.csv", columns(rhythm="8-day"), tmp_path / "b", name="d")
    assert parts.fingerprint == whole.fingerprint


def test_days_become_steps_by_mean_sum_least_and_largest(tmp_path: Path) -> None:
    features = {"temp": Feature("degC"), "rain": Feature("mm", "sum"), "low": Feature("degC", "min")}
    frame = daily().assign(low=lambda frame: -frame.temp, high=lambda frame: frame.temp)
    options = columns(features=features | {"high": Feature("degC", "max")}, rhythm="month")
    cube = from_frame(frame, options, tmp_path / "a")
    np.testing.assert_allclose(cube.climate[0, 0], [15, 31, -30, 30])
    np.testing.assert_allclose(cube.climate[1, 1], [44.5, 28, -58, 58])
    assert cube.time.astype(str).tolist() == ["2001-01-01", "2001-02-01", "2001-03-01"]


def test_hours_become_days_and_months(tmp_path: Path) -> None:
    hours = pd.date_range("2001-01-01", periods=24 * 40, freq="h")
    frame = pd.DataFrame({"lon": 1.0, "lat": 2.0, "date": hours, "temp": 5.0, "rain": 0.5, "gpp": np.arange(960.0)})
    days = from_frame(frame, columns(place=None, rhythm="day"), tmp_path / "a")
    assert days.n_times == 40 and days.climate[0, 0].tolist() == [5, 12] and days.target[0, 1] == 35.5
    months = from_frame(frame, columns(place=None, rhythm="month"), tmp_path / "b")
    np.testing.assert_allclose(months.climate[0, 0], [5, 0.5 * 24 * 31])


def test_a_sum_counts_missing_days_by_the_others_and_needs_enough_of_them(tmp_path: Path) -> None:
    frame = daily()
    first_month = (frame.site == "AA") & (frame.date < "2001-02-01")
    frame.loc[first_month & (frame.date >= "2001-01-11"), "rain"] = np.nan  # ten of 31 days are left
    february = (frame.site == "AA") & (frame.date >= "2001-02-03") & (frame.date < "2001-03-01")
    frame.loc[february, "gpp"] = np.nan
    cube = from_frame(
        frame[~((frame.site == "BB") & (frame.date < "2001-01-21"))], columns(rhythm="month"), tmp_path / "a"
    )
    assert cube.climate[0, 0, 1] == pytest.approx(31)  # missing values
    assert cube.climate[1, 0, 1] == pytest.approx(31)  # missing rows
    assert np.isnan(cube.target[0, 1]) and cube.target[0, 0] == 10  # two days are too few
    two = from_frame(frame, columns(rhythm="month", least_days=2), tmp_path / "b")
    assert two.target[0, 1] == 10


def test_every_place_keeps_its_own_gap_between_dates(tmp_path: Path) -> None:
    """Half-hours beside hours, and weeks beside days: nobody's sum or least days is measured by another's rows."""
    hours = pd.date_range("2001-01-01", "2001-01-31 23:00", freq="h")
    halves = pd.date_range("2001-01-01", "2001-01-31 23:30", freq="30min")
    days, weeks = pd.date_range("2001-01-01", "2001-01-31"), pd.date_range("2001-01-01", "2001-01-22", freq="7D")
    parts = [
        pd.DataFrame(
            {"site": name, "lon": float(index), "lat": 2.0, "date": dates, "temp": 1.0, "rain": 1.0, "gpp": 3.0}
        )
        for index, (name, dates) in enumerate({"H": hours, "I": halves, "D": days, "W": weeks}.items())
    ]
    cube = from_frame(pd.concat(parts), columns(rhythm="month"), tmp_path / "a")
    assert cube.place_names == ("D", "H", "I", "W")
    assert cube.climate[:, 0, 1].tolist() == [31, 744, 1488, 4] and not cube.has_gaps


def test_months_of_a_year_that_are_missing_are_counted_by_the_others(tmp_path: Path) -> None:
    frame = towers()
    half = frame[~((frame.site == "AA") & (frame.date < "2001-07"))]
    cube = from_frame(half, columns(rhythm="year"), tmp_path / "a")
    rain = half[(half.site == "AA") & (half.date < "2002")].rain
    assert cube.climate[0, 0, 1] == pytest.approx(2 * rain.sum(), rel=1e-6) and len(rain) == 6


def test_months_are_not_thinned_by_least_days_and_sums_of_months_are_years(tmp_path: Path) -> None:
    frame = towers()
    assert not from_frame(frame, columns(), tmp_path / "a").has_gaps
    years = from_frame(frame, columns(rhythm="year"), tmp_path / "b")
    expected = frame.assign(year=frame.date.str[:4]).groupby(["site", "year"]).rain.sum().unstack()
    np.testing.assert_allclose(years.climate[:, :, 1], expected, rtol=1e-6)


def test_missing_features_are_filled_in_order_and_marked(tmp_path: Path) -> None:
    frame = towers()
    march = frame.date.str[5:7] == "03"
    frame.loc[(frame.site == "AA") & march & (frame.date > "2002"), "temp"] = np.nan  # the other March is there
    frame.loc[(frame.site == "BB") & march, "temp"] = np.nan  # no March at all
    frame.loc[frame.site == "CC", "temp"] = np.nan  # nothing at all
    cube = from_frame(frame, columns(), tmp_path / "a")
    assert cube.feature_names == ("temp", "rain", "temp_missing")
    temp = frame.pivot(index="site", columns="date", values="temp").to_numpy()
    filled = cube.climate[:, :, 0]
    assert filled[0, 14] == pytest.approx(temp[0, 2], rel=1e-6)
    assert filled[1, 2] == pytest.approx(np.nanmean(temp[1]), rel=1e-5)
    assert filled[2, 5] == pytest.approx(np.nanmean(temp), rel=1e-5)
    np.testing.assert_array_equal(cube.climate[:, :, 2], np.isnan(temp))


def test_what_fills_does_not_come_from_samples_that_test(tmp_path: Path) -> None:
    frame = towers()
    frame.loc[frame.site == "CC", "temp"] = np.nan
    options = columns(split="part")
    first = from_frame(frame, options, tmp_path / "a")
    frame.loc[frame.part == "test", "temp"] *= 100
    second = from_frame(frame, options, tmp_path / "b")
    np.testing.assert_array_equal(first.climate[2], second.climate[2])


def test_rows_that_are_not_there_are_not_measured_and_need_no_mark(tmp_path: Path) -> None:
    frame = towers()
    cube = from_frame(frame[~((frame.site == "BB") & (frame.date < "2001-07"))], columns(), tmp_path / "a")
    assert cube.feature_names == ("temp", "rain")
    assert np.isnan(cube.target[1, :6]).all() and cube.target[1, 6:].shape == (18,)
    assert not np.isnan(cube.target[1, 6:]).any() and np.isfinite(cube.climate).all()


def test_a_sample_without_any_feature_is_none_and_a_place_without_target_is_left_out(tmp_path: Path) -> None:
    frame = towers()
    frame.loc[3, ["temp", "rain"]] = np.nan
    frame.loc[frame.site == "BB", "gpp"] = np.nan
    said: list[str] = []
    cube = from_frame(frame, columns(), tmp_path / "a", say=said.append)
    assert cube.place_names == ("AA", "CC") and np.isnan(cube.target[0, 3])
    assert any("left out: 1 place where" in line for line in said)
    assert any("1 sample with a target but none of the features" in line for line in said)


def test_missing_static_values_and_categories(tmp_path: Path) -> None:
    frame = towers()
    frame.loc[frame.site == "AA", ["height", "igbp"]] = [np.nan, None]
    cube = from_frame(frame, columns(static={"height": "m"}, categories=("igbp",)), tmp_path / "a")
    assert cube.static_names == ("height", "height_missing", "igbp=ENF", "igbp=missing")
    np.testing.assert_allclose(cube.static, [[4.5, 1, 0, 1], [4, 0, 1, 0], [5, 0, 1, 0]])


def test_a_split_column_is_carried(tmp_path: Path) -> None:
    frame = towers()
    frame.loc[frame.site == "BB", "part"] = ""
    said: list[str] = []
    cube = from_frame(frame, columns(split="part"), tmp_path / "a", say=said.append)
    assert cube.split is not None
    assert (cube.split[0, :12] == TRAINS).all() and (cube.split[0, 12:] == TESTS).all()
    assert (cube.split[1] == NEITHER).all()
    assert "split: 24 measured samples train and 24 test." in said


def test_several_targets_are_measured_each_for_itself(tmp_path: Path) -> None:
    frame = towers().assign(nee=lambda frame: -frame.gpp)
    frame.loc[5, "nee"] = np.nan
    cube = from_frame(frame, columns(target=GPP | {"nee": "gC m-2 d-1"}), tmp_path / "a")
    assert cube.target_names == ("gpp", "nee") and cube.target.shape == (3, 24, 2)
    assert np.isnan(cube.target[0, 5, 1]) and np.isfinite(cube.target[0, 5, 0])


def test_without_time_every_row_is_a_place_also_where_another_is(tmp_path: Path) -> None:
    frame = pd.concat([houses(), houses().head(3)])
    options = Columns(
        {"price": "GBP"}, {"area": Feature("m2"), "age": Feature("year")}, lon="x", lat="y", crs="EPSG:27700"
    )
    said: list[str] = []
    cube = from_frame(frame, options, tmp_path / "a", say=said.append)
    assert (cube.n_cells, cube.n_times, cube.rhythm.name, cube.crs) == (43, 1, "none", "EPSG:27700")
    np.testing.assert_allclose(cube.target[:, 0], frame.price, rtol=1e-6)
    assert any("3 of 43 compared samples" in line for line in said)
    assert any("3 of 43 places lie where another one lies" in line for line in said)


def test_without_place_coordinates_name_it_also_beyond_180_degrees(tmp_path: Path) -> None:
    frame = towers().drop(columns="site")
    frame["lon"] = frame.lon - 15  # -5, -4, -3
    wrapped = frame.assign(lon=np.where(frame.index % 2, frame.lon + 360, frame.lon))
    cube = from_frame(wrapped, columns(place=None), tmp_path / "a", name="t")
    assert cube.lon.tolist() == [-5, -4, -3] and cube.place_names is None
    assert cube.fingerprint == from_frame(frame, columns(place=None), tmp_path / "b", name="t").fingerprint


@pytest.mark.parametrize(
    ("written", "time_format"),
    [
        ("%Y-%m-%d", None),
        ("%Y-%m", None),
        ("%Y/%m/%d", None),
        ("%Y%m", None),
        ("%Y%m%d", None),
        ("%Y-%m-%dT%H:%M:%SZ", None),
        ("%d.%m.%Y", "%d.%m.%Y"),
    ],
)
def test_dates_as_people_write_them(written: str, time_format: str | None, tmp_path: Path) -> None:
    frame = towers()
    expected = from_frame(frame, columns(), tmp_path / "a", name="t")
    frame["date"] = pd.to_datetime(frame.date).dt.strftime(written)
    frame.to_csv(tmp_path / "t.csv", index=False)
    cube = from_table(tmp_path / "t.csv", columns(time_format=time_format), tmp_path / "b", name="t")
    assert cube.fingerprint == expected.fingerprint


def test_years_and_months_as_numbers(tmp_path: Path) -> None:
    frame = towers()
    numbered = frame.assign(date=pd.to_datetime(frame.date).dt.strftime("%Y%m").astype(float))
    assert from_frame(numbered, columns(), tmp_path / "a").rhythm.name == "month"
    years = frame[frame.date.str.endswith("01-01")].assign(date=lambda frame: frame.date.str[:4].astype(int))
    assert from_frame(years, columns(), tmp_path / "b").rhythm.name == "year"


def test_texts_of_missing_values_and_numbers_that_mean_it(tmp_path: Path) -> None:
    frame = towers().astype({"gpp": object})
    frame.loc[:4, "gpp"] = ["-9999", " NA ", "", "nan", "-9999.0"]
    frame.to_csv(tmp_path / "t.csv", index=False)
    cube = from_table(tmp_path / "t.csv", columns(missing=(-9999.0,)), tmp_path / "a")
    assert np.isnan(cube.target[0, :5]).all() and np.isfinite(cube.target[0, 5:]).all()


def test_a_number_that_means_missing_is_found_in_32_bits_too(tmp_path: Path) -> None:
    frame = towers()
    frame.loc[2, "gpp"] = -9999.9
    frame.astype({"gpp": np.float32}).to_parquet(tmp_path / "t.parquet")
    cube = from_table(tmp_path / "t.parquet", columns(missing=(-9999.9,)), tmp_path / "a")
    assert np.isnan(cube.target[0, 2]) and np.isnan(cube.target).sum() == 1


def test_texts_that_mean_missing_do_so_in_every_kind_of_file(tmp_path: Path) -> None:
    frame = towers()
    frame.loc[frame.site == "AA", "igbp"] = "NA"
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    options = columns(categories=("igbp",))
    first, second = (
        from_table(tmp_path / file, options, tmp_path / f"{file}.cube", name="t") for file in ("t.csv", "t.parquet")
    )
    assert first.static_names == second.static_names == ("igbp=ENF", "igbp=missing")
    assert first.fingerprint == second.fingerprint


def test_a_column_may_name_the_place_and_be_a_category_or_a_feature(tmp_path: Path) -> None:
    options = columns(categories=("site",), features={"temp": Feature("degC"), "lat": Feature("degree")})
    cube = from_frame(towers(), options, tmp_path / "a")
    assert cube.levels_of("site") == ("AA", "BB", "CC") and cube.climate[2, 0, 1] == 52


def test_what_a_killed_import_left_is_removed_by_the_next(tmp_path: Path) -> None:
    from bench.system.ownership import host_name

    left = tmp_path / f"cube.rows.{host_name()}-999999999.partial"
    left.mkdir()
    from_frame(towers(), columns(), tmp_path / "cube")
    assert [path.name for path in tmp_path.iterdir()] == ["cube"]


def test_numbers_as_names_of_places_keep_their_zeros(tmp_path: Path) -> None:
    frame = towers()
    frame["site"] = frame.site.map({"AA": "007", "BB": "7", "CC": "70"})
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert from_table(tmp_path / "t.csv", columns(), tmp_path / "a").place_names == ("007", "7", "70")


def test_findings_name_constant_and_collinear_columns(tmp_path: Path) -> None:
    frame = towers().assign(kelvin=lambda frame: frame.temp + 273.15, flat=1.0)
    frame["total"] = frame.temp + frame.rain
    features = {name: Feature() for name in ("temp", "rain", "kelvin", "flat", "total")}
    said: list[str] = []
    from_frame(frame, columns(features=features), tmp_path / "a", say=said.append)
    assert "constant: flat; they say nothing." in said
    [collinear] = [line for line in said if line.startswith("collinear")]
    assert "temp and kelvin" in collinear and "temp + rain + total (each is a sum of the others)" in collinear
    assert any(line.startswith("places per block of 3°: 1-1") for line in said)


def test_steps_that_no_place_has_are_said(tmp_path: Path) -> None:
    said: list[str] = []
    frame = towers()
    from_frame(frame[frame.date.str[5:7] != "06"], columns(), tmp_path / "a", say=said.append)
    assert any(line.startswith("gap: no place has a row between 2001-05-01 and 2001-07-01") for line in said)


def test_an_index_with_names_counts_as_columns(tmp_path: Path) -> None:
    cube: Cube = from_frame(towers().set_index(["site", "date"]), columns(), tmp_path / "a")
    assert cube.place_names == ("AA", "BB", "CC")


@pytest.mark.parametrize(
    ("zone", "options"),
    [
        ("T00:00:00+02:00", ()),
        ("T00:00+0200", ()),
        (" 00:00:00.000+02", ()),
        ("T00:00:00Z", ()),
        (" 00:00 +0200", ("--time-format", "%Y-%m-%d %H:%M %z")),
    ],
)
def test_a_month_begins_at_midnight_of_its_own_zone(zone: str, options: tuple[str, ...], tmp_path: Path) -> None:
    plain, zoned = imported(tmp_path / "a", towers()), towers().assign(date=lambda frame: frame.date + zone)
    assert imported(tmp_path / "b", zoned, *options).fingerprint == plain.fingerprint


@pytest.mark.parametrize("zone", ["Europe/Zurich", "Asia/Tokyo", "America/New_York", "UTC"])
def test_times_of_a_parquet_file_count_in_their_zone(zone: str, tmp_path: Path) -> None:
    plain = imported(tmp_path / "a", towers())
    times = pd.to_datetime(towers().date).dt.tz_localize(zone)
    towers().assign(date=times).to_parquet(tmp_path / "t.parquet")
    call(str(tmp_path / "t.parquet"), "--out", str(tmp_path / "b"), "--name", "cube", *TOWERS)
    assert open_cube(tmp_path / "b").fingerprint == plain.fingerprint


def test_a_target_that_never_changes_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    imported(tmp_path, houses().assign(price=7.0), options=HOUSES)
    assert "constant: target price; there is nothing to predict." in capsys.readouterr().out


def imported(folder: Path, frame: pd.DataFrame, *further: str, options: tuple[str, ...] = TOWERS) -> Cube:
    folder.mkdir(exist_ok=True)
    frame.to_csv(folder / "in.csv", index=False)
    call(str(folder / "in.csv"), "--out", str(folder / "cube"), *options, *further)
    return open_cube(folder / "cube")
