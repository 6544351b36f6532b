"""`bench report --html` on good and bad stores."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli.report import command
from bench.data.splits import fewshot_parameters
from bench.store.store import Store
from tests.conftest import make_cube
from tests.report.html.conftest import PageReader, page_of, publish
from tests.report.tables.test_tables import add_manifest
from tests.store.test_store import make_job


def report(store: Store, *arguments: str) -> Result:
    return CliRunner().invoke(command, ["--store", str(store.root), "--html", "--no-figures", *arguments])


def test_the_page_is_written_beside_the_tables(filled: Store, tmp_path: Path) -> None:
    result = report(filled, "--out", str(tmp_path / "out"), "--json")
    assert result.exit_code == 0, result.output
    assert str(tmp_path / "out" / "report.html") in json.loads(result.stdout)["files"]
    page = PageReader((tmp_path / "out" / "report.html").read_bytes())
    assert "Comparison of methods (Table 1 of the paper)" in page.text
    assert "Few-shot comparison by week (Table 2 of the paper)" in page.text


def test_an_empty_store_is_one_sentence(tmp_path: Path) -> None:
    result = report(Store(tmp_path / "runs", create=True))
    assert "holds no run; run `bench run --suite full` first" in str(result.exception)


def test_a_store_of_failures_says_so_on_the_terminal_and_on_the_page(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs", create=True)
    jobs = [make_job(runner=name) for name in ("climatology", "training_mean", "catboost")]
    add_manifest(store, "2026-01-01T00:00:00Z", jobs)
    publish(store, jobs[0], make_cube(), 1.0, "failed", "it broke")
    publish(store, jobs[1], make_cube(), 1.0, "oom", "more than 1 GB")
    result = report(store)
    assert result.exit_code == 0, result.output
    sentence = "No job of suite full is done (1 failed, 1 missing, 1 oom)"
    assert sentence in result.stdout
    told = PageReader((store.root / "report" / "report.html").read_bytes()).text
    assert sentence in told and "climatology #0: failed: it broke" in told
    assert "No job is done, so there is no split to audit." in told


@pytest.mark.parametrize("change", [{"dataset": "moon", "dataset_fingerprint": "0" * 64}, {"profile": "laptop"}])
def test_of_two_data_sets_or_profiles_the_other_is_named(tmp_path: Path, change: dict[str, str]) -> None:
    store = Store(tmp_path / "runs", create=True)
    older, newer = make_job(**change), make_job()
    add_manifest(store, "2026-01-01T00:00:00Z", [older])
    add_manifest(store, "2026-01-02T00:00:00Z", [newer])
    for job in (older, newer):
        publish(store, job, make_cube(), 1.0)
    result = report(store)
    told = PageReader((store.root / "report" / "report.html").read_bytes()).text
    asked = f"bench report --suite full --dataset {older.dataset} --profile {older.profile}"
    assert "Left out: 1 planned job" in result.stdout and asked in result.stdout
    assert asked in told and older.id not in told
    assert (
        f"cell-{older.id}"
        in Path(json.loads(report(store, *asked.split()[2:], "--json").stdout)["files"][-1]).read_text()
    )


def test_suites_of_different_data_sets_are_not_to_be_compared(tmp_path: Path) -> None:
    store, cube = Store(tmp_path / "runs", create=True), make_cube()
    split = fewshot_parameters(cube, (40,), 12, 0)
    jobs = {"full": make_job(), "fewshot": make_job(suite="fewshot", dataset_fingerprint="0" * 64, split=split)}
    for suite, job in jobs.items():
        add_manifest(store, "2026-01-01T00:00:00Z", [job], suite=suite)
        publish(store, job, cube, 1.0)
    told = PageReader(page_of(store)).text
    assert "run on different data sets or profiles: do not compare across them." in told


def test_in_short_are_ten_lines_with_the_answer_the_table_and_the_page(filled: Store, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    lines = report(filled, "--out", str(folder), "--brief").stdout.splitlines()
    assert len(lines) <= 10 and lines[-1] == f"Page: {folder / 'report.html'}"
    assert any("LightGBM Large" in line and "[" in line for line in lines)
    paragraph = (folder / "answer.md").read_text().strip().replace("*", "")
    assert " ".join(lines).startswith(paragraph) and "not judged (smoke)" in paragraph
    assert report(filled, "--out", str(folder)).stdout.rstrip().endswith(paragraph.rpartition(": ")[2])


def test_in_short_jobs_that_are_not_done_are_told(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs", create=True)
    jobs = [make_job(runner="lightgbm_large", repetition=at, seed=at) for at in range(3)]
    add_manifest(store, "2026-01-01T00:00:00Z", [*jobs, make_job(runner="climatology")])
    for job in jobs[:2]:
        publish(store, job, make_cube(), 1.0)
    said = report(store, "--brief").stdout
    assert "Suite full is incomplete: 2 of 4 planned jobs are not done (2 missing)" in said
    assert "LightGBM Large (2 of 3 done)" in said and len(said.splitlines()) <= 10
    assert "Suite full is incomplete" in PageReader((store.root / "report" / "report.html").read_bytes()).text


def test_in_short_the_proposed_rows_are_there_however_many_rows_the_model_below_has(tmp_path: Path) -> None:
    store, cube = Store(tmp_path / "runs", create=True), make_cube()
    large = {"runner": "lightgbm_large", "view": "located"}
    settings = [{"leaves": number} for number in range(8)]
    jobs = [make_job(**large, parameters=own, override=own) for own in settings]
    registered, network = make_job(**large), make_job(runner="dual_branch_plus", view=None)
    jobs += [registered, network]
    add_manifest(store, "2026-01-01T00:00:00Z", jobs)
    for number, job in enumerate(jobs):
        publish(store, job, cube, {registered.id: 3.0, network.id: 4.0}.get(job.id, 1.0 + 0.1 * number))
    lines = report(store, "--brief").stdout.splitlines()
    assert len(lines) <= 10
    assert any(line.startswith("  Dual-branch plus ") for line in lines)
    assert any(line.startswith("  LightGBM Large  ") for line in lines)
