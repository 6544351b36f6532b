"""Units by attribute and by range, for every unit that files are known to have."""

from __future__ import annotations

import numpy as np
import pytest

from bench.data.climate2gpp.decisions import Decision, Said, decide_unit
from bench.data.climate2gpp.fills import repeated_fills, without_fills
from bench.data.climate2gpp.units import require_range, size_of
from bench.data.climate2gpp.variables import TARGET
from bench.data.era5_land import ERA5_LAND, FEATURES, Era5LandVariable, by_file_name, by_name
from bench.errors import BenchError
from bench.system import paths
from tests.conftest import ROOT


def variable(name: str) -> Era5LandVariable:
    return TARGET if name == "GPP" else by_name(name)


def decide(name: str, attribute: str | None, stored: np.ndarray, where: str = "file", hourly: bool = False) -> Decision:
    return decide_unit(variable(name), Said(attribute), size_of(stored), where, hourly=hourly)


TEMPERATURE, SUN, RAIN = "temperature_2m", "surface_solar_radiation_downwards_sum", "total_precipitation_sum"


@pytest.mark.parametrize(
    ("name", "attribute", "stored", "expected"),
    [
        (TEMPERATURE, "K", 285.0, 285.0),
        (TEMPERATURE, "degC", 11.85, 285.0),
        (TEMPERATURE, "Celsius", 11.85, 285.0),
        (TEMPERATURE, None, 11.85, 285.0),
        (TEMPERATURE, None, 285.0, 285.0),
        (SUN, "J m**-2", 1.728e7, 1.728e7),
        (SUN, "W m-2", 200.0, 1.728e7),
        (SUN, "W m^-2", 200.0, 1.728e7),
        (SUN, "MJ m-2", 17.28, 1.728e7),
        (SUN, None, 200.0, 1.728e7),
        (SUN, None, 1.728e7, 1.728e7),
        (RAIN, "m", 0.004, 0.004),
        (RAIN, "mm", 4.0, 0.004),
        (RAIN, "kg m-2", 4.0, 0.004),
        (RAIN, "kg m-2 s-1", 4.0 / 86400, 0.004),
        (RAIN, None, 4.0, 0.004),
        ("snow_depth_water_equivalent", "m of water equivalent", 0.3, 0.3),
        ("surface_pressure", "hPa", 950.0, 95000.0),
        ("surface_pressure", None, 95.0, 95000.0),
        ("snow_cover", "1", 0.4, 40.0),
        ("volumetric_soil_water_layer_1", "m**3 m**-3", 0.3, 0.3),
        ("u_component_of_wind_10m", "m s**-1", -4.0, -4.0),
        ("GPP", "gC m-2 d-1", 5.0, 5.0),
        ("GPP", None, 1500.0, 15.0),
    ],
)
def test_values_come_out_in_the_unit_of_the_table(
    name: str, attribute: str | None, stored: float, expected: float
) -> None:
    found = decide(name, attribute, np.array([stored, np.nan]))
    assert found.unit.convert(np.array([stored]))[0] == pytest.approx(expected, rel=1e-9)
    assert (found.note(variable(name)) is None) == (attribute is not None and stored == expected)


@pytest.mark.parametrize(
    ("name", "attribute", "stored", "message"),
    [
        (TEMPERATURE, "K", 12.0, r"says units 'K', but its values \(12 to 12\) cannot be that and look like degC"),
        (TEMPERATURE, "degC", 285.0, "look like K"),
        (SUN, "J m**-2", 300.0, "look like W m-2"),
        (SUN, "W m-2", 1.7e7, "look like J m-2"),
        (RAIN, "m", 40.0, "look like mm"),
        (TEMPERATURE, "furlongs", 285.0, "units 'furlongs'; this project knows K, degC"),
        (TEMPERATURE, None, 5000.0, "fit none of K, degC"),
        (TEMPERATURE, None, np.nan, "no valid values to judge by"),
        ("snow_cover", None, 0.7, "may be % or fractions"),
        ("surface_pressure", None, 5.0, "fit none of"),
    ],
)
def test_units_that_contradict_the_values_are_refused(
    name: str, attribute: str | None, stored: float, message: str
) -> None:
    with pytest.raises(BenchError, match=f"a.nc: .*{message}"):
        decide(name, attribute, np.array([stored]), "a.nc: variable 'x'")


def test_a_flux_of_an_hour_may_exceed_the_mean_of_a_day() -> None:
    noon = np.array([0.0, 1100.0])
    assert decide(SUN, "W m-2", noon, hourly=True).unit.name == "W m-2"
    assert decide(SUN, None, noon, hourly=True).unit.rate
    with pytest.raises(BenchError, match="cannot be that"):
        decide(SUN, "W m-2", noon)
    with pytest.raises(BenchError, match="look like J m-2"):
        decide(SUN, "W m-2", np.array([1.7e7]), hourly=True)


def test_fill_values_that_a_file_forgot_to_declare_are_missing() -> None:
    stored = np.array([280.0, -9999.0, 9.969209968386869e36, -32767.0])
    np.testing.assert_array_equal(np.isnan(without_fills(stored, 150.0)), [False, True, True, True])
    net = np.array([-9999.0, 1.0e6])  # a net radiation may well be -9999 J m-2
    np.testing.assert_array_equal(without_fills(net, by_name("surface_net_thermal_radiation_sum").lowest), net)


@pytest.mark.parametrize("fill", [-9999.0, -32767.0, -32768.0])
@pytest.mark.parametrize("name", [SUN, "surface_net_thermal_radiation_sum"])
def test_a_fill_value_in_the_range_of_radiation_is_missing_where_it_repeats(name: str, fill: float) -> None:
    lowest = by_name(name).lowest
    # A field of the Earth as files hold it, packed into steps of 512 J m-2: each value stands there many times.
    values = np.round(np.random.default_rng(0).uniform(-4.0e5, 2.0e7, 500_000) / 512) * 512
    values[:20] = fill
    assert repeated_fills(values, lowest) == () and without_fills(values, lowest) is values
    np.testing.assert_array_equal(np.isnan(without_fills(values, lowest, (fill,))), values == fill)
    values[:2_000] = fill
    assert repeated_fills(values, lowest) == (fill,)
    np.testing.assert_array_equal(np.isnan(without_fills(values, lowest)), values == fill)
    assert repeated_fills(np.array([fill, 1.0e6]), lowest) == ()  # once, even among few, is no repetition


def test_thermal_radiation_downwards_is_never_near_a_fill_value() -> None:
    lowest = by_name("surface_thermal_radiation_downwards_sum").lowest
    stored = np.array([-9999.0, 5.0e6, 2.0e7])
    np.testing.assert_array_equal(np.isnan(without_fills(stored, lowest)), [True, False, False])


def test_a_value_that_cannot_be_names_variable_and_limits() -> None:
    with pytest.raises(BenchError, match=r"b.nc: temperature_2m has the value 400 K, outside 150 to 350"):
        require_range(variable(TEMPERATURE), np.array([280.0, 400.0]), 1, "b.nc")
    require_range(variable(RAIN), np.array([3.9, np.nan]), 8, "c.nc")  # the sum of eight days


def test_the_table_has_26_variables_with_names_of_their_own() -> None:
    names = [name for row in ERA5_LAND for name in set(row.names)]
    assert len(ERA5_LAND) == len(FEATURES) == 26
    assert len(names) == len(set(names))
    assert {row.aggregation for row in ERA5_LAND if row.name.endswith("_sum")} == {"sum"}
    assert {row.aggregation for row in ERA5_LAND if not row.name.endswith("_sum")} == {"mean"}


def test_the_documented_table_is_the_one_in_code() -> None:
    text = (ROOT / "docs" / "climate2gpp.md").read_text()
    for row in ERA5_LAND:
        assert f"| `{row.name}` | {row.unit} | {row.aggregation} | `{row.short_name}` | `{row.grib_name}` |" in text


def test_a_real_era5_file_has_units_that_are_understood() -> None:
    """Daily ERA5 data of five cities, in the units of CF: fluxes where ERA5-Land has amounts."""
    import xarray as xr

    folder = paths.data_dir()
    if folder is None or not (folder / "formats" / "xclim_era5_daily.nc").exists():
        pytest.skip("the sample files are not at hand (set BENCH_DATA_DIR)")
    with xr.open_dataset(folder / "formats" / "xclim_era5_daily.nc") as dataset:
        known = {str(name): by_file_name(str(name)) for name in dataset.data_vars}
        found = {}
        for name, row in known.items():
            if row is not None:
                values = dataset[name].values.astype(np.float64)
                unit = decide_unit(row, Said(dataset[name].attrs["units"]), size_of(values), name).unit
                require_range(row, unit.convert(values), 1, name)
                found[name] = unit.name
    assert found["tas"] == found["tasmax"] == "K" and found["ps"] == "Pa"
    assert found["rsds"] == found["rls"] == "W m-2" and found["pr"] == "kg m-2 s-1"
    assert len(found) >= 13
