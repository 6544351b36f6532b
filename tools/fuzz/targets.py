"""What is damaged: a cube, a store with a result in it, and what a job leaves; and everything that reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench.data.cube import Cube
from bench.data.cube_zarr import verify_cube, write_cube
from bench.data.datasets import open_dataset
from bench.data.splits import full_parameters, make_split
from bench.execution.progress import describe
from bench.execution.result import RESULT_FILE, read_result
from bench.scoring.metrics import STATISTICS
from bench.store.dataset_record import dataset_folder, read_dataset_record, write_dataset_record
from bench.store.jobs import Job
from bench.store.reading import CorruptRecord
from bench.store.records import Manifest, Record
from bench.store.store import Store
from bench.system import clock
from bench.system.disk import sha256
from bench.system.host import this_host
from bench.system.text import plain


@dataclass(frozen=True)
class Target:
    """A kind of files.

    Attributes:
        name: of the kind.
        files: pattern of the files that are damaged, below the folder of the pristine copy.
        read: reads what is in the folder, as the commands do.
        heals: whether the hash of a damaged table is put right, as whoever forges one would.
    """

    name: str
    files: str
    read: Callable[[Path], None]
    heals: bool = False


def make_pristine(folder: Path) -> None:
    """Writes a small cube, a store with one finished job, its manifest and its data set, and a job's result."""
    cube = write_cube(folder / "cube.zarr", _cube())
    store = Store(folder / "store", create=True)
    job = Job(
        suite="full",
        dataset="toy",
        dataset_fingerprint=cube.fingerprint,
        split=full_parameters(cube),
        runner="climatology",
        runner_version=1,
        parameters={"depth": {"of": [1, 2]}},
        view="located",
        profile="smoke",
        repetition=0,
        seed=5,
        packages={"numpy": "2"},
    )
    work = store.new_work_folder(job.id)
    keys = {"part": "test", "group": "all", "weighting": "plain", "block": 1, "year": 0, "n": 1}
    pd.DataFrame([keys | dict.fromkeys(STATISTICS[1:], 1.0)]).to_parquet(work / "statistics.parquet")
    record = Record(
        job_id=job.id,
        job=job,
        status="done",
        metrics={"train": {"rmse": 1.0}, "test": {"rmse": 1.0, "r2": None}},
        wall_seconds=1.5,
        peak_memory_bytes=10**8,
        started=clock.now(),
        finished=clock.now(),
        files={"statistics.parquet": sha256(work / "statistics.parquet")},
        host=this_host(),
        bench_version="0",
    )
    store.publish(work, record, log=b"said")
    write_dataset_record(store, cube)
    manifest = Manifest(
        created=clock.now(),
        suite="full",
        dataset_spec="toy",
        dataset_reason="named",
        dataset_title="made for fuzzing",
        target_name="GPP",
        target_units="gC m-2 d-1",
        options={"profile": "smoke"},
        jobs=[job],
    )
    store.add_manifest(manifest)
    result = {"status": "done", "metrics": record.metrics, "n_train": 3, "times": {"fit": 0.5}, "reason": None}
    (folder / RESULT_FILE).write_text(json.dumps(result))


def _cube() -> Cube:
    generator = np.random.default_rng(0)
    days = [np.datetime64(f"{year}-01-01") + np.arange(0, 368, 8).astype("timedelta64[D]") for year in (2019, 2020)]
    size = (6, 92)
    return Cube(
        name="toy",
        climate=generator.normal(size=(*size, 2)).astype(np.float32),
        static=generator.dirichlet(np.ones(2), size=6).astype(np.float32),
        target=generator.normal(size=size).astype(np.float32),
        lon=generator.uniform(-20, 20, 6),
        lat=generator.uniform(30, 60, 6),
        time=np.concatenate(days),
        feature_names=("Tavg", "Prcp"),
        feature_units=("degC", "mm d-1"),
        static_names=("land_cover_ENF", "land_cover_water"),
        static_units=("1", "1"),
        n_land_cover=2,
        target_name="GPP",
        target_units="gC m-2 d-1",
        provenance={"title": "made for fuzzing"},
        withheld={"LAI": generator.uniform(0, 5, size).astype(np.float32)},
    )


def _read_cube(folder: Path) -> None:
    opened = open_dataset(str(folder / "cube.zarr"))
    cube = opened.cube
    make_split(cube, full_parameters(cube))
    assert cube.land_cover_class.max() < cube.n_land_cover
    Job(
        suite="full",
        dataset=cube.name,
        dataset_fingerprint=cube.fingerprint,
        split=full_parameters(cube),
        runner="climatology",
        runner_version=1,
        parameters={},
        view=None,
        profile="smoke",
        repetition=0,
        seed=None,
        packages={},
    )
    write_dataset_record(Store(folder / "store"), cube)


def _verify_cube(folder: Path) -> None:
    verify_cube(folder / "cube.zarr")


def _read_records(folder: Path) -> None:
    store = Store(folder / "store", create=True)
    store.clean_work()
    records, damaged = store.survey(store.ids())
    for record in records.values():
        plain(describe(record))
        record.model_dump(mode="json")
        json.dumps(record.job.address)
        if record.status == "done":
            store.file(record, "statistics.parquet")
    for job_id in damaged:
        store.quarantine(job_id)
    assert not store.survey()[1]


def _read_manifests(folder: Path) -> None:
    store = Store(folder / "store")
    store.manifests()
    if store.damaged_manifests:
        store.set_damaged_manifests_aside()
        store.manifests()
        assert not store.damaged_manifests


def _read_dataset(folder: Path) -> None:
    store = Store(folder / "store")
    for described in (store.root / "datasets").iterdir():
        try:
            read_dataset_record(store, described.name)
        except CorruptRecord:
            write_dataset_record(store, _cube())
            read_dataset_record(store, _cube().fingerprint)
    assert dataset_folder(store, "0" * 64).is_relative_to(store.root)


def _read_result(folder: Path) -> None:
    read_result(folder)


TARGETS = (
    Target("cube metadata", "cube.zarr/**/zarr.json", _read_cube),
    Target("cube values", "cube.zarr/**/c/**/*", _read_cube),
    Target("cube, verified", "cube.zarr/**/*", _verify_cube),
    Target("record", "store/cells/*/record.json", _read_records),
    Target("files of a record", "store/cells/*/*", _read_records),
    Target("manifest", "store/manifests/*", _read_manifests),
    Target("data set's record", "store/datasets/*/*", _read_dataset),
    Target("data set's record, hashes put right", "store/datasets/*/*.parquet", _read_dataset, heals=True),
    Target("store.json", "store/store.json", _read_records),
    Target("result of a job", RESULT_FILE, _read_result),
)
