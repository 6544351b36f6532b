"""NetCDF and Zarr by the CF conventions: grids, stations, units, calendars, bounds, packing, flags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cftime
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bench.data import Columns, Feature, from_frame, from_xarray
from bench.data.importer.units import checked, converted, is_known
from bench.errors import BenchError

COLUMNS = Columns({"gpp": ""}, {"tas": Feature(), "pr": Feature("", "sum")})


def grid(times: Any = None, **attributes: str) -> xr.Dataset:
    """Two rows of three cells over 24 months; the last cell is sea."""
    times = pd.date_range("2001-01-01", periods=24, freq="MS") if times is None else times
    generator = np.random.default_rng(0)
    shape = (len(times), 2, 3)
    gpp = generator.uniform(0, 9, shape)
    gpp[:, 1, 2] = np.nan
    dims = ("time", "lat", "lon")
    return xr.Dataset(
        {
            "gpp": (dims, gpp, {"units": "gC m-2 d-1"}),
            "tas": (dims, generator.uniform(260, 300, shape), {"units": "K"}),
            "pr": (dims, generator.uniform(0, 9, shape), {"units": "mm"}),
            "orog": (("lat", "lon"), generator.uniform(0, 900, (2, 3)), {"units": "m"}),
        },
        {
            "time": times,
            "lat": ("lat", [50.0, 51.0], {"units": "degrees_north", "standard_name": "latitude"}),
            "lon": ("lon", [9.0, 10.0, 350.0], {"units": "degrees_east", "standard_name": "longitude"}),
        },
        {"title": "a grid", "license": "CC0", **attributes},
    )


def test_netcdf_zarr_and_the_open_data_set_give_the_cube_of_the_long_table(tmp_path: Path) -> None:
    data = grid()
    data.to_netcdf(tmp_path / "g.nc")
    data.to_zarr(tmp_path / "g.zarr", consolidated=False)
    options = Columns(COLUMNS.target, COLUMNS.features, static={"orog": ""})
    cubes = [
        from_xarray(source, options, tmp_path / f"cube{index}", name="g")
        for index, source in enumerate((data, tmp_path / "g.nc", tmp_path / "g.zarr"))
    ]
    table = data.to_dataframe().reset_index()
    named = Columns(
        {"gpp": "gC m-2 d-1"}, {"tas": Feature("K"), "pr": Feature("mm", "sum")}, static={"orog": "m"}, time="time"
    )
    expected = from_frame(table, named, tmp_path / "frame", name="g")
    assert {cube.fingerprint for cube in cubes} == {expected.fingerprint}
    assert cubes[1].n_cells == 5 and cubes[1].lon.tolist() == [-10, 9, 9, 10, 10]
    assert cubes[1].feature_units == ("K", "mm") and cubes[1].provenance["licence"] == "CC0"


def test_coordinates_are_found_by_their_standard_names(tmp_path: Path) -> None:
    data = grid().rename({"lat": "nord", "lon": "ost", "time": "zeit"})
    data["zeit"].attrs["standard_name"] = "time"
    assert from_xarray(data, COLUMNS, tmp_path / "a").n_cells == 5


def test_a_unit_that_was_asked_for_is_converted_to(tmp_path: Path) -> None:
    options = Columns({"gpp": "g m-2 d-1"}, {"tas": Feature("degC"), "pr": Feature("m")})
    cube = from_xarray(grid(), options, tmp_path / "a")
    kelvin = grid().tas.values[:, 0, 0]
    np.testing.assert_allclose(cube.climate[1, :, 0], kelvin - 273.15, rtol=1e-4)
    assert cube.feature_units == ("degC", "m") and cube.target_units == "g m-2 d-1"
    with pytest.raises(BenchError, match="'tas' of the data set is in 'K', which cannot be brought to 'mm'"):
        from_xarray(grid(), Columns({"gpp": ""}, {"tas": Feature("mm")}), tmp_path / "b")


def test_fill_values_ranges_and_packing_are_honoured(tmp_path: Path) -> None:
    data = grid()
    data["pr"].attrs["valid_range"] = np.array([0, 800], np.int16)  # packed: 8 mm
    packed = {"dtype": "int16", "scale_factor": 0.01, "_FillValue": np.int16(-9999)}
    data["pr"][3, 0, 0] = np.nan
    data.to_netcdf(tmp_path / "g.nc", encoding={"pr": packed})
    cube = from_xarray(tmp_path / "g.nc", COLUMNS, tmp_path / "a")
    rain = data.pr.transpose("lon", "lat", "time").values.reshape(6, 24)[[4, 0, 1, 2, 3]]
    missing = cube.climate[:, :, 2] == 1
    np.testing.assert_array_equal(missing, np.isnan(rain) | (np.round(rain, 2) > 8))
    np.testing.assert_allclose(cube.climate[:, :, 1][~missing], rain[~missing], atol=0.006)


def test_a_step_begins_where_its_bounds_do(tmp_path: Path) -> None:
    data = grid()
    begins = data.time.values
    ends = pd.date_range("2001-02-01", periods=24, freq="MS").values
    data = data.assign_coords(time=("time", ends, {"bounds": "time_bnds"}))
    data["time_bnds"] = (("time", "nv"), np.stack([begins, ends], axis=1))
    data["time"].encoding["units"] = "days since 1900-01-01"
    data.to_netcdf(tmp_path / "g.nc")
    cube = from_xarray(tmp_path / "g.nc", COLUMNS, tmp_path / "a")
    assert str(cube.time[0]) == "2001-01-01" and str(cube.time[-1]) == "2002-12-01"


@pytest.mark.parametrize("calendar", ["noleap", "360_day", "julian"])
def test_other_calendars_by_month(calendar: str, tmp_path: Path) -> None:
    times = [cftime.datetime(2001 + k // 12, k % 12 + 1, 15, calendar=calendar) for k in range(24)]
    grid(times).to_netcdf(tmp_path / "g.nc")
    options = Columns(COLUMNS.target, COLUMNS.features, rhythm="month")
    cube = from_xarray(tmp_path / "g.nc", options, tmp_path / "a")
    assert cube.n_times == 24 and str(cube.time[1]) == "2001-02-01"


def test_days_that_no_year_has_are_refused(tmp_path: Path) -> None:
    times = [cftime.datetime(2001, 2, 1 + k, calendar="360_day") for k in range(24)]
    grid(times).to_netcdf(tmp_path / "g.nc")
    with pytest.raises(BenchError, match="calendar '360_day', whose days no real year has"):
        from_xarray(tmp_path / "g.nc", COLUMNS, tmp_path / "a")


def test_days_of_a_grid_become_months(tmp_path: Path) -> None:
    data = grid(pd.date_range("2001-01-01", periods=59))
    cube = from_xarray(data, Columns(COLUMNS.target, COLUMNS.features, rhythm="month"), tmp_path / "a")
    assert cube.n_times == 2
    np.testing.assert_allclose(cube.climate[1, 0, 1], data.pr.values[:31, 0, 0].sum(), rtol=1e-6)


def test_stations_with_names_flags_and_a_height_of_length_one(tmp_path: Path) -> None:
    data = grid().stack(station=("lat", "lon")).reset_index("station").drop_vars("orog")
    data["site"] = ("station", [f"S{index}" for index in range(6)])
    data["igbp"] = ("station", np.array([1, 4, 1, 4, 1, 1], np.int8))
    data["igbp"].attrs = {"flag_values": np.array([1, 4], np.int8), "flag_meanings": "ENF DBF"}
    data["tas"] = data["tas"].expand_dims("height")
    data.to_netcdf(tmp_path / "s.nc")
    options = Columns(COLUMNS.target, COLUMNS.features, categories=("igbp",), groups=("igbp",), place="site")
    cube = from_xarray(tmp_path / "s.nc", options, tmp_path / "a")
    assert cube.place_names == ("S0", "S1", "S2", "S3", "S4")  # S5 is the sea
    assert cube.labels_of("igbp").tolist() == ["ENF", "DBF", "ENF", "DBF", "ENF"]


def test_one_time_or_none_is_a_cross_section(tmp_path: Path) -> None:
    single = grid().isel(time=[3])
    for index, data in enumerate((single, grid().isel(time=3), grid().isel(time=3, drop=True))):
        cube = from_xarray(data, COLUMNS, tmp_path / str(index))
        assert (cube.rhythm.name, cube.n_times, cube.n_cells) == ("none", 1, 5)


def test_planar_grids_have_a_crs(tmp_path: Path) -> None:
    data = grid().rename({"lat": "y", "lon": "x"})
    data["x"].attrs, data["y"].attrs = {"units": "m"}, {"units": "m"}
    data = data.assign_coords(lon=(("y", "x"), np.ones((2, 3))), lat=(("y", "x"), np.ones((2, 3))))
    cube = from_xarray(data, Columns(COLUMNS.target, COLUMNS.features, crs="EPSG:3035"), tmp_path / "a")
    assert cube.crs == "EPSG:3035" and 350.0 in cube.lon.tolist()


BAD_GRIDS = (
    (lambda data: data.expand_dims(level=[1, 2]), "dimension 'level' with 2 entries"),
    (lambda data: data.rename(lon="u", lat="v").drop_vars(["u", "v"]), "has no longitude; name it with --lon"),
    (lambda data: data.assign(gpp=data.gpp * np.nan), "No target of the data set is measured anywhere"),
    (lambda data: data.drop_vars("tas"), "Unknown column of the data set 'tas'"),
    (lambda data: data.assign(gpp=data.gpp.where(data.gpp < 8, np.inf)), "'gpp' is infinite"),
    (lambda data: data.assign(gpp=data.gpp.assign_attrs(units="")), "target 'gpp' has no unit"),
    (lambda data: data.assign_coords(xlon=data.lon), "several coordinates that may be the longitude"),
)


@pytest.mark.parametrize(("change", "message"), BAD_GRIDS)
def test_bad_grids_are_one_sentence(change: Any, message: str, tmp_path: Path) -> None:
    data = change(grid())
    if "xlon" in data.coords:
        data = data.rename(lon="ost")
    with pytest.raises(BenchError, match=message):
        from_xarray(data, COLUMNS, tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_files_that_are_none(tmp_path: Path) -> None:
    grid().to_netcdf(tmp_path / "whole.nc")
    whole = (tmp_path / "whole.nc").read_bytes()
    (tmp_path / "cut.nc").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.nc").touch()
    (tmp_path / "folder").mkdir()
    from_xarray(grid(), COLUMNS, tmp_path / "cube")
    for name, message in {
        "cut.nc": "cannot be read as NetCDF",
        "empty.nc": "is empty",
        "folder": "is no Zarr store",
        "cube": "is a cube already; run it with --dataset",
        "none.nc": "does not exist",
    }.items():
        with pytest.raises(BenchError, match=message):
            from_xarray(tmp_path / name, COLUMNS, tmp_path / "out")


@pytest.mark.parametrize("kind", ["NETCDF4", "NETCDF3_CLASSIC"])
@pytest.mark.parametrize("left", [0.5, 0.9])
def test_a_file_that_was_cut_is_never_read_as_zeros(kind: Any, left: float, tmp_path: Path) -> None:
    grid(pd.date_range("2001-01-01", periods=240, freq="MS")).to_netcdf(tmp_path / "whole.nc", format=kind)
    whole = (tmp_path / "whole.nc").read_bytes()
    (tmp_path / "cut.nc").write_bytes(whole[: int(left * len(whole))])
    with pytest.raises(BenchError, match="cannot be read"):
        from_xarray(tmp_path / "cut.nc", COLUMNS, tmp_path / "cube")
    assert not (tmp_path / "cube").exists()


def test_numbers_that_are_no_dates(tmp_path: Path) -> None:
    data = grid(np.arange(24))
    data["time"].attrs["standard_name"] = "time"
    with pytest.raises(BenchError, match="'time' of the data set is 'without units', no dates"):
        from_xarray(data, COLUMNS, tmp_path / "a")


@pytest.mark.parametrize(
    "unit",
    ["gC m-2 d-1", "g C m^-2 day-1", "umolCO2 m-2 s-1", "degrees_C", "mm/d", "W m-2", "kg kg-1", "hPa", "%", "1"],
)
def test_units_of_the_field_are_known(unit: str) -> None:
    assert is_known(checked(unit, "x"))


def test_units_that_are_labels_are_kept_and_not_converted() -> None:
    assert checked(" USD ", "price") == "USD" and not is_known("USD")
    assert converted(np.ones(1), "mm/day", "mm d-1", "x", "y") == 1
    assert converted(np.ones(1), "kg m-2 s-1", "g m-2 d-1", "x", "y") == pytest.approx(86_400_000)
    with pytest.raises(BenchError, match="cannot be brought to"):
        converted(np.ones(1), "USD", "mm", "x", "y")
