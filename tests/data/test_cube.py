from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bench.data.cube import Cube
from bench.data.cube_zarr import CubeWriter, open_cube, verify_cube, write_cube
from bench.errors import BenchError
from bench.system.ownership import host_name


def test_a_stored_cube_comes_back_the_same(cube: Cube, tmp_path: Path) -> None:
    stored = write_cube(tmp_path / "c.zarr", cube)
    for name in ("climate", "static", "target", "lon", "lat", "time"):
        np.testing.assert_array_equal(getattr(stored, name), getattr(cube, name))
    np.testing.assert_array_equal(stored.withheld["LAI"], cube.withheld["LAI"])
    assert stored.fingerprint == cube.fingerprint
    assert isinstance(stored.climate, np.memmap)
    assert verify_cube(tmp_path / "c.zarr") == cube.fingerprint


def test_xarray_opens_the_stored_cube_with_names_units_and_time(cube: Cube, tmp_path: Path) -> None:
    write_cube(tmp_path / "c.zarr", cube)
    with xr.open_zarr(tmp_path / "c.zarr", consolidated=False) as dataset:
        assert dataset["climate"].dims == ("cell", "time", "feature")
        assert dataset["target"].attrs["units"] == "gC m-2 d-1"
        np.testing.assert_array_equal(dataset["target"].values, cube.target)
        np.testing.assert_array_equal(dataset["time"].values.astype("datetime64[D]"), cube.time)
        assert dataset.attrs["provenance"]["title"] == "made for tests"


@pytest.mark.parametrize("field", ["climate", "static", "target"])
def test_the_fingerprint_depends_on_every_array(cube: Cube, field: str) -> None:
    changed = np.array(getattr(cube, field))
    changed.flat[-1] += 1e-3
    assert dataclasses.replace(cube, **{field: changed}).fingerprint != cube.fingerprint


def test_the_fingerprint_depends_on_names_but_not_on_provenance(cube: Cube) -> None:
    assert dataclasses.replace(cube, feature_names=("a", "b", "c")).fingerprint != cube.fingerprint
    assert dataclasses.replace(cube, provenance={"title": "another"}).fingerprint == cube.fingerprint


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_named(cube: Cube, value: float, tmp_path: Path) -> None:
    climate = np.array(cube.climate)
    climate[5, 7, 1] = value
    with pytest.raises(BenchError, match=r"'climate' is NaN or infinite at index \(5, 7, 1\), feature 'Rs'"):
        write_cube(tmp_path / "c.zarr", dataclasses.replace(cube, climate=climate))
    assert not (tmp_path / "c.zarr").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": np.zeros((3, 3), np.float32)}, "'target' has shape"),
        ({"feature_names": ("Tavg", "Tavg", "Prcp")}, "repeated: Tavg"),
        ({"lat": np.full(30, 91.0)}, "lat in"),
        ({"lon": np.full(30, 361.0)}, "lon must lie"),
        ({"n_land_cover": 9}, "n_land_cover is 9"),
        ({"feature_units": ("K",)}, "exactly one unit"),
        ({"time": np.full(92, np.datetime64("2020-01-01"))}, "does not increase"),
    ],
)
def test_a_cube_that_contradicts_itself_is_refused(cube: Cube, changes: dict[str, object], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        dataclasses.replace(cube, **changes).validate()  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["climate", "static", "target", "lon", "lat"])
def test_masked_values_are_refused(cube: Cube, name: str) -> None:
    masked = np.ma.masked_array(getattr(cube, name), mask=False)
    dataclasses.replace(cube, **{name: masked}).validate()  # a mask that hides nothing
    masked[(0,) * masked.ndim] = np.ma.masked
    with pytest.raises(BenchError, match=f"array '{name}' has masked values; drop these cells or fill"):
        dataclasses.replace(cube, **{name: masked}).validate()


def test_an_empty_cube_is_refused(cube: Cube) -> None:
    empty = {name: getattr(cube, name)[:0] for name in ("climate", "static", "target", "lon", "lat")}
    with pytest.raises(BenchError, match="0 cells"):
        dataclasses.replace(cube, withheld={}, **empty).validate()


def test_a_missing_variable_is_named(cube: Cube, tmp_path: Path) -> None:
    write_cube(tmp_path / "c.zarr", cube)
    (tmp_path / "c.zarr" / "static" / "zarr.json").unlink()
    with pytest.raises(BenchError, match="lacks the variable 'static'"):
        open_cube(tmp_path / "c.zarr")


def test_a_truncated_variable_is_named(cube: Cube, tmp_path: Path) -> None:
    write_cube(tmp_path / "c.zarr", cube)
    chunk = tmp_path / "c.zarr" / "climate" / "c" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-4])
    with pytest.raises(BenchError, match="'climate' holds"):
        open_cube(tmp_path / "c.zarr")


def test_changed_bytes_are_found_by_verify(cube: Cube, tmp_path: Path) -> None:
    write_cube(tmp_path / "c.zarr", cube)
    chunk = tmp_path / "c.zarr" / "target" / "c" / "0" / "0"
    content = bytearray(chunk.read_bytes())
    content[0] ^= 1
    chunk.write_bytes(content)
    with pytest.raises(BenchError, match="is damaged"):
        verify_cube(tmp_path / "c.zarr")


def test_a_newer_format_and_other_folders_are_refused(cube: Cube, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no cube of this project"):
        open_cube(tmp_path / "nothing")
    write_cube(tmp_path / "c.zarr", cube)
    metadata = tmp_path / "c.zarr" / "zarr.json"
    content = json.loads(metadata.read_text())
    content["attributes"]["bench_cube_format"] = 99
    metadata.write_text(json.dumps(content))
    with pytest.raises(BenchError, match="format 99"):
        open_cube(tmp_path / "c.zarr")
    metadata.write_text("{")
    with pytest.raises(BenchError, match="damaged"):
        open_cube(tmp_path / "c.zarr")


def test_an_unfinished_build_leaves_nothing_that_could_be_opened(cube: Cube, tmp_path: Path) -> None:
    arguments = {
        "name": "toy",
        "lon": cube.lon,
        "lat": cube.lat,
        "time": cube.time,
        "features": {"Tavg": "degC"},
        "static_features": {"land_cover_ENF": "1"},
        "n_land_cover": 1,
        "target_name": "GPP",
        "target_units": "gC m-2 d-1",
        "provenance": {},
    }
    CubeWriter(tmp_path / "c.zarr", **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "c.zarr").exists()
    [partial] = tmp_path.glob("*.partial")
    killed = tmp_path / f"c.zarr.{host_name()}-999999999.partial"
    partial.rename(killed)  # as a killed process would leave it
    elsewhere = tmp_path / "c.zarr.another_node-999999999.partial"  # whether it is alive cannot be told from here
    elsewhere.mkdir()
    writer = CubeWriter(tmp_path / "c.zarr", **arguments)  # type: ignore[arg-type]
    assert not killed.exists()
    writer.abort()
    assert list(tmp_path.iterdir()) == [elsewhere]


def test_steps_of_the_year_run_from_1_to_46(cube: Cube) -> None:
    assert cube.step_of_year.tolist() == [*range(1, 47)] * 2
    assert sorted(set(cube.year.tolist())) == [2019, 2020]


def test_a_cube_says_in_one_line_what_it_is(cube: Cube) -> None:
    said = repr(cube)
    assert "\n" not in said and f"{cube.n_cells} cells × {cube.n_times} steps (8-day step, {cube.time[0]} to" in said
    assert "3 climate and 4 static features, target GPP (gC m-2 d-1)" in said
    both = np.stack([cube.target, cube.target], axis=2)
    several = dataclasses.replace(cube, target=both, several_targets={"GPP": "gC m-2 d-1", "NEE": "gC m-2 d-1"})
    assert "target GPP (gC m-2 d-1), NEE (gC m-2 d-1)>" in repr(several)
