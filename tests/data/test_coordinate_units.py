"""Sizes and distances are said in the unit of the data's coordinates."""

from __future__ import annotations

import pytest

from bench.data.coordinate_units import UNNAMED, is_plane, reference_system, units_of
from bench.data.split_names import describe

BLOCKS = {"kind": "blocks", "block_size": 50000.0, "folds": 5}
PLACES = {"kind": "places", "near": 2500.0, "folds": 4}


@pytest.mark.parametrize(
    ("crs", "size", "distance"),
    [
        (None, "50000°", "2500 km"),
        ("EPSG:26916", "50000 m", "2500 m"),
        ("EPSG:26785", "50000 ft (US survey)", "2500 ft (US survey)"),
        ("EPSG:2222", "50000 ft", "2500 ft"),
        ("+proj=utm +zone=17 +units=km", "50000 km", "2500 km"),
        ("+proj=utm +zone=17 +units=us-yd", "50000 US survey yard", "2500 US survey yard"),
        ('LOCAL_CS["a plan"]', f"50000 {UNNAMED}", f"2500 {UNNAMED}"),
        ("+proj=lcc +lat_1=33 +lat_2=45 +to_meter=0.3", f"50000 {UNNAMED}", f"2500 {UNNAMED}"),
        ("no system at all", f"50000 {UNNAMED}", f"2500 {UNNAMED}"),
    ],
)
def test_splits_are_described_in_the_unit_of_the_reference_system(crs: str | None, size: str, distance: str) -> None:
    units = units_of(crs)
    assert describe(BLOCKS, units) == f"tested on whole blocks of {size}, in 5 folds"
    assert describe(PLACES, units) == f"tested on whole places, those within {distance} together, in 4 folds"


def test_no_digit_of_a_size_is_lost() -> None:
    assert [units_of("EPSG:27700").size(number) for number in (1234567.0, 0.125)] == ["1234567 m", "0.125 m"]


def test_nothing_is_claimed_of_data_that_nobody_described() -> None:
    assert describe(BLOCKS) == f"tested on whole blocks of 50000 {UNNAMED}, in 5 folds"


def test_a_code_that_is_none_is_met_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    assert reference_system("EPSG:999999") is None
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("crs", "planar"),
    [
        ("EPSG:26916", True),
        ("EPSG:3857+5773", True),
        ('LOCAL_CS["a plan"]', True),
        ("EPSG:5800", True),
        ("EPSG:4326", False),
        ("EPSG:4978", False),
        ("EPSG:5773", False),
    ],
)
def test_a_plane_is_projected_or_local(crs: str, planar: bool) -> None:
    assert is_plane(reference_system(crs)) == planar
