"""A report's folder holds one report: files of an earlier one go, and nothing that a user put there does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.data.splits import fewshot_parameters
from bench.errors import BenchError
from bench.report.folder import LISTING, Listing, listed, remove_outdated, what_became_of, write_listing
from bench.report.reporting import ReportOptions, write_report
from bench.store.store import Store
from bench.system.disk import sha256
from tests.conftest import make_cube
from tests.report.html.conftest import publish
from tests.report.tables.test_tables import add_manifest
from tests.store.test_store import make_job


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def written(folder: Path, *names: str) -> list[Path]:
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"of {path.name}")
    return paths


def test_what_an_earlier_report_wrote_goes_and_what_a_user_wrote_or_changed_stays(tmp_path: Path) -> None:
    write_listing(tmp_path, "", written(tmp_path, "a.csv", "b.csv", "figures/c.png", "mine.csv"), {}, {})
    (tmp_path / "mine.csv").write_text("changed since")
    written(tmp_path, "notes.txt")
    gone = remove_outdated(tmp_path, listed(tmp_path), [tmp_path / "a.csv"])
    assert gone == ["b.csv", "figures/c.png"]
    assert names_in(tmp_path) == {"a.csv", "mine.csv", "notes.txt", LISTING}


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"files": 3}', '{"files": {"../outside.csv": "HASH", "..": "HASH", "deep/er/x": "HASH", "a": 1}}'],
)
def test_a_strange_list_removes_nothing(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "report"
    outside, inside = written(tmp_path, "outside.csv")[0], written(folder, "a", "deep/er/x")
    (folder / LISTING).write_text(text.replace("HASH", sha256(outside)))
    assert remove_outdated(folder, listed(folder), []) == []
    assert outside.exists() and all(path.exists() for path in inside)


def test_an_earlier_report_without_suites_is_named_by_its_subject(tmp_path: Path) -> None:
    sentence = what_became_of(
        Listing("", "old", (), {"a": "1"}), Listing("", "new", ("full",), {"a": "2"}), [], tmp_path
    )
    assert sentence is not None and "of an earlier report (old): replaced a." in sentence


def test_links_are_not_followed(tmp_path: Path) -> None:
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "report"
    [kept] = written(elsewhere, "c.png")
    folder.mkdir()
    (folder / "figures").symlink_to(elsewhere)
    (folder / "c.png").symlink_to(kept)
    names = {"figures/c.png": sha256(kept), "c.png": sha256(kept)}
    (folder / LISTING).write_text(json.dumps({"files": names}))
    assert remove_outdated(folder, listed(folder), []) == []
    assert kept.exists() and (folder / "c.png").is_symlink()


def test_a_report_on_other_data_leaves_no_table_of_the_first(tmp_path: Path) -> None:
    store, cube, out = Store(tmp_path / "runs", create=True), make_cube(), tmp_path / "out"
    full = make_job(runner="climatology")
    fewshot = make_job(suite="fewshot", split=fewshot_parameters(cube, [1, 7], 20, 0), runner="climatology")
    for day, job in enumerate((full, fewshot), start=1):
        add_manifest(store, f"2026-01-0{day}T00:00:00Z", [job], suite=job.suite)
        publish(store, job, cube, 1.0)
    write_report(store, ReportOptions(suite="full", out=out, figures=False, check=True))
    written(out, "my_notes.md")
    assert {"table1.csv", "check.csv", "metrics_full.csv"} <= names_in(out)
    second = write_report(store, ReportOptions(suite="fewshot", out=out, figures=False))
    expected = {path.name for path in second.files} | {"my_notes.md", LISTING}
    assert names_in(out) == expected and "table2.csv" in expected and "table1.csv" not in expected
    assert any("table1.csv" in note and "of an earlier report" in note for note in second.notes)
    [told] = [note for note in second.notes if "of an earlier report" in note]
    assert "(toy, smoke, suite full): replaced " in told and "; removed " in told and "--out" in told
    with_page = write_report(store, ReportOptions(suite="fewshot", out=out, figures=False, html=True))
    again = write_report(store, ReportOptions(suite="fewshot", out=out, figures=False))
    assert names_in(out) == expected | {"report.html"}  # of the same jobs, so it says the same
    assert not any("earlier report" in note for note in (*with_page.notes, *again.notes))
    add_manifest(store, "2026-01-03T00:00:00Z", [fewshot.model_copy(update={"repetition": 1})], suite="fewshot")
    more = write_report(store, ReportOptions(suite="fewshot", out=out, figures=False))
    assert names_in(out) == expected and any("report.html" in note for note in more.notes)
    assert not any("--out" in note for note in more.notes)  # of the same, with one job more


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"with_reference": "nowhere"}, "Unknown reference 'nowhere'"),
        ({"with_reference": "auto"}, "no committed reference of data set toy, profile smoke"),
        ({"subject": "nobody"}, "Runner 'nobody' is no row"),
        ({"check": True, "expectations": Path("nowhere.toml")}, "no expectations file nowhere.toml"),
    ],
)
def test_a_report_that_is_refused_leaves_the_earlier_one(tmp_path: Path, wrong: dict[str, Any], said: str) -> None:
    store, cube, out = Store(tmp_path / "runs", create=True), make_cube(), tmp_path / "out"
    job = make_job(runner="climatology")
    add_manifest(store, "2026-01-01T00:00:00Z", [job])
    publish(store, job, cube, 1.0)
    files = written(out, "table9.csv")
    write_listing(out, "of other jobs", files, {}, {}, "other data", ("full",))
    before = {path: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(BenchError, match=said):
        write_report(store, ReportOptions(out=out, figures=False, **wrong))
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    with pytest.raises(BenchError, match=said):
        write_report(store, ReportOptions(out=tmp_path / "new", figures=False, **wrong))
    assert not (tmp_path / "new").exists()
