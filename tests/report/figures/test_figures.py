"""Figures as a whole: what is drawn, what is left out and why, the same bytes every time, what stands beside them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import matplotlib as mpl
import pytest

from bench.errors import BenchError
from bench.report.figures import save
from bench.store.store import Store
from tests.report.figures.conftest import drawings_of, figure_of
from tests.report.tables.test_tables import add_manifest
from tests.store.test_store import make_job


def test_every_figure_of_the_full_suite_is_there(full_store: Store) -> None:
    drawings = drawings_of(full_store, "full")
    assert [figure.name for figure in drawings.figures] == [
        "full_figure4_dual_branch_plus",
        "full_figure5_dual_branch_plus",
        "full_training_curves",
        "full_observed_predicted",
        "full_residual_maps",
        "full_error_groups",
    ]
    assert drawings.left_out == ("Learning curves (full): every run of this suite trains on all places.",)


def test_captions_and_values_name_data_profile_models_seeds_and_jobs(full_store: Store) -> None:
    records = {record.job_id: record for record in full_store.records()}
    for figure in drawings_of(full_store, "full").figures:
        for part in ("Data set toy (a toy)", "suite full", "profile smoke", "test year 2020", "Dual-branch plus: 0, 1"):
            assert part in figure.caption, figure.name
        assert {records[job_id].job.runner for job_id in figure.job_ids} == set(figure.about["models"])
        assert figure.about["seeds"] == [0, 1] and figure.about["dataset_fingerprint"]


def test_two_drawings_give_the_same_bytes(full_store: Store, folder: Path) -> None:
    first = {path.name: path.read_bytes() for path in save(_groups(full_store), folder)}
    mpl.rcParams["font.size"] = 20.0  # a user's own settings do not matter either
    try:
        again = {path.name: path.read_bytes() for path in save(_groups(full_store), folder)}
        assert mpl.rcParams["font.size"] == 20.0
    finally:
        mpl.rcdefaults()
    assert first == again and set(first) == {f"full_error_groups.{extension}" for extension in ("pdf", "png", "json")}
    pdf = first["full_error_groups.pdf"]
    assert pdf.startswith(b"%PDF") and b"CreationDate" not in pdf and b"/Producer" not in pdf
    beside = json.loads(first["full_error_groups.json"])
    assert beside["cells"] == list(_groups(full_store).job_ids) and len(beside["cells"]) == 4
    assert beside["models"] == ["climatology", "lightgbm_large", "dual_branch_plus"] and beside["dataset"] == "toy"


def test_a_map_has_the_same_bytes_too(full_store: Store, folder: Path) -> None:
    name = "full_residual_maps"
    first, again = ([path.read_bytes() for path in save(figure_of(full_store, "full", name), folder)] for _ in range(2))
    assert first == again


def test_without_a_record_of_the_data_set_maps_and_figure_4_say_how_to_get_one(
    full_store: Store, tmp_path: Path
) -> None:
    shutil.copytree(full_store.root, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "datasets")
    drawings = drawings_of(Store(tmp_path / "copy"), "full")
    assert {figure.name for figure in drawings.figures} == {
        "full_training_curves",
        "full_observed_predicted",
        "full_error_groups",
    }
    reasons = [reason for reason in drawings.left_out if "issue the `bench run` command again" in reason]
    assert [reason.partition(" (")[0] for reason in reasons] == ["Figure 4", "Figure 5", "Residual maps"]


def test_fewshot_leaves_figure_4_out_because_of_its_few_steps(fewshot_store: Store) -> None:
    drawings = drawings_of(fewshot_store, "fewshot")
    assert drawings.left_out == (
        "Figure 4 (fewshot, Dual-branch (paper)): a course over the year needs at least 12 scored steps, there are 2.",
    )
    assert {figure.name for figure in drawings.figures} >= {"fewshot_figure5_dual_branch", "fewshot_learning_curves"}


def test_a_store_with_nothing_done_gives_reasons_and_no_figure(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs", create=True)
    add_manifest(store, "2026-01-01T00:00:00Z", [make_job(runner="dual_branch")])
    drawings = drawings_of(store, "full")
    assert not drawings.figures and len(drawings.left_out) == 7
    assert all(
        reason.startswith(("Figure", "Training", "Learning", "Observed", "Residual", "Error"))
        for reason in drawings.left_out
    )


def test_a_file_that_is_damaged_while_the_report_is_made_is_named(full_store: Store, tmp_path: Path) -> None:
    shutil.copytree(full_store.root, tmp_path / "copy")
    store = Store(tmp_path / "copy")
    [record] = [item for item in store.records() if item.job.runner == "climatology"]
    figure = figure_of(store, "full", "full_observed_predicted")  # a job damaged before that is left out
    (store.jobs_dir / record.job_id / "predictions.parquet").write_bytes(b"")
    with pytest.raises(BenchError, match="predictions.parquet is missing or damaged"):
        figure.render()


def _groups(store: Store):  # type: ignore[no-untyped-def]
    return figure_of(store, "full", "full_error_groups")
