"""A stored table that is no such table, under its right hash: its job is left out and named, the rest is shown."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bench
from bench.errors import BenchError
from bench.report.reporting import ReportOptions, write_report
from bench.store.dataset_record import dataset_folder, parquet_bytes, write_dataset_record
from bench.store.store import Store
from bench.system.disk import sha256
from tests.conftest import make_cube
from tests.report.html.conftest import publish
from tests.report.tables.test_tables import add_manifest
from tests.store.test_store import make_job

STATISTICS, PREDICTIONS = "statistics.parquet", "predictions.parquet"
IMPORTANCE, HISTORY = "importance.parquet", "history.parquet"
Frame = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture(scope="module")
def two_jobs(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with two finished jobs of two runners, which have every file that a job may have."""
    store, cube = Store(tmp_path_factory.mktemp("forged") / "runs", create=True), make_cube()
    write_dataset_record(store, cube)
    fields = {"dataset": cube.name, "dataset_fingerprint": cube.fingerprint}
    jobs = [make_job(runner="climatology", **fields), make_job(runner="lightgbm", view="located", seed=1, **fields)]
    add_manifest(store, "2026-01-01T00:00:00Z", jobs)
    for job in jobs:
        record = publish(store, job, cube, 0.5)
        folder = store.jobs_dir / job.id
        samples = pd.read_parquet(folder / PREDICTIONS)[["cell", "time"]]
        names = (*cube.feature_names, *cube.static_names)
        samples.assign(**dict.fromkeys(names, np.float32(0.5))).to_parquet(folder / IMPORTANCE)
        epochs = {"member": ["", ""], "epoch": [1, 2], "training_loss": [2.0, 1.0], "held_out_error": [np.nan, 1.0]}
        pd.DataFrame(epochs).to_parquet(folder / HISTORY)
        sign(store, record.job_id)
    return store


@pytest.fixture
def store(two_jobs: Store, tmp_path: Path) -> Store:
    shutil.copytree(two_jobs.root, tmp_path / "runs")
    return Store(tmp_path / "runs")


def sign(store: Store, job_id: str) -> None:
    """Writes the hashes of a job's files into its record."""
    folder = store.jobs_dir / job_id
    files = {path.name: sha256(path) for path in folder.glob("*.parquet")}
    path = folder / "record.json"
    record = Store(store.root).record(job_id)
    assert record is not None
    path.write_text(record.model_copy(update={"files": files}).model_dump_json())


def with_column(name: str, value: object) -> Frame:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        values = list(frame[name])
        values[0] = value
        return frame.assign(**{name: values})

    return change


def nested(name: str) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        table = pq.read_table(pa.BufferReader(content))
        values = pa.array([[1.0]] * len(table))
        return written(table.set_column(table.schema.get_field_index(name), name, values))

    return change


def twice(name: str) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        table = pq.read_table(pa.BufferReader(content))
        return written(table.append_column(name, table.column(name)).replace_schema_metadata({}))

    return change


def hidden(name: str) -> Callable[[bytes], bytes]:
    """What the file says of pandas makes an index of a column."""
    return lambda content: parquet_of_index(pq.read_table(pa.BufferReader(content)).to_pandas().set_index(name))


def parquet_of_index(frame: pd.DataFrame) -> bytes:
    return written(pa.Table.from_pandas(frame))


def written(table: pa.Table) -> bytes:
    stream = pa.BufferOutputStream()
    pq.write_table(table, stream)
    return stream.getvalue().to_pybytes()


def bomb(_: bytes) -> bytes:
    """A billion rows in some kilobytes would take the memory of the machine; this many show that they are counted."""
    zeros = pa.array(np.zeros(3_000_000, np.int32))
    return written(pa.table({"cell": zeros, "time": zeros}))


OF_EVERY_FILE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "no Parquet": lambda content: b"PAR1 or not PAR1",
    "cut off": lambda content: content[: len(content) // 2],
    "scribbled over": lambda content: content[:40] + bytes(300) + content[340:],
    "other columns": lambda content: parquet_bytes(pd.DataFrame({"a": [1, 2]})),
    "a bomb": bomb,
}
FORGED: dict[str, dict[str, Frame | Callable[[bytes], bytes]]] = {
    STATISTICS: {
        "no error": lambda frame: frame.drop(columns="error"),
        "no rows": lambda frame: frame.iloc[:0],
        "texts for sums": lambda frame: frame.assign(squared_error="much"),
        "NaN": with_column("squared_error", np.nan),
        "infinite": with_column("target", np.inf),
        "negative square": with_column("squared_error", -1.0),
        "no samples": with_column("n", 0),
        "foreign part": with_column("part", "validation"),
        "missing group": with_column("group", None),
        "no test": lambda frame: frame[frame["part"] != "test"],
        "other test samples": lambda frame: frame[~((frame["group"] == "all") & (frame.index % 2 == 0))],
        "twice": lambda frame: pd.concat([frame, frame.iloc[:1]]),
        "nested": nested("weight"),
        "two columns": twice("n"),
        "an index": hidden("block"),
        "another model's errors": lambda frame: frame.assign(squared_error=2 * frame["squared_error"]),
        "weights twice": lambda frame: frame.assign(weight=2 * frame["weight"]),
        "another bias": lambda frame: frame.assign(error=frame["error"] + 1.0),
    },
    PREDICTIONS: {
        "no prediction": lambda frame: frame.drop(columns="prediction"),
        "no rows": lambda frame: frame.iloc[:0],
        "fewer rows": lambda frame: frame.iloc[1:],
        "more rows": lambda frame: pd.concat([frame, frame.iloc[:1].assign(time=0)]),
        "twice": lambda frame: pd.concat([frame.iloc[1:], frame.iloc[1:2]]),
        "NaN": with_column("prediction", np.nan),
        "infinite": with_column("target", -np.inf),
        "negative place": with_column("cell", -1),
        "place outside": with_column("cell", 10**6),
        "time outside": with_column("time", 10**6),
        "half a place": lambda frame: frame.assign(cell=frame["cell"] + 0.5),
        "missing time": with_column("time", None),
        "a flag for a place": lambda frame: frame.assign(cell=frame["cell"] > 0),
        "texts": lambda frame: frame.assign(target="1.0"),
        "dates": lambda frame: frame.assign(time=pd.Timestamp("2020-01-01")),
        "objects": nested("prediction"),
        "two columns": twice("cell"),
        "an index": hidden("cell"),
        "another model's": lambda frame: frame.assign(prediction=(frame["prediction"] + 1).astype(np.float32)),
        "other targets": lambda frame: frame.assign(target=(2 * frame["target"]).astype(np.float32)),
    },
    IMPORTANCE: {
        "a feature less": lambda frame: frame.drop(columns="Rs"),
        "infinite": with_column("Tavg", np.inf),
        "texts": lambda frame: frame.assign(Tavg="0.5"),
        "time outside": with_column("time", 10**6),
        "fewer rows": lambda frame: frame.iloc[1:],
        "nested": nested("Prcp"),
    },
    HISTORY: {
        "no loss": lambda frame: frame.drop(columns="training_loss"),
        "epoch zero": with_column("epoch", 0),
        "texts": lambda frame: frame.assign(training_loss="small"),
        "numbers for members": lambda frame: frame.assign(member=1),
        "nested": nested("training_loss"),
    },
}
OF_BYTES = {"nested", "objects", "two columns", "an index", *OF_EVERY_FILE}


def forge(store: Store, name: str, kind: str) -> str:
    """Changes a file of the first job and signs it; returns the job's id."""
    job_id = next(record.job_id for record in store.records() if record.job.runner == "climatology")
    path = store.jobs_dir / job_id / name
    change = {**OF_EVERY_FILE, **FORGED[name]}[kind]
    content = path.read_bytes()
    changed = change(content) if kind in OF_BYTES else parquet_bytes(change(pd.read_parquet(path)))  # type: ignore[arg-type]
    assert changed != content
    path.write_bytes(changed)
    sign(store, job_id)
    return job_id


@pytest.mark.parametrize("name", list(FORGED))
def test_the_job_is_left_out_with_a_sentence_and_the_other_is_shown(two_jobs: Store, tmp_path: Path, name: str) -> None:
    for number, kind in enumerate((*OF_EVERY_FILE, *FORGED[name])):
        store = Store(shutil.copytree(two_jobs.root, tmp_path / str(number)))
        job_id = forge(store, name, kind)
        with pytest.warns(UserWarning) as said:
            table = bench.results(store.root, groups=["all"])
        assert set(table["runner"]) == {"lightgbm"}, kind
        [sentence] = [str(warning.message) for warning in said]
        assert sentence.startswith("Left out: File ") and job_id in sentence and name in sentence, kind
        assert "\n" not in sentence and len(sentence) < 600, kind
        damaged = Store(store.root).survey({job_id})[1]
        assert list(damaged) == [job_id], kind  # as the next run plans, which sets it aside


@pytest.mark.parametrize(("part", "name"), [("test", "rmse"), ("test", "bias")])
def test_a_metric_that_is_not_that_of_the_tables_costs_its_job(store: Store, part: str, name: str) -> None:
    job_id = next(record.job_id for record in store.records())
    path = store.jobs_dir / job_id / "record.json"
    record = json.loads(path.read_text())
    record["metrics"][part][name] += 0.001
    path.write_text(json.dumps(record))
    damaged = Store(store.root).survey({job_id})[1]
    assert list(damaged) == [job_id] and f"the record says {part} {name} " in damaged[job_id]


def test_a_report_names_the_damaged_job_and_has_the_rest(store: Store) -> None:
    job_id = forge(store, PREDICTIONS, "time outside")
    report = write_report(Store(store.root), ReportOptions(figures=False, html=True))
    assert any(note.startswith("Left out: ") and job_id in note for note in report.notes)
    table = (store.root / "report" / "table1.md").read_text()
    assert "LightGBM" in table and "Climatology" not in table.split("LightGBM")[1].split("\n")[0]


def test_asked_for_by_name_a_damaged_table_is_refused_in_a_sentence(store: Store, tmp_path: Path) -> None:
    job_id = forge(store, PREDICTIONS, "place outside")
    with pytest.raises(BenchError, match="column cell holds 1000000, which is out of range"):
        bench.predictions(job_id, store.root)
    with pytest.raises(BenchError, match="is missing or damaged"):
        bench.export(job_id, tmp_path / "out.nc", store.root)
    assert not (tmp_path / "out.nc").exists()


def test_without_the_data_sets_record_indices_are_only_not_negative(store: Store) -> None:
    shutil.rmtree(dataset_folder(store, make_cube().fingerprint))
    forge(store, PREDICTIONS, "time outside")
    assert not Store(store.root).survey(store.ids())[1]
