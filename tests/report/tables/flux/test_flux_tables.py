"""Tables F1–F4: numbers, ratios, titles, notes and marks, from a store whose errors are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bench.data.cube import Cube
from bench.report.results.flux.flux_rows import find, flux_rows
from bench.report.results.flux.knowledge import KnowledgeRatio
from bench.report.results.flux.tower_reader import TowerReader
from bench.report.results.marks import marked
from bench.report.results.selection import Selection, select
from bench.report.table import UNTRAINED, Row, Table
from bench.report.tables.flux.changes import changes_table
from bench.report.tables.flux.every import flux_tables
from bench.report.tables.flux.few import few_table
from bench.report.tables.flux.imputing import imputation_table
from bench.report.tables.flux.methods import finding, groups_table, methods_table
from bench.report.tables.latex import MOST_COLUMNS, latex, parts
from bench.report.tables.render import as_csv, markdown
from bench.scoring.interval import Interval
from bench.store.store import Store
from bench.suites.flux import PLACES
from tests.support.flux_store import (
    DERE,
    LIGHTGBM,
    NO_SHARES,
    SHARES,
    TARGETS,
    add_flux_manifest,
    make_flux_job,
    make_flux_towers,
    publish_flux,
    split_of,
)


@pytest.fixture(scope="module")
def tables(flux: tuple[Store, Cube], flux_reader: TowerReader) -> dict[str, Table]:
    return {table.name: table for table in flux_tables(select(flux[0], "flux"), flux_reader)}


def line(table: Table, label: str, family: str) -> Row:
    [found] = [row for row in table.rows if (row.label, row.family) == (label, family)]
    return found


def small_store(
    folder: Path, rows: Sequence[tuple[str, dict[str, object] | None, float]], **changes: object
) -> Selection:
    store, cube = Store(folder / "runs", create=True), make_flux_towers(24)
    jobs = [
        (make_flux_job(cube, runner, override, split_of("places", fold), **changes), factor)
        for runner, override, factor in rows
        for fold in (1, 2)
    ]
    add_flux_manifest(store, cube, [job for job, _ in jobs])
    for job, factor in jobs:
        publish_flux(store, cube, job, factor, training_ended="budget" if job.seed is not None else None)
    return select(store, "flux")


def test_the_tables_of_a_store(tables: dict[str, Table]) -> None:
    assert list(tables) == ["flux_f1", "flux_f1_groups", "flux_f2", "flux_f3", "flux_f4", "costs_flux"]


def test_f1_has_every_row_and_its_ratios(
    tables: dict[str, Table], flux_selection: Selection, flux_reader: TowerReader
) -> None:
    table = tables["flux_f1"]
    found = flux_rows(flux_selection, PLACES)
    dere, shares = (find(found, "flux_transformer", override) for override in (DERE, SHARES))
    lightgbm = find(found, "flux_lightgbm", LIGHTGBM)
    assert dere is not None and shares is not None and lightgbm is not None
    row = line(table, "DERE", "Transformer")
    for target in TARGETS:
        for metric in ("rmse", "r2", "mae", "median_r2"):
            expected = flux_reader.estimate(dere, target, metric)
            shown = row.values[f"{metric}_{target.lower()}"]
            assert expected is not None and (shown.value, shown.low) == (expected.value, expected.low)
        for name, other in (("ratio", shares), ("lightgbm", lightgbm)):
            ratio = flux_reader.ratio(dere, other, target)
            assert ratio is not None and row.values[f"{name}_{target.lower()}"].value == ratio.value
    assert row.values["runs"].value == 2 and line(table, "Training mean", "Reference").values["runs"].value == 1
    assert not any(key.startswith("ratio") for key in line(table, "Baseline + shares", "Transformer").values)
    assert not any(key.startswith("lightgbm") for key in line(table, "LightGBM + shares", "Reference").values)
    assert all(row.label != "DERE, shares unknown" for row in table.rows)  # an ablation


def test_f1_has_the_mean_of_the_backbones(tables: dict[str, Table]) -> None:
    table = tables["flux_f1"]
    mean, ours, theirs = (
        line(table, "DERE", family).values for family in ("Mean of the backbones (2)", "Transformer", "SimpleTM")
    )
    assert mean["rmse_gpp"].value == pytest.approx((ours["rmse_gpp"].value + theirs["rmse_gpp"].value) / 2)
    for name in ("ratio_gpp", "baseline_gpp"):
        assert mean[name].value == pytest.approx(np.sqrt(ours[name].value * theirs[name].value))


def test_the_best_is_marked_and_no_rule_is(tables: dict[str, Table]) -> None:
    table = tables["flux_f1"]
    best = min((row for row in table.rows if row.ranked), key=lambda row: row.values["rmse_gpp"].value)
    assert best.label == "DERE" and best.family == "Transformer"
    tied = [row for row in table.rows if "rmse_gpp" in row.values and row.values["rmse_gpp"].tied]
    assert not tied or best in tied
    assert not line(table, "Training mean", "Reference").ranked
    assert line(table, "LightGBM + shares", "Reference").ranked


def test_titles_are_findings(tables: dict[str, Table]) -> None:
    titles = {name: table.title for name, table in tables.items()}
    assert "DERE lowers the error of GPP (0.8" in titles["flux_f1"]
    assert "KGML + shares changes no error by more than towers differ" in titles["flux_f1"]
    assert "DERE errs less than the same inputs in" in titles["flux_f1_groups"]
    assert "is told from 1 for GPP with 10" in titles["flux_f2"]
    assert "raise the error: branches frozen (GPP)" in titles["flux_f3"]
    assert titles["flux_f4"].startswith("CSDI's CRPS is that of linear interpolation 0.6")
    for name in ("flux_f1", "flux_f2", "flux_f3", "flux_f4"):
        assert "gC m-2 d-1" in tables[name].caption and "jobs done" in tables[name].caption


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        (Interval(0.9, 0.85, 0.95), "DERE lowers the error of GPP (0.90 times)"),
        (Interval(1.1, 1.05, 1.2), "DERE raises the error of GPP (1.10 times)"),
        (Interval(0.9, 0.8, 1.1), "DERE changes no error by more than towers differ"),
        (Interval(0.9), "DERE changes no error by more than towers differ"),
    ],
)
def test_a_finding_says_no_more_than_its_interval(interval: Interval, said: str) -> None:
    assert said in finding({"dere": [KnowledgeRatio("GPP", interval, {"Transformer": interval})]})


def test_groups_are_of_towers_and_small_ones_have_no_interval(
    flux_selection: Selection, flux_reader: TowerReader
) -> None:
    table = groups_table(flux_selection, flux_reader)
    assert table is not None
    of_gpp = {row.label: row.values for row in table.rows if row.family == "GPP"}
    assert of_gpp["all towers"]["towers"].value == 40
    assert sum(values["towers"].value for label, values in of_gpp.items() if label.startswith("IGBP")) == 40
    assert of_gpp["all towers"]["dere"].known
    for values in of_gpp.values():  # towers stand in pairs: ten places are more than ten towers
        assert values["towers"].value > 10 or not values["dere"].known


def test_f2_has_every_size_and_pairs_by_sample(tables: dict[str, Table]) -> None:
    table = tables["flux_f2"]
    row = line(table, "Transformer, DERE", "GPP")
    for size in (10, 20):
        assert 0.7 < row.values[f"ratio_{size}"].value < 0.9
        assert row.values[f"rmse_{size}"].known
    assert row.values["rmse_10"].value > row.values["rmse_20"].value
    assert {row.family for row in table.rows} == set(TARGETS)


def test_f3_compares_with_the_base_above(tables: dict[str, Table]) -> None:
    table = tables["flux_f3"]
    base, *changed = table.rows
    assert base.label == "DERE (base)" and "ratio_gpp" not in base.values
    assert [row.label for row in changed] == ["Branches frozen", "Shares unknown"]
    for row in changed:
        for target in TARGETS:
            expected = row.values[f"rmse_{target.lower()}"].value / base.values[f"rmse_{target.lower()}"].value
            assert row.values[f"ratio_{target.lower()}"].value == pytest.approx(expected)


def test_f4_compares_imputations(tables: dict[str, Table]) -> None:
    table = tables["flux_f4"]
    csdi, linear = (line(table, label, "NEE").values for label in ("CSDI", "Linear interpolation"))
    assert csdi["ratio"].value == pytest.approx(csdi["crps"].value / linear["crps"].value)
    assert "ratio" not in linear and 0 < csdi["inside_50"].value < csdi["inside_90"].value < 1


def test_latex_has_at_most_seven_columns_and_typeset_units(tables: dict[str, Table]) -> None:
    for table in tables.values():
        assert all(len(part.columns) < MOST_COLUMNS for part in parts(table))
        written = latex(table)
        assert written.isascii() and r"\footnotesize" in written
    assert "gC m$^{-2}$ d$^{-1}$" in latex(tables["flux_f1"])
    shown = {column.key for part in parts(tables["flux_f1"]) for column in part.columns}
    assert {f"{name}_{target.lower()}" for name in ("rmse", "r2", "mae", "ratio") for target in TARGETS} <= shown


def test_csv_and_markdown_hold_the_numbers(tables: dict[str, Table]) -> None:
    table = tables["flux_f1"]
    row = line(table, "DERE", "Transformer")
    assert repr(row.values["rmse_gpp"].value) in as_csv(table) and "DERE" in markdown(table)


def test_rows_that_are_not_trained_to_the_end_are_marked(tmp_path: Path) -> None:
    selection = small_store(tmp_path, [("flux_transformer", dict(DERE), 1.0), ("flux_mean", None, 2.0)])
    reader = TowerReader(Store(tmp_path / "runs"))
    table = marked(methods_table(selection, reader), [selection])
    assert {row.label: row.marks for row in table.rows} == {"DERE": UNTRAINED, "Training mean": ""}
    assert table.title == "Errors of every method"  # nothing to compare with, nothing found


def test_a_smoke_run_is_not_judged(tmp_path: Path) -> None:
    rows: list[tuple[str, dict[str, object] | None, float]] = [
        ("flux_transformer", dict(DERE), 0.5),
        ("flux_transformer", dict(SHARES), 1.0),
        ("flux_lightgbm", dict(LIGHTGBM), 1.0),
    ]
    selection = small_store(tmp_path, rows, profile="smoke")
    reader = TowerReader(Store(tmp_path / "runs"))
    for table in flux_tables(selection, reader):
        shown = marked(table, [selection])
        assert "Not judged (smoke)" in shown.caption and "lowers" not in shown.title
        assert not any(value.tied for row in shown.rows for value in row.values.values())


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    store, cube = Store(tmp_path / "runs", create=True), make_flux_towers(24)
    jobs = [make_flux_job(cube, "flux_transformer", DERE, split_of("places", fold)) for fold in (1, 2)]
    add_flux_manifest(store, cube, jobs)
    publish_flux(store, cube, jobs[0], 1.0)
    selection = select(store, "flux")
    table = methods_table(selection, TowerReader(store))
    [row] = table.rows
    assert row.values == {} and row.note == "0 of 2 jobs done" and not row.complete
    assert any("missing" in note for note in table.notes) and any("fold" in note for note in table.notes)
    assert groups_table(selection, TowerReader(store)) is None and changes_table(selection, TowerReader(store)) is None


def test_tables_of_designs_without_results_have_no_numbers(tmp_path: Path) -> None:
    store, cube = Store(tmp_path / "runs", create=True), make_flux_towers(24)
    jobs = [make_flux_job(cube, "flux_transformer", DERE, split_of("few", fold, 10)) for fold in (1, 2)]
    jobs += [
        make_flux_job(cube, "flux_imputation", {"method": "csdi"}, split_of("imputation", fold)) for fold in (1, 2)
    ]
    add_flux_manifest(store, cube, jobs)
    selection, reader = select(store, "flux"), TowerReader(store)
    for table in (few_table(selection, reader), imputation_table(selection, reader)):
        assert all(not row.values for row in table.rows) and table.notes


def test_rows_of_fewer_folds_are_compared_at_their_towers_and_never_best(tmp_path: Path) -> None:
    store, cube = Store(tmp_path / "runs", create=True), make_flux_towers(40)
    planned = [
        (make_flux_job(cube, runner, override, split_of("places", fold)), factor)
        for runner, override, factor, folds in (
            ("flux_transformer", SHARES, 1.0, (1, 2)),
            ("flux_transformer", DERE, 0.9, (1, 2)),
            ("flux_transformer", NO_SHARES, 1.2, (1,)),
            ("flux_simpletm", SHARES, 1.0, (1, 2)),
            ("flux_simpletm", DERE, 0.3, (1,)),
            ("flux_lightgbm", LIGHTGBM, 1.0, (1, 2)),
        )
        for fold in folds
    ]
    add_flux_manifest(store, cube, [job for job, _ in planned])
    for job, factor in planned:
        publish_flux(store, cube, job, factor)
    selection, reader = select(store, "flux"), TowerReader(store)
    table = methods_table(selection, reader)
    row = line(table, "DERE", "SimpleTM")
    assert not row.ranked and row.note == "fold 1 only: fewer towers than other rows"
    found = flux_rows(selection, PLACES)
    [dere] = [own for own in found if own.name == "SimpleTM, DERE"]
    [shares] = [own for own in found if own.name == "SimpleTM, Baseline + shares"]
    errors = [reader.estimate(own.on_folds(frozenset({1})), "GPP", "rmse") for own in (dere, shares)]
    assert errors[0] is not None and errors[1] is not None
    assert row.values["ratio_gpp"].value == pytest.approx(errors[0].value / errors[1].value)
    assert "Transformer" not in [own.family for own in table.rows if "Mean of the backbones" in own.family]
    assert "(0.9" in table.title or "no error" in table.title
    changed = changes_table(selection, reader)
    assert changed is not None
    base, ablated = changed.rows
    assert base.family.endswith("fold 1") and base.values["rmse_gpp"].value != pytest.approx(
        line(table, "DERE", "Transformer").values["rmse_gpp"].value, rel=1e-6
    )
    expected = ablated.values["rmse_gpp"].value / base.values["rmse_gpp"].value
    assert ablated.values["ratio_gpp"].value == pytest.approx(expected)
