"""Reading the sums of a row: the same numbers however little is kept, and each file as seldom as can be."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from bench.errors import BenchError
from bench.report.results import kept_sums, statistics_reader
from bench.report.results.comparison import Measure, difference, number, ratio
from bench.report.results.rows import RowResult, rows
from bench.report.results.selection import select
from bench.report.results.statistics_reader import StatisticsReader
from bench.scoring.interval import Interval
from bench.store.records import Record
from bench.store.store import Store
from tests.conftest import make_cube
from tests.report.tables.test_tables import add_manifest, store_job
from tests.store.test_store import make_job

RUNNERS = ("catboost", "lightgbm", "xgboost")
MEASURES = [Measure(metric, "all", part) for part in ("test", "train") for metric in ("rmse", "r2", "mae")]


@pytest.fixture(scope="module")
def three_rows(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Three models with four seeds each."""
    store, cube = Store(tmp_path_factory.mktemp("rows") / "runs", create=True), make_cube()
    jobs = [make_job(runner=name, repetition=seed, view="located") for name in RUNNERS for seed in range(4)]
    add_manifest(store, "2026-01-01T00:00:00Z", jobs)
    for index, job in enumerate(jobs):
        store_job(store, job, cube, 0.5 + 0.1 * index)
    return store


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Id of a job → how often its sums were read."""
    counted: Counter[str] = Counter()
    plain = Store.statistics_file

    def statistics_file(self: Store, record: Record) -> bytes:
        counted[record.job_id] += 1
        return plain(self, record)

    monkeypatch.setattr(Store, "statistics_file", statistics_file)
    return counted


def all_numbers(store: Store, measures: list[Measure]) -> dict[tuple[object, ...], Interval | None]:
    """The measures of all rows, row by row as a table has them, then comparisons of the rows."""
    reader, found = StatisticsReader(store), rows(select(store, "full"))
    numbers: dict[tuple[object, ...], Interval | None] = {}
    for row in found:
        numbers |= {(row.title, measure): number(reader, row, measure) for measure in measures}
    for measure in measures:
        for row in found[1:]:
            numbers["ratio", row.title, measure] = ratio(reader, row, found[0], measure)
            numbers["difference", row.title, measure] = difference(reader, row, found[0], measure)
    return numbers


def keep_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_sums, "_MOST_BYTES", 1)
    monkeypatch.setattr(kept_sums, "_MOST_KNOWN_BYTES", 1)


def test_numbers_do_not_depend_on_what_is_kept(three_rows: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = all_numbers(three_rows, MEASURES)
    assert len(whole) == 3 * 6 + 2 * 2 * 6 and None not in whole.values()
    keep_nothing(monkeypatch)
    monkeypatch.setattr(statistics_reader, "_MOST_SAMPLE_BYTES", 1)
    monkeypatch.setattr(statistics_reader, "_LATEST_ROW_KEYS", 1)
    assert str(all_numbers(three_rows, MEASURES)) == str(whole)


def test_numbers_do_not_depend_on_the_order_in_which_they_are_asked_for(three_rows: Store) -> None:
    forwards, backwards = all_numbers(three_rows, MEASURES), all_numbers(three_rows, MEASURES[::-1])
    assert {key: str(value) for key, value in forwards.items()} == {k: str(value) for k, value in backwards.items()}


def test_rows_that_are_too_long_to_be_kept_are_read_once_for_all_columns(
    three_rows: Store, monkeypatch: pytest.MonkeyPatch, read: Counter[str]
) -> None:
    keep_nothing(monkeypatch)
    all_numbers(three_rows, MEASURES)
    of_row = {row.key.runner: [read[record.job_id] for record in row.records] for row in of(three_rows)}
    first, *others = (max(counts) for counts in of_row.values())
    assert first <= 3  # once for each part, and to decode what all files have in common
    assert others == [1, 1]


def of(store: Store) -> list[RowResult]:
    return rows(select(store, "full"))


def test_a_file_that_changes_between_two_readings_is_refused(
    three_rows: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_nothing(monkeypatch)
    row, reader = of(three_rows)[0], StatisticsReader(three_rows)
    assert number(reader, row, Measure("rmse")) is not None
    path = three_rows.jobs_dir / row.records[0].job_id / "statistics.parquet"
    content = path.read_bytes()
    try:
        path.write_bytes(content[:-50] + bytes(10) + content[-40:])
        with pytest.raises(BenchError, match="missing or damaged"):
            number(reader, row, Measure("rmse", "all", "train"))
    finally:
        path.write_bytes(content)


def test_the_test_blocks_of_jobs_are_counted_once(three_rows: Store) -> None:
    row, reader = of(three_rows)[0], StatisticsReader(three_rows)
    tables = [reader.table(record) for record in row.records]
    blocks = np.unique(np.concatenate([own.loc[own["part"] == "test", "block"] for own in tables]))
    assert reader.test_blocks(row.records) == len(blocks)
