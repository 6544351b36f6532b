"""A small store with everything that figures are drawn from; its numbers are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data.cube import Cube
from bench.data.splits import fewshot_parameters, full_parameters, make_split
from bench.report.figures import Drawings, Figure, figures
from bench.report.figures.stored import Context
from bench.report.results.rows import rows, standing_rows
from bench.report.results.selection import select
from bench.report.results.statistics_reader import StatisticsReader
from bench.runners.history import Epoch, history_table
from bench.scoring.metrics import statistics_of
from bench.store.dataset_record import read_dataset_record, write_dataset_record
from bench.store.jobs import Job
from bench.store.store import Store
from bench.system.disk import sha256
from tests.conftest import make_cube
from tests.report.tables.test_tables import add_manifest
from tests.store.test_store import make_job, make_record

EPOCHS = 4
LARGEST = 20
"""Training cells of the larger few-shot runs."""


def grid_cube() -> Cube:
    """36 cells of a quarter of a degree in central China."""
    column, row = np.meshgrid(np.arange(6), np.arange(6))
    return replace(make_cube(n_cells=36), lon=113.125 + 0.25 * column.ravel(), lat=34.125 + 0.25 * row.ravel())


def weight_of(cell: np.ndarray, step: np.ndarray, feature: int, repetition: int) -> np.ndarray:
    """The importance weight that the store holds: 100 × feature + cell + step / 100, ± 1 between two seeds."""
    return (100.0 * feature + cell + step / 100.0 + 2.0 * repetition).astype(np.float32)


def residual_of(cell: np.ndarray) -> np.ndarray:
    """The error of every prediction in a cell."""
    return (cell - 17.5) / 10.0


def put(store: Store, cube: Cube, job: Job, scale: float, *, explains: bool = False) -> None:
    """Publishes a done job: errors are ``scale`` × `residual_of` everywhere."""
    work = store.new_work_folder(job.id)
    split = make_split(cube, job.split)
    predicted = {
        name: (part.of(cube.target) + scale * residual_of(part.cells)[:, None]).astype(np.float32)
        for name, part in (("train", split.scored_train), ("test", split.test))
    }
    statistics_of(cube, split, predicted).to_parquet(work / "statistics.parquet", index=False)
    test = split.test
    samples = {"cell": np.repeat(test.cells, len(test.times)), "time": np.tile(test.times, len(test.cells))}
    values = {"target": test.of(cube.target).reshape(-1), "prediction": predicted["test"].reshape(-1)}
    pd.DataFrame(samples | values).astype({"cell": "int32", "time": "int32"}).to_parquet(work / "predictions.parquet")
    names = ["statistics.parquet", "predictions.parquet"]
    if explains:
        step = cube.step_of_year[samples["time"]]
        features = enumerate((*cube.feature_names, *cube.static_names))
        weights = {name: weight_of(samples["cell"], step, at, job.repetition) for at, name in features}
        pd.DataFrame(samples | weights).to_parquet(work / "importance.parquet")
        names.append("importance.parquet")
        history = history_table([Epoch("", epoch, 8.0 / epoch, None) for epoch in range(1, EPOCHS + 1)])
        history.to_parquet(work / "history.parquet", index=False)
        names.append("history.parquet")
    record = make_record(job, files={name: sha256(work / name) for name in names}, n_test=len(test))
    store.publish(work, record)


@pytest.fixture(scope="session")
def full_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of the full suite: two seeds of the proposed model, and two baselines."""
    store, cube = Store(tmp_path_factory.mktemp("figures") / "runs", create=True), grid_cube()
    make = {"split": full_parameters(cube), "dataset_fingerprint": cube.fingerprint}
    proposed = [make_job(runner="dual_branch_plus", repetition=index, seed=index, **make) for index in range(2)]
    others = [make_job(runner="lightgbm_large", view="located", **make), make_job(runner="climatology", **make)]
    add_manifest(store, "2026-01-01T00:00:00Z", [*proposed, *others])
    for job in proposed:
        put(store, cube, job, 0.5, explains=True)
    for job in others:
        put(store, cube, job, 1.0)
    write_dataset_record(store, cube)
    return store


@pytest.fixture(scope="session")
def fewshot_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of the few-shot suite with two numbers of training cells."""
    store, cube = Store(tmp_path_factory.mktemp("figures") / "runs", create=True), grid_cube()
    jobs = [
        make_job(
            suite="fewshot",
            runner=runner,
            split=fewshot_parameters(cube, (10, 30), size, 0),
            dataset_fingerprint=cube.fingerprint,
        )
        for runner in ("dual_branch", "gwr")
        for size in (10, LARGEST)
    ]
    add_manifest(store, "2026-01-01T00:00:00Z", jobs, suite="fewshot")
    for job in jobs:
        put(store, cube, job, 10.0 / job.split["train_cells"], explains=job.runner == "dual_branch")
    write_dataset_record(store, cube)
    return store


def context_of(store: Store, suite: str) -> Context:
    """What the figures of a suite share."""
    selection, reader = select(store, suite), StatisticsReader(store)
    done = tuple(row for row in rows(selection) if row.records)
    dataset = read_dataset_record(store, selection.jobs[0].dataset_fingerprint)
    return Context(selection, reader, dataset, done, tuple(standing_rows(done).values()))


def drawings_of(store: Store, suite: str) -> Drawings:
    """All figures of a suite."""
    context = context_of(store, suite)
    return figures(context.selection, context.reader, context.dataset)


def figure_of(store: Store, suite: str, name: str) -> Figure:
    """One figure of a suite."""
    [found] = [figure for figure in drawings_of(store, suite).figures if figure.name == name]
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for files."""
    made = tmp_path / "files"
    made.mkdir()
    return made
