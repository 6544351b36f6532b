from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bench.data.cube import Cube
from bench.data.cube_zarr import verify_cube
from bench.data.pml import IGBP_CLASSES, gross_primary_productivity
from bench.data.simulated import (
    FEATURES,
    SimulatedOptions,
    build_simulated,
    choose_cells,
    days_in_step,
    forcing_from_cube,
    is_land,
    land_mask,
    true_sensitivities,
)
from bench.data.simulated.fields import moving_field
from bench.errors import BenchError
from models.sphere import EARTH_RADIUS_KM

SMALL = SimulatedOptions(n_cells=300, n_years=2, seed=3)


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Cube:
    return build_simulated(tmp_path_factory.mktemp("simulated") / "cube", SMALL)


def temperature_anomaly(cube: Cube) -> np.ndarray:
    values = cube.climate[..., cube.feature_names.index("temperature_2m")].astype(np.float64)
    return values - values.reshape(cube.n_cells, -1, 46).mean(axis=1).repeat(2, axis=0).reshape(values.shape)


def test_same_seed_same_bytes_whatever_the_blocks(cube: Cube, tmp_path: Path) -> None:
    for number, block_cells in enumerate((1, 128, 10_000)):
        again = build_simulated(tmp_path / str(number), SMALL, block_cells=block_cells)
        assert again.fingerprint == cube.fingerprint
    assert verify_cube(tmp_path / "0") == cube.fingerprint
    other = build_simulated(tmp_path / "other", SimulatedOptions(n_cells=300, n_years=2, seed=4))
    assert other.fingerprint != cube.fingerprint


def test_shapes_names_units_and_time(cube: Cube) -> None:
    assert cube.climate.shape == (300, 92, 26)
    assert dict(zip(cube.feature_names, cube.feature_units, strict=True)) == FEATURES
    assert not any("leaf_area" in name for name in cube.feature_names)
    assert cube.static_names == tuple(f"land_cover_{name}" for name in IGBP_CLASSES) and cube.n_land_cover == 17
    assert cube.climate.dtype == cube.target.dtype == np.float32
    assert str(cube.time[0]) == "2019-01-01" and str(cube.time[46]) == "2020-01-01"
    np.testing.assert_array_equal(cube.step_of_year, np.tile(np.arange(1, 47), 2))
    days = days_in_step(cube.time)
    assert (days[45], days[91]) == (5, 6) and days.sum() == 365 + 366
    assert set(cube.withheld) == {"LAI", "capacity"}


def test_land_cover_fractions(cube: Cube) -> None:
    assert cube.static.min() >= 0
    np.testing.assert_allclose(cube.static.sum(axis=1), 1.0, atol=1e-6)
    assert len(np.unique(cube.land_cover_class)) >= 6


def test_features_are_physically_consistent(cube: Cube) -> None:
    value = {name: cube.climate[..., index] for index, name in enumerate(cube.feature_names)}
    assert np.all(value["temperature_2m_min"] <= value["temperature_2m"])
    assert np.all(value["temperature_2m"] <= value["temperature_2m_max"])
    assert np.all(value["dewpoint_temperature_2m"] <= value["temperature_2m"])
    assert np.all(value["surface_net_solar_radiation_sum"] <= value["surface_solar_radiation_downwards_sum"])
    assert np.all(value["total_precipitation_sum"] >= 0) and np.all(value["total_evaporation_sum"] <= 0)
    for layer in range(1, 5):
        water = value[f"volumetric_soil_water_layer_{layer}"]
        assert water.min() > 0 and water.max() < 0.6
    deep, shallow = (np.ptp(value[f"soil_temperature_level_{level}"], axis=1) for level in (4, 1))
    assert np.median(deep / shallow) < 0.7


def test_productivity_looks_like_the_earth(cube: Cube) -> None:
    first_year = cube.target[:, :46]
    assert 2.0 < cube.target.mean() < 3.2 and 5.0 < cube.target.var() < 12.0
    tropical, boreal = np.abs(cube.lat) < 6, (cube.lat > 55) & (cube.lat < 68)
    desert = cube.static[:, IGBP_CLASSES.index("BSV")] > 0.8
    assert cube.target[tropical].mean() > 5 and cube.target[desert].mean() < 0.4
    assert first_year[boreal][:, :6].mean() < 0.2 < 2.0 < first_year[boreal][:, 22:26].mean()


def test_last_years_leaves_are_informative_but_not_perfect(cube: Cube) -> None:
    leaves = cube.withheld["LAI"].reshape(cube.n_cells, 2, 46)
    correlation = np.corrcoef(leaves[:, 0].ravel(), leaves[:, 1].ravel())[0, 1]
    assert 0.85 < correlation < 0.99


def test_the_cube_alone_gives_the_target_back(cube: Cube) -> None:
    cells, times = np.array([3, 50, 299]), np.array([0, 20, 45, 91])
    place = np.ix_(cells, times)
    forcing = forcing_from_cube(cube, cells, times)
    potential = gross_primary_productivity(
        forcing, cube.withheld["LAI"][place].astype(float), cube.static[cells].astype(float)
    )
    np.testing.assert_allclose(cube.withheld["capacity"][place] * potential, cube.target[place], rtol=1e-6, atol=1e-7)


def test_sensitivities_equal_finite_differences(cube: Cube) -> None:
    pytest.importorskip("torch")
    cells, times = np.arange(0, 300, 17), np.array([5, 24, 60, 91])
    exact = true_sensitivities(cube, cells, times)
    assert tuple(exact) == cube.feature_names
    lai, fractions = (
        cube.withheld["LAI"][np.ix_(cells, times)].astype(float),
        cube.static[cells].astype(float),
    )
    drivers = [name for name, values in exact.items() if np.any(values)]
    assert len(drivers) == 5
    for name in drivers:
        # Steps wide enough for float32 features: 1/16 K is exact near 300 K; J m-2 sums carry 24 bits.
        step = 2.0**16 if name.endswith("_sum") else 2.0**-4
        sides = []
        for sign in (1, -1):
            climate = np.array(cube.climate)
            climate[..., cube.feature_names.index(name)] += np.float32(sign * step)
            moved = Cube(**{**{key: getattr(cube, key) for key in cube.__dataclass_fields__}, "climate": climate})
            sides.append(gross_primary_productivity(forcing_from_cube(moved, cells, times), lai, fractions))
        slope = cube.withheld["capacity"][np.ix_(cells, times)] * (sides[0] - sides[1]) / (2 * step)
        column = cube.climate[..., cube.feature_names.index(name)][np.ix_(cells, times)]
        lit = column > step  # in the dark the left side of the difference would need negative light
        np.testing.assert_allclose(exact[name][lit], slope[lit], rtol=2e-2, atol=2e-3 * np.abs(slope).max())


def test_only_simulated_cubes_have_a_known_truth(cube: Cube) -> None:
    other = Cube(**{**{key: getattr(cube, key) for key in cube.__dataclass_fields__}, "name": "other"})
    with pytest.raises(BenchError, match="not simulated"):
        forcing_from_cube(other, np.array([0]), np.array([0]))


def test_weather_is_alike_nearby_and_persists(cube: Cube) -> None:
    anomaly = temperature_anomaly(cube)
    similarity = np.corrcoef(anomaly)
    lon, lat = np.radians(cube.lon), np.radians(cube.lat)
    cosine = np.sin(lat)[:, None] * np.sin(lat) + np.cos(lat)[:, None] * np.cos(lat) * np.cos(lon[:, None] - lon)
    distance = EARTH_RADIUS_KM * np.arccos(np.clip(cosine, -1, 1))
    upper = np.triu_indices(cube.n_cells, 1)
    near, middle, far = (
        similarity[upper][(distance[upper] > low) & (distance[upper] <= high)].mean()
        for low, high in ((0, 700), (1200, 2000), (5000, 9000))
    )
    assert near > 0.7 > middle > far + 0.15
    assert abs(far) < 0.2
    persistence = np.mean([np.corrcoef(row[:45], row[1:46])[0, 1] for row in anomaly])
    assert persistence > 0.2


def test_a_field_has_unit_variance_and_the_promised_memory() -> None:
    random = np.random.default_rng(0)
    places = random.standard_normal((200, 3))
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    field = moving_field(0, "test", 1000.0, 3000, ((1.0, 0.6),)).at(places)
    assert field.var() == pytest.approx(1.0, abs=0.05)
    assert np.mean(field[:, 1:] * field[:, :-1]) == pytest.approx(0.6, abs=0.05)


@pytest.mark.parametrize(
    ("lon", "lat"),
    [(2.35, 48.85), (-60.0, -3.1), (116.4, 39.9), (133.9, -23.7), (-105.0, 39.7), (15.0, 0.5), (90.0, 62.0)],
)
def test_known_land(lon: float, lat: float) -> None:
    assert is_land(np.array([lon]), np.array([lat]))[0]


@pytest.mark.parametrize(
    ("lon", "lat"),
    [(-30.0, 0.0), (-150.0, 30.0), (80.0, -20.0), (18.0, 35.0), (0.0, 88.0), (0.0, -80.0), (-179.9, 0.0)],
)
def test_known_sea(lon: float, lat: float) -> None:
    assert not is_land(np.array([lon]), np.array([lat]))[0]


def test_land_share_of_the_globe() -> None:
    weight = np.cos(np.radians(90 - (np.arange(720) + 0.5) / 4))
    share = (land_mask().mean(axis=1) * weight).sum() / weight.sum()
    assert share == pytest.approx(0.264, abs=0.01)  # 0.29 with Antarctica


@pytest.mark.parametrize("n_cells", [64, 1000, 60_000, 100_000])
def test_cells_are_exactly_as_many_and_all_on_land(n_cells: int) -> None:
    cells = choose_cells(n_cells)
    assert len(cells.lon) == n_cells == len(np.unique(np.stack([cells.lon, cells.lat]), axis=1).T)
    if n_cells == 100_000:  # of the 0.25-degree grid; a 0.5-degree cell may have its centre beside the sea
        assert is_land(cells.lon, cells.lat).all()
    assert cells.lat.min() > -60


def test_cells_are_spread_over_the_area_of_the_land() -> None:
    rows, _ = np.nonzero(land_mask())
    lat = 90 - (rows + 0.5) / 4
    weight = np.cos(np.radians(lat))
    for low, high in ((-60, -20), (-20, 0), (0, 25), (25, 50), (50, 90)):
        inside = (lat >= low) & (lat < high)
        expected = weight[inside].sum() / weight.sum()
        chosen = choose_cells(2000).lat
        assert np.mean((chosen >= low) & (chosen < high)) == pytest.approx(expected, abs=0.01)


def test_sizes_that_cannot_be() -> None:
    with pytest.raises(BenchError, match="at least 64"):
        SimulatedOptions(n_cells=63)
    with pytest.raises(BenchError, match="too many"):
        choose_cells(300_000)
    with pytest.raises(BenchError, match="1 to 41 years"):
        SimulatedOptions(n_years=0)
    with pytest.raises(BenchError, match="negative"):
        SimulatedOptions(seed=-1)


def test_xarray_opens_the_store(cube: Cube, tmp_path: Path) -> None:
    path = tmp_path / "cube"
    built = build_simulated(path, SimulatedOptions(n_cells=64, n_years=1))
    with xr.open_zarr(path, consolidated=False) as store:
        assert store["climate"].dims == ("cell", "time", "feature")
        np.testing.assert_array_equal(store["target"].values, built.target)
        assert store["time"].values[0] == np.datetime64("2020-01-01")


def test_a_failed_build_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError("as if memory had run out")

    monkeypatch.setattr("bench.data.simulated.build._simulate_tile", fail)
    with pytest.raises(MemoryError):
        build_simulated(tmp_path / "cube", SMALL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is in kilobytes on Linux only")
def test_memory_does_not_grow_with_the_cells(tmp_path: Path) -> None:
    code = (
        "import resource, sys\nfrom pathlib import Path\n"
        "from bench.data.simulated import SimulatedOptions\nfrom bench.data.simulated import build\n"
        "class Stop(Exception): ...\n"
        "def stop(writer): raise Stop\n"
        "build.CubeWriter.finish = stop  # the check reads the whole store, as mapped pages\n"
        "options = SimulatedOptions(int(sys.argv[2]), 2)\n"
        "try: build.build_simulated(Path(sys.argv[1]), options, block_cells=512)\n"
        "except Stop: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)\n"
    )
    peak = [
        int(subprocess.run([sys.executable, "-c", code, str(tmp_path / n), n], check=True, capture_output=True).stdout)
        for n in ("512", "6000")
    ]
    grown_on_disk = 5488 * 92 * 29 * 4 / 1e6  # MB
    assert peak[1] - peak[0] < 0.75 * grown_on_disk
