"""Tiles of a large export: put together if they fit, refused in a sentence if not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from bench.data.climate2gpp.aggregate import Regridders
from bench.data.climate2gpp.grids import target_grid
from bench.data.climate2gpp.inventory import take_stock
from bench.data.climate2gpp.land_cover import MCD12C1_CLASSES, fractions
from bench.data.climate2gpp.tiles import assembled, files_of
from bench.errors import BenchError
from tests.data.climate2gpp.series import COLUMNS, ROWS, read, season, step_names, write_tif

pytestmark = [pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"), pytest.mark.usefixtures("extra")]
FINE = 4
"""Pixels a side of each cell of the target."""
HEIGHT, WIDTH = FINE * ROWS, FINE * COLUMNS


def whole(folder: Path, interleave: str = "band", dtype: str = "int16") -> Path:
    draw = np.random.default_rng(0)
    stored = 100 * np.kron(season(), np.ones((FINE, FINE))) + draw.integers(0, 50, (46, HEIGHT, WIDTH))
    stored[:, :5, :3] = -9999
    options = {"nodata": -9999, "interleave": interleave, "size": 1 / FINE}
    return write_tif(folder / "PML_V2_GPP_2019.tif", stored.astype(dtype), step_names(), **options)


def cut(path: Path, rows: list[int], columns: list[int]) -> list[Path]:
    """Cuts a file into tiles that begin at these rows and columns, and takes it away."""
    with rasterio.open(path) as file:
        bottoms, rights = [*rows[1:], file.height], [*columns[1:], file.width]
        found = []
        for top, bottom in zip(rows, bottoms, strict=True):
            for left, right in zip(columns, rights, strict=True):
                window = Window(left, top, right - left, bottom - top)
                profile = file.profile | {"width": right - left, "height": bottom - top}
                profile["transform"] = file.window_transform(window)
                profile.pop("blockysize", None)
                found.append(path.with_name(f"{path.stem}-{top:010d}-{left:010d}.tif"))
                with rasterio.open(found[-1], "w", **profile) as tile:
                    tile.write(file.read(window=window))
                    tile.descriptions = file.descriptions
    path.unlink()
    return found


LAYOUTS = [
    ([0, 6], [0, 8]),
    ([0], [0, 8]),
    ([0, 8], [0]),
    ([0, 5, 10], [0, 7, 14]),
    ([0], [0, 15]),
    ([0, 11], [0]),
    ([0, 1], [0, 1]),
    ([0, 4, 8], [0, 4, 8, 12]),
]


@pytest.mark.parametrize(("rows", "columns"), LAYOUTS)
@pytest.mark.parametrize("interleave", ["band", "pixel"])
@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_tiles_give_the_numbers_of_the_whole(
    tmp_path: Path, rows: list[int], columns: list[int], interleave: str, dtype: str
) -> None:
    path = whole(tmp_path, interleave, dtype)
    wanted = read("GPP", [path]).values
    np.testing.assert_array_equal(read("GPP", cut(path, rows, columns)).values, wanted)


def changed(profile: dict[str, object] | None = None, **header: object) -> Callable[[list[Path]], object]:
    """Rewrites the last tile in another way."""

    def change(tiles: list[Path]) -> None:
        with rasterio.open(tiles[-1]) as file:
            data, old, names = file.read(), file.profile, file.descriptions
        with rasterio.open(tiles[-1], "w", **(old | (profile or {}))) as file:
            file.write(data.astype((profile or {}).get("dtype", data.dtype)))
            file.descriptions = names
            for key, value in header.items():
                setattr(file, key, value)

    return change


def moved(by: float) -> Callable[[list[Path]], object]:
    def change(tiles: list[Path]) -> None:
        with rasterio.open(tiles[-1], "r+") as file:
            file.transform = file.transform @ rasterio.Affine.translation(by, 0)

    return change


def renamed(offsets: str) -> Callable[[list[Path]], object]:
    return lambda tiles: tiles[-1].rename(tiles[-1].with_name(f"PML_V2_GPP_2019-{offsets}.tif"))


FAULTS: dict[str, tuple[Callable[[list[Path]], object], str]] = {
    "the last is missing": (lambda tiles: tiles[3].unlink(), "0000000006-0000000008.tif is missing; fetch all"),
    "the first is missing": (lambda tiles: tiles[0].unlink(), "0000000000-0000000000.tif is missing"),
    "a row is missing": (lambda tiles: (tiles[0].unlink(), tiles[1].unlink()), "0000000000-0000000000.tif is missing"),
    "a column is missing": (lambda tiles: (tiles[0].unlink(), tiles[2].unlink()), "0000000000.tif is missing"),
    "one is left": (lambda tiles: [tile.unlink() for tile in tiles[1:]], "all but one is missing"),
    "a gap": (renamed("0000000006-0000000009"), "is missing"),
    "another scale": (changed(scales=[0.1] * 46), "differ in scale"),
    "other names": (changed(descriptions=step_names(2020)), "differ in names"),
    "another unit": (changed(units=["K"] * 46), "differ in units"),
    "another nodata": (changed({"nodata": -1}), "differ in fill"),
    "decimals": (changed({"dtype": "float32"}), "differ in integers"),
    "half a pixel off": (moved(0.5), "does not lie where its name says"),
    "a tile off": (moved(8), "does not lie where its name says"),
    "another projection": (changed({"crs": "EPSG:3857"}), "in the projection EPSG:3857"),
    "no GeoTIFF": (lambda tiles: tiles[3].write_text("<html>"), "is a web page"),
    "truncated": (lambda tiles: tiles[3].write_bytes(tiles[3].read_bytes()[:300]), "truncated or damaged"),
    "beside the whole": (
        lambda tiles: shutil.copy(tiles[0], tiles[0].with_name("PML_V2_GPP_2019.tif")),
        "stands beside",
    ),
}


@pytest.mark.parametrize("fault", list(FAULTS))
def test_tiles_that_do_not_fit_are_refused(tmp_path: Path, fault: str) -> None:
    tiles = cut(whole(tmp_path), [0, 6], [0, 8])
    change, said = FAULTS[fault]
    change(tiles)
    with pytest.raises(BenchError, match=said) as caught:
        read("GPP", sorted(tmp_path.glob("*.tif")))
    assert str(caught.value).count(". ") == 0


@pytest.mark.parametrize(
    ("rows", "said"), [([0, 7], "6 pixels from 0 on.*a gap"), ([0, 5], "6 pixels from 0 on.*overlap")]
)
def test_gaps_and_overlaps_are_named(tmp_path: Path, rows: list[int], said: str) -> None:
    upper, lower = cut(whole(tmp_path), [0, 6], [0])
    lower.rename(lower.with_name(f"PML_V2_GPP_2019-{rows[1]:010d}-0000000000.tif"))
    with pytest.raises(BenchError, match=said):
        read("GPP", sorted(tmp_path.glob("*.tif")))
    assert upper.exists()


def test_files_on_two_grids_are_told_how_to_mosaic(tmp_path: Path) -> None:
    left, right = cut(whole(tmp_path), [0], [0, 8])
    files = [left.rename(tmp_path / "left_2019.tif"), right.rename(tmp_path / "right_2019.tif")]
    with pytest.raises(BenchError, match=r"has another grid .*mosaic the tiles of one image \(gdal_merge.py\)"):
        read("GPP", files)


@pytest.mark.parametrize("kind", ["percent", "majority"])
def test_land_cover_in_tiles(tmp_path: Path, kind: str) -> None:
    majority = np.random.default_rng(0).integers(0, 17, (HEIGHT, WIDTH)).astype("uint8")
    if kind == "majority":
        bands, names = majority[None], ["Majority_Land_Cover_Type_1"]
    else:
        bands = (100 * (majority[None] == np.arange(17)[:, None, None])).astype("uint8")
        names = list(MCD12C1_CLASSES)
    path = write_tif(tmp_path / "MCD12C1_2019.tif", bands, names, size=1 / FINE)
    regridders = Regridders(target_grid(1.0))
    wanted = fractions(path, regridders)
    (image,) = assembled(cut(path, [0, 6], [0, 8]))
    np.testing.assert_array_equal(fractions(image, regridders), wanted)
    assert np.isfinite(wanted).any() and len(files_of(image)) == 4
    with pytest.raises(BenchError, match="is in no file") as caught:
        take_stock([], files_of(image), [], (2019,))
    assert "land cover" not in str(caught.value)  # of 2019 is there, and stands there once
