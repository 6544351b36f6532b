"""What an archive lacks, told in one sentence each and in one go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import rasterio

from bench.data.climate2gpp import calendar
from bench.data.climate2gpp.inventory import _era5_sources, expand
from bench.data.climate2gpp.readers import open_layers
from bench.data.climate2gpp.settle import Choices, settled
from bench.data.climate2gpp.source import source_of
from bench.data.era5_land import ERA5_LAND, by_name
from bench.errors import BenchError
from tests.data.climate2gpp.conftest import YEARS, replace_by_copy, stock
from tools.make_archive import ArchiveLayout, write_era5

pytestmark = [pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"), pytest.mark.usefixtures("extra")]


def monthly(root: Path, leave_out: int | None = None) -> None:
    """Replaces the file of one variable and year by monthly ones, one of which may be missing."""
    whole = root / "era5" / "era5_land_t2m_2019.nc"
    import xarray as xr

    with xr.open_dataset(whole, engine="netcdf4") as dataset:
        for month in range(1, 13):
            if month != leave_out:
                part = dataset.isel(valid_time=dataset["valid_time"].dt.month == month)
                part.to_netcdf(root / "era5" / f"era5_land_t2m_2019_{month:02d}.nc")
    whole.unlink()


def test_a_complete_archive_is_taken_stock_of(archive: Path) -> None:
    inventory = stock(archive)
    assert list(inventory.climate) == [variable.name for variable in ERA5_LAND]
    assert {source.kind for source in inventory.climate.values()} == {"daily"}
    assert inventory.target.kind == "step"
    assert list(inventory.land_cover) == [2019]  # the test year's land cover is not looked at
    assert inventory.notes == ("GPP: taken as 0.01 gC m-2 d-1 by PML_V2's documentation of whole numbers",)


def test_a_file_missing_in_the_middle_of_a_year_is_named_by_its_dates(copied: Callable[[], Path]) -> None:
    root = copied()
    monthly(root, leave_out=5)
    with pytest.raises(BenchError, match=r"not complete for 2019-2020: temperature_2m of 2019-05-01 to 2019-05-31 is"):
        stock(root)


def test_everything_that_is_missing_is_told_in_one_go(copied: Callable[[], Path]) -> None:
    root = copied()
    (root / "era5" / "era5_land_tp_2020.nc").unlink()
    for year in YEARS:
        (root / "era5" / f"era5_land_swvl3_{year}.nc").unlink()
    next((root / "land_cover").glob("*2019001*")).unlink()
    with pytest.raises(BenchError) as caught:
        stock(root)
    message = str(caught.value)
    assert "volumetric_soil_water_layer_3 (swvl3) is in no file" in message
    assert "total_precipitation_sum of 2020-01-01 to 2020-12-31 is missing" in message
    assert "land cover of 2019 is missing" in message
    assert message.count(". ") == 0 and message.endswith("change --years.")


def test_overlapping_years_name_both_files(copied: Callable[[], Path]) -> None:
    root = copied()
    (root / "era5" / "again.nc").symlink_to((root / "era5" / "era5_land_t2m_2019.nc").resolve())
    with pytest.raises(
        BenchError, match=r"temperature_2m of 2019-01-01 to 2019-12-31 stands in both .*again.nc and .*t2m_2019.nc"
    ):
        stock(root)


def test_two_grids_of_one_variable_are_refused(copied: Callable[[], Path]) -> None:
    root = copied()
    (root / "era5" / "era5_land_skt_2020.nc").unlink()
    variable = next(row for row in ERA5_LAND if row.short_name == "skt")
    write_era5(root / "era5", variable, 2020, ArchiveLayout(bounds=(100.0, 29.0, 104.0, 32.0), degrees=1.0))
    with pytest.raises(BenchError, match=r"skt_2020.nc has another grid \(3 x 4\) than .*skt_2019.nc \(6 x 8\)"):
        stock(root)


def test_units_that_the_values_contradict_are_found_before_the_build(copied: Callable[[], Path]) -> None:
    root = copied()
    path = replace_by_copy(root / "era5" / "era5_land_t2m_2019.nc")
    with netCDF4.Dataset(path, "a") as file:
        file["t2m"].units = "degC"
    with pytest.raises(
        BenchError, match=r"t2m_2019.nc: variable 't2m' says units 'degC', but its values .* look like K"
    ):
        stock(root)


def test_gpp_that_is_not_dated_by_steps_is_refused(copied: Callable[[], Path]) -> None:
    import rasterio

    root = copied()
    path = replace_by_copy(root / "gpp" / "PML_V2_017_GPP_2019.tif")
    with rasterio.open(path, "r+") as raster:
        raster.descriptions = tuple(name.replace("0109", "0110") for name in raster.descriptions)
    with pytest.raises(BenchError, match="has no 8-day images: each must be dated by the first day of a step"):
        stock(root)


@pytest.mark.parametrize(
    ("name", "message"), [("cover.hdf", "no year in its name"), ("again.A2019001.hdf", "of 2019 stands in both")]
)
def test_land_cover_needs_one_year_in_each_name(copied: Callable[[], Path], name: str, message: str) -> None:
    root = copied()
    (root / "land_cover" / name).write_bytes(b"")
    with pytest.raises(BenchError, match=message):
        stock(root)


def test_files_of_something_else_are_refused(copied: Callable[[], Path]) -> None:
    root = copied()
    (root / "era5" / "PML_20190101.tif").symlink_to((root / "gpp" / "PML_V2_017_GPP_2019.tif").resolve())
    with pytest.raises(BenchError, match=r"PML_20190101.tif holds none of the 26 variables"):
        stock(root)


def test_a_pattern_without_files_is_named() -> None:
    with pytest.raises(BenchError, match="--era5 '/nowhere/.*nc' names no file; correct the pattern"):
        expand(["/nowhere/*.nc"], "--era5")


def test_hourly_files_need_every_hour_and_the_midnight_after_the_last_day(tmp_path: Path) -> None:
    layout = ArchiveLayout(bounds=(100.0, 30.0, 101.0, 31.0), degrees=0.5, hourly=True)
    for variable in ERA5_LAND:
        if variable.short_name in ("t2m", "tp"):
            write_era5(tmp_path, variable, 2019, layout)
    with netCDF4.Dataset(tmp_path / "era5_land_tp_2019.nc") as file:
        assert len(file["valid_time"]) == 365 * 24
    sources = _era5_sources(sorted(tmp_path.glob("*.nc")), print)
    assert set(sources) == {"temperature_2m", "temperature_2m_min", "temperature_2m_max", "total_precipitation_sum"}
    assert {source.kind for source in sources.values()} == {"hourly"}
    # The total of the last day stands at the first hour of the next year, and is there.
    assert not any(len(source.missing(2019)) for source in sources.values())
    assert str(sources["total_precipitation_sum"].missing(2020)[0]) == "2020-01-02T00"
    assert len(sources["temperature_2m_max"].missing(2020)) == 366 * 24


def test_steps_begin_anew_each_year_and_the_last_is_short() -> None:
    assert [len(calendar.step_starts(year)) for year in YEARS] == [46, 46]
    assert calendar.step_lengths(2019)[-1] == 5 and calendar.step_lengths(2020)[-1] == 6
    assert calendar.step_lengths(2020).sum() == 366
    days = calendar.days(2020)
    assert calendar.step_of(days)[[0, 7, 8, 365]].tolist() == [0, 0, 1, 45]
    hours = np.array(["2019-01-01T00", "2019-01-01T01", "2019-01-01T05"], "datetime64[h]")
    assert calendar.ranges(hours, 1) == ["2019-01-01T00 to 2019-01-01T01", "2019-01-01T05"]


def test_the_unit_of_sums_over_steps_is_decided_without_their_fill_values(tmp_path: Path) -> None:
    path, rain = tmp_path / "water_2019.tif", np.full((4, 5), 0.02, np.float32)
    rain[0, :3] = -9999.0  # of which the file says nothing
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=4,
        width=5,
        count=1,
        dtype="float32",
        crs="EPSG:4326",
        transform=rasterio.transform.from_origin(100.0, 32.0, 0.5, 0.5),
    ) as raster:
        raster.write(rain, 1)
        raster.descriptions = ("total_precipitation_sum_20190101",)
    source = source_of(by_name("total_precipitation_sum"), list(open_layers(path)))
    found = settled(source, (2019,), Choices()).source.decision
    assert found is not None and found.unit.name == "m" and "Earth Engine's band of this name" in found.evidence
