"""Cubes that are no complete 8-day grid of degrees: gaps, rhythms, own splits, several targets, planar places."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bench.data.cube import Cube, normalised_lon
from bench.data.cube_zarr import open_cube, verify_cube, write_cube
from bench.data.rhythm import RHYTHMS
from bench.errors import BenchError
from tests.conftest import make_cube
from tests.support.cubes import make_houses, make_months, make_towers

TOY_FINGERPRINT = "0324fa186f9b748a445e6407f5959e5db3b8810dcf562ec514a337e76df5d0eb"
"""Of `make_cube()` as format 1 gave it, before cubes could have gaps."""


def with_split(cube: Cube) -> Cube:
    return dataclasses.replace(cube, split=(np.indices(cube.target.shape[:2]).sum(axis=0) % 3).astype(np.int8))


@pytest.mark.parametrize(
    "cube",
    [make_towers(), make_towers(several=True), make_months(), make_houses(), with_split(make_towers())],
    ids=["towers", "several targets", "months", "houses", "own split"],
)
def test_every_kind_of_cube_comes_back_the_same(cube: Cube, tmp_path: Path) -> None:
    stored = write_cube(tmp_path / "c.zarr", cube)
    for name, array in cube.arrays().items():
        np.testing.assert_array_equal(stored.arrays()[name], array)
    for name in ("rhythm", "several_targets", "crs", "place_names", "groupings", "static_names", "has_gaps"):
        assert getattr(stored, name) == getattr(cube, name)
    assert verify_cube(tmp_path / "c.zarr") == cube.fingerprint
    assert open_cube(tmp_path / "c.zarr").fingerprint == cube.fingerprint


def test_a_complete_8_day_cube_keeps_its_fingerprint_and_its_metadata(tmp_path: Path) -> None:
    write_cube(tmp_path / "c.zarr", make_cube())
    attributes = json.loads((tmp_path / "c.zarr" / "zarr.json").read_text())["attributes"]
    assert attributes["fingerprint"] == TOY_FINGERPRINT
    assert set(attributes) == {"bench_cube_format", "schema", "provenance", "withheld", "fingerprint"}
    assert "rhythm" not in attributes["schema"]


def test_xarray_sees_planar_places_and_names_of_targets(tmp_path: Path) -> None:
    write_cube(tmp_path / "houses.zarr", make_houses())
    with xr.open_zarr(tmp_path / "houses.zarr", consolidated=False) as dataset:
        assert {"x", "y"} <= set(dataset.variables) and "lon" not in dataset
    write_cube(tmp_path / "towers.zarr", make_towers(several=True))
    with xr.open_zarr(tmp_path / "towers.zarr", consolidated=False) as dataset:
        assert dataset["target"].dims == ("cell", "time", "target_name")


@pytest.mark.parametrize("change", [{"rhythm": RHYTHMS["8-day"]}, {"crs": "EPSG:3857"}, {"groupings": ()}])
def test_the_fingerprint_covers_what_is_new(change: dict[str, object]) -> None:
    cube = make_towers()
    assert dataclasses.replace(cube, **change).fingerprint != cube.fingerprint  # type: ignore[arg-type]
    assert with_split(cube).fingerprint != cube.fingerprint


def test_a_missing_target_is_not_measured_and_infinity_is_an_error() -> None:
    cube = make_towers()
    assert cube.has_gaps and cube.measured is not None
    np.testing.assert_array_equal(cube.measured, ~np.isnan(cube.target))
    assert make_months().measured is None
    target = np.array(cube.target)
    target[3, 4] = np.inf
    with pytest.raises(BenchError, match=r"target is infinite at index \(3, 4\)"):
        dataclasses.replace(cube, target=target).validate()


def test_one_of_several_targets_is_a_cube_of_its_own_with_the_fingerprint_of_the_whole() -> None:
    cube = make_towers(several=True)
    reco = cube.for_target("RECO")
    assert (reco.target_name, reco.target.shape) == ("RECO", cube.target.shape[:2])
    np.testing.assert_array_equal(reco.target, cube.target[:, :, 1])
    assert reco.validate().fingerprint == cube.fingerprint
    with pytest.raises(BenchError, match="has the targets GPP, RECO"):
        cube.for_target(None)
    with pytest.raises(BenchError, match="RECO"):
        cube.for_target("RECCO")
    towers = make_towers()
    assert towers.for_target(None) is towers


def test_longitudes_of_0_to_360_are_normalised(tmp_path: Path) -> None:
    lon = np.array([0.0, 179.5, 180.0, 359.75, -12.0])
    assert normalised_lon(lon).tolist() == [0.0, 179.5, -180.0, -0.25, -12.0]
    towers = make_towers()
    east = dataclasses.replace(towers, lon=towers.lon % 360)
    np.testing.assert_allclose(east.validate().lon, towers.lon)
    planar = dataclasses.replace(make_houses(), lon=np.full(120, 200.0))
    assert planar.lon[0] == 200.0
    assert write_cube(tmp_path / "c.zarr", east).fingerprint == east.fingerprint


def test_levels_of_a_category_label_the_cells() -> None:
    towers = make_towers()
    labels = towers.labels_of("IGBP")
    assert towers.levels_of("IGBP") == ("CRO", "ENF", "GRA")
    for cell in range(towers.n_cells):
        assert towers.static[cell, towers.static_names.index(f"IGBP={labels[cell]}")] == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": np.full((24, 36), np.nan, np.float32)}, "'GPP' was measured nowhere"),
        ({"groupings": ("biome",)}, "groups by 'biome'"),
        ({"static": np.full((24, 3), 0.5, np.float32)}, "cell 0 has not exactly one level of 'IGBP'"),
        ({"split": np.full((24, 36), 3, np.int8)}, "split holds 3"),
        ({"split": np.ones((24, 36))}, "split holds float64"),
        ({"split": np.ones((24, 35), np.int8)}, "'split' has shape"),
        ({"place_names": ("a",)}, "1 place names for 24 cells"),
        ({"target_name": "tair"}, "'tair' is a feature and the target"),
        ({"lon": np.full(24, 4e5)}, "planar coordinates need a CRS"),
        ({"lat": np.full(24, np.nan)}, "coordinates of cell 0"),
        ({"rhythm": RHYTHMS["8-day"]}, "not the first day of a step"),
        ({"several_targets": {"NEE": "g", "GPP": "g"}}, "has shape"),
    ],
)
def test_what_contradicts_itself_is_refused_in_one_sentence(changes: dict[str, object], message: str) -> None:
    with pytest.raises(BenchError, match=message) as raised:
        dataclasses.replace(make_towers(), **changes).validate()  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)
