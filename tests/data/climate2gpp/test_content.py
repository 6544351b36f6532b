"""What headers do not say: frames without a value, preliminary data, a meridian that is there twice."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr

from bench.data.climate2gpp import calendar, survey
from bench.data.climate2gpp.aggregate import Regridders
from bench.data.climate2gpp.build import build
from bench.data.climate2gpp.grids import target_grid
from bench.data.climate2gpp.readers import open_layers
from bench.data.era5_land import ERA5_LAND, by_name
from bench.errors import BenchError
from tests.data.climate2gpp.conftest import replace_by_copy, stock
from tests.data.climate2gpp.series import COLUMNS, ROWS, read, season, step_names, write_nc, write_tif

pytestmark = [pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"), pytest.mark.usefixtures("extra")]
DAYS = calendar.days(2019)
WARM = 285 + np.random.default_rng(0).normal(size=(365, ROWS, COLUMNS))
STEPS = np.stack([WARM[calendar.step_of(DAYS) == step].mean(axis=0) for step in range(46)])


@pytest.mark.parametrize(
    ("short", "day"), list(itertools.product([row.short_name for row in ERA5_LAND], (0, 180, 364)))
)
def test_a_day_without_a_value_is_named_before_the_build(archive: Path, tmp_path: Path, short: str, day: int) -> None:
    row = next(row for row in ERA5_LAND if row.short_name == short)
    path = tmp_path / "a.nc"
    path.write_bytes((archive / "era5" / f"era5_land_{short}_2019.nc").read_bytes())
    with netCDF4.Dataset(path, "a") as file:
        file[short][day] = np.ma.masked
    (text,) = read(row.name, [path]).empty
    assert text == f"{row.name} of {DAYS[day]} has no value at all in {path}"


def test_the_dry_run_names_all_of_them_at_once(copied: Callable[[], Path]) -> None:
    root = copied()
    for short, days in (("t2m", slice(-1, None)), ("tp", slice(30, 33))):
        with netCDF4.Dataset(replace_by_copy(root / "era5" / f"era5_land_{short}_2020.nc"), "a") as file:
            file[short][days] = np.ma.masked
    with pytest.raises(BenchError) as caught:
        stock(root)
    assert "temperature_2m of 2020-12-31 has no value at all in" in str(caught.value)
    assert "total_precipitation_sum of 2020-01-31 to 2020-02-02 has no value at all in" in str(caught.value)


@pytest.mark.parametrize("step", [0, 20, 45])
@pytest.mark.parametrize("by", ["nan", "declared", "undeclared", "mask"])
@pytest.mark.parametrize("interleave", ["band", "pixel"])
def test_an_image_without_a_value_is_named(tmp_path: Path, step: int, by: str, interleave: str) -> None:
    stored = season().astype("float32")
    stored[step] = np.nan if by in ("nan", "mask") else -9999
    options: dict[str, Any] = {"declared": {"nodata": -9999}}.get(by, {})
    path = write_tif(tmp_path / "a.tif", stored, step_names(), interleave=interleave, **options)
    (text,) = read("GPP", [path]).empty
    assert text == f"GPP of {calendar.step_starts(2019)[step]} has no value at all in {path}"


def test_an_hour_without_a_value_is_named(tmp_path: Path) -> None:
    hours = np.arange("2019-01-01T00", "2020-01-01T00", dtype="datetime64[h]")
    values = np.repeat(WARM, 24, axis=0)
    values[5000] = np.nan
    path = write_nc(tmp_path / "a.nc", "t2m", hours, values, "K")
    assert read("temperature_2m", [path]).empty == (f"temperature_2m of {hours[5000]} has no value at all in {path}",)


def test_of_a_large_archive_ends_of_files_and_some_other_frames_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "SURVEY_BYTES", 4 * ROWS * COLUMNS * 40)
    values = WARM.copy()
    values[364] = np.nan
    path = write_nc(tmp_path / "a.nc", "t2m", DAYS, values, "K")
    layers = list(open_layers(path))
    seen = survey.look_at(by_name("temperature_2m"), layers, (2019,))
    assert 40 <= len(seen.times) <= 42 and seen.frame[0] == 0 and seen.frame[-1] == 364
    assert np.diff(seen.frame).max() <= 10
    assert survey.empty_times(by_name("temperature_2m"), layers, seen) == [len(seen.times) - 1]


def test_an_empty_day_that_the_look_missed_stops_its_stage(
    copied: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = copied()
    with netCDF4.Dataset(replace_by_copy(root / "era5" / "era5_land_d2m_2019.nc"), "a") as file:
        file["d2m"][100] = np.ma.masked
    monkeypatch.setattr(survey, "SURVEY_BYTES", 1000)
    inventory = stock(root)
    with pytest.raises(
        BenchError, match=r"dewpoint_temperature_2m has no value in any land cell .* steps of 2019-04-07"
    ):
        build(inventory, tmp_path / "c.zarr", tmp_path / "work", 1.0)
    assert (
        len(list((tmp_path / "work").glob("*.done.json"))) == 1
    )  # the land cover: its own stage is the first after it


def test_frames_with_fewer_values_are_told_of(tmp_path: Path) -> None:
    values = WARM.copy()
    values[100:102, 0] = np.nan
    notes = read("temperature_2m", [write_nc(tmp_path / "a.nc", "t2m", DAYS, values, "K")]).notes
    assert notes == ("fewer values than at other times (67% at the least) on 2019-04-11 to 2019-04-12",)


def versions(early: int, form: str) -> np.ndarray:
    """A version for each day, the last ``early`` of them being preliminary."""
    number = np.where(np.arange(365) < 365 - early, 1, 5)
    if form == "whole numbers":
        return number
    text = np.array([f"{value:04d}" for value in number])
    return text.astype({"text": object, "fixed text": "U4", "bytes": "S4"}[form])


NOTE = "preliminary values (expver 5) in {}; final ones replace them within three months"


@pytest.mark.parametrize("form", ["text", "fixed text", "bytes", "whole numbers"])
@pytest.mark.parametrize("early", [0, 40, 365])
@pytest.mark.parametrize("place", ["coordinate", "variable"])
def test_versions_along_time_are_taken_and_preliminary_months_told(
    tmp_path: Path, form: str, early: int, place: str
) -> None:
    path = write_nc(tmp_path / "a.nc", "t2m", DAYS, WARM, "K")
    with xr.open_dataset(path) as dataset:
        expver = ("valid_time", versions(early, form))
        loaded = dataset.load()
        loaded = loaded.assign_coords(expver=expver) if place == "coordinate" else loaded.assign(expver=expver)
        loaded.to_netcdf(tmp_path / "b.nc", engine="netcdf4")
    found = read("temperature_2m", [tmp_path / "b.nc"])
    np.testing.assert_allclose(found.values, STEPS, rtol=1e-6)
    months = [f"2019-{month:02d}" for month in range(1, 13)][{0: 12, 40: 10, 365: 0}[early] :]
    assert found.notes == ((NOTE.format(", ".join(months)),) if months else ())


@pytest.mark.parametrize("numbers", [[1, 5], [5, 1], ["0001", "0005"], ["0005", "0001"]])
@pytest.mark.parametrize("position", [1, 3])
def test_versions_as_a_dimension_are_merged(tmp_path: Path, numbers: list[Any], position: int) -> None:
    final = WARM.copy()
    final[325:] = np.nan
    late = np.full_like(WARM, np.nan)
    late[325:] = WARM[325:]
    both = [final, late] if int(numbers[0]) == 1 else [late, final]
    dims = ["valid_time", "latitude", "longitude"]
    dims.insert(position, "expver")
    axes = {
        "valid_time": DAYS.astype("datetime64[ns]"),
        "latitude": 32.5 - np.arange(ROWS),
        "longitude": 100.5 + np.arange(COLUMNS),
        "expver": np.array(numbers, object if isinstance(numbers[0], str) else None),
    }
    xr.Dataset({"t2m": (dims, np.stack(both, axis=position), {"units": "K"})}, axes).to_netcdf(tmp_path / "a.nc")
    found = read("temperature_2m", [tmp_path / "a.nc"])
    np.testing.assert_allclose(found.values, STEPS, rtol=1e-6)
    assert found.notes == (NOTE.format("2019-11, 2019-12"),)


@pytest.mark.parametrize("number", [1, 5, "0001", "0005"])
def test_one_version_for_all(tmp_path: Path, number: int | str) -> None:
    path = write_nc(tmp_path / "a.nc", "t2m", DAYS, WARM, "K")
    with xr.open_dataset(path) as dataset:
        for name, changed in (
            ("scalar.nc", dataset.assign_coords(expver=number)),
            ("single.nc", dataset.expand_dims(expver=[number])),
        ):
            changed.load().to_netcdf(tmp_path / name, engine="netcdf4")
            found = read("temperature_2m", [tmp_path / name])
            np.testing.assert_allclose(found.values, STEPS, rtol=1e-6)
            assert len(found.notes) == int(int(number) == 5)


@pytest.mark.parametrize("west", [-180.0, 0.0, -180.0 + 15.0, 15.0])
@pytest.mark.parametrize("degrees", [30.0, 7.5, 2.5])
@pytest.mark.parametrize("kind", ["netcdf", "netcdf float32", "geotiff"])
def test_a_meridian_that_is_there_twice_counts_once(tmp_path: Path, west: float, degrees: float, kind: str) -> None:
    lon = west + degrees * np.arange(round(360 / degrees) + 1)
    lat = np.array([40.0, 40.0 - degrees, 40.0 - 2 * degrees])
    values = np.random.default_rng(0).normal(285, 5, (len(lat), len(lon)))
    values[:, -1] = values[:, 0]
    results = []
    for columns in (slice(None), slice(0, -1)):
        path = tmp_path / f"a_20190101_{columns.stop}.nc"
        if kind == "geotiff":
            import rasterio

            corner = rasterio.transform.from_origin(west - degrees / 2, 40 + degrees / 2, degrees, degrees)
            write_tif(path, values[None, :, columns].astype("float32"), ["t2m_20190101"], transform=corner)
        else:
            axes = {"latitude": lat, "longitude": lon[columns].astype("f4" if "float32" in kind else "f8")}
            axes["valid_time"] = DAYS[:1].astype("datetime64[ns]")
            array = (("valid_time", "latitude", "longitude"), values[None, :, columns], {"units": "K"})
            xr.Dataset({"t2m": array}, axes).to_netcdf(path)
        (layer,) = open_layers(path)
        data = layer.read(np.array([0]), slice(None))[0]
        assert data.shape == layer.grid.shape == (3, len(lon) - 1)
        results.append(Regridders(target_grid(degrees)).of(layer.grid)(data))
    np.testing.assert_array_equal(results[0], results[1])
    assert np.isfinite(results[0]).any()
