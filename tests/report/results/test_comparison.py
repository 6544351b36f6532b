"""Comparisons are paired, corrected for their number, and decide what is bold."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.data.splits import fewshot_parameters
from bench.errors import BenchError
from bench.report.paper.scores import Scores
from bench.report.results import comparison, few_blocks
from bench.report.results.comparison import (
    Measure,
    difference,
    distinguishable,
    mark_ties,
    number,
    paired,
    ratio,
)
from bench.report.results.differences import differences
from bench.report.results.rows import RowResult, rows, standing_rows
from bench.report.results.selection import select
from bench.report.results.statistics_reader import StatisticsReader
from bench.report.table import Column, Row, Table, Value, best_values, is_best
from bench.report.tables import render
from bench.report.tables.numbered import table1, table2
from bench.scoring.metrics import STATISTICS
from bench.store.store import Store
from tests.conftest import make_cube
from tests.report.tables.test_tables import add_manifest, row_of, store_job
from tests.store.test_store import make_job

NOISE = {"dual_branch_plus": 0.50, "catboost": 0.503, "lightgbm": 1.0, "xgboost": 2.0}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Three seeds of two models that are equally good, and one run each of two that are not."""
    store, cube = Store(tmp_path_factory.mktemp("full") / "runs", create=True), make_cube()
    jobs = {
        (name, seed): make_job(runner=name, repetition=seed, view=None if name == "dual_branch_plus" else "located")
        for name in NOISE
        for seed in range(3 if NOISE[name] < 1 else 1)
    }
    add_manifest(store, "2026-01-01T00:00:00Z", list(jobs.values()))
    for (name, _), job in jobs.items():
        store_job(store, job, cube, NOISE[name])
    return store


@pytest.fixture(scope="module")
def fewshot(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store, cube = Store(tmp_path_factory.mktemp("fewshot") / "runs", create=True), make_cube()
    jobs = [
        make_job(suite="fewshot", runner=name, repetition=sample, split=fewshot_parameters(cube, (10, 40), 12, sample))
        for name in ("dual_branch_plus", "gwr")
        for sample in range(3)
    ]
    missing = jobs[-1]
    add_manifest(store, "2026-01-01T00:00:00Z", jobs, suite="fewshot")
    for job in jobs:
        if job is not missing:
            store_job(store, job, cube, 0.5 if job.runner == "gwr" else 0.1)
    return store


def result(store: Store, runner: str, suite: str = "full") -> RowResult:
    return next(row for row in rows(select(store, suite)) if row.key.runner == runner)


def csv_lines(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render.as_csv(table))))


def test_equal_models_share_the_mark_and_no_row_is_bold(full: Store) -> None:
    table = table1(select(full, "full"), StatisticsReader(full))
    column = next(column for column in table.columns if column.key == "rmse")
    tied = [row.label for row in table.rows if "rmse" in row.values and row.values["rmse"].tied]
    assert sorted(tied) == ["CatBoost", "Dual-branch plus"]
    assert not any(is_best(row, column, best_values(table)) for row in table.rows)
    assert r"$^\dagger$" in render.latex(table) and "†: cannot be told from the best" in table.caption
    assert render.markdown(table).count("† [") >= 2
    best = {line["method"]: line["best"] for line in csv_lines(table) if line["column"] == "rmse"}
    assert best["Dual-branch plus"] == best["CatBoost"] == "tied" and best["LightGBM"] == ""


def test_differences_have_the_sign_the_value_and_the_correction_that_they_say(full: Store) -> None:
    reader = StatisticsReader(full)
    table = differences(select(full, "full"), reader)
    assert [family for family, _ in table.families()] == ["Dual-branch plus"]
    worse, equal = row_of(table, "LightGBM"), row_of(table, "CatBoost")
    errors = table1(select(full, "full"), reader)
    ours, theirs = (row_of(errors, label).values["rmse"].value for label in ("Dual-branch plus", "LightGBM"))
    assert worse.values["rmse"].value == pytest.approx(ours - theirs, rel=1e-12)
    assert worse.values["ratio"].value == pytest.approx(ours / theirs, rel=1e-12)
    assert worse.values["rmse"].high is not None and worse.values["rmse"].high < 0 < worse.values["r2"].value
    assert worse.values["p"].value <= worse.values["p_holm"].value < 0.05 < equal.values["p"].value
    assert "one run of LightGBM" in worse.note and not equal.note
    assert len(worse.jobs) == 4
    keys = [(line["family"], line["method"], line["column"]) for line in csv_lines(table)]
    assert len(keys) == len(set(keys))
    assert render.latex(table).isascii() and r"$\Delta$" in render.latex(table)


def test_a_model_is_not_distinguishable_from_itself(full: Store) -> None:
    reader, row = StatisticsReader(full), result(full, "catboost")
    found = difference(reader, row, row, Measure("rmse"))
    assert found is not None and found.value == 0 == found.low == found.high
    assert not distinguishable(reader, row, row, Measure("rmse"))
    assert not distinguishable(reader, row, row, Measure("rmse", minus="train"))


def test_few_shot_rows_are_compared_on_the_samples_that_both_have(fewshot: Store) -> None:
    ours, gwr = result(fewshot, "dual_branch_plus", "fewshot"), result(fewshot, "gwr", "fewshot")
    compared = paired(replace(ours, records=tuple(reversed(ours.records))), gwr)
    samples = [[record.job.split["sample_seed"] for record in row.records] for row in compared]
    assert samples == [[0, 1], [0, 1]]
    table = differences(select(fewshot, "fewshot"), StatisticsReader(fewshot))
    [row] = table.rows
    assert {"rmse_10", "rmse_40", "p_holm_40", "ratio_10"} <= row.values.keys()
    assert row.values["runs"].value == row.values["own_runs"].value == 2
    assert row.values["rmse_40"].value < 0 and table.name == "differences_fewshot"


def test_the_gap_in_the_few_shot_tables_is_a_paired_one(fewshot: Store) -> None:
    reader, ours = StatisticsReader(fewshot), result(fewshot, "dual_branch_plus", "fewshot")
    measure = Measure("rmse", "week:40", minus="train")
    found = number(reader, ours, measure)
    test, train = (reader.estimate(ours.records, "rmse", part=part, group="week:40") for part in ("test", "train"))
    assert found is not None and test is not None and train is not None
    assert found.value == pytest.approx(test.value - train.value, rel=1e-12)
    assert "rmse_40" in row_of(table2(select(fewshot, "fewshot"), reader), "Dual-branch plus").values


def test_a_ratio_is_taken_on_the_samples_that_both_rows_have(fewshot: Store) -> None:
    reader = StatisticsReader(fewshot)
    ours, gwr = result(fewshot, "dual_branch_plus", "fewshot"), result(fewshot, "gwr", "fewshot")
    found = ratio(reader, ours, gwr, Measure("rmse", "week:40"))
    assert found is not None and found.low < found.value < found.high < 1
    shared = number(reader, paired(ours, gwr)[0], Measure("rmse", "week:40"))
    theirs = number(reader, gwr, Measure("rmse", "week:40"))
    assert shared is not None and theirs is not None
    assert found.value == pytest.approx(shared.value / theirs.value, rel=1e-12)


def test_a_ratio_of_gaps_has_a_value_only_where_the_gap_below_is_positive(fewshot: Store) -> None:
    reader = StatisticsReader(fewshot)
    ours, gwr = result(fewshot, "dual_branch_plus", "fewshot"), result(fewshot, "gwr", "fewshot")
    gap, reverse = Measure("rmse", "week:40", minus="train"), Measure("rmse", "week:40", "train", minus="test")
    own, below = (number(reader, row, gap) for row in paired(ours, gwr))
    assert own is not None and below is not None
    found = {sign: ratio(reader, ours, gwr, measure) for sign, measure in ((1, gap), (-1, reverse))}
    positive, negative = found[int(np.sign(below.value))], found[-int(np.sign(below.value))]
    assert positive is not None and negative is not None
    assert positive.value == pytest.approx(own.value / below.value, rel=1e-9)
    assert np.isnan([negative.value, negative.low, negative.high]).all()


def test_sums_that_are_kept_per_year_give_the_same_numbers(full: Store) -> None:
    reader = StatisticsReader(full)
    [record] = result(full, "lightgbm").records
    plain = reader.sums(record, "test", "all")
    assert plain is not None and reader.sums(record, "test", "week:3") is None
    frame = reader.table(record).query("part == 'test' and group == 'all' and weighting == 'plain'")
    squared = plain.values[STATISTICS.index("squared_error")].sum(axis=0)
    np.testing.assert_allclose(squared, frame.sort_values("block")["squared_error"])


def test_a_row_behind_the_runner_up_that_cannot_be_told_from_the_best_keeps_it_from_being_bold(
    full: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runner-up is surely worse; the third is further behind on average and might still be better."""
    reader, selected = StatisticsReader(full), select(full, "full")
    results = [result(full, name) for name in ("dual_branch_plus", "lightgbm", "xgboost")]
    shown = [Row(row.title, row.family, {"rmse": Value(at)}) for row, at in zip(results, (1.0, 1.1, 1.3), strict=True)]
    column = Column("rmse", "RMSE", best="min")
    third = results[2].key

    def apart(reader: object, first: RowResult, second: RowResult, *rest: object) -> bool:
        return third not in (first.key, second.key)

    monkeypatch.setattr(comparison, "distinguishable", apart)
    marked = mark_ties(shown, results, [column], {"rmse": Measure("rmse")}, reader, "plain")
    assert [row.values["rmse"].tied for row in marked] == [True, False, True]
    assert best_values(Table("t", "", "", "Method", (column,), tuple(marked))) == {}
    monkeypatch.undo()
    unmarked = mark_ties(shown, results, [column], {"rmse": Measure("rmse")}, reader, "plain")
    assert not any(row.values["rmse"].tied for row in unmarked) and selected.done


def test_differences_can_be_made_for_any_runner(full: Store) -> None:
    reader, selection = StatisticsReader(full), select(full, "full")
    own, usual = differences(selection, reader, subject="lightgbm"), differences(selection, reader)
    assert own.name == "differences_full_lightgbm" and own.label_heading == "LightGBM − other"
    assert [family for family, _ in own.families()] == ["LightGBM"]
    assert {row.label for row in own.rows} == {"Dual-branch plus", "CatBoost", "XGBoost"}
    there, back = row_of(usual, "LightGBM").values, row_of(own, "Dual-branch plus").values
    assert back["rmse"].value == pytest.approx(-there["rmse"].value)
    assert back["ratio"].value == pytest.approx(1 / there["ratio"].value)
    assert back["ratio"].low == pytest.approx(1 / there["ratio"].high)
    assert "LightGBM − other rows" in own.title and "proposed model" not in own.whole_caption
    with pytest.raises(BenchError, match="Runner 'gwr' is no row of suite 'full'.*catboost, dual_branch_plus"):
        differences(selection, reader, subject="gwr")


def test_a_region_of_few_blocks_has_no_intervals_and_says_so_once(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    cube = make_cube()
    city = replace(cube, lon=116 + cube.lon / 50, lat=39 + (cube.lat - 45) / 50).validate()  # some 0.8° × 0.6°
    store = Store(tmp_path_factory.mktemp("city") / "runs", create=True)
    jobs = [make_job(runner=name, view="located") for name in ("lightgbm", "xgboost")]
    add_manifest(store, "2026-01-01T00:00:00Z", jobs)
    for job, noise in zip(jobs, (0.5, 2.0), strict=True):
        store_job(store, job, city, noise)
    reader, selection = StatisticsReader(store), select(store, "full")
    table = table1(selection, reader)
    found = [row.values["rmse"] for row in table.rows if "rmse" in row.values]
    assert len(found) == 2 and not any(value.known for value in found) and all(value.tied for value in found)
    assert table.caption.count("No intervals: the test cells lie in") == 1 and "of 2°" in table.caption
    assert "[" not in next(line for line in render.markdown(table).splitlines() if line.startswith("| LightGBM |"))
    pairs = differences(selection, reader, subject="lightgbm")
    assert "No intervals" in pairs.caption and not pairs.rows[0].values["ratio"].known
    assert few_blocks.remark(10) == "" and "one block of 2°" in few_blocks.remark(1)


def test_a_region_of_many_blocks_says_nothing_of_them(full: Store) -> None:
    assert "No intervals" not in table1(select(full, "full"), StatisticsReader(full)).caption


@pytest.mark.parametrize("views", [("located", "window"), ("window", "located"), ("point", "window")])
def test_ratios_divide_by_the_row_of_the_same_view_and_rows_without_a_view_by_the_usual_one(
    tmp_path: Path, views: tuple[str, str]
) -> None:
    store, cube = Store(tmp_path / "runs", create=True), make_cube()
    noise = {"located": 1.0, "window": 2.0, "point": 0.8}
    jobs = {
        **{("lightgbm_large", view): make_job(runner="lightgbm_large", view=view) for view in views},
        **{("catboost", view): make_job(runner="catboost", view=view) for view in views},
        ("dual_branch_plus", None): make_job(runner="dual_branch_plus", view=None),
    }
    add_manifest(store, "2026-01-01T00:00:00Z", list(jobs.values()))
    for (name, view), job in jobs.items():
        store_job(store, job, cube, (noise[view] if view else 0.5) * (0.9 if name == "catboost" else 1.0))
    table = table1(select(store, "full"), StatisticsReader(store))
    usual = "located" if "located" in views else "point"
    scored = [row for row in table.rows if row.jobs]
    errors = {row.name: row.values["rmse"].value for row in scored}
    for row in scored:
        view = row.name.partition(" (")[2].rstrip(")") or usual
        below = errors[f"lightgbm_large ({view})"]
        assert row.values["ratio"].value == pytest.approx(row.values["rmse"].value / below)
    assert f"of rows without a view, of view {usual}" in table.caption
    scores = Scores(select(store, "full"), StatisticsReader(store))
    against = scores.ratio("dual_branch_plus", "lightgbm_large", Measure("rmse"))
    assert against is not None
    assert against.value == pytest.approx(row_of(table, "Dual-branch plus").values["ratio"].value)


def test_a_row_changed_by_settings_stands_for_its_model_nowhere(tmp_path: Path) -> None:
    store, cube = Store(tmp_path / "runs", create=True), make_cube()
    plain = make_job(runner="lightgbm_large", view="located")
    settings = [{"leaves": number} for number in (1, 2)]
    changed = [make_job(runner="lightgbm_large", view="located", parameters=own, override=own) for own in settings]
    own = make_job(runner="dual_branch_plus", view=None)
    jobs = [changed[0], plain, changed[1], own]
    add_manifest(store, "2026-01-01T00:00:00Z", jobs)
    for job, noise in zip(jobs, (0.7, 1.0, 3.0, 0.5), strict=True):
        store_job(store, job, cube, noise)
    selection, reader = select(store, "full"), StatisticsReader(store)
    table, scores = table1(selection, reader), Scores(selection, reader)
    below = row_of(table, "LightGBM Large").values["rmse"].value
    for row in table.rows:
        if row.jobs:
            assert row.values["ratio"].value == pytest.approx(row.values["rmse"].value / below)
    standing = scores.row("lightgbm_large")
    assert standing is not None and standing.key.variant is None
    assert standing_rows(rows(selection))["lightgbm_large"] == standing
    assert "of rows without a view" not in table.caption


def test_settings_in_the_usual_view_stand_for_no_model_that_another_view_has_as_registered(tmp_path: Path) -> None:
    store, cube = Store(tmp_path / "runs", create=True), make_cube()
    own = {"leaves": 1}
    changed = make_job(runner="lightgbm_large", view="located", parameters=own, override=own)
    jobs = {
        "changed": changed,
        "registered": make_job(runner="lightgbm_large", view="window"),
        "catboost": make_job(runner="catboost", view="located"),
        "plus": make_job(runner="dual_branch_plus", view=None),
    }
    add_manifest(store, "2026-01-01T00:00:00Z", list(jobs.values()))
    for job, noise in zip(jobs.values(), (2.0, 1.0, 0.8, 0.5), strict=True):
        store_job(store, job, cube, noise)
    selection, reader = select(store, "full"), StatisticsReader(store)
    table = table1(selection, reader)
    scored = {row.jobs[0]: row for row in table.rows if row.jobs}
    below = scored[jobs["registered"].id].values["rmse"].value
    for row in scored.values():
        assert row.values["ratio"].value == pytest.approx(row.values["rmse"].value / below)
    assert standing_rows(rows(selection))["lightgbm_large"].key.variant is None
    assert Scores(selection, reader).row("lightgbm_large") is None


def test_ratios_divide_by_the_first_view_of_the_model_where_it_lacks_the_usual_one(tmp_path: Path) -> None:
    store, cube = Store(tmp_path / "runs", create=True), make_cube()
    views = {"window": 2.0, "point": 1.0}
    jobs = [make_job(runner="lightgbm_large", view=view) for view in views]
    jobs.append(make_job(runner="catboost", view="located"))
    add_manifest(store, "2026-01-01T00:00:00Z", jobs)
    for job, noise in zip(jobs, (*views.values(), 0.5), strict=True):
        store_job(store, job, cube, noise)
    table = table1(select(store, "full"), StatisticsReader(store))
    scored = {row.jobs[0]: row.values for row in table.rows if row.jobs}
    assert "of rows without a view, of view point" in table.caption
    ratio_to = scored[jobs[1].id]["rmse"].value
    assert scored[jobs[2].id]["ratio"].value == pytest.approx(scored[jobs[2].id]["rmse"].value / ratio_to)
