"""Exported predictions: what other programs find in the files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bench.errors import BenchError
from bench.store.dataset_record import write_dataset_record
from bench.store.export import as_dataset, as_table, gather, write
from bench.store.names import IMPORTANCE, PREDICTIONS, STATISTICS
from bench.store.records import Record
from bench.store.store import Store
from bench.system.disk import sha256
from tests.conftest import make_cube
from tests.store.test_store import make_job, make_record


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(tmp_path / "runs", create=True)
    write_dataset_record(found, make_cube())
    return found


def publish(store: Store, cells: list[int], times: list[int], *, explained: bool = False, **changes: object) -> Record:
    """A done job with one prediction per pair of a cell and a time; each is its cell + its time ÷ 100.

    Where it is explained, the first variable counts minus its time, and the second ten times its cell.
    """
    job = make_job(dataset_fingerprint=make_cube().fingerprint, **changes)
    work = store.new_work_folder(job.id)
    frame = pd.DataFrame({"cell": np.array(cells, np.int32), "time": np.array(times, np.int32)})
    frame["target"] = (frame["cell"] * 2).astype(np.float32)
    frame["prediction"] = (frame["cell"] + frame["time"] / 100).astype(np.float32)
    frame.to_parquet(work / PREDICTIONS)
    (work / STATISTICS).write_bytes(b"sums")
    names = [PREDICTIONS, STATISTICS]
    if explained:
        weights = frame[["cell", "time"]].copy()
        weights[[*make_cube().feature_names, *make_cube().static_names]] = np.float32(0)
        weights[RAIN], weights[HEAT] = np.float32(-frame["time"]), np.float32(frame["cell"] * 10)
        weights.to_parquet(work / IMPORTANCE)
        names.append(IMPORTANCE)
    files = {name: sha256(work / name) for name in names}
    record = make_record(job, files=files, n_test=len(cells))
    store.publish(work, record)
    return record


RAIN, HEAT = make_cube().feature_names[:2]
SERIES = [3, 3, 1, 1], [51, 50, 50, 51]  # whole series of two places, in any order
RAGGED = [3, 3, 1], [50, 51, 50]


def test_whole_series_become_a_cf_file_with_axes(store: Store, tmp_path: Path) -> None:
    jobs = [publish(store, *SERIES, repetition=number) for number in (0, 1)]
    write(gather(store, jobs), tmp_path / "x.nc")
    with xr.open_dataset(tmp_path / "x.nc") as found:
        assert found.prediction.dims == ("job", "place", "time") and found.target.dims == ("place", "time")
        assert found.attrs["Conventions"].startswith("CF-") and found.attrs["featureType"] == "timeSeries"
        assert found.prediction.attrs["units"] == "g m-2 d-1"  # UDUNITS knows no gC
        assert found.prediction.attrs["standard_name"].endswith("expressed_as_carbon")
        assert "gC m-2 d-1" in found.prediction.attrs["long_name"]
        assert found.lon.attrs["units"] == "degrees_east" and found.lat.attrs["standard_name"] == "latitude"
        assert found.time.encoding["calendar"] == "proleptic_gregorian" and found.time.attrs["standard_name"] == "time"
        assert list(found.job.values) == [record.job_id for record in jobs]
        cube = make_cube()
        assert list(found.time.values) == list(cube.time[[50, 51]])
        np.testing.assert_allclose(found.lat.values, cube.lat[[1, 3]])
        one = found.prediction.sel(job=jobs[1].job_id).sel(time=cube.time[51])
        np.testing.assert_allclose(one.values, [1.51, 3.51], rtol=1e-6)
        np.testing.assert_allclose(found.target.values, [[2, 2], [6, 6]])


def test_ragged_samples_become_points_that_name_their_job(store: Store, tmp_path: Path) -> None:
    jobs = [publish(store, *SERIES), publish(store, *RAGGED, repetition=1)]
    write(gather(store, jobs), tmp_path / "x.nc")
    with xr.open_dataset(tmp_path / "x.nc") as found:
        assert found.attrs["featureType"] == "point" and dict(found.sizes) == {"sample": 7, "job": 2}
        second = found.prediction.values[found.job_index.values == 1]
        np.testing.assert_allclose(second, [3.5, 3.51, 1.5], rtol=1e-6)
        assert {"lon", "lat", "time"} <= set(found.coords)
    assert as_dataset(gather(store, jobs[1:])).attrs["featureType"] == "point"  # alone it is ragged too


def test_parquet_has_a_line_per_sample_and_says_its_unit(store: Store, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    jobs = [publish(store, *SERIES, view="point"), publish(store, *RAGGED, repetition=1)]
    write(gather(store, jobs), tmp_path / "x.parquet")
    found = pd.read_parquet(tmp_path / "x.parquet")
    assert found.equals(as_table(gather(store, jobs))) and len(found) == 7
    assert found["job"].tolist() == [jobs[0].job_id] * 4 + [jobs[1].job_id] * 3
    assert (found["lon"].to_numpy() == make_cube().lon[found["cell"]]).all()
    assert found["fold"].isna().all() and found["view"].tolist()[3:5] == ["point", ""]
    metadata = pq.read_schema(tmp_path / "x.parquet").metadata
    assert metadata[b"target_units"] == b"gC m-2 d-1" and metadata[b"dataset"] == b"toy"


def test_importance_stands_beside_the_predictions(store: Store, tmp_path: Path) -> None:
    jobs = [publish(store, *SERIES, explained=True, repetition=number) for number in (0, 1)]
    found = as_table(gather(store, jobs, importance=True))
    assert found.columns[found.columns.get_loc("prediction") + 1] == f"importance_{RAIN}"
    assert (found[f"importance_{RAIN}"] == -found["time"]).all()
    assert (found[f"importance_{HEAT}"] == 10 * found["cell"]).all()
    write(gather(store, jobs, importance=True), tmp_path / "x.nc")
    with xr.open_dataset(tmp_path / "x.nc") as whole:
        assert whole[f"importance_{HEAT}"].dims == ("job", "place", "time")
        np.testing.assert_allclose(whole[f"importance_{HEAT}"].values[1], [[10, 10], [30, 30]])
        assert f"importance of {RAIN}" in whole[f"importance_{RAIN}"].attrs["long_name"]
    ragged = gather(store, [publish(store, *RAGGED, repetition=2, explained=True)], importance=True)
    np.testing.assert_allclose(as_dataset(ragged)[f"importance_{RAIN}"].values, [-50, -51, -50])
    assert not as_dataset(gather(store, jobs)).data_vars.keys() & {f"importance_{RAIN}", f"importance_{HEAT}"}


def test_what_is_not_explained_is_said(store: Store) -> None:
    with pytest.raises(BenchError, match="stored no importance: its runner, .* does not explain its predictions"):
        gather(store, [publish(store, *SERIES)], importance=True)
    with pytest.raises(BenchError, match="is failed, not done"):
        failed = publish(store, *SERIES, repetition=1).model_copy(update={"status": "failed", "reason": "it broke"})
        gather(store, [failed], importance=True)


def test_importance_of_other_samples_is_damage(store: Store) -> None:
    record = publish(store, *SERIES, explained=True)
    path = store.file(record, IMPORTANCE)
    frame = pd.read_parquet(path).iloc[::-1].reset_index(drop=True)
    frame.to_parquet(path)
    files = {**record.files, IMPORTANCE: sha256(path)}
    with pytest.raises(BenchError, match=r"importance.parquet is missing or damaged .its samples are not those"):
        gather(store, [record.model_copy(update={"files": files})], importance=True)


def test_what_cannot_stand_in_one_file_is_one_sentence(store: Store, tmp_path: Path) -> None:
    good = publish(store, *SERIES)
    with pytest.raises(BenchError, match="different data sets or targets"):
        gather(store, [good, make_record(make_job(dataset_fingerprint="a" * 64))])
    with pytest.raises(BenchError, match="is failed, not done"):
        gather(store, [good.model_copy(update={"status": "failed", "reason": "it broke"})])
    with pytest.raises(BenchError, match="ends in neither of"):
        write(gather(store, [good]), tmp_path / "x.csv")
    with pytest.raises(BenchError, match="does not know the places"):
        gather(store, [make_record(make_job(dataset_fingerprint="a" * 64))])
