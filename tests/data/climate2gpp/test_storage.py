"""PML_V2 in every storage: type x scale x unit x nodata x mask. A unit is applied once, or the build asks for it."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from bench.errors import BenchError
from tests.data.climate2gpp.series import ROWS, read, season, step_names, write_nc, write_tif

pytestmark = [
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:saving variable GPP"),  # that is the point
    pytest.mark.filterwarnings("ignore:Scales differ across bands"),
    pytest.mark.usefixtures("extra"),
]

OWN, STORED = "gC m-2 d-1", "0.01 gC m-2 d-1"
UNITS = (None, OWN, "g C m^-2 d^-1", STORED, "0.01gC m-2 day-1", "gC m-2 d-1 * 0.01")
TYPES = ("int16", "uint16", "int32", "float32", "float64")
NODATA = ("none", "declared", "nan")
MASKS = ("none", "mask", "alpha", "mask and nodata")


def right(dtype: str, hundredfold: bool, scale: float | None, unit: str | None) -> bool:
    """Whether what a file says and holds has one meaning; otherwise the build must ask."""
    says_stored = unit is not None and "0.01" in unit
    if not hundredfold:  # decimals, which the file holds as they are
        return scale is None and not says_stored
    if scale is not None:
        return not says_stored
    if unit is None or says_stored:
        return True
    return not dtype.startswith("float")  # whole numbers are scaled by PML_V2's documentation


STORAGES = [
    (dtype, hundredfold, scale, unit)
    for dtype, hundredfold, scale, unit in itertools.product(TYPES, (True, False), (None, 0.01), UNITS)
    if hundredfold or dtype.startswith("float")
]


def outcome(path: Path) -> np.ndarray | str:
    try:
        return read("GPP", [path]).values
    except BenchError as error:
        return str(error)


@pytest.mark.parametrize(("dtype", "hundredfold", "scale", "unit"), STORAGES)
def test_a_unit_is_applied_once_or_asked_for(
    tmp_path: Path, dtype: str, hundredfold: bool, scale: float | None, unit: str | None
) -> None:
    truth = season()
    stored = (np.round(truth * 100) if hundredfold else truth).astype(dtype)
    wanted = np.round(truth, 2) if hundredfold else truth
    path = write_tif(tmp_path / "gpp_2019.tif", stored, step_names(), units=unit, scale=scale)
    found = outcome(path)
    if right(dtype, hundredfold, scale, unit):
        assert not isinstance(found, str), found
        np.testing.assert_allclose(found, wanted, rtol=1e-5)
    else:
        assert isinstance(found, str) and "--unit GPP=" in found and found.count(". ") == 0


@pytest.mark.parametrize(("nodata", "mask"), list(itertools.product(NODATA, MASKS)))
@pytest.mark.parametrize("dtype", ["int16", "uint16", "float32"])
@pytest.mark.parametrize("interleave", ["band", "pixel"])
@pytest.mark.parametrize("scale", [None, 0.01])
def test_whatever_says_that_a_value_is_missing_is_heeded(
    tmp_path: Path, dtype: str, nodata: str, mask: str, interleave: str, scale: float | None
) -> None:
    if nodata == "nan" and not dtype.startswith("float"):
        nodata = "declared"  # whole numbers have no NaN
    wanted = np.round(season(), 2)
    stored = np.round(season() * 100).astype(dtype)
    fill: float = float("nan") if nodata == "nan" else 65535 if dtype == "uint16" else -9999
    there = np.ones(stored.shape[1:], bool)
    options: dict[str, object] = {"interleave": interleave}
    if nodata != "none":
        stored[:, 0, 0], there[0, 0], options["nodata"] = fill, False, fill
    shown = np.full(there.shape, 255, np.uint8)
    if mask != "none":
        shown[ROWS - 1, 1:3], there[ROWS - 1, 1:3] = 0, False
        stored[:, ROWS - 1, 1:3] = 3000  # what lies below a mask may look like a value
    if mask == "mask and nodata":  # GDAL forgets nodata where there is a mask band
        options["nodata"], there[0, 1] = (65535 if dtype == "uint16" else -9999), False
        stored[:, 0, 1] = options["nodata"]
        there[0, 0] = nodata == "none"
        stored[:, 0, 0] = np.where(there[0, 0], stored[:, 0, 0], options["nodata"])
    path = write_tif(
        tmp_path / "gpp_2019.tif",
        stored,
        step_names(),
        scale=scale,
        valid=None if mask in ("none", "alpha") else shown,
        alpha=shown if mask == "alpha" else None,
        **options,
    )
    found = read("GPP", [path]).values
    np.testing.assert_array_equal(np.isfinite(found), np.broadcast_to(there, found.shape))
    np.testing.assert_allclose(found[:, there], wanted[:, there], rtol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 46])
@pytest.mark.parametrize("unit", [OWN, STORED])
@pytest.mark.parametrize("interleave", ["band", "pixel"])
def test_the_unit_of_bands_is_read_whatever_their_number(
    tmp_path: Path, count: int, unit: str, interleave: str
) -> None:
    stored = (season() * (100 if unit == STORED else 1)).astype("float32")
    paths = [
        write_tif(tmp_path / f"part{first}.tif", stored[first : first + count], step_names()[first : first + count],
                  units=unit, interleave=interleave)
        for first in range(0, 46, count)
    ]  # fmt: skip
    np.testing.assert_allclose(read("GPP", paths).values, season(), rtol=1e-5)


@pytest.mark.parametrize(("odd", "unit"), list(itertools.product((0, 20, 45), ("", STORED, "W m-2"))))
def test_bands_of_two_units_are_refused(tmp_path: Path, odd: int, unit: str) -> None:
    units = [OWN] * 46
    units[odd] = unit
    path = write_tif(tmp_path / "a.tif", season().astype("float32"), step_names(), units=units)
    with pytest.raises(BenchError, match=r"a.tif: GPP has the units .* in band \d+ and .* in band \d+; one file must"):
        read("GPP", [path])


def test_scales_of_single_bands_are_each_applied(tmp_path: Path) -> None:
    import rasterio

    scales = np.where(np.arange(46) % 2, 0.01, 0.001)
    stored = np.round(season() / scales[:, None, None]).astype("int16")
    path = write_tif(tmp_path / "a.tif", stored, step_names())
    with rasterio.open(path, "r+") as file:
        file.scales = scales.tolist()
    np.testing.assert_allclose(read("GPP", [path]).values, season(), atol=6e-3)


@pytest.mark.parametrize("dtype", ["int16", "float32"])
@pytest.mark.parametrize("unit", [None, OWN, STORED])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("fill", [None, -9999])
def test_netcdf_in_the_same_storages(
    tmp_path: Path, dtype: str, unit: str | None, packed: bool, fill: int | None
) -> None:
    from bench.data.climate2gpp import calendar

    truth = np.round(season(), 2)
    values = truth if packed else np.round(truth * 100)
    encoding = {"dtype": dtype, **({"scale_factor": 0.01} if packed else {}), "_FillValue": fill}
    if fill is not None:
        values[:, 0, 0] = np.nan
    path = write_nc(tmp_path / "a.nc", "GPP", calendar.step_starts(2019), values, unit, encoding)
    found = outcome(path)
    if right(dtype, True, 0.01 if packed else None, unit):
        assert not isinstance(found, str), found
        there = np.isfinite(values)
        np.testing.assert_array_equal(np.isfinite(found), there)
        np.testing.assert_allclose(found[there], truth[there], rtol=1e-5)
    else:
        assert isinstance(found, str) and "--unit GPP=" in found
