"""Rows of the flux suite: names, order, and what each is compared with."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.report.results.flux.flux_rows import (
    FluxRowResult,
    base_of_ablation,
    designs,
    find,
    flux_rows,
    same_inputs,
    targets_of,
)
from bench.report.results.others import left_out
from bench.report.results.selection import Selection, select
from bench.store.store import Store
from bench.suites.flux import FEW, IMPUTATION, PLACES
from tests.support.flux_store import (
    BASELINE,
    DERE,
    FROZEN,
    KGML,
    KGML_SHARES,
    NO_SHARES,
    SHARES,
    add_flux_manifest,
    make_flux_job,
    make_flux_towers,
    publish_flux,
    split_of,
)


def row_of(found: list[FluxRowResult], override: dict[str, str]) -> FluxRowResult:
    row = find(found, "flux_transformer", override)
    assert row is not None
    return row


def test_designs_and_sizes_are_told_apart(flux_selection: Selection) -> None:
    assert designs(flux_selection) == ["places", "few", "imputation"]
    assert targets_of(flux_selection) == ("GPP", "RECO", "NEE")
    assert {row.result.key.train_cells for row in flux_rows(flux_selection, FEW)} == {10, 20}
    assert {row.result.key.train_cells for row in flux_rows(flux_selection, FEW, 20)} == {20}
    assert all(row.result.runs == 2 for row in flux_rows(flux_selection, FEW))
    assert [row.name for row in flux_rows(flux_selection, IMPUTATION)][0] == "CSDI"


def test_names_say_what_is_changed(flux_selection: Selection) -> None:
    found = flux_rows(flux_selection, PLACES)
    names = [row.name for row in found]
    start = names.index("Transformer, Baseline")
    assert names[start : start + 6] == [
        "Transformer, Baseline",
        "Transformer, Baseline + shares",
        "Transformer, KGML",
        "Transformer, KGML + shares",
        "Transformer, DERE",
        "Transformer, DERE, branches frozen",
    ]
    assert names[-1] == "Transformer, DERE, shares unknown"
    assert {"LightGBM + shares", "LightGBM + shares + process model", "Training mean"} <= set(names)


@pytest.mark.parametrize(
    ("override", "other"),
    [(BASELINE, None), (SHARES, None), (KGML, BASELINE), (KGML_SHARES, SHARES), (DERE, SHARES), (NO_SHARES, BASELINE)],
)
def test_a_row_is_compared_with_the_same_inputs(
    flux_selection: Selection, override: dict[str, str], other: dict[str, str] | None
) -> None:
    found = flux_rows(flux_selection, PLACES)
    base = same_inputs(found, row_of(found, override))
    assert (base is None) == (other is None)
    assert base is None or (dict(base.override), base.backbone) == (other, "Transformer")


def test_an_ablation_is_compared_with_what_it_changes(flux_selection: Selection) -> None:
    found = flux_rows(flux_selection, PLACES)
    assert base_of_ablation(found, row_of(found, NO_SHARES)) is row_of(found, DERE)
    assert base_of_ablation(found, row_of(found, DERE)) is None
    assert row_of(found, FROZEN).is_main and not row_of(found, NO_SHARES).is_main


def test_an_unknown_change_is_named_by_its_setting(tmp_path: Path) -> None:
    store, cube = Store(tmp_path / "runs", create=True), make_flux_towers(12)
    jobs = [
        make_flux_job(cube, "flux_transformer", {"variant": "dere", "depth": 3}, split_of("places", fold))
        for fold in (1, 2)
    ]
    add_flux_manifest(store, cube, jobs)
    [row] = flux_rows(select(store, "flux"), PLACES)
    assert row.name == "Transformer, DERE, depth=3" and not row.result.records
    assert "never ended" in row.result.problems[0]


def test_a_newer_run_of_one_design_leaves_the_others_in_the_tables(tmp_path: Path) -> None:
    store, cube = Store(tmp_path / "runs", create=True), make_flux_towers(24)
    places = [make_flux_job(cube, "flux_mean", None, split_of("places", fold)) for fold in (1, 2)]
    few = [make_flux_job(cube, "flux_mean", None, split_of("few", fold, 10)) for fold in (1, 2)]
    more = [make_flux_job(cube, "flux_mean", None, split_of("places", fold) | {"near": 0.0}) for fold in (1, 2)]
    add_flux_manifest(store, cube, places, "2026-01-01T00:00:00Z")
    add_flux_manifest(store, cube, few, "2026-01-02T00:00:00Z")
    for job in (*places, *few):
        publish_flux(store, cube, job, 1.0)
    selection = select(store, "flux")
    assert designs(selection) == ["places", "few"] and len(selection.done) == 4
    assert left_out(store, selection) == ()
    add_flux_manifest(store, cube, more, "2026-01-03T00:00:00Z")
    selection = select(store, "flux")
    assert {job.split["near"] for job in selection.jobs if job.split["design"] == "places"} == {0.0}
    assert len(left_out(store, selection)) == 1 and "another split" in left_out(store, selection)[0]
