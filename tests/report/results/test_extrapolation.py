"""An enormous error is explained where it stands: by the few samples that make it, and only if they do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data.cube import Cube
from bench.data.splits import fewshot_parameters, make_split
from bench.report.results.extrapolation import footnote
from bench.report.results.rows import rows
from bench.report.results.selection import select
from bench.report.results.statistics_reader import StatisticsReader
from bench.report.tables import render
from bench.report.tables.numbered import table2
from bench.scoring.metrics import statistics_of
from bench.store.records import Record
from bench.store.store import Store
from bench.system.disk import sha256
from tests.conftest import make_cube
from tests.report.html.conftest import describe_dataset
from tests.report.tables.test_tables import add_manifest
from tests.store.test_store import HOST, make_job


def store_with(folder: Path, cube: Cube, wild: dict[str, tuple[int, float]]) -> Store:
    """GWR-like rows: near the target but for the first samples, which are off by much."""
    store = Store(folder / "runs", create=True)
    split = fewshot_parameters(cube, (1, 40), 12, 0)
    jobs = {name: make_job(suite="fewshot", runner=name, split=split, repetition=0) for name in wild}
    add_manifest(store, "2026-01-01T00:00:00Z", list(jobs.values()), suite="fewshot")
    for name, job in jobs.items():
        made, (n_wild, off) = make_split(cube, job.split), wild[name]
        predictions = {"train": made.scored_train.of(cube.target), "test": made.test.of(cube.target).copy()}
        predictions["test"] += 0.01
        predictions["test"][:n_wild] += off
        work = store.new_work_folder(job.id)
        statistics_of(cube, made, predictions).to_parquet(work / "statistics.parquet", index=False)
        cell, time = made.test.samples()
        target = made.test.select(made.test.of(cube.target))
        columns = {"cell": cell, "time": time, "target": target, "prediction": made.test.select(predictions["test"])}
        pd.DataFrame(columns).to_parquet(work / "predictions.parquet", index=False)
        files = {item: sha256(work / item) for item in ("statistics.parquet", "predictions.parquet")}
        record = Record(
            job_id=job.id, job=job, status="done", files=files, started="a", finished="b", host=HOST, bench_version="0"
        )
        store.publish(work, record)
    describe_dataset(store, cube, "f" * 64)
    return store


def test_few_wild_samples_are_told_with_their_number_share_and_place(tmp_path: Path) -> None:
    cube = make_cube()
    store = store_with(tmp_path, cube, {"gwr": (1, 500.0), "gnnwr": (0, 0.0), "gtwr": (10**6, 50.0)})
    reader, selection = StatisticsReader(store), select(store, "fewshot")
    table = table2(selection, reader)
    notes = {row.name: row.values["rmse_1"].footnote for row in table.rows if "rmse_1" in row.values}
    assert notes["gnnwr"] == "" and notes["gtwr"] == ""  # one is good, the other is wrong everywhere
    n = cube.n_cells
    assert (
        f"(1 of {n}, in 1 cell between longitude" in notes["gwr"] and "make 100% of its squared error" in notes["gwr"]
    )
    assert "without them the RMSE is 0.010" in notes["gwr"]
    shown = render.markdown(table)
    assert "ᵃ [" in shown and "- ᵃ: extrapolation:" in shown
    assert r"$^\mathrm{a}$" in render.latex(table)
    [row] = [row for row in rows(selection) if row.key.runner == "gwr"]
    assert footnote(reader, row, 1, r2=0.5) == ""


@pytest.mark.parametrize("n", [25, 26, 60])
def test_every_footnote_has_a_mark_of_its_own(n: int) -> None:
    from bench.report.table import Column, Row, Table, Value

    table = Table(
        "x",
        "x",
        "x",
        "x",
        (Column("v", "v"),),
        tuple(Row(str(at), "", {"v": Value(float(at), footnote=f"note {at}")}) for at in range(n)),
    )
    marks = [mark for mark, _ in table.footnotes()]
    assert len(set(marks)) == n and np.all([table.mark_of(row.values["v"]) in marks for row in table.rows])
