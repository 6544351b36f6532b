"""What a file is, whatever it is called; and what is said of those that are not read."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bench.data.climate2gpp import calendar
from bench.data.climate2gpp.aggregate import Regridders
from bench.data.climate2gpp.grids import target_grid
from bench.data.climate2gpp.inventory import take_stock
from bench.data.climate2gpp.land_cover import fractions
from bench.data.climate2gpp.rasters import open_raster
from bench.data.climate2gpp.readers import open_layers
from bench.data.climate2gpp.zips import without_zips
from bench.errors import BenchError
from bench.system import paths
from tests.data.climate2gpp.series import COLUMNS, ROWS, read, season, step_names, write_nc, write_tif

pytestmark = [pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"), pytest.mark.usefixtures("extra")]
SUFFIXES = (".nc", ".grib", ".tif", ".hdf", ".zip", "")
DAYS = calendar.days(2019)
WARM = 285 + np.random.default_rng(0).normal(size=(365, ROWS, COLUMNS))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCH_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def netcdf(path: Path, form: str = "NETCDF4") -> bytes:
    write_nc(path, "t2m", DAYS, WARM, "K")
    with xr.open_dataset(path) as dataset:
        dataset.load().to_netcdf(path.with_suffix(".form"), format=form, engine="netcdf4")  # type: ignore[call-overload]
    return path.with_suffix(".form").read_bytes()


def tif(path: Path, **options: object) -> bytes:
    names = [f"t2m_{str(day).replace('-', '')}" for day in DAYS]
    return write_tif(path, WARM.astype("float32"), names, **options).read_bytes()


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            item = tarfile.TarInfo(name)
            item.size = len(content)
            archive.addfile(item, io.BytesIO(content))
    return stream.getvalue()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "content",
    ["NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT", "tif", "big tif", "zip of nc", "zip of tif", "zip in folders"],
)
def test_what_can_be_read_is_read_whatever_it_is_called(tmp_path: Path, suffix: str, content: str) -> None:
    scratch = tmp_path / "scratch"
    if content.startswith("NETCDF"):
        data = netcdf(scratch, content)
    elif content in ("tif", "big tif"):
        data = tif(scratch, **({"BIGTIFF": "YES"} if content.startswith("big") else {}))
    elif content == "zip of tif":
        data = zipped({"a.tif": tif(scratch)})
    elif content == "zip of nc":
        data = zipped({"data_0.nc": netcdf(scratch), "readme.txt": b"thanks"})
    else:
        write_nc(scratch, "t2m", DAYS[:100], WARM[:100], "K")
        first = scratch.read_bytes()
        write_nc(scratch, "t2m", DAYS[100:], WARM[100:], "K")
        data = zipped({"one/data.nc": first, "two/data.nc": scratch.read_bytes(), "../../evil.txt": b"no"})
    path = tmp_path / f"request{suffix}"
    path.write_bytes(data)
    wanted = [WARM[calendar.step_of(DAYS) == step].mean(axis=0) for step in range(46)]
    np.testing.assert_allclose(read("temperature_2m", [path]).values, wanted, rtol=1e-6)
    assert not (tmp_path / "evil.txt").exists() and not (tmp_path.parent / "evil.txt").exists()


def grib() -> bytes:
    folder = paths.data_dir()
    if folder is None or not (folder / "formats").exists():
        pytest.skip("the sample files are not at hand (set BENCH_DATA_DIR)")
    pytest.importorskip("cfgrib", reason="the extra 'build' is not installed")
    return (folder / "formats" / "era5-single-level-scalar-time.grib").read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("inside", [False, True])
def test_grib_is_read_whatever_it_is_called(tmp_path: Path, suffix: str, inside: bool) -> None:
    path = tmp_path / f"request{suffix}"
    path.write_bytes(zipped({"data.nc": grib()}) if inside else grib())
    (unpacked,) = without_zips([path])
    (layer,) = open_layers(unpacked)
    assert (layer.name, layer.grid.shape) == ("t2m", (121, 201))


VRT = '<VRTDataset rasterXSize="4" rasterYSize="3"><VRTRasterBand dataType="Float32" band="1"/></VRTDataset>'
UNREADABLE = {
    "nothing": (b"", "is empty"),
    "zeros": (b"\x00" * 5000, "nothing but zeros"),
    "html": (b"<!DOCTYPE html>\n<html><body>403</body></html>", "is a web page"),
    "html later": (b"\n\n  <HTML><head>", "is a web page"),
    "xml": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "is XML"),
    "json": (b'{"type": "https://problem", "status": 404}', "is JSON"),
    "text": (b"no data for this request\n", "is text"),
    "latin text": ("Données absentes".encode("latin-1"), "of an unknown kind"),
    "noise": (bytes(range(3, 256)) * 20, "of an unknown kind"),
    "vrt": (VRT.encode(), "is a GDAL VRT"),
    "wms": (b"<GDAL_WMS><Service name='TMS'/></GDAL_WMS>", "is a GDAL service description"),
    "gzip": (gzip.compress(b"CDF\x01" * 99), "compressed by gzip; unpack it"),
    "bzip2": (bz2.compress(b"CDF\x01" * 99), "compressed by bzip2; unpack it"),
    "xz": (lzma.compress(b"CDF\x01" * 99), "compressed by xz; unpack it"),
    "tar": (tarred({"a.nc": b"CDF\x01" * 99}), "is a tar archive; unpack it"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + b"x" * 99, "is a 7z archive"),
    "pdf": (b"%PDF-1.7\n" + b"x" * 99, "is a PDF document"),
    "png": (b"\x89PNG\r\n\x1a\n" + b"x" * 99, "is a PNG picture"),
    "jpeg": (b"\xff\xd8\xff\xe0" + b"x" * 99, "is a JPEG picture"),
    "hdf4": (b"\x0e\x03\x13\x01" + b"x" * 99, "is an HDF4 file"),
    "empty zip": (zipped({}), "is a zip without a file that this project reads"),
    "zip of text": (zipped({"a.csv": b"1,2,3"}), "is a zip without a file that this project reads"),
    "zip of zip": (zipped({"a.zip": zipped({"a.nc": b"CDF\x01"})}), "is a zip without a file that this project reads"),
    "half a zip": (zipped({"a.nc": bytes(range(256)) * 99})[:200], "truncated or damaged"),
    "half a tif": (b"II*\x00\x08\x00\x00\x00", "truncated or damaged"),
    "half a nc": (b"\x89HDF\r\n\x1a\n" + b"\x00" * 40, "truncated or damaged"),
    "half a grib": (b"GRIB\x00\x00\x00\x02" + b"\x00" * 40, "truncated or damaged|cannot be read"),
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", list(UNREADABLE))
def test_what_cannot_be_read_is_called_what_it_is(tmp_path: Path, suffix: str, content: str) -> None:
    data, said = UNREADABLE[content]
    path = tmp_path / f"request{suffix}"
    path.write_bytes(data)
    with pytest.raises(BenchError, match=said) as caught:
        take_stock([path], [], [], (2019,))
    message = str(caught.value)
    assert str(path) in message and message.count(". ") == 0
    assert ("truncated" in message) == ("half" in content)


def test_an_encrypted_zip_is_called_so(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.nc": b"CDF\x01" * 9}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    (tmp_path / "a.nc").write_bytes(data)
    with pytest.raises(BenchError, match="a.nc is an encrypted zip; unpack it"):
        without_zips([tmp_path / "a.nc"])


def test_a_zip_is_unpacked_once_and_again_when_it_changes(tmp_path: Path, own_cache: Path) -> None:
    path = tmp_path / "a.nc"
    path.write_bytes(zipped({"a.nc": b"CDF\x01 first"}))
    (first,) = without_zips([path])
    assert first.is_relative_to(own_cache / "unzipped") and without_zips([path]) == [first]
    before = first.stat().st_ino
    without_zips([path])
    assert first.stat().st_ino == before
    path.write_bytes(zipped({"a.nc": b"CDF\x01 second one"}))
    (second,) = without_zips([path])
    assert second != first and second.read_bytes() == b"CDF\x01 second one"
    assert not list(own_cache.rglob(".*"))


def test_a_zip_with_a_wrong_checksum_leaves_nothing(tmp_path: Path, own_cache: Path) -> None:
    data = bytearray(zipped({"a.nc": bytes(range(256)) * 50}))
    data[data.index(b"PK\x01\x02") + 16] ^= 255
    data[14] ^= 255
    (tmp_path / "a.nc").write_bytes(data)
    with pytest.raises(BenchError, match="truncated or damaged"):
        without_zips([tmp_path / "a.nc"])
    assert not [file for file in own_cache.rglob("*") if file.is_file()]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    return write_tif(tmp_path / "secret.tif", np.full((1, ROWS, COLUMNS), 300, "float32"), ["t2m_20190101"])


def vrt_of(secret: Path) -> str:
    return (
        f'<VRTDataset rasterXSize="{COLUMNS}" rasterYSize="{ROWS}"><SRS>EPSG:4326</SRS>'
        "<GeoTransform>100, 1, 0, 33, 0, -1</GeoTransform>"
        '<VRTRasterBand dataType="Float32" band="1"><Description>t2m_20190101</Description><SimpleSource>'
        f'<SourceFilename relativeToVRT="0">{secret}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>'
        "</VRTRasterBand></VRTDataset>"
    )


@pytest.mark.parametrize("suffix", [".tif", ".tiff", ".TIF", ".nc", ".hdf", ".vrt"])
@pytest.mark.parametrize("before", ["", "  \n", "\ufeff", '<?xml version="1.0"?>\n'])
@pytest.mark.parametrize("door", ["layers", "raster", "land cover"])
def test_a_file_that_names_others_is_not_followed(
    tmp_path: Path, secret: Path, suffix: str, before: str, door: str
) -> None:
    path = tmp_path / f"a_2019{suffix}"
    path.write_text(before + vrt_of(secret))
    with pytest.raises(BenchError, match=rf"a_2019{suffix} is (a GDAL VRT|XML)"):
        if door == "layers":
            open_layers(path)
        elif door == "raster":
            open_raster(path)
        else:
            fractions(path, Regridders(target_grid(1.0)))


@pytest.mark.parametrize("sidecar", [".msk", ".ovr"])
def test_nor_is_one_that_stands_beside_a_geotiff(tmp_path: Path, secret: Path, sidecar: str) -> None:
    path = write_tif(tmp_path / "a.tif", np.full((1, ROWS, COLUMNS), 300, "float32"), ["t2m_20190101"])
    path.with_name(f"a.tif{sidecar}").write_text(vrt_of(secret))
    with pytest.raises(BenchError, match=rf"a.tif{sidecar} is a GDAL VRT.*take it away"):
        open_layers(path)


def test_the_land_cover_of_north_china_is_opened_as_geotiff_only(tmp_path: Path, secret: Path) -> None:
    import rasterio

    from bench.data.northchina import _read_land_cover

    path = tmp_path / "a.tif"
    path.write_text(vrt_of(secret))
    with pytest.raises(rasterio.errors.RasterioIOError):
        _read_land_cover(path, np.array([100.5]), np.array([32.5]))


@pytest.mark.parametrize("names", [step_names(), [f"band {number}" for number in range(46)]])
def test_a_rotated_or_unplaced_image_is_refused(tmp_path: Path, names: list[str]) -> None:
    from rasterio import Affine

    for transform, said in ((Affine.rotation(10), "a rotated grid"), (Affine.identity(), "no place on the Earth")):
        path = write_tif(tmp_path / "a.tif", season().astype("float32"), names, transform=transform)
        with pytest.raises(BenchError, match=f"a.tif has {said}; write it with gdalwarp"):
            open_layers(path)
