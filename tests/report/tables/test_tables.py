"""Tables are pure functions of the store: what is missing is said, the best is marked, nothing is mixed."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest

from bench.data.cube import Cube
from bench.data.splits import fewshot_parameters, make_split
from bench.errors import BenchError
from bench.report import published
from bench.report.results.rows import rows
from bench.report.results.selection import select
from bench.report.results.statistics_reader import StatisticsReader
from bench.report.table import Column, Row, Table, Value, best_values, is_best
from bench.report.tables import render
from bench.report.tables.numbered import costs, table1, table3
from bench.scoring.metrics import statistics_of
from bench.store.jobs import Job
from bench.store.records import Manifest, Record
from bench.store.store import Store
from bench.system.disk import sha256
from tests.conftest import make_cube
from tests.store.test_store import HOST, make_job


def store_job(
    store: Store, job: Job, cube: Cube, noise: float, status: str = "done", training_ended: str | None = None
) -> Record:
    """Publishes a job whose predictions are the target plus noise of a known size."""
    work = store.new_work_folder(job.id)
    split = make_split(cube, job.split)
    generator = np.random.default_rng(job.repetition)
    predictions = {
        name: (part.of(cube.target) + noise * generator.normal(size=(len(part.cells), len(part.times)))).astype(
            np.float32
        )
        for name, part in (("train", split.scored_train), ("test", split.test))
    }
    files = {}
    if status == "done":
        statistics_of(cube, split, predictions).to_parquet(work / "statistics.parquet", index=False)
        files = {"statistics.parquet": sha256(work / "statistics.parquet")}
    record = Record(
        job_id=job.id,
        job=job,
        status=status,  # type: ignore[arg-type]
        reason=None if status == "done" else "no result within 6 s",
        fit_seconds=1.0,
        peak_memory_bytes=10**9,
        threads=1,
        files=files,
        training_ended=training_ended,
        started="a",
        finished="b",
        host=HOST,
        bench_version="0",
    )
    store.publish(work, record)
    return record


def add_manifest(store: Store, created: str, jobs: list[Job], suite: str = "full") -> None:
    store.add_manifest(
        Manifest(
            created=created,
            suite=suite,
            dataset_spec="toy",
            dataset_reason="for tests",
            dataset_title="a toy",
            target_name="GPP",
            target_units="gC m-2 d-1",
            options={},
            jobs=jobs,
        )
    )


@pytest.fixture
def filled(tmp_path: Path) -> Store:
    store, cube = Store(tmp_path / "runs", create=True), make_cube()
    make = {"runner_version": 1, "view": "located"}
    large = make_job(runner="lightgbm_large", **make)
    plain = [make_job(runner="lightgbm", repetition=index, **make) for index in range(2)]
    late = make_job(runner="catboost", **make)
    missing = make_job(runner="xgboost", **make)
    reference = make_job(runner="climatology")
    add_manifest(store, "2026-01-01T00:00:00Z", [large, *plain, late, missing, reference])
    store_job(store, large, cube, 1.0)
    store_job(store, plain[0], cube, 0.545)
    store_job(store, plain[1], cube, 0.555)
    store_job(store, late, cube, 1.0, status="timeout")
    store_job(store, reference, cube, 0.01)
    return store


def table_of(store: Store) -> Table:
    return table1(select(store, "full"), StatisticsReader(store))


def row_of(table: Table, label: str) -> Row:
    return next(row for row in table.rows if row.label == label)


def test_values_ratios_and_spread(filled: Store) -> None:
    table = table_of(filled)
    large, plain = row_of(table, "LightGBM Large"), row_of(table, "LightGBM")
    assert large.values["rmse"].value == pytest.approx(1.0, abs=0.03)
    assert plain.values["rmse"].value == pytest.approx(0.55, abs=0.02)  # the mean over two seeds
    assert plain.values["ratio"].value == pytest.approx(plain.values["rmse"].value / large.values["rmse"].value)
    assert plain.values["paper_ratio"].value == pytest.approx(1.108 / 1.063)
    assert plain.values["gap"].value == pytest.approx(plain.values["rmse"].value - plain.values["train_rmse"].value)
    low, value, high = plain.values["rmse"].low, plain.values["rmse"].value, plain.values["rmse"].high
    assert low is not None and high is not None and low < value < high


def test_what_is_missing_is_said_in_the_row_the_caption_and_below(filled: Store) -> None:
    table = table_of(filled)
    assert row_of(table, "CatBoost").note == "0 of 1 done" and "rmse" not in row_of(table, "CatBoost").values
    assert row_of(table, "TabNet").note == "not in this run"
    assert "4 of 6 jobs done" in table.caption
    assert any("catboost" in note and "timeout: no result within 6 s" in note for note in table.notes)
    assert any("xgboost" in note and "never ended" in note for note in table.notes)


def test_the_caption_names_data_view_profile_and_seeds(filled: Store) -> None:
    table = table_of(filled)
    assert table.title == "Comparison of methods (Table 1 of the paper): RMSE, MAE and bias of GPP in gC m⁻² d⁻¹"
    for part in ("toy", "located", "profile smoke", "seeds 0, 1", "test year 2020"):
        assert part in table.caption


def test_the_best_is_bold_reference_rows_aside(filled: Store) -> None:
    table = table_of(filled)
    column = next(column for column in table.columns if column.key == "rmse")
    best = best_values(table)
    assert is_best(row_of(table, "LightGBM"), column, best)
    assert not is_best(row_of(table, "Cell × step climatology"), column, best)
    assert r"\textbf{0.5" in render.latex(table)


def test_latex_is_balanced_and_escaped(filled: Store) -> None:
    text = render.latex(table_of(filled))
    pages = text.split(r"\begin{tabular}")[1:]
    assert len(pages) > 1
    for page in pages:
        body = [line for line in page.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
        alignment = re.match(r"\{(l[rl]+)\}", page)
        assert alignment is not None
        assert {line.count("&") - line.count(r"\&") for line in body} == {len(alignment[1]) - 1}
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    assert r"\toprule" in text and r"\bottomrule" in text
    assert not re.search(r"(?<!\\)[_%#]", "\n".join(line for line in text.splitlines() if not line.startswith("%")))
    assert text.isascii()


def test_csv_has_full_precision_intervals_and_job_ids(filled: Store) -> None:
    table = table_of(filled)
    lines = list(csv.DictReader(io.StringIO(render.as_csv(table))))
    [line] = [item for item in lines if item["method"] == "LightGBM" and item["column"] == "rmse"]
    assert float(line["value"]) == row_of(table, "LightGBM").values["rmse"].value
    assert len(line["cells"].split()) == 2 and line["best"] == "yes"
    assert float(line["low"]) < float(line["value"]) < float(line["high"])


def test_markdown_and_terminal_show_every_row(filled: Store, capsys: pytest.CaptureFixture[str]) -> None:
    table = table_of(filled)
    text = render.markdown(table)
    render.print_table(table)
    shown = capsys.readouterr().out
    for row in table.rows:
        assert row.label in text and row.label in shown


def test_families_stand_in_the_papers_order(filled: Store) -> None:
    families = [family for family, _ in table_of(filled).families()]
    assert families == ["Reference", "Tabular Machine Learning", "Tabular Deep Learning", "Proposed"]


def test_a_newer_version_of_a_job_replaces_the_older_in_the_table(filled: Store) -> None:
    newer = make_job(runner="lightgbm_large", runner_version=2, view="located")
    add_manifest(filled, "2026-02-01T00:00:00Z", [newer])
    [row] = [row for row in rows(select(filled, "full")) if row.key.runner == "lightgbm_large"]
    assert row.records == () and "missing" in row.problems[0]


def test_repetitions_of_an_older_version_are_not_averaged_in(filled: Store) -> None:
    newer = make_job(runner="lightgbm", repetition=1, runner_version=2, view="located")
    add_manifest(filled, "2026-02-01T00:00:00Z", [newer])
    store_job(filled, newer, make_cube(), 0.9)
    [row] = [row for row in rows(select(filled, "full")) if row.key.runner == "lightgbm"]
    assert [record.job_id for record in row.records] == [newer.id]
    assert "stale" in row.problems[0] and row.planned == 2


def test_other_data_sets_and_profiles_stay_out(filled: Store) -> None:
    other = make_job(runner="knn_dist", dataset="moon", dataset_fingerprint="0" * 64, view="located")
    add_manifest(filled, "2026-02-01T00:00:00Z", [other])
    assert {job.runner for job in select(filled, "full").jobs} == {"knn_dist"}
    assert len(select(filled, "full", dataset="toy").jobs) == 6
    with pytest.raises(BenchError, match="data set mars"):
        select(filled, "full", dataset="mars")


def test_time_and_memory_have_their_own_table(filled: Store) -> None:
    table = costs(select(filled, "full"), StatisticsReader(filled))
    assert row_of(table, "LightGBM").values["peak_memory_gb"].value == 1.0
    assert not {"fit_seconds", "peak_memory_gb"} & {column.key for column in table_of(filled).columns}


def test_ties_after_rounding_are_all_best() -> None:
    columns = (Column("rmse", "RMSE", 2, "min"),)
    tied = [Row(name, "Reference", {"rmse": Value(value)}) for name, value in (("a", 1.001), ("b", 1.004), ("c", 1.01))]
    table = Table("t", "", "", "Method", columns, tuple(tied))
    assert [is_best(row, columns[0], best_values(table)) for row in tied] == [True, True, False]


def test_published_tables_hold_the_papers_numbers() -> None:
    first = published.load(1)
    assert len(first) == 28 and published.lookup(first, "lightgbm_large", "rmse") == 1.063
    assert published.lookup(published.load(2), "dual_branch", "r2", week=40) == 0.92
    third = published.load(3)
    for runner in ("gnnwr", "dual_branch"):  # the gap is test minus train
        test, train, gap = (
            published.lookup(third, runner, "rmse", week=40, part=part) for part in ("test", "train", "gap")
        )
        assert test is not None and train is not None and gap == pytest.approx(test - train, abs=5e-4)
    assert published.lookup(first, "dual_branch", "rmse") / published.lookup(
        first, "lightgbm_large", "rmse"
    ) == pytest.approx(0.786, abs=5e-4)  # type: ignore[operator]


def test_the_variance_that_each_published_row_implies_is_what_the_documentation_says() -> None:
    values = published.load(1)
    variance = {
        item.runner: item.value**2 / (1 - published.lookup(values, item.runner, "r2"))  # type: ignore[operator]
        for item in values
        if item.metric == "rmse"
    }
    tabular = [variance[item.runner] for item in values if item.family == "Tabular Machine Learning"]
    assert min(tabular) > 9.86 and max(tabular) < 9.94
    assert [
        round(variance[name], 2) for name in ("tabnet", "excelformer", "resnet", "fttransformer", "dual_branch")
    ] == [9.0, 8.21, 8.43, 8.94, 10.28]


def test_old_records_of_step_mean_models_have_no_gap_as_published_rather_than_a_wrong_one(tmp_path: Path) -> None:
    store, cube = Store(tmp_path / "runs", create=True), make_cube()
    split = fewshot_parameters(cube, (40,), 12, 0)
    jobs = [make_job(suite="fewshot", runner=name, split=split) for name in ("gwr", "climatology")]
    add_manifest(store, "2026-01-01T00:00:00Z", jobs, suite="fewshot")
    for job in jobs:
        store_job(store, job, cube, 0.5)
    table = table3(select(store, "fewshot"), StatisticsReader(store))
    old, raw = row_of(table, "GWR").values, row_of(table, "Cell × step climatology").values
    assert "gap" in old and "fitted_rmse" not in old and "gap_published" not in old
    assert raw["fitted_rmse"] == raw["train_rmse"] and raw["gap_published"].value == raw["gap"].value
    assert "As published: the training error is taken on what a model was fitted on" in table.caption


@pytest.mark.parametrize("width", [80, 200])
def test_names_stay_whole_on_a_narrow_terminal_and_intervals_give_way_first(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.console import Console

    names = ("Dual-branch plus, validated weights", "LightGBM [located]")
    columns = tuple(Column(key, f"{key.upper()} RMSE") for key in ("w1", "w10", "w20", "w30", "w40"))
    rows = tuple(Row(name, "Proposed", {c.key: Value(1.25, 1.0, 1.5) for c in columns}) for name in names)
    stream = io.StringIO()
    monkeypatch.setattr(render, "console", lambda: Console(file=stream, width=width))
    render.print_table(Table("table2", "A title", "A caption.", "Method", columns, rows))
    lines = stream.getvalue().splitlines()
    assert all(any(name in line for line in lines) for name in names)
    assert all(len(line) <= width for line in lines)
    assert ("[1.00, 1.50]" in stream.getvalue()) is (width == 200)
    assert ("Too narrow here for the intervals" in stream.getvalue()) is (width == 80)
