"""`bench report --check` and `--pdf`: exit codes 0, 1 and 2, and one clear sentence for everything that is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import click
import pytest

from bench.cli.report import command
from bench.errors import BenchError
from bench.store.store import Store
from bench.system import paths
from tests.conftest import make_cube
from tests.report.paper.test_check import NOISES, make_store
from tests.report.paper.test_implied_variance import change
from tests.report.tables.test_tables import add_manifest, store_job
from tests.store.test_store import make_job

HOLDS = '[[expect]]\ntable = "table1"\nrow = "dual_branch"\ncolumn = "rmse"\nbelow = "tabnet"\nwhy = "the paper"\n'
BROKEN = HOLDS.replace('below = "tabnet"', "at_most = 0.5")
NOT_RUN = HOLDS.replace('"table1"', '"table2"').replace('"rmse"', '"rmse_40"')


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path, NOISES)


def report(store: Store, *options: str) -> int:
    code = command.main(["--store", str(store.root), *options], standalone_mode=False)
    return int(code)


def expected(store: Store, content: str) -> tuple[str, ...]:
    path = store.root.parent / "mine.toml"
    path.write_text(content)
    return ("--check", "--expectations", str(path))


def test_a_check_that_holds_writes_three_tables_and_ends_with_0(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(store, *expected(store, HOLDS + NOT_RUN)) == 0
    shown = capsys.readouterr().out
    assert "Expectations of mine.toml: 1 hold, 0 broken, 1 not run." in shown
    assert "Against the paper:" in shown and "no one variance fits all rows" in shown
    assert "2 groups, 10 comparisons, 0 differ" in shown
    folder = store.root / "report"
    for name in ("check", "audit", "expectations"):
        assert {f"{name}.{extension}" for extension in ("csv", "md", "tex")} <= {item.name for item in folder.iterdir()}
        assert rf"\input{{{name}}}" in (folder / "tables.tex").read_text()
    assert r"\newcommand{\benchRmseDualBranchPlus}{0.3" in (folder / "numbers.tex").read_text()
    assert "not run" in (folder / "expectations.md").read_text()


def test_a_broken_expectation_ends_with_1_and_is_named(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(store, *expected(store, HOLDS + BROKEN)) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("Broken: table1, dual_branch, rmse: expected at most 0.5, found 0.8")
    assert (store.root / "report" / "check.csv").exists()


def test_a_row_that_was_scored_on_other_values_ends_with_1(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    change(store, "tabnet", "squared_target", 1.01)
    assert report(store) == 0
    assert report(store, "--check") == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2 and all("tabnet #1" in line and "other values" in line for line in errors)


def test_without_a_committed_file_the_check_says_so(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(store, "--check") == 0
    assert "Expectations: none are committed for toy, profile smoke." in capsys.readouterr().out
    assert not (store.root / "report" / "expectations.md").exists()


def test_json_has_the_summary_and_what_is_broken(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(store, *expected(store, BROKEN), "--json") == 1
    answer = json.loads(capsys.readouterr().out)
    assert len(answer["check"]["broken"]) == 1 and len(answer["check"]["summary"]) == 5
    assert any(path.endswith("check.csv") for path in answer["files"])


def test_a_damaged_published_table_is_one_sentence(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "tables"
    for name in ("published", "templates"):
        shutil.copytree(paths.tables_dir() / name, copy / name)
    (copy / "published" / "table3.csv").write_text("nonsense\n")
    monkeypatch.setattr(paths, "tables_dir", lambda: copy)
    with pytest.raises(BenchError, match="table3.csv has other columns than"):
        report(store, "--check")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--check", "--weighting", "area"), "--check compares plain numbers"),
        (("--expectations", "x.toml"), "--expectations is read by --check only"),
        (("--check", "--expectations", "x.toml"), "There is no expectations file x.toml"),
    ],
)
def test_options_that_do_not_go_together_are_named(store: Store, options: tuple[str, ...], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        report(store, *options)


def test_an_empty_store_is_one_sentence(tmp_path: Path) -> None:
    empty = Store(tmp_path / "empty", create=True)
    for options in ((), ("--check",), ("--suite", "full")):
        with pytest.raises(BenchError, match="holds no run.*run `bench run --suite full` first"):
            report(empty, *options)


def test_a_store_of_failed_jobs_only_is_one_sentence(tmp_path: Path) -> None:
    store, cube = Store(tmp_path / "failed", create=True), make_cube()
    jobs = [make_job(runner=name) for name in ("climatology", "gwr", "gnnwr")]
    add_manifest(store, "2026-01-01T00:00:00Z", jobs)
    store_job(store, jobs[0], cube, 1.0, status="timeout")
    store_job(store, jobs[1], cube, 1.0, status="failed")
    with pytest.raises(BenchError) as error:
        report(store, "--check")
    assert "holds no finished job of toy, profile smoke (1 failed, 1 missing, 1 timeout)" in str(error.value)
    assert "\n" not in str(error.value) and not (store.root / "report").exists()


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"dataset": "moon", "dataset_fingerprint": "0" * 64}, "different data sets (full: toy, fewshot: moon)"),
        ({"dataset_fingerprint": "0" * 64}, "different versions of a data set (full: ffffffff, fewshot: 00000000)"),
        ({"profile": "laptop"}, "different profiles (full: smoke, fewshot: laptop)"),
    ],
)
def test_two_data_sets_or_profiles_never_share_a_report(store: Store, other: dict[str, object], message: str) -> None:
    split = {
        "kind": "fewshot",
        "test_year": 2020,
        "weeks": [40],
        "train_cells": 12,
        "sample_seed": 0,
        "max_cells": None,
    }
    job = make_job(suite="fewshot", split=split, **other)
    add_manifest(store, "2026-02-01T00:00:00Z", [job], suite="fewshot")
    with pytest.raises(BenchError) as error:
        report(store)
    assert message in str(error.value) and "never share a report; name one with --" in str(error.value)
    assert report(store, "--suite", "full") == 0


def test_naming_the_data_set_leaves_out_suites_that_have_no_run_of_it(store: Store) -> None:
    split = {
        "kind": "fewshot",
        "test_year": 2020,
        "weeks": [40],
        "train_cells": 12,
        "sample_seed": 0,
        "max_cells": None,
    }
    job = make_job(suite="fewshot", split=split, dataset="moon", dataset_fingerprint="0" * 64)
    add_manifest(store, "2026-02-01T00:00:00Z", [job], suite="fewshot")
    assert report(store, "--dataset", "toy") == 0
    assert not (store.root / "report" / "table2.md").exists()
    with pytest.raises(BenchError, match="holds no run of suite 'full', data set mars"):
        report(store, "--dataset", "mars")


def test_other_data_sets_of_one_suite_are_mentioned(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    add_manifest(store, "2025-01-01T00:00:00Z", [make_job(dataset="moon", profile="paper")])
    assert report(store) == 0
    assert "Left out: 1 planned job of suite full on data set moon, profile paper" in capsys.readouterr().out


def test_missing_tex_is_one_sentence_after_the_tables_are_written(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchError, match="--pdf needs pdflatex, which is not installed"):
        report(store, "--pdf", *expected(store, BROKEN))
    captured = capsys.readouterr()
    assert "Broken: table1, dual_branch" in captured.err and "1 broken" in captured.out
    assert {"table1.tex", "numbers.tex", "tables.tex"} <= {item.name for item in (store.root / "report").iterdir()}


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.timeout(200)
def test_the_pdf_of_a_checked_report_has_no_complaint(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(store, "--pdf", *expected(store, HOLDS)) == 0
    assert capsys.readouterr().err == ""
    assert (store.root / "report" / "tables.pdf").read_bytes().startswith(b"%PDF")


def test_help_names_the_exit_codes() -> None:
    text = command.get_help(click.Context(command))
    assert "exit code 1 when a committed expectation is broken" in " ".join(text.split())
