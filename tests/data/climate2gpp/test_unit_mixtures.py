"""ERA5-Land in every unit, said or not, in all files or some: the numbers are right, or the build refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.data.climate2gpp import calendar
from bench.data.climate2gpp.units import Unit, units_of
from bench.data.era5_land import ERA5_LAND, Era5LandVariable
from bench.errors import BenchError
from tests.data.climate2gpp.series import COLUMNS, ROWS, read, season, step_names, variable, write_nc, write_tif
from tools.make_archive import value

pytestmark = [pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"), pytest.mark.usefixtures("extra")]
YEARS = (2019, 2020)


def days_of(row: Era5LandVariable, year: int) -> np.ndarray:
    """(day, row, column) invented values in the table's unit."""
    lat, lon = 32.5 - np.arange(ROWS), 100.5 + np.arange(COLUMNS)
    return np.stack([value(row, lat, lon, day) for day in calendar.days(year)])


def steps_of(row: Era5LandVariable) -> np.ndarray:
    daily, step = days_of(row, 2019), calendar.step_of(calendar.days(2019))
    total = np.stack([daily[step == number].sum(axis=0) for number in range(46)])
    return total if row.aggregation == "sum" else total / calendar.step_lengths(2019)[:, None, None]


ALIKE = {row.name for row in ERA5_LAND if row.unit in ("K", "m3 m-3")} - {
    "temperature_2m",
    "volumetric_soil_water_layer_1",
}
"""Variables that are told from each other by their names only: one of each kind stands for them in the long table."""
OTHER_UNITS = [
    (row, unit)
    for row in ERA5_LAND
    if row.name not in ALIKE
    for unit in units_of(row)
    if unit != units_of(row)[0] and unit.readable
]
CLOSE = ("cm", "km h-1")
"""An attribute that lies by so little is believed: a thin snow cover or a weak wind may be what it says."""
PATTERNS = {
    "all in it, all say so": ((True, True), (True, True)),
    "all in it, the first says so": ((True, True), (True, False)),
    "all in it, none says so": ((True, True), (False, False)),
    "the second in it, all say so": ((False, True), (True, True)),
    "the second in it, none says so": ((False, True), (False, False)),
    "the second in it, the first says its own": ((False, True), (True, False)),
    "none in it, all say it": ((False, False), (True, True)),
}


@pytest.mark.parametrize(("row", "unit"), OTHER_UNITS, ids=lambda item: item.name.replace(" ", "_"))
def test_files_of_every_variable_in_every_unit_come_out_right_or_are_refused(
    tmp_path: Path, row: Era5LandVariable, unit: Unit
) -> None:
    """Seven mixtures of files for each: never a number that is wrong."""
    own = units_of(row)[0]
    wanted, outcomes = steps_of(row), {}
    for number, (pattern, (inside, says)) in enumerate(PATTERNS.items()):
        if pattern == "none in it, all say it" and unit.name in CLOSE:
            continue
        files = []
        for year, in_it, does in zip(YEARS, inside, says, strict=True):
            daily = days_of(row, year)
            stored = (daily - unit.offset) / unit.factor if in_it else daily
            said = (unit if in_it or pattern.startswith("none") else own).name if does else None
            path = tmp_path / f"{row.short_name}_{number}_{year}.nc"
            files.append(write_nc(path, row.short_name, calendar.days(year), stored, said))
        try:
            found = read(row.name, files, YEARS).values
        except BenchError as error:
            assert str(error).count(". ") == 0
            outcomes[pattern] = "refused"
        else:
            scale = np.abs(wanted).max()
            np.testing.assert_allclose(found / scale, wanted / scale, atol=2e-5, err_msg=f"{row.name} {pattern}")
            outcomes[pattern] = "right"
    assert outcomes["all in it, all say so"] == "right"


@pytest.mark.parametrize("row", [*ERA5_LAND, variable("GPP")], ids=lambda row: row.name)
def test_the_table_s_own_unit_is_read_if_it_is_said(tmp_path: Path, row: Era5LandVariable) -> None:
    if row.name == "GPP":
        path = write_tif(tmp_path / "a.tif", season().astype("float64"), step_names(), units=row.unit)
        wanted = season()
    else:
        path = write_nc(tmp_path / "a.nc", row.short_name, calendar.days(2019), days_of(row, 2019), row.unit)
        wanted = steps_of(row)
    np.testing.assert_allclose(read(row.name, [path]).values, wanted, rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("row", ERA5_LAND, ids=lambda row: row.name)
def test_earth_engine_s_bands_have_the_units_of_its_catalogue(tmp_path: Path, row: Era5LandVariable) -> None:
    """Exports say nothing of units: whole steps, named like ``snow_depth_20190101``."""
    wanted = steps_of(row)
    path = write_tif(tmp_path / "era5_land_2019.tif", wanted.astype("float32"), step_names(stem=row.name))
    found = read(row.name, [path])
    np.testing.assert_allclose(found.values, wanted, rtol=2e-5, atol=1e-6)
    assert any("Earth Engine's band of this name" in note for note in found.notes)
