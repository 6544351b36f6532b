"""Tower data sets: the files' layout on small files of the same form, and the known counts on the real ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data import fetch
from bench.data.own_split import TESTS, TRAINS
from bench.data.split_names import PUBLISHED, parse_split, split_parameters
from bench.data.splits import make_split
from bench.data.towers import fluxval, metaflux, sources
from bench.errors import BenchError

N_MONTHS, N_DRIVERS, N_OBSERVATIONS = 24, 9, 11


def write_drivers(path: Path, gpp: dict[int, float]) -> None:
    """A ``.cbf`` file: month k has k in every driver column plus the column's number ÷ 100, and the fluxes named."""
    rows = np.full((N_MONTHS, N_DRIVERS + N_OBSERVATIONS), -9999.0)
    rows[:, :N_DRIVERS] = np.arange(N_MONTHS)[:, None] + np.arange(N_DRIVERS) / 100
    for month, value in gpp.items():
        rows[month, 9], rows[month, 11] = value, -value / 2
    header = np.zeros(300)
    header[[2, 3, 4]] = N_MONTHS, N_DRIVERS, N_OBSERVATIONS
    path.parent.mkdir(parents=True, exist_ok=True)
    np.concatenate([header, rows.ravel()]).astype("<f8").tofile(path)


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    (tmp_path / "location_fluxnet.csv").write_text(
        "Flux_name,LC,Lat,lon,flux_site\nAR-SLu,MF,-33.4,-66.4,AR-SLu\nGL-ZaF,WET,74.4,-20.5,GL-ZaF\n"
    )
    write_drivers(tmp_path / "cbf_files" / "flux_site_1.cbf", {0: 2.0, 5: 4.0})
    write_drivers(tmp_path / "cbf_files" / "flux_site_2.cbf", {})
    (tmp_path / "validation_data").mkdir()
    (tmp_path / "validation_data" / "validation_AR-SLu.csv").write_text("ID,Date,GPP,NEE,ET\n3,200103,6,-1,0\n")
    (tmp_path / "validation_data" / "validation_DK-ZaF.csv").write_text(
        "ID,Date,GPP,NEE,ET\n9,200109,1,0.5,0\n8,200108,3,0.5,0\n"
    )
    return tmp_path


def test_drivers_fluxes_and_the_published_part_of_a_tower(collection: Path) -> None:
    frame = fluxval.read_months(collection).set_index(["tower", "month"])
    first = frame.loc["AR-SLu"]
    assert first.loc["2001-03-01", "tmin"] == 2.01 and first.loc["2001-03-01", "precip"] == 2.08
    assert first["part"].value_counts().to_dict() == {"": 21, "train": 2, "test": 1}
    assert first.loc["2001-06-01", ["GPP", "NEE", "RECO"]].tolist() == [4, -2, 2]
    assert first.loc["2001-03-01", ["GPP", "NEE", "RECO"]].tolist() == [6, -1, 5]
    assert first["GPP"].isna().sum() == 21


def test_a_tower_is_validated_under_its_older_name(collection: Path) -> None:
    frame = fluxval.read_months(collection)
    tested = frame[(frame.tower == "GL-ZaF") & (frame.part == "test")]
    assert tested.month.astype(str).tolist() == ["2001-08-01", "2001-09-01"] and tested.GPP.tolist() == [3, 1]


def test_a_month_that_trains_and_tests_is_refused(collection: Path) -> None:
    (collection / "validation_data" / "validation_AR-SLu.csv").write_text("ID,Date,GPP,NEE,ET\n1,200101,6,-1,0\n")
    with pytest.raises(BenchError, match="AR-SLu train and test in the same month"):
        fluxval.read_months(collection)


def test_files_that_are_not_the_pinned_ones_are_refused(collection: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="is missing; run `bench data fetch`|instead of"):
        fluxval.build(tmp_path / "cube", collection)
    assert not (tmp_path / "cube").exists()


def test_vegetation_of_metaflux_is_moved_three_months_and_air_without_carbon_is_missing(tmp_path: Path) -> None:
    months = pd.period_range("2000-11", periods=6, freq="M").strftime("%Y%m")
    frame = pd.DataFrame(
        {"TIMESTAMP": months, "Site": "A", "Lat": 1.0, "Lon": 2.0, "PFT": "EBF", "Climate": "Tropical"}
    )
    columns = [*metaflux.WEATHER, "GPP_NT_VUT_REF", "NEE_VUT_REF", "RECO"]
    frame = frame.assign(**dict.fromkeys(columns, 400.0), LAI=np.arange(6.0), EVI=0.5)
    frame.loc[2, "CO2_F_MDS"] = 0.0
    (tmp_path / "base").mkdir()
    (tmp_path / "target").mkdir()
    frame.to_csv(tmp_path / "base" / "A_MM.csv", index=False)
    frame.assign(Site="B").to_csv(tmp_path / "target" / "B_MM.csv", index=False)
    read = metaflux.read_months(tmp_path)
    tower = read[read.tower == "A"]
    np.testing.assert_array_equal(tower.LAI, [3, 4, 5, np.nan, np.nan, np.nan])
    assert tower.co2.isna().tolist() == [False, False, True, False, False, False]
    assert read.groupby("tower").part.first().to_dict() == {"A": "train", "B": "test"}


def files(source: Callable[[], fetch.Source]) -> Path:
    folder = fetch.locate(source()).folder
    if folder is None:
        pytest.skip(f"the real {source().name} files are not at hand (set BENCH_DATA_DIR)")
    return folder


def test_the_real_towers(tmp_path: Path) -> None:
    cube = fluxval.build(tmp_path / "towers", files(sources.fluxval))
    assert (cube.n_cells, cube.n_times, cube.rhythm.name) == (204, 192, "month")
    assert cube.target_names == ("GPP", "RECO", "NEE") and cube.split is not None
    measured = ~np.isnan(cube.target)
    assert measured.sum(axis=(0, 1)).tolist() == [12_772] * 3
    gpp, reco, nee = (cube.target[:, :, index] for index in range(3))
    np.testing.assert_allclose(reco[measured[:, :, 0]], (gpp + nee)[measured[:, :, 0]], atol=2e-6)
    assert int((cube.split == TRAINS).sum()) == 6_434 and int((cube.split == TESTS).sum()) == 6_338
    assert cube.feature_names == ("tmin", "tmax", "srad", "co2", "burned", "vpd", "precip")  # no gap, no indicator
    assert cube.groupings == ("IGBP",) and len(cube.levels_of("IGBP")) == 12
    [parameters] = split_parameters(cube, parse_split("published"))
    split = make_split(cube, {**parameters, "target": "GPP"})
    assert (len(split.train), len(split.test)) == (6_434, 6_338)


def test_the_real_metaflux_and_that_its_vegetation_is_late(tmp_path: Path) -> None:
    folder = files(sources.metaflux)
    cube = metaflux.build(tmp_path / "metaflux", folder)
    assert (cube.n_cells, cube.n_times) == (206, 288) and PUBLISHED in cube.provenance
    assert (~np.isnan(cube.target)).sum(axis=(0, 1)).tolist() == [17_232, 17_232, 17_376]
    assert cube.split is not None and int((cube.split == TESTS).any(axis=1).sum()) == 17
    assert cube.levels_of("climate_zone") == ("Arctic", "Arid", "Continental", "Temperate", "Tropical")
    frame = metaflux.read_months(folder)
    stamped = frame.assign(month=frame.month + pd.DateOffset(months=metaflux.VEGETATION_LAG))
    stamped = frame.drop(columns="LAI").merge(stamped[["tower", "month", "LAI"]], on=["tower", "month"], how="left")
    for months, expected in ((frame, 0.71), (stamped, -0.15)):
        within = months[["LAI", "GPP"]] - months.groupby("tower")[["LAI", "GPP"]].transform("mean")
        assert within.LAI.corr(within.GPP) == pytest.approx(expected, abs=0.02)


def test_the_two_collections_agree_where_both_have_a_tower() -> None:
    first, second = fluxval.read_months(files(sources.fluxval)), metaflux.read_months(files(sources.metaflux))
    second["tower"] = second.tower.replace(fluxval.ALIASES)
    both = first.assign(month=pd.to_datetime(first.month)).merge(second, on=["tower", "month"], suffixes=("", "_2"))
    both = both.dropna(subset=["GPP", "GPP_2"])
    assert len(both) > 12_000
    np.testing.assert_allclose(both.NEE, both.NEE_2, atol=1e-3)
