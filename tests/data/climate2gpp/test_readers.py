"""Files of every kind, real ones where they are at hand, and every way in which they can be broken."""

from __future__ import annotations

import builtins
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr

from bench.data.climate2gpp.aggregate import Regridders
from bench.data.climate2gpp.grids import source_grid, target_grid
from bench.data.climate2gpp.inventory import take_stock
from bench.data.climate2gpp.land_cover import MCD12C1_CLASSES, fractions
from bench.data.climate2gpp.layers import date_in
from bench.data.climate2gpp.readers import open_layers
from bench.data.pml import IGBP_CLASSES
from bench.errors import BenchError
from bench.system import paths

# rioxarray multiplies transforms in a way that its own dependency means to drop.
pytestmark = [pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"), pytest.mark.usefixtures("extra")]
ROWS = slice(None)
FRAMES = np.array([0])


def sample(name: str) -> Path:
    folder = paths.data_dir()
    if folder is None or not (folder / name).exists():
        pytest.skip("the sample files are not at hand (set BENCH_DATA_DIR)")
    return folder / name


def write_raster(path: Path, bands: dict[str, np.ndarray], crs: str | None = "EPSG:4326", **options: Any) -> Path:
    height, width = next(iter(bands.values())).shape
    transform = rasterio.transform.from_origin(100.0, 32.0, 0.5, 0.5)
    array = np.stack(list(bands.values()))
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=height,
        width=width,
        count=len(bands),
        dtype=array.dtype,
        crs=crs,
        transform=transform,
        **options,
    ) as raster:
        raster.write(array)
        raster.descriptions = tuple(bands)
    return path


def write_netcdf(path: Path, **changes: Any) -> Path:
    time = np.arange(np.datetime64("2019-01-01"), np.datetime64("2019-01-05")).astype("datetime64[ns]")
    coordinates = {"time": time, "lat": [10.0, 9.5, 9.0], "lon": [20.0, 20.5]} | changes.pop("coords", {})
    dimensions = changes.pop("dims", ("time", "lat", "lon"))
    shape = [len(np.atleast_1d(coordinates[name])) for name in dimensions]
    values = 280 + np.arange(np.prod(shape), dtype=np.float32).reshape(shape) / 10
    array = xr.DataArray(values, dims=dimensions, attrs={"units": "K"} | changes)
    dataset = xr.Dataset({"t2m": array}, coords={k: v for k, v in coordinates.items() if k in dimensions})
    dataset.to_netcdf(path, engine="netcdf4")
    return path


def test_a_netcdf_is_read_frame_by_frame_and_row_by_row(tmp_path: Path) -> None:
    (layer,) = open_layers(write_netcdf(tmp_path / "a.nc"))
    assert (layer.name, layer.units, layer.grid.shape) == ("t2m", "K", (3, 2))
    assert str(layer.times[1]) == "2019-01-02T00"
    np.testing.assert_allclose(layer.read(np.array([1, 3]), slice(1, 2))[:, 0, 0], [280.8, 282.0], rtol=1e-6)


@pytest.mark.parametrize(("method", "expected"), [("time: maximum", "maximum"), ("time: mean (1 minute)", None)])
def test_what_was_done_with_the_hours_is_known(tmp_path: Path, method: str, expected: str | None) -> None:
    (layer,) = open_layers(write_netcdf(tmp_path / "a.nc", cell_methods=method))
    assert layer.statistic == expected


def test_a_real_grib_file() -> None:
    pytest.importorskip("cfgrib", reason="the extra 'build' is not installed")
    (layer,) = open_layers(sample("formats/era5-single-level-scalar-time.grib"))
    assert (layer.name, layer.units, layer.grid.shape) == ("t2m", "K", (121, 201))
    assert layer.times.tolist() == [np.datetime64("2017-01-01T12", "h").astype(object)]
    values = layer.read(FRAMES, ROWS)
    assert 240 < values.min() < values.max() < 310
    cells = Regridders(target_grid(2.5)).of(layer.grid)(values[0])
    # 50 to 60 N, 10 W to 40 E in January: the south-western sea is warmer than the continent.
    assert cells[14, 70] > cells[14, 86]


def test_a_real_grid_of_era5_land() -> None:
    with xr.open_dataset(sample("formats/landmask_0.1_0.1.nc"), engine="netcdf4") as dataset:
        grid = source_grid(dataset["latitude"].values, dataset["longitude"].values, "mask")
        land = Regridders(target_grid(0.5)).of(grid)(dataset["land"].values)
    assert grid.shape == (1801, 3600)
    cells = (land >= 0.5).sum()
    assert 55_000 < cells < 75_000  # the paper has about 60,000


def test_a_real_multi_band_geotiff_of_land_cover() -> None:
    name = "northchina/MCD12Q1_006_IGBP/MCD12Q1_006_IGBP_perc_G025_NorthChina_2019.tif"
    shares = fractions(sample(name), Regridders(target_grid(0.25)))
    inside = np.isfinite(shares).all(axis=2)
    assert inside.sum() == 48 * 52
    np.testing.assert_allclose(shares[inside].sum(axis=1), 1.0, atol=1e-5)
    crops = shares[..., IGBP_CLASSES.index("CRO")]
    row, column = int((90 - 35.5) * 4), int((115.5 + 180) * 4)
    assert crops[row, column] > 0.8  # the North China Plain


def test_dates_in_names_of_bands_and_files() -> None:
    assert str(date_in("temperature_2m_20190109")) == "2019-01-09T00"
    assert str(date_in("2019_01_09_GPP")) == "2019-01-09T00"
    assert str(date_in("PML_V2-2019-01-09")) == "2019-01-09T00"
    assert date_in("soil_temperature_level_1") is None and date_in("x_20191399") is None


def test_bands_of_a_raster_become_layers_in_order_of_time(tmp_path: Path) -> None:
    later, earlier = np.full((2, 3), 300, np.int16), np.full((2, 3), 100, np.int16)
    earlier[0, 0] = -9999
    path = write_raster(tmp_path / "a.tif", {"GPP_20190109": later, "GPP_20190101": earlier}, nodata=-9999)
    (layer,) = open_layers(path)
    assert (layer.name, layer.integers) == ("GPP", True)
    assert [str(time)[:10] for time in layer.times] == ["2019-01-01", "2019-01-09"]
    assert np.isnan(layer.read(FRAMES, ROWS)[0, 0, 0]) and layer.read(FRAMES, ROWS)[0, 1, 1] == 100


def test_an_image_of_one_band_takes_its_date_from_the_name_of_the_file(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "PML_V2_2019-01-09.tif", {"": np.ones((2, 2), np.float32)})
    assert [(layer.name, str(layer.times[0])[:10]) for layer in open_layers(path)] == [("", "2019-01-09")]


@pytest.mark.parametrize(
    ("name", "bands", "crs", "message"),
    [
        ("a_20190101.tif", ["GPP"], "EPSG:6933", "in the projection EPSG:6933, not in longitude and latitude"),
        ("a_20190101.tif", ["GPP"], None, "names no projection"),
        ("a.tif", ["GPP"], "EPSG:4326", "neither its name nor band 1 has a date"),
        ("a_2019.tif", ["", ""], "EPSG:4326", "band 1 has no date in its name"),
    ],
)
def test_rasters_that_cannot_be_used_are_refused(
    tmp_path: Path, name: str, bands: list[str], crs: str | None, message: str
) -> None:
    array = np.ones((len(bands), 2, 2), np.float32)
    path = tmp_path / name
    transform = rasterio.transform.from_origin(100.0, 32.0, 0.5, 0.5)
    with rasterio.open(
        path, "w", driver="GTiff", height=2, width=2, count=len(bands), dtype="float32", crs=crs, transform=transform
    ) as raster:
        raster.write(array)
        raster.descriptions = tuple(bands)
    with pytest.raises(BenchError, match=f"{name}.*{message}"):
        open_layers(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dims": ("time", "y", "x"), "coords": {"y": [0, 1], "x": [0, 1]}}, "another projection.*without longitude"),
        (
            {"dims": ("time", "expver", "lat", "lon"), "coords": {"expver": [1, 7]}},
            r"has the versions \(expver\) \[1, 7",
        ),
        ({"dims": ("time", "number", "lat", "lon"), "coords": {"number": [0, 1]}}, "dimension 'number' of 2"),
        ({"coords": {"lat": [1.0, 2.0, 9.0]}}, "latitudes are not evenly spaced"),
        ({"coords": {"time": np.arange(4)}}, "no readable calendar dates"),
    ],
)
def test_netcdf_files_that_cannot_be_used_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError, match=f"a.nc.*{message}"):
        open_layers(write_netcdf(tmp_path / "a.nc", **changes))


def test_variables_that_nobody_asked_for_may_be_on_any_grid(tmp_path: Path) -> None:
    with xr.open_dataset(write_netcdf(tmp_path / "a.nc")) as dataset:
        wanted = dataset.load()
    helpers = {
        "lat_bnds": (("lat", "bnds"), np.zeros((3, 2))),
        "time_bnds": (("time", "bnds"), np.zeros((4, 2))),
        "mask": (("y", "x"), np.ones((5, 6))),
        "quality": (("time", "level", "lat", "lon"), np.ones((4, 2, 3, 2))),
    }
    wanted.assign(helpers).to_netcdf(tmp_path / "b.nc")
    (layer,) = open_layers(tmp_path / "b.nc")
    assert layer.name == "t2m"
    np.testing.assert_array_equal(layer.read(np.arange(4), ROWS), wanted["t2m"].values)
    wanted.drop_vars("t2m").assign(helpers).to_netcdf(tmp_path / "c.nc")
    with pytest.raises(BenchError, match=r"c.nc holds none of the 26 variables \(docs/climate2gpp.md\); narrow --era5"):
        take_stock([tmp_path / "c.nc"], [], [], (2019,))


def test_a_named_projection_is_refused(tmp_path: Path) -> None:
    path = write_netcdf(tmp_path / "a.nc", grid_mapping="crs")
    with xr.open_dataset(path) as dataset:
        changed = dataset.load().assign(crs=((), 0, {"grid_mapping_name": "lambert_conformal_conic"}))
    changed.to_netcdf(tmp_path / "b.nc")
    with pytest.raises(BenchError, match="b.nc.*lambert_conformal_conic.*regrid the file to longitude and latitude"):
        open_layers(tmp_path / "b.nc")


@pytest.mark.parametrize("name", ["era5/era5_land_t2m_2019.nc", "gpp/PML_V2_017_GPP_2019.tif"])
def test_a_truncated_file_is_named(archive: Path, tmp_path: Path, name: str) -> None:
    whole = (archive / name).read_bytes()
    short = tmp_path / f"short{Path(name).suffix}"
    short.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BenchError, match=r"short.*cannot be read.*truncated or damaged: fetch it again"):
        for layer in open_layers(short):
            layer.read(np.arange(len(layer.times)), ROWS)


def test_a_truncated_grib_file_is_named(tmp_path: Path) -> None:
    pytest.importorskip("cfgrib", reason="the extra 'build' is not installed")
    short = tmp_path / "short.grib"
    short.write_bytes(sample("formats/era5-single-level-scalar-time.grib").read_bytes()[:20_000])
    with pytest.raises(BenchError, match=r"short.grib cannot be read"):
        for layer in open_layers(short):
            layer.read(FRAMES, ROWS)


@pytest.mark.parametrize("cut", [200, -10])
def test_a_truncated_land_cover_is_named(archive: Path, tmp_path: Path, cut: int) -> None:
    whole = next((archive / "land_cover").glob("*2019001*")).read_bytes()
    short = tmp_path / "MCD12C1.A2019001.hdf"
    short.write_bytes(whole[:cut])
    with pytest.raises(BenchError, match=r"MCD12C1.A2019001.hdf"):
        fractions(short, Regridders(target_grid(1.0)))


def test_hdf4_and_the_same_land_cover_as_geotiff_agree(archive: Path, tmp_path: Path) -> None:
    from pyhdf.SD import SD

    path = next((archive / "land_cover").glob("*2019001*"))
    file = SD(str(path))
    percent = np.asarray(file.select("Land_Cover_Type_1_Percent")[:])
    majority = np.asarray(file.select("Majority_Land_Cover_Type_1")[:])
    regridders = Regridders(target_grid(1.0))
    wanted = fractions(path, regridders)
    height, width = majority.shape
    transform = rasterio.transform.from_origin(100.0, 32.0, 0.25, 0.25)
    for name, bands, interleave in (
        ("percent_2019.tif", {f"Land_Cover_Type_1_Percent_Class_{k}": percent[..., k] for k in range(17)}, "pixel"),
        ("rewritten_2019.tif", {name: percent[..., k] for k, name in enumerate(MCD12C1_CLASSES)}, "band"),
        ("majority_2019.tif", {"Majority_Land_Cover_Type_1": majority}, "band"),
    ):
        with rasterio.open(
            tmp_path / name,
            "w",
            driver="GTiff",
            height=height,
            width=width,
            count=len(bands),
            dtype="uint8",
            crs="EPSG:4326",
            transform=transform,
            interleave=interleave,
        ) as raster:
            raster.write(np.stack(list(bands.values())))
            raster.descriptions = tuple(bands)
    for name in ("percent_2019.tif", "rewritten_2019.tif"):
        np.testing.assert_array_equal(fractions(tmp_path / name, regridders), wanted)
    by_majority = fractions(tmp_path / "majority_2019.tif", regridders)
    known = np.isfinite(by_majority).all(axis=2)
    assert known.sum() == 12 and by_majority[known].max() == 1.0
    np.testing.assert_array_equal(by_majority[known].argmax(axis=1), wanted[known].argmax(axis=1))


@pytest.mark.parametrize(
    ("band", "numbers", "water"), [("Majority_Land_Cover_Type_1", range(17), 0), ("LC_Type1", range(1, 18), 17)]
)
def test_water_has_another_number_in_each_product(tmp_path: Path, band: str, numbers: range, water: int) -> None:
    """MCD12C1 numbers its classes 0 to 16, MCD12Q1 the same classes 1 to 17; 255 is unclassified in both."""
    stored = np.kron(np.append(np.arange(18), [255, 255]).reshape(4, 5), np.ones((2, 2))).astype(np.uint8)
    shares = fractions(write_raster(tmp_path / "cover_2019.tif", {band: stored}), Regridders(target_grid(1.0)))
    cells = shares[58:62, 280:285].reshape(20, 17)
    assert np.flatnonzero(np.isfinite(cells).all(axis=1)).tolist() == list(numbers)
    names = [IGBP_CLASSES[number] for number in np.nan_to_num(cells).argmax(axis=1)]
    assert names[water] == "water" and cells[water].max() == 1.0
    assert (names[1], names[10], names[16]) == ("ENF", "GRA", "BSV")


def test_land_cover_on_a_fine_grid_takes_little_more_memory_than_its_result(archive: Path) -> None:
    regridders = Regridders(target_grid(0.5))
    tracemalloc.start()
    shares = fractions(next((archive / "land_cover").glob("*2019001*")), regridders)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert shares.dtype == np.float32 and peak < 2.5 * shares.nbytes


def test_without_the_extra_the_sentence_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any, **keywords: Any) -> Any:
        if name.split(".")[0] == "rioxarray":
            raise ImportError("No module named 'rioxarray'")
        return real(name, *arguments, **keywords)

    monkeypatch.setattr("importlib.import_module", lambda name: without(name))
    path = write_raster(tmp_path / "a_20190101.tif", {"GPP": np.ones((2, 2), np.float32)})
    with pytest.raises(BenchError, match=r"Package rioxarray is missing.*pip install 'climate2gpp-bench\[build\]'"):
        open_layers(path)
