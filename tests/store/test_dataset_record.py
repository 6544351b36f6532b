"""The store's record of a data set: complete, written once, again when missing or damaged, one sentence on failure."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pandas as pd
import pytest

from bench.data.cube import Cube
from bench.errors import BenchError
from bench.store import dataset_record
from bench.store.dataset_record import dataset_folder, read_dataset_record, write_dataset_record
from bench.store.store import Store
from bench.system.disk import sha256


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs", create=True)


def test_it_says_what_the_cube_says(store: Store, cube: Cube) -> None:
    write_dataset_record(store, cube)
    record = read_dataset_record(store, cube.fingerprint)
    assert record is not None
    assert record.cells["lon"].tolist() == cube.lon.tolist() and record.cells["lat"].tolist() == cube.lat.tolist()
    names = ["ENF", "GRA", "CRO", "water"]
    assert record.cells["land_cover"].tolist() == [names[index] for index in cube.land_cover_class]
    assert record.times["time"].to_numpy().astype("datetime64[D]").tolist() == cube.time.tolist()
    assert record.times["step_of_year"].tolist() == cube.step_of_year.tolist()
    assert record.times["year"].tolist() == cube.year.tolist()
    described = record.description
    assert (described.name, described.target_units, described.step_days) == ("toy", "gC m-2 d-1", 8)
    assert described.feature_names == cube.feature_names and described.provenance["licence"] == "none needed"


def test_a_store_that_knows_nothing_says_none(store: Store) -> None:
    assert read_dataset_record(store, "0" * 64) is None


@pytest.mark.parametrize("name", ["dataset.json", "cells.parquet", "times.parquet"])
def test_what_is_missing_or_damaged_is_written_again_and_the_rest_stays(store: Store, cube: Cube, name: str) -> None:
    write_dataset_record(store, cube)
    folder = dataset_folder(store, cube.fingerprint)
    (folder / "sensitivities.parquet").write_bytes(b"of another command")
    content = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / name).unlink()
    write_dataset_record(store, cube)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == content
    (folder / name).write_bytes(b"{}")
    with pytest.raises(BenchError, match="is damaged .* issue the `bench run` command again"):
        read_dataset_record(store, cube.fingerprint)
    write_dataset_record(store, cube)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == content


def test_a_record_of_other_places_is_written_again(store: Store, cube: Cube) -> None:
    write_dataset_record(store, cube)
    folder = dataset_folder(store, cube.fingerprint)
    content = {path.name: path.read_bytes() for path in folder.iterdir()}
    fewer = pd.read_parquet(folder / "cells.parquet").iloc[1:]
    fewer.to_parquet(folder / "cells.parquet", index=False)
    described = json.loads(content["dataset.json"])
    described["files"]["cells.parquet"] = sha256(folder / "cells.parquet")
    (folder / "dataset.json").write_text(json.dumps(described))
    assert read_dataset_record(store, cube.fingerprint) is not None
    write_dataset_record(store, cube)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == content


def test_a_good_record_is_not_written_twice(store: Store, cube: Cube, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset_record(store, cube)
    monkeypatch.setattr(dataset_record, "write_atomically", None)
    write_dataset_record(store, cube)


def test_a_newer_version_is_refused_and_kept(store: Store, cube: Cube) -> None:
    write_dataset_record(store, cube)
    path = dataset_folder(store, cube.fingerprint) / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 99}))
    for act in (lambda: read_dataset_record(store, cube.fingerprint), lambda: write_dataset_record(store, cube)):
        with pytest.raises(BenchError, match="newer version"):
            act()


def test_a_full_disk_is_one_sentence_and_leaves_no_description(
    store: Store, cube: Cube, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(dataset_record, "write_atomically", full)
    with pytest.raises(BenchError, match="record of the data set .* the disk is full; .* stored results are untouched"):
        write_dataset_record(store, cube)
    assert read_dataset_record(store, cube.fingerprint) is None
