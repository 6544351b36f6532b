"""A whole report of the flux suite: files, page, check, metrics, results, comparison and committed reference."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

import bench
from bench.data.cube import Cube
from bench.data.cube_zarr import write_cube
from bench.errors import BenchError
from bench.report.reporting import Report, ReportOptions, selections, write_report
from bench.report.results.across import Side, compare
from bench.report.results.selection import select
from bench.report.results.statistics_reader import StatisticsReader
from bench.store.reference import Reference
from bench.store.store import Store
from tests.report.html.conftest import PageReader
from tests.support.flux_cube import make_flux_cube
from tests.support.flux_store import (
    DERE,
    SHARES,
    TARGETS,
    add_flux_manifest,
    make_flux_job,
    make_flux_towers,
    publish_flux,
    split_of,
)
from tools.update_reference import write_numbers

TABLES = {"flux_f1", "flux_f1_groups", "flux_f2", "flux_f3", "flux_f4", "costs_flux"}


@pytest.fixture(scope="module")
def report(flux: tuple[Store, Cube], tmp_path_factory: pytest.TempPathFactory) -> Report:
    options = ReportOptions(html=True, figures=False, check=True, out=tmp_path_factory.mktemp("report"))
    return write_report(flux[0], options)


def small_store(folder: Path, factor: float) -> Store:
    """DERE and the same inputs in two folds and at ten labelled towers."""
    store, cube = Store(folder / "runs", create=True), make_flux_towers(40)
    splits = [split_of(design, fold, size) for design, size in (("places", None), ("few", 10)) for fold in (1, 2)]
    jobs = [
        (make_flux_job(cube, "flux_transformer", override, split), error)
        for override, error in ((DERE, factor), (SHARES, 1.0))
        for split in splits
    ]
    add_flux_manifest(store, cube, [job for job, _ in jobs])
    for job, error in jobs:
        publish_flux(store, cube, job, error)
    return store


def test_a_report_has_the_tables_in_every_form_and_nothing_of_the_paper(report: Report) -> None:
    assert set(report.tables) == TABLES and not report.broken
    names = {path.name for path in report.files}
    assert {f"{name}.{ending}" for name in TABLES for ending in ("csv", "md", "tex")} <= names
    assert not any("table1" in name or "check" in name or "audit" in name for name in names)
    assert "Rmse" not in (report.folder / "numbers.tex").read_text()
    assert report.check is not None and any("splits, 0 jobs differ" in text for text in report.check.summary)


def test_the_page_shows_the_fluxes_and_audits_their_splits(report: Report) -> None:
    page = PageReader((report.folder / "report.html").read_bytes())
    assert {*TABLES} <= set(page.attributes("id")) and "Carbon fluxes at towers" in page.text
    assert "DERE lowers the error of GPP" in page.text and "could not be had" in page.text
    assert not {"results", "table1", "check"} & set(page.attributes("id"))
    for absent in ("LightGBM Large", "Paper's ratio", "What does not agree"):
        assert absent not in page.text
    assert "GPP, RECO, NEE, gC m-2 d-1" in page.text and "10 towers" in page.text


def test_the_metrics_file_names_target_split_and_towers(report: Report) -> None:
    metrics = pd.read_csv(report.folder / "metrics_flux.csv")
    assert not metrics.duplicated(["cell", "target", "part", "group", "weighting"]).any()
    assert set(metrics["target"]) == set(TARGETS) and set(metrics["split"]) == {"places", "few", "imputation"}
    assert set(metrics.loc[metrics["split"] == "few", "train_cells"]) == {10, 20}
    of_repetition = metrics[(metrics["split"] == "places") & (metrics["variant"] == "variant=dere")]
    towers = of_repetition.groupby(["runner", "repetition", "target"])["towers"].sum()
    assert (towers == 40).all()


def test_results_have_target_split_and_towers(flux: tuple[Store, Cube], report: Report) -> None:
    frame = bench.results(flux[0].root)
    assert set(frame["suite"]) == {"flux"} and set(frame["target"]) == set(TARGETS)
    [line] = frame.query(
        "runner == 'flux_transformer' and variant == 'variant=dere' and split == 'places' and target == 'NEE' and "
        "metric == 'rmse'"
    ).itertuples()
    [row] = [row for row in report.tables["flux_f1"].rows if (row.label, row.family) == ("DERE", "Transformer")]
    assert (line.value, line.low, line.high) == pytest.approx(
        (row.values["rmse_nee"].value, row.values["rmse_nee"].low, row.values["rmse_nee"].high)
    )
    assert (line.towers, line.runs) == (40, 2)


def test_two_stores_are_compared_by_design_and_target(tmp_path: Path) -> None:
    first, second = small_store(tmp_path / "a", 1.0), small_store(tmp_path / "b", 0.5)
    lines = compare(*(Side(select(store, "flux"), StatisticsReader(store)) for store in (first, second)))
    assert {(line.key.design, line.key.variant, line.target) for line in lines} == {
        (design, variant, target)
        for design in ("places", "few")
        for variant in ("variant=dere", "variant=baseline_shares")
        for target in TARGETS
    }
    for line in lines:
        assert line.difference is not None and line.runs == 1
        if line.key.variant == "variant=dere":
            assert line.state == "repeated" and line.difference.value < -0.2
            assert line.target is not None and line.target in line.label and str(line.key.design) in line.label
        else:
            assert line.state == "same" and line.difference.value == 0


def test_rows_of_other_splits_are_not_subtracted(tmp_path: Path) -> None:
    store = small_store(tmp_path / "a", 1.0)
    other, cube = Store(tmp_path / "b", create=True), make_flux_towers(40)
    jobs = [make_flux_job(cube, "flux_transformer", DERE, split_of("places", fold) | {"near": 0.0}) for fold in (1, 2)]
    jobs += [make_flux_job(cube, "flux_transformer", DERE, split_of("few", fold, 10)) for fold in (1, 2)]
    add_flux_manifest(other, cube, jobs)
    for job in jobs:
        publish_flux(other, cube, job, 1.0)
    lines = compare(*(Side(select(place, "flux"), StatisticsReader(place)) for place in (store, other)))
    states = {(line.key.design, line.state) for line in lines if line.key.variant == "variant=dere"}
    assert states == {("places", "other data"), ("few", "same")}
    assert all("near" in line.why[0] for line in lines if line.state == "other data")


def test_a_committed_reference_stands_beside_own_rows(tmp_path: Path) -> None:
    committed = small_store(tmp_path / "committed", 1.0)
    folder = tmp_path / "reference"
    folder.mkdir()
    write_numbers(committed, [selections(committed, ReportOptions())], folder)
    assert Reference(folder).manifests()
    own = small_store(tmp_path / "own", 0.5)
    options = ReportOptions(figures=False, with_reference=str(folder), out=tmp_path / "report")
    table = write_report(own, options).tables["reference_flux"]
    assert {column.key for column in table.columns} >= {f"ratio_{target}" for target in TARGETS}
    blocks = {row.family for row in table.rows}
    assert any("places" in block for block in blocks) and any("few, 10 towers" in block for block in blocks)
    compared = [row for row in table.rows if "ratio_NEE" in row.values and "baseline_shares" in row.label]
    against = [row for row in compared if row.family.startswith("Transformer (fluxes) (places, variant=dere")]
    assert len(against) == 1 and against[0].values["ratio_NEE"].value < 0.8
    assert not any("places" in row.family and "few" in row.label for row in table.rows)


def test_other_weightings_and_unknown_targets_are_refused_or_said(flux: tuple[Store, Cube], tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="target"):
        write_report(flux[0], ReportOptions(target="GEP", figures=False, out=tmp_path))
    weighted = write_report(flux[0], ReportOptions(weighting="area", figures=False, out=tmp_path))
    assert any("every month of every tower counts the same" in note for note in weighted.notes)


def test_a_damaged_file_names_its_job(flux: tuple[Store, Cube], tmp_path: Path) -> None:
    shutil.copytree(flux[0].root, tmp_path / "runs")
    store = Store(tmp_path / "runs")
    job = next(job for job in select(store, "flux").jobs if job.split["design"] == "places")
    (store.root / "cells" / job.id / "predictions.parquet").write_bytes(b"damaged")
    report = write_report(store, ReportOptions(figures=False, out=tmp_path / "report"))
    assert len(report.left_out) == 1 and job.id in report.left_out[0]


@pytest.mark.runners
def test_from_the_suite_to_its_tables(tmp_path: Path) -> None:
    """Real jobs of every design whose rows need no training, on invented towers."""
    write_cube(tmp_path / "towers.zarr", make_flux_cube())
    wanted = {"dataset": str(tmp_path / "towers.zarr"), "profile": "smoke", "store": tmp_path / "runs"}
    only = "climatology,process,imputation_by_linear,imputation_by_climatology"
    done = bench.run("flux", quiet=True, only=only, **wanted)
    assert done.failures == 0
    report = write_report(Store(tmp_path / "runs"), ReportOptions(html=True, figures=False, check=True))
    assert {"flux_f1", "flux_f1_years", "flux_f1_tropics", "flux_f2", "flux_f4"} <= set(report.tables)
    assert not report.broken and "not judged (smoke)" in report.answer.plain[0]
    [row] = [row for row in report.tables["flux_f1"].rows if row.label == "Class × month climatology"]
    frame = bench.results(tmp_path / "runs").query("split == 'places' and metric == 'rmse' and target == 'GPP'")
    [line] = frame[frame["runner"] == "flux_climatology"].itertuples()
    [record] = [item for item in Store(tmp_path / "runs").records() if item.job_id in line.jobs]
    assert row.values["rmse_gpp"].value == line.value == pytest.approx(record.metrics["test"]["GPP_rmse"], rel=1e-5)
    page = PageReader((report.folder / "report.html").read_bytes())
    assert "What does not agree" not in page.text and "samples, rebuilt and counted" in page.text
