from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from bench.data import northchina
from bench.data.fetch import verify_file
from bench.errors import BenchError

pytestmark = pytest.mark.northchina


@pytest.fixture(scope="module")
def built() -> object:
    from bench.data.fetch import locate

    folder = locate(northchina.SOURCE).folder
    if folder is None:
        pytest.skip("the real North China files are not at hand (set BENCH_DATA_DIR)")
    return northchina.build(folder)


def test_it_has_the_documented_size_and_means(built: northchina.Cube) -> None:
    assert (built.n_cells, built.n_times) == (2068, 92)
    assert built.feature_names == ("Tmax", "Tmin", "Tavg", "q", "Rln", "Rs", "Pa", "U2", "Prcp")
    annual = [built.target[:, built.year == year].mean(dtype=np.float64) * 365 for year in (2019, 2020)]
    assert annual == pytest.approx([1198, 1267], abs=2)  # gC m-2 yr-1, from an independent computation


def test_land_cover_fractions_add_up_and_little_of_it_is_water(built: northchina.Cube) -> None:
    np.testing.assert_allclose(built.static.sum(axis=1), 1, atol=1e-5)
    assert built.static[:, built.static_names.index("land_cover_water")].max() < 0.5


def test_bands_and_meteorology_are_on_the_same_grid(built: northchina.Cube) -> None:
    """The western Ordos is grassland and bare soil, the North China Plain cropland: a flipped raster would fail."""
    dominant = np.array(built.static_names)[built.land_cover_class]
    plain = (built.lat > 34.5) & (built.lat < 37) & (built.lon > 114.5) & (built.lon < 116.5)
    steppe = (built.lat > 41.5) & (built.lon < 113)
    assert (dominant[plain] == "land_cover_CRO").mean() > 0.8
    assert (dominant[steppe] == "land_cover_GRA").mean() > 0.6


def test_what_made_the_target_is_withheld(built: northchina.Cube) -> None:
    assert set(built.withheld) == {"LAI", "Albedo", "Emiss"}
    assert not {"LAI", "Albedo", "Emiss"} & {*built.feature_names, *built.static_names}


def test_the_equations_with_the_true_lai_give_the_target_back(built: northchina.Cube) -> None:
    from bench.data.physics import gpp_with_lai
    from bench.data.splits import full_parameters, make_split

    part = make_split(built, full_parameters(built)).test
    np.testing.assert_allclose(
        gpp_with_lai(built, part, part.of(built.withheld["LAI"])), part.of(built.target), rtol=2e-4, atol=2e-5
    )


def test_a_truncated_file_is_named(northchina_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "northchina"
    shutil.copytree(northchina_folder, copy)
    for item in copy.rglob("*"):
        item.chmod(0o755 if item.is_dir() else 0o644)
    broken = copy / "mete_GLDASV21" / "PMLV2_forcing_NorthChina_GLDASV21_2020.nc"
    broken.write_bytes(broken.read_bytes()[:1000])
    with pytest.raises(BenchError, match=r"GLDASV21_2020.nc has SHA-256 .* \(1000 bytes\): it is truncated"):
        northchina.build(copy)


def test_a_file_without_read_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *arguments: object, **keywords: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(BenchError, match="may not be read; grant read permission"):
        verify_file(tmp_path / "x.nc", "0" * 64)
