"""A store with every state that a job can have, and what a browser's parser sees of a page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data.cube import Cube
from bench.data.splits import fewshot_parameters, make_split
from bench.report.drawn import DrawnFigure
from bench.report.html.page import SuiteResult, render_page
from bench.report.paper import checking
from bench.report.paper.check import by_published_table
from bench.report.results.selection import select
from bench.report.results.statistics_reader import StatisticsReader
from bench.report.results.subject import subject
from bench.report.tables.numbered import costs, table1, table2, table3
from bench.runners import registry
from bench.scoring.metrics import evaluate, statistics_of
from bench.store.dataset_record import write_dataset_record
from bench.store.jobs import Job
from bench.store.records import Record
from bench.store.store import Store
from bench.system.disk import sha256
from tests.conftest import make_cube
from tests.report.tables.test_tables import add_manifest
from tests.store.test_store import HOST, make_job
from tests.support.nasty import NASTY

_VOID = {"img", "meta"}
_INLINE = {"a", "code", "span", "strong"}


class PageReader(HTMLParser):
    """Reads a page and keeps what tests ask for; complains of tags that do not match."""

    def __init__(self, page: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page.decode())
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"an attribute twice in <{tag}>"
        self.tags.append((tag, dict(attrs)))
        self.texts.append("" if tag in _INLINE else " ")
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"
        self.texts.append("" if tag in _INLINE else " ")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())

    def attributes(self, name: str) -> list[str]:
        return [value for _, found in self.tags for key, value in found.items() if key == name and value is not None]


def publish(store: Store, job: Job, cube: Cube, noise: float, status: str = "done", reason: str = "") -> Record:
    """Publishes a job as `bench run` does: statistics, predictions of the test part and a record."""
    work = store.new_work_folder(job.id)
    files, metrics = {}, {}
    split = make_split(cube, job.split)
    if status == "done":
        generator = np.random.default_rng(job.repetition)
        predictions = {
            name: (part.of(cube.target) + noise * generator.normal(size=(len(part.cells), len(part.times)))).astype(
                np.float32
            )
            for name, part in (("train", split.scored_train), ("test", split.test))
        }
        statistics = statistics_of(cube, split, predictions)
        statistics.to_parquet(work / "statistics.parquet", index=False)
        [test] = evaluate(statistics).query("part == 'test' and group == 'all' and weighting == 'plain'").itertuples()
        metrics = {"test": {"rmse": float(test.rmse), "r2": 0.5, "mae": None, "bias": float(test.bias)}}
        samples = {
            "cell": np.repeat(split.test.cells, len(split.test.times)).astype(np.int32),
            "time": np.tile(split.test.times, len(split.test.cells)).astype(np.int32),
            "target": split.test.of(cube.target).reshape(-1),
            "prediction": predictions["test"].reshape(-1),
        }
        pd.DataFrame(samples).to_parquet(work / "predictions.parquet", index=False)
        files = {name: sha256(work / name) for name in ("statistics.parquet", "predictions.parquet")}
    record = Record(
        job_id=job.id,
        job=job,
        status=status,  # type: ignore[arg-type]
        reason=reason or None,
        n_train=len(split.train),
        n_test=len(split.test),
        metrics=metrics,
        fit_seconds=61.0,
        peak_memory_bytes=10**9,
        threads=1,
        files=files,
        started="2026-01-01T00:00:00.000Z",
        finished="2026-01-01T00:01:02.000Z",
        host=HOST,
        bench_version="0.1.0",
    )
    store.publish(work, record)
    return record


@pytest.fixture(scope="module", autouse=True)
def nasty() -> Iterator[None]:
    """A registry with a runner whose title is markup."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_PLUGINS", "tests.support.nasty:NASTY")
        registry.reload()
        yield
    registry.reload()


@pytest.fixture
def changeable(filled: Store, tmp_path: Path) -> Store:
    """A copy of the store, for tests that change it."""
    shutil.copytree(filled.root, tmp_path / "runs")
    return Store(tmp_path / "runs")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Both suites; done, failed, timed out, missing, stale and set aside. Tests only read it."""
    store, cube = Store(tmp_path_factory.mktemp("page") / "runs", create=True), make_cube()
    located = {"view": "located"}
    large = make_job(runner="lightgbm_large", seed=5, **located)
    plain = [make_job(runner="lightgbm", repetition=index, seed=index, **located) for index in range(2)]
    old = make_job(runner="xgboost", repetition=0, **located)
    new = make_job(runner="xgboost", repetition=1, runner_version=2, **located)
    late = make_job(runner="catboost", **located)
    missing = make_job(runner="knn_unif", **located)
    strange = make_job(runner=NASTY.name)
    reference = make_job(runner="climatology")
    add_manifest(store, "2026-01-01T00:00:00Z", [large, *plain, old, late, missing, strange, reference])
    add_manifest(store, "2026-01-02T00:00:00Z", [new])
    for job, noise in ((large, 1.0), (plain[0], 0.5), (plain[1], 0.6), (old, 0.7), (new, 10.0), (reference, 0.01)):
        publish(store, job, cube, noise)
    publish(store, late, cube, 1.0, "timeout", "no result within 6 s; see `bench info`")
    publish(store, strange, cube, 1.0, "failed", 'it said </details><script>alert("x")</script> & \x00\x1b[31m')
    few = [
        make_job(suite="fewshot", runner=name, split=fewshot_parameters(cube, (1, 40), 12, 0))
        for name in ("gnnwr", "climatology")
    ]
    add_manifest(store, "2026-01-03T00:00:00Z", few, suite="fewshot")
    for job in few:
        publish(store, job, cube, 0.4)
    (store.root / "quarantine" / "0123456789abcdef-1").mkdir()
    return store


def suites_of(store: Store) -> list[SuiteResult]:
    reader = StatisticsReader(store)
    makers = {"full": (table1, costs), "fewshot": (table2, table3, costs)}
    found: list[SuiteResult] = []
    for suite, made in makers.items():
        if any(manifest.suite == suite for manifest in store.manifests()):
            selection = select(store, suite)
            found.append(SuiteResult(selection, tuple(make(selection, reader) for make in made)))
    if len({result.selection.jobs[0].dataset_fingerprint for result in found}) > 1:
        return found  # nothing of the paper is compared with several data sets at once
    about = subject(store, {result.suite: result.selection for result in found})
    tables = {table.name: table for result in found for table in result.tables}
    checked = checking.run(about, {result.suite: result.selection for result in found}, reader, tables)
    found[0] = SuiteResult(
        found[0].selection, (*found[0].tables, *by_published_table(checked.tables[0]), *checked.tables[1:])
    )
    return found


def page_of(store: Store, *figures: DrawnFigure) -> bytes:
    not_drawn = ("weights: nothing <explains> itself",) if figures else ()
    return render_page(store, suites_of(store), figures, not_drawn)


def describe_dataset(store: Store, cube: Cube, fingerprint: str) -> None:
    """Writes the store's record of a data set as `bench run` does, under the fingerprint of a test's jobs."""
    described = replace(cube, provenance={"title": "toy", "licence": "none <needed>"})
    described.__dict__["fingerprint"] = fingerprint
    write_dataset_record(store, described)
