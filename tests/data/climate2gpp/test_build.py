"""The build: numbers against plain averages, resumption after a kill, and a disk that is full."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import netCDF4
import numpy as np
import psutil
import pytest
import rasterio
import zarr

from bench.data.climate2gpp import aggregate, calendar, layers
from bench.data.climate2gpp.aggregate import Regridders, year_of_steps
from bench.data.climate2gpp.build import build
from bench.data.climate2gpp.grids import target_grid
from bench.data.climate2gpp.layers import OPEN_FILES
from bench.data.climate2gpp.progress import Silent, Stage
from bench.data.climate2gpp.readers import open_layers
from bench.data.climate2gpp.settle import Choices, settled
from bench.data.climate2gpp.source import VariableSource, source_of
from bench.data.climate2gpp.space import disk_estimate
from bench.data.climate2gpp.stages import WorkFolder
from bench.data.climate2gpp.variables import TARGET
from bench.data.cube import Cube
from bench.data.cube_zarr import open_cube, verify_cube
from bench.data.datasets import cube_path
from bench.data.era5_land import ERA5_LAND, FEATURES, by_name
from bench.data.pml import IGBP_CLASSES
from bench.errors import BenchError
from bench.system.ownership import host_name
from tests.conftest import Bench, bench_environment
from tests.data.climate2gpp.conftest import LAYOUT, replace_by_copy, stock
from tools.make_archive import ArchiveLayout, value, write_era5

pytestmark = [pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"), pytest.mark.usefixtures("extra")]
DEGREES = 1.0
SUN = "surface_solar_radiation_downwards_sum"


@pytest.fixture(scope="module")
def built(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("built")
    build(stock(archive), folder / "cube.zarr", folder / "work", DEGREES)
    yield folder / "cube.zarr"


@pytest.fixture
def cube(built: Path) -> Cube:
    return open_cube(built)


def tree(folder: Path) -> str:
    """A checksum of all files below a folder and of their names."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            digest.update(str(file.relative_to(folder)).encode() + file.read_bytes())
    return digest.hexdigest()


def year_of(path: Path, name: str, year: int = 2019, layers: int = 1) -> np.ndarray:
    return on_grid(source_of(by_name(name), [layer for layer in open_layers(path)][:layers]), year)


def known(
    source: VariableSource, year: int = 2019, choices: Choices | None = None
) -> tuple[VariableSource, tuple[str, ...]]:
    """The source with its unit, and what the report says."""
    found = settled(source, (year,), choices or Choices())
    return found.source, found.notes


def on_grid(source: VariableSource, year: int, degrees: float = DEGREES) -> np.ndarray:
    """A year in all cells of the target grid: (step, row, column)."""
    grid = target_grid(degrees)
    source = source if source.decision is not None else known(source, year)[0]
    values = year_of_steps(source, year, Regridders(grid), np.arange(np.prod(grid.shape)))
    return values.reshape(-1, *grid.shape)


def test_the_cube_is_what_simulated_is(cube: Cube, built: Path) -> None:
    assert cube.name == "climate2gpp" and (cube.n_cells, cube.n_times) == (12, 92)
    assert dict(zip(cube.feature_names, cube.feature_units, strict=True)) == FEATURES
    assert cube.static_names == tuple(f"land_cover_{name}" for name in IGBP_CLASSES)
    np.testing.assert_allclose(cube.static.sum(axis=1), 1.0, atol=1e-5)
    assert (cube.target_name, cube.target_units) == ("GPP", "gC m-2 d-1")
    assert verify_cube(built) == cube.fingerprint
    assert str(cube.time[46]) == "2020-01-01" and cube.step_of_year[45] == 46
    assert sorted(set(cube.lon)) == [100.5, 101.5, 102.5, 103.5]


@pytest.mark.parametrize("name", ["temperature_2m", "surface_solar_radiation_downwards_sum", "total_evaporation_sum"])
@pytest.mark.parametrize("step", [0, 45])
def test_steps_are_area_weighted_means_or_sums_of_their_days(cube: Cube, name: str, step: int) -> None:
    variable, start = by_name(name), calendar.step_starts(2020)[step]
    days = start + np.arange(calendar.step_lengths(2020)[step])
    cell = int(np.flatnonzero((cube.lon == 101.5) & (cube.lat == 30.5))[0])
    lat, lon = np.array([30.75, 30.25]), np.array([101.25, 101.75])
    weight = np.cos(np.radians(lat))[:, None] * np.ones(2)
    daily = [np.average(value(variable, lat, lon, day), weights=weight) for day in days]
    expected = sum(daily) if variable.aggregation == "sum" else np.mean(daily)
    found = cube.climate[cell, 46 + step, cube.feature_names.index(name)]
    assert found == pytest.approx(expected, rel=2e-4)  # the files are packed into 16 bits


def test_gpp_is_the_scaled_daily_mean(cube: Cube, archive: Path) -> None:
    with rasterio.open(archive / "gpp" / "PML_V2_017_GPP_2019.tif") as raster:
        stored = raster.read(26).astype(np.float64)[0:4, 0:4]  # the north-western cell
        lat = 32.0 - 0.25 * (np.arange(4) + 0.5)
    cell = int(np.flatnonzero((cube.lon == 100.5) & (cube.lat == 31.5))[0])
    expected = np.average(stored.mean(axis=1), weights=np.cos(np.radians(lat))) / 100
    assert cube.target[cell, 25] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("changes", [{"ascending": True}, {"from_greenwich": True}, {"packed": False}])
def test_the_layout_of_the_files_changes_nothing(archive: Path, tmp_path: Path, changes: dict[str, bool]) -> None:
    name = "skin_temperature"
    other = write_era5(tmp_path, by_name(name), 2019, dataclasses.replace(LAYOUT, **changes))  # type: ignore[arg-type]
    wanted = year_of(archive / "era5" / "era5_land_skt_2019.nc", name)
    np.testing.assert_allclose(year_of(other, name), wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "units", "factor", "offset"),
    [
        ("temperature_2m", "degC", 1.0, -273.15),
        ("surface_solar_radiation_downwards_sum", "W m-2", 1 / 86400, 0.0),
        ("total_precipitation_sum", "mm", 1000.0, 0.0),
        ("total_precipitation_sum", None, 1000.0, 0.0),
    ],
)
def test_other_units_give_the_same_numbers(
    archive: Path, tmp_path: Path, name: str, units: str | None, factor: float, offset: float
) -> None:
    short = by_name(name).short_name
    original = archive / "era5" / f"era5_land_{short}_2019.nc"
    wanted = year_of(original, name)
    path = tmp_path / "other.nc"
    shutil.copy(original, path)
    with netCDF4.Dataset(path, "a") as file:
        # Scale and offset of the packing turn the stored numbers into the other unit.
        file[short].scale_factor *= factor
        file[short].add_offset = file[short].add_offset * factor + offset
        if units is None:
            file[short].delncattr("units")
        else:
            file[short].units = units
    source, notes = known(source_of(by_name(name), list(open_layers(path))))
    np.testing.assert_allclose(on_grid(source, 2019), wanted, rtol=1e-5)
    assert len(notes) == 1 and source.rate == (units == "W m-2")


def test_hours_become_days(tmp_path: Path) -> None:
    """Means over hours, extremes of hours, and totals that stand at the following midnight."""
    layout = ArchiveLayout(bounds=(100.0, 30.0, 102.0, 32.0), degrees=1.0, hourly=True, packed=False)
    hourly = {short: next(row for row in ERA5_LAND if row.short_name == short) for short in ("t2m", "ssrd")}
    paths = {short: write_era5(tmp_path, row, 2019, layout) for short, row in hourly.items()}
    temperature = source_of(hourly["t2m"], list(open_layers(paths["t2m"])))
    warmest = dataclasses.replace(temperature, variable=by_name("temperature_2m_max"))
    lat, lon = np.array([30.5]), np.array([100.5])
    days = calendar.step_starts(2019)[3] + np.arange(8)
    cell = (3, 59, 280)
    mean = np.mean([value(hourly["t2m"], lat, lon, day) for day in days])
    assert on_grid(temperature, 2019)[cell] == pytest.approx(mean, rel=1e-6)
    assert on_grid(warmest, 2019)[cell] == pytest.approx(mean + 1, rel=1e-6)
    sun = source_of(hourly["ssrd"], list(open_layers(paths["ssrd"])))
    total = sum(float(value(hourly["ssrd"], lat, lon, day)[0, 0]) for day in days)
    assert on_grid(sun, 2019)[cell] == pytest.approx(total, rel=1e-6)


@pytest.fixture
def hours_of_sun(tmp_path: Path) -> Path:
    """Radiation accumulated from midnight, every hour of 2019 and the midnight after it, as float32."""
    layout = ArchiveLayout(bounds=(100.0, 30.0, 102.0, 32.0), degrees=1.0, hourly=True, packed=False)
    return write_era5(tmp_path, by_name(SUN), 2019, layout)


def test_totals_at_midnight_only_belong_to_the_day_that_the_user_names(hours_of_sun: Path) -> None:
    """What most people fetch of ERA5-Land's totals: one hour a day, which holds the day before."""
    import xarray as xr

    path = hours_of_sun.with_name("midnights.nc")
    with xr.open_dataset(hours_of_sun) as dataset:
        midnights = dataset.isel(valid_time=dataset["valid_time"].dt.hour == 0)
        midnights["ssrd"].attrs["GRIB_stepType"] = "accum"
        midnights.to_netcdf(path)
    source = source_of(by_name(SUN), list(open_layers(path)))
    assert source.kind == "daily"
    with pytest.raises(BenchError, match=r"midnights.nc: variable 'ssrd' holds accumulations at 00:00 only.*previous"):
        known(source)
    before, notes = known(source, choices=Choices("previous-day"))
    assert notes == ("totals at 00:00 are those of the day before",) and not len(before.missing(2019))
    hourly, _ = known(source_of(by_name(SUN), list(open_layers(hours_of_sun))))
    np.testing.assert_array_equal(on_grid(before, 2019), on_grid(hourly, 2019))
    same, notes = known(source, choices=Choices("same-day"))
    assert not notes and same.missing(2019).astype(str).tolist() == ["2019-01-01T00"]


def test_hourly_fluxes_need_every_hour_and_may_exceed_the_mean_of_a_day(hours_of_sun: Path) -> None:
    import xarray as xr

    day = 0.5 * (1 - np.cos(2 * np.pi * np.arange(24) / 24))  # noon has twice the mean
    with xr.open_dataset(hours_of_sun) as dataset:
        flux = dataset.copy(deep=True)
        flux["valid_time"] = dataset["valid_time"] - np.timedelta64(1, "h")
        flux["ssrd"][:] = (1100.0 * np.tile(day, 365))[:, None, None]
        flux["ssrd"].attrs["units"] = "W m-2"
        flux.to_netcdf(hours_of_sun.with_name("flux.nc"))
        flux.isel(valid_time=np.flatnonzero(np.arange(365 * 24) // 6 != 100)).to_netcdf(
            hours_of_sun.with_name("gap.nc")
        )
    whole, notes = known(source_of(by_name(SUN), list(open_layers(hours_of_sun.with_name("flux.nc")))))
    assert whole.rate and notes == ("converted from W m-2 to J m-2 (attribute)",)
    assert not len(whole.missing(2019))  # nothing of 2020 is needed
    values = on_grid(whole, 2019)
    assert values[3, 59, 280] == pytest.approx(8 * 86400 * 550, rel=1e-6)
    gap, _ = known(source_of(by_name(SUN), list(open_layers(hours_of_sun.with_name("gap.nc")))))
    assert len(gap.missing(2019)) == 6
    with pytest.raises(ValueError, match=f"{SUN} lacks 2019-01-26T00"):
        on_grid(gap, 2019)


def test_a_pixel_that_misses_a_day_is_left_out_of_that_step(archive: Path, tmp_path: Path) -> None:
    original = archive / "era5" / "era5_land_t2m_2019.nc"
    path = tmp_path / "holes.nc"
    shutil.copy(original, path)
    with netCDF4.Dataset(path, "a") as file:
        file["t2m"][10, 0:2, 0:2] = np.ma.masked  # the whole north-western cell on 11 January
        file["t2m"][20, 0, 0] = np.ma.masked  # a quarter of it on 21 January
    whole, holes = year_of(original, "temperature_2m"), year_of(path, "temperature_2m")
    cell = (58, 280)
    assert np.isnan(holes[1][cell]) and np.isfinite(holes[2][cell]) and holes[2][cell] != whole[2][cell]
    np.testing.assert_array_equal(holes[3:], whole[3:])


@pytest.mark.parametrize("name", ["surface_net_solar_radiation_sum", "surface_net_thermal_radiation_sum"])
def test_a_fill_value_of_radiation_that_is_not_declared_is_missing_and_told(tmp_path: Path, name: str) -> None:
    """-9999 J m-2 is a radiation that may be, so that its range does not give it away."""
    layout = dataclasses.replace(LAYOUT, packed=False)
    path = write_era5(tmp_path, by_name(name), 2019, layout)
    short = by_name(name).short_name
    with netCDF4.Dataset(path, "a") as file:
        file[short][:, 0:2, 0:2] = -9999.0  # the whole north-western cell
        file[short][100] = -9999.0  # a day of which the sample for the unit knows nothing
    source, notes = known(source_of(by_name(name), list(open_layers(path))))
    values = on_grid(source, 2019)
    inside = values[:, 58:61, 280:284]
    assert np.isnan(inside[:, 0, 0]).all() and np.isnan(inside[12]).all()
    assert np.isfinite(np.delete(inside, 12, axis=0)).all(axis=0).sum() == 11
    assert any("-9999 repeats and is taken as missing, which the file does not say" in note for note in notes)


def test_a_changed_file_is_read_again_and_cells_without_all_values_are_dropped(
    copied: Callable[[], Path], tmp_path: Path, cube: Cube, built: Path
) -> None:
    root = copied()
    shutil.copytree(built.parent / "work", tmp_path / "work")
    path = replace_by_copy(root / "era5" / "era5_land_skt_2020.nc")
    with netCDF4.Dataset(path, "a") as file:
        file["skt"][100, 0:2, 0:2] = np.ma.masked
    report = build(stock(root), tmp_path / "c.zarr", tmp_path / "work", DEGREES)
    assert report.reused == report.stages - 2  # all but the changed year and the cube
    assert report.dropped == {"skin_temperature": 1} and report.cube.n_cells == 11
    assert report.land_cells == 12 and (100.5, 31.5) not in zip(report.cube.lon, report.cube.lat, strict=True)
    np.testing.assert_array_equal(report.cube.target, cube.target[1:])


@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_exports_of_whole_steps_build_the_same_cube(
    archive: Path, copied: Callable[[], Path], tmp_path: Path, cube: Cube, interleave: str
) -> None:
    """GeoTIFFs as Earth Engine writes them: a band per variable and step, on the target grid, -9999 where missing.

    The bands of a pixel lie together, unless somebody rewrote the file.
    """
    root = copied()
    shutil.rmtree(root / "era5")
    (root / "era5").mkdir()
    inventory = stock(archive, (2019,))
    for year in inventory.years:
        bands, names = [], []
        for name, source in inventory.climate.items():
            around = on_grid(source, year)[:, 55:65, 275:290]  # a window keeps the test short
            bands.append(np.nan_to_num(around, nan=-9999.0))
            names += [f"{name}_{str(start).replace('-', '')}" for start in calendar.step_starts(year)]
        array = np.concatenate(bands)
        with rasterio.open(
            root / "era5" / f"era5_land_all_{year}.tif",
            "w",
            driver="GTiff",
            height=10,
            width=15,
            count=len(array),
            dtype="float32",
            crs="EPSG:4326",
            transform=rasterio.transform.from_origin(95, 35, DEGREES, DEGREES),
            nodata=-9999,
            compress="deflate",
            interleave=interleave,
        ) as raster:
            raster.write(array)
            raster.descriptions = tuple(names)
    exported = stock(root, (2019,))
    assert {source.kind for source in exported.climate.values()} == {"step"}
    report = build(exported, tmp_path / "c.zarr", tmp_path / "work", DEGREES)
    np.testing.assert_array_equal(report.cube.climate, cube.climate[:, :46])
    np.testing.assert_array_equal(report.cube.target, cube.target[:, :46])
    np.testing.assert_array_equal(report.cube.static, cube.static)


def bytes_read() -> int:
    """By this process so far, whether from disk or from the system's cache."""
    try:
        return int(Path("/proc/self/io").read_text().split()[1])
    except OSError:
        pytest.skip("this system does not count what a process reads")


@pytest.mark.parametrize("block_bytes", [1 << 27, 1_200_000])
def test_a_file_that_keeps_the_bands_of_a_pixel_together_is_not_decoded_once_per_band(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    monkeypatch.setattr(layers, "GDAL_CACHE_MB", 1)
    monkeypatch.setattr(aggregate, "BLOCK_BYTES", block_bytes)
    height, width, grid = 48, 64, target_grid(DEGREES)
    stored = np.random.default_rng(0).normal(285, 5, (92, height, width)).astype(np.float32)
    stored[:, 10:20, 10:20] = -9999
    cells = np.arange(np.prod(grid.shape))
    values, passes = {}, {}
    for interleave in ("band", "pixel"):
        path = tmp_path / f"{interleave}.tif"
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=height,
            width=width,
            count=92,
            dtype="float32",
            crs="EPSG:4326",
            transform=rasterio.transform.from_origin(95, 35, 0.5, 0.5),
            nodata=-9999,
            compress="lzw",
            tiled=True,
            blockxsize=16,
            blockysize=16,
            interleave=interleave,
        ) as raster:
            raster.write(stored)
            raster.descriptions = tuple(
                f"{name}_{str(start).replace('-', '')}"
                for start in calendar.step_starts(2019)
                for name in ("temperature_2m", "skin_temperature")
            )
        source, _ = known(source_of(by_name("skin_temperature"), [open_layers(path)[1]]))
        year_of_steps(source, 2019, Regridders(grid), cells)  # what is imported on the way is read now
        before = bytes_read()
        values[interleave] = year_of_steps(source, 2019, Regridders(grid), cells)
        passes[interleave] = (bytes_read() - before) / path.stat().st_size
    np.testing.assert_array_equal(values["pixel"], values["band"])
    assert np.isfinite(values["pixel"]).all(axis=0).sum() == 24 * 32 - 5 * 5
    # Once; or, where memory holds half of a block's 16 rows, as often as a new half touches it.
    assert passes["pixel"] < (1.2 if block_bytes > 10**7 else 3.2), passes


def test_a_build_that_was_killed_goes_on_to_the_same_bytes(archive: Path, tmp_path: Path, built: Path) -> None:
    out, work = tmp_path / "cube.zarr", tmp_path / "work"
    command = [sys.executable, "-m", "bench", "data", "build", "climate2gpp", "--years", "2019-2020", "--grid", "1"]
    command += ["--era5", f"{archive}/era5/*.nc", "--land-cover", f"{archive}/land_cover", "--gpp", f"{archive}/gpp"]
    command += ["--out", str(out), "--work", str(work)]
    environment = bench_environment(tmp_path)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=tmp_path) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("[20/"):
                process.send_signal(signal.SIGKILL)
                break
    finished = len(list(work.glob("*.done.json")))
    assert 20 <= finished < 55 and not out.exists()
    again = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("finished before") == finished
    assert tree(out) == tree(built)
    assert (work / "report.json").exists()


@pytest.mark.parametrize("failing", ["replace", "fsync"])
def test_a_disk_that_fills_up_keeps_finished_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    folder = WorkFolder(tmp_path / "work")
    folder.run("one", {"a": 1}, lambda: np.arange(3))

    def full(*arguments: object, **keywords: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, failing, full)
    with pytest.raises(
        BenchError, match=r"Stage two in .*: the disk is full; free some space.*finished stages are kept"
    ):
        folder.run("two", {"a": 1}, lambda: np.arange(3))
    monkeypatch.undo()
    again = WorkFolder(tmp_path / "work")
    assert again.run("one", {"a": 1}, lambda: np.zeros(1)).reused
    assert not again.run("two", {"a": 1}, lambda: np.arange(3)).reused
    assert not list((tmp_path / "work").glob(".*.partial"))


def test_a_disk_that_is_too_small_is_refused_before_the_long_stages(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**6, 10**6, 1000))
    with pytest.raises(BenchError, match=r"The build needs 0.0 GB more in .*free some space or name other folders"):
        build(stock(archive), tmp_path / "c.zarr", tmp_path / "work", DEGREES)
    assert [file.name for file in (tmp_path / "work").glob("*.npy")] == ["land_cover-2019.npy"]


def test_a_folder_of_something_else_is_not_replaced(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(BenchError, match="mine exists and is no cube of climate2gpp; name another folder with --out"):
        build(stock(archive), tmp_path / "mine", tmp_path / "work", DEGREES)
    zarr.create_group(store=str(tmp_path / "other.zarr"), zarr_format=3)
    with pytest.raises(BenchError, match="other.zarr exists and is no cube of climate2gpp"):
        build(stock(archive), tmp_path / "other.zarr", tmp_path / "work", DEGREES)
    (tmp_path / "link.zarr").symlink_to(tmp_path / "other.zarr")
    with pytest.raises(BenchError, match="link.zarr exists and is a symbolic link"):
        build(stock(archive), tmp_path / "link.zarr", tmp_path / "work", DEGREES)
    with pytest.raises(BenchError, match=r"--work .*lies in the folder of the cube, which is replaced"):
        build(stock(archive), tmp_path / "new.zarr", tmp_path / "new.zarr" / "work", DEGREES)
    assert not (tmp_path / "new.zarr").exists() and not (tmp_path / "work").exists()


def test_a_build_holds_few_files_open(archive: Path, tmp_path: Path) -> None:
    """NetCDF keeps tens of MB for each: memory would grow with the length of the archive."""
    opened: list[int] = []

    class Watching(Silent):
        @contextlib.contextmanager
        def stage(self, label: str) -> Iterator[Stage]:
            with super().stage(label) as stage:
                yield stage
            opened.append(sum(file.path.endswith(".nc") for file in psutil.Process().open_files()))

    build(stock(archive), tmp_path / "c.zarr", tmp_path / "work", DEGREES, Watching())
    assert 1 <= max(opened) <= OPEN_FILES and len(opened) == 56


def test_a_build_in_the_place_of_an_older_cube_replaces_it(archive: Path, tmp_path: Path, built: Path) -> None:
    out = tmp_path / "cube.zarr"
    shutil.copytree(built, out)
    (out / "of-the-old-one").touch()
    stale = tmp_path / f"cube.zarr.{host_name()}-999999999.replaced"  # of a process that was killed
    stale.mkdir()
    shutil.copytree(built.parent / "work", tmp_path / "work")
    build(stock(archive), out, tmp_path / "work", DEGREES)
    assert tree(out) == tree(built)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["cube.zarr", "work"]


def test_a_file_that_may_not_grow_is_one_sentence_and_leaves_no_remains(tmp_path: Path) -> None:
    """The system's own refusal in the middle of an array: NumPy's error for it has no number."""
    folder = WorkFolder(tmp_path / "work")
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        with pytest.raises(BenchError, match=r"Stage big in .*: the file grew larger than the system allows"):
            folder.run("big", {}, lambda: np.zeros((1000, 1000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list((tmp_path / "work").glob(".big.partial"))
    array = np.arange(12, dtype=np.float32).reshape(3, 4).T  # in Fortran's order
    np.testing.assert_array_equal(folder.run("big", {}, lambda: array).open(), array)


def test_two_builds_do_not_share_a_work_folder(archive: Path, tmp_path: Path) -> None:
    from filelock import FileLock

    (tmp_path / "work").mkdir()
    with FileLock(str(tmp_path / "work" / ".lock")), pytest.raises(BenchError, match="Another build is at work in"):
        build(stock(archive), tmp_path / "c.zarr", tmp_path / "work", DEGREES)


def test_a_year_of_rates_and_amounts_is_refused(copied: Callable[[], Path]) -> None:
    root = copied()
    path = replace_by_copy(root / "era5" / "era5_land_ssrd_2020.nc")
    with netCDF4.Dataset(path, "a") as file:
        file["ssrd"].units = "W m-2"
        file["ssrd"].scale_factor /= 86400
        file["ssrd"].add_offset /= 86400
    with pytest.raises(BenchError, match=r"ssrd_2019.nc.* is in J m-2 .*ssrd_2020.nc in W m-2 .*must hold one unit"):
        stock(root)


def test_the_estimate_of_the_paper_s_size() -> None:
    cube, stages = disk_estimate(60_870, 20)  # 52 + 2.8 million samples
    assert 5.9e9 < cube < 6.2e9 and stages < cube
    assert TARGET.unit == "gC m-2 d-1"


def test_the_data_set_opens_what_was_built_and_says_what_to_do_before(
    bench: Bench, archive: Path, built: Path, tmp_path: Path
) -> None:
    cache = {"BENCH_CACHE_DIR": str(tmp_path / "cache")}
    spec = "climate2gpp:years=2,grid=100"
    before = bench("data", "info", spec, **cache)
    assert before.returncode == 2 and "run `bench data build climate2gpp`" in before.stderr
    assert "made by `bench data build climate2gpp`" in bench("ls", "datasets", **cache).stdout
    words = ["--era5", f"{archive}/era5/*.nc", "--land-cover", f"{archive}/land_cover", "--gpp", f"{archive}/gpp"]
    words += ["--years", "2019-2020", "--grid", "1"]
    dry = bench("data", "build", "climate2gpp", *words, "--dry-run", **cache)
    assert dry.returncode == 0, dry.stderr
    assert "temperature_2m: daily, 6 x 8 cells, complete for 2019-2020" in dry.stdout and "disk: " in dry.stdout
    assert not list((tmp_path / "cache").rglob("*.work"))
    # What the command writes is put where it writes it, so that the build is not done again.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE_DIR", cache["BENCH_CACHE_DIR"])
        shutil.copytree(built, cube_path("climate2gpp", {"years": 2, "grid": 100}))
    after = bench("data", "info", spec, "--json", **cache)
    assert after.returncode == 0, after.stderr
    assert json.loads(after.stdout)["cells"] == 12


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--era5", "x"], "--land-cover and --gpp must name files"),
        (["--years", "2020-2001"], "--years is '2020-2001'; give the first and the last year"),
        (["--grid", "0.7"], "A grid of 0.7 degrees does not divide the Earth"),
        (["--years", "2001-2019"], "--out is needed for years that do not end in 2020"),
        (["--era5", "/no", "--land-cover", "/no", "--gpp", "/no"], "--era5 '/no' names no file"),
    ],
)
def test_options_that_make_no_sense_are_one_sentence(words: list[str], message: str) -> None:
    from click.testing import CliRunner

    from bench.cli.data_build import command

    result = CliRunner().invoke(command, ["climate2gpp", *words])
    assert isinstance(result.exception, BenchError)
    assert message in str(result.exception)
