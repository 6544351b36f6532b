"""The store's record of true sensitivities: written once, in the units of the weights, a sample where it is large."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data.physics import gpp_with_lai
from bench.data.splits import Part
from bench.store import sensitivities_record
from bench.store.dataset_record import dataset_folder
from bench.store.names import CONTRIBUTIONS, SENSITIVITIES
from bench.store.sensitivities_record import record_sensitivities
from bench.store.store import Store
from tests.conftest import make_cube
from tests.data.test_physics import growing_season

pytest.importorskip("torch")


def silent(text: str) -> None:
    raise AssertionError(text)


def test_it_is_the_slope_per_training_deviation_and_that_times_the_standardised_value(tmp_path: Path) -> None:
    store, cube = Store(tmp_path / "runs", create=True), growing_season()
    assert record_sensitivities(store, cube, ["gwr"], silent)
    folder = dataset_folder(store, cube.fingerprint)
    sensitivity, contribution = (pd.read_parquet(folder / name) for name in (SENSITIVITIES, CONTRIBUTIONS))
    assert list(sensitivity.columns) == ["cell", "time", *cube.feature_names]
    assert len(sensitivity) == 12 * 46 and sensitivity["time"].min() == 46
    assert sensitivity["Tavg"].dtype == np.float32
    part, index = Part(np.arange(12), np.arange(46, 92)), cube.feature_names.index("Rs")
    training = cube.climate[:, :46, index]
    moved = cube.climate.copy()
    moved[..., index] += 1e-6 * training.std()
    lai = part.of(cube.withheld["LAI"]).astype(np.float64)
    rise = gpp_with_lai(dataclasses.replace(cube, climate=moved), part, lai)
    slope = (rise - gpp_with_lai(cube, part, lai)).reshape(-1) / 1e-6
    np.testing.assert_allclose(sensitivity["Rs"], slope, rtol=1e-3)
    value = (cube.climate[:, 46:, index].reshape(-1) - training.mean()) / training.std()
    np.testing.assert_allclose(contribution["Rs"], sensitivity["Rs"] * value, rtol=1e-4, atol=1e-5)


def test_it_is_written_once_and_again_where_a_file_is_gone(tmp_path: Path) -> None:
    store, cube = Store(tmp_path / "runs", create=True), growing_season()
    folder = dataset_folder(store, cube.fingerprint)
    assert not record_sensitivities(store, cube, ["training_mean"], silent), "nobody explains himself"
    assert not record_sensitivities(store, make_cube(), ["gwr"], silent), "a data set without equations"
    assert not folder.exists()
    assert record_sensitivities(store, cube, ["gwr"], silent)
    first = (folder / SENSITIVITIES).stat().st_mtime_ns
    assert record_sensitivities(store, cube, ["gwr"], silent)
    assert (folder / SENSITIVITIES).stat().st_mtime_ns == first
    content = (folder / CONTRIBUTIONS).read_bytes()
    (folder / CONTRIBUTIONS).unlink()
    assert record_sensitivities(store, cube, ["gwr"], silent)
    assert (folder / CONTRIBUTIONS).read_bytes() == content


def test_of_a_large_data_set_a_sample_of_cells_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, cube = Store(tmp_path / "runs", create=True), growing_season()
    monkeypatch.setattr(sensitivities_record, "MOST_VALUES", 5 * 46 * 9)
    assert record_sensitivities(store, cube, ["gwr"], silent)
    kept = pd.read_parquet(dataset_folder(store, cube.fingerprint) / SENSITIVITIES)
    assert kept["cell"].nunique() == 5 and len(kept) == 5 * 46
