"""A small archive in the real layouts, written once and copied by tests that change it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.data.climate2gpp.inventory import Inventory, expand, take_stock
from tools.make_archive import ArchiveLayout, write_archive

EXTRA = ("dask", "pyhdf", "rioxarray")
"""What the tests of files need; Earth Engine's and cfgrib's say so themselves."""
YEARS = (2019, 2020)
LAYOUT = ArchiveLayout(bounds=(100.0, 29.0, 104.0, 32.0), degrees=0.5, cover_degrees=0.25, gpp_degrees=0.25)
"""Land all over: 4 x 3 cells of 1 degree."""


@pytest.fixture(scope="session")
def extra() -> None:
    """Skips these tests where the extra ``build`` is not installed."""
    for module in EXTRA:
        pytest.importorskip(module, reason="the extra 'build' is not installed")


def stock(root: Path, years: tuple[int, ...] = YEARS) -> Inventory:
    """Takes stock of an archive as `write_archive` lays it out."""
    return take_stock(
        expand([f"{root}/era5"], "--era5"),
        expand([f"{root}/land_cover"], "--land-cover"),
        expand([f"{root}/gpp"], "--gpp"),
        years,
    )


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory, extra: None) -> Path:
    root = tmp_path_factory.mktemp("archive")
    write_archive(root, YEARS, LAYOUT)
    return root


@pytest.fixture
def copied(archive: Path, tmp_path: Path) -> Callable[[], Path]:
    """An archive of links to the shared files: take links away, or put other files in their place."""

    def copy() -> Path:
        root = tmp_path / "copied"
        for file in archive.rglob("*"):
            if file.is_file():
                link = root / file.relative_to(archive)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(file)
        return root

    return copy


def replace_by_copy(path: Path) -> Path:
    """A file of its own in the place of a link, to be changed."""
    original = path.resolve()
    path.unlink()
    shutil.copy(original, path)
    return path
