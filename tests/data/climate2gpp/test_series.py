"""One unit for all images of GPP: decided over the whole series, with agreement, or asked for."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.data.climate2gpp.unit_option import parse_units
from bench.data.climate2gpp.units import units_of
from bench.data.era5_land import ERA5_LAND
from bench.errors import BenchError
from tests.data.climate2gpp.series import read, season, step_names, write_tif

pytestmark = [pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"), pytest.mark.usefixtures("extra")]
YEARS = (2019, 2020)


def images(folder: Path, factors: Callable[[int, int], float], units: Callable[[int, int], str | None]) -> list[Path]:
    """One float image a date: its values times a factor, by year and step, with units or none."""
    found = []
    for year in YEARS:
        for step, (name, values) in enumerate(zip(step_names(year), season(year=year), strict=True)):
            stored = (values * factors(year, step)).astype("float32")[None]
            found.append(write_tif(folder / f"{name}.tif", stored, ["GPP"], units=units(year, step)))
    return found


ALL: dict[str, tuple[Callable[[int, int], float], str]] = {
    "all times 100": (lambda year, step: 100, "right"),
    "none times 100": (lambda year, step: 1, "right"),
    "one year times 100": (lambda year, step: 100 if year == 2020 else 1, "stop"),
    "the other year times 100": (lambda year, step: 100 if year == 2019 else 1, "stop"),
    "from July on times 100": (lambda year, step: 100 if (year, step) >= (2019, 23) else 1, "stop"),
    "one summer's second half": (lambda year, step: 100 if year == 2020 and step >= 23 else 1, "stop"),
    "every other image": (lambda year, step: 100 if step % 2 else 1, "stop"),
    "one image": (lambda year, step: 100 if (year, step) == (2019, 22) else 1, "stop"),
    "one image not": (lambda year, step: 1 if (year, step) == (2019, 22) else 100, "stop"),
    "summers only": (lambda year, step: 100 if 15 <= step <= 30 else 1, "stop"),
    "winters only": (lambda year, step: 1 if 15 <= step <= 30 else 100, "stop"),
    "sums over 8 days": (lambda year, step: 8, "stop"),
    "per second": (lambda year, step: 1 / 86400e3, "stop"),
    "times 10": (lambda year, step: 10, "stop"),
    "times 1000": (lambda year, step: 1000, "stop"),
}


@pytest.mark.parametrize("name", list(ALL))
def test_gpp_without_attributes_is_decided_over_all_images(tmp_path: Path, name: str) -> None:
    factors, expected = ALL[name]
    files = images(tmp_path, factors, lambda year, step: None)
    if expected == "right":
        np.testing.assert_allclose(read("GPP", files, YEARS).values, season(), rtol=1e-5)
    else:
        with pytest.raises(BenchError, match=r"--unit GPP=|times larger about"):
            read("GPP", files, YEARS)


@pytest.mark.parametrize(
    ("first", "second", "factors", "expected"),
    [
        ("gC m-2 d-1", None, (1, 1), "right"),
        (None, "gC m-2 d-1", (1, 1), "right"),
        ("0.01 gC m-2 d-1", None, (100, 100), "right"),
        ("gC m-2 d-1", None, (1, 100), "stop"),
        ("gC m-2 d-1", None, (100, 100), "stop"),
        ("0.01 gC m-2 d-1", None, (100, 1), "stop"),
        ("0.01 gC m-2 d-1", "gC m-2 d-1", (100, 1), "stop"),
        ("gC m-2 d-1", "gC m-2 d-1", (1, 100), "stop"),
        ("0.01 gC m-2 d-1", "0.01 gC m-2 d-1", (100, 1), "stop"),
    ],
)
def test_attributes_of_some_images_hold_for_the_others_if_their_values_agree(
    tmp_path: Path, first: str | None, second: str | None, factors: tuple[int, int], expected: str
) -> None:
    files = images(
        tmp_path,
        lambda year, step: factors[year == 2020],
        lambda year, step: second if year == 2020 else first,
    )
    if expected == "right":
        np.testing.assert_allclose(read("GPP", files, YEARS).values, season(), rtol=1e-5)
    else:
        with pytest.raises(BenchError):
            read("GPP", files, YEARS)


@pytest.mark.parametrize(
    ("highest", "stored_times", "unit", "expected"),
    [
        (0.3, 100, None, "stop"),  # a desert: 30 stored, which a rain forest has in gC
        (0.3, 100, "GPP=0.01", "right"),
        (0.3, 1, None, "stop"),
        (0.3, 1, "GPP=1", "right"),
        (0.3, 1, "GPP=gC m-2 d-1", "right"),
        (2.0, 100, None, "stop"),  # 200: eight days of 25 as well
        (2.0, 100, "GPP=0.01 gC m-2 d-1", "right"),
        (18.0, 1, None, "right"),
        (30.0, 100, None, "right"),
        (8.0, 100, "GPP=1", "stop"),  # the user's word, too, is held against the values
        (8.0, 1e6, "GPP=1e-6", "right"),
    ],
)
def test_where_two_units_fit_an_option_decides(
    tmp_path: Path, highest: float, stored_times: float, unit: str | None, expected: str
) -> None:
    truth = season(0.05 * highest, highest)
    path = write_tif(tmp_path / "a_2019.tif", (truth * stored_times).astype("float64"), step_names())
    units = parse_units([unit] if unit else [])
    if expected == "right":
        np.testing.assert_allclose(read("GPP", [path], units=units).values, truth, rtol=1e-6)
    else:
        with pytest.raises(BenchError, match="--unit"):
            read("GPP", [path], units=units)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("GPP", "'' is neither a known unit"),
        ("=0.01", "'' is no variable"),
        ("gdp=0.01", "'gdp' is no variable"),
        ("GPP=-1", "'-1' is neither"),
        ("GPP=0", "'0' is neither"),
        ("GPP=nan", "'nan' is neither"),
        ("GPP=inf", "'inf' is neither"),
        ("GPP=gC m-2 8d-1", "is neither a known unit"),
        ("tp=furlongs", r"'furlongs' is neither a known unit \(m, mm, cm, kg m-2 s-1\) nor the number of m"),
    ],
)
def test_an_option_that_makes_no_sense_is_one_sentence(text: str, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        parse_units([text])


def test_the_option_takes_every_name_and_unit() -> None:
    for row in ERA5_LAND:
        for name, unit in itertools.product(set(row.names), units_of(row)):
            found = parse_units([f"{name}={unit.name}"])[row.name]
            # "1" is a factor here, though fractions spell their unit so, too.
            assert found == (units_of(row)[0] if unit.name == "1" else unit)
    assert parse_units(["tp=0.001"])["total_precipitation_sum"].name == "mm"
    with pytest.raises(BenchError, match="given twice for total_precipitation_sum"):
        parse_units(["tp=mm", "total_precipitation_sum=mm"])
