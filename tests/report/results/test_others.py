"""What a table leaves out is said, with a command that shows it, where there is one."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from bench.data.coordinate_units import CoordinateUnits
from bench.errors import BenchError
from bench.report.html.jobs import JobContext, state_of
from bench.report.html.overview import coverage
from bench.report.results.others import incomplete, left_out
from bench.report.results.rows import rows
from bench.report.results.selection import Selection, select
from bench.report.results.subject import subject
from bench.store.jobs import Job
from bench.store.store import Store
from tests.report.tables.test_tables import add_manifest
from tests.store.test_store import make_job, make_record


def made(tmp_path: Path, *runs: list[Job]) -> Store:
    store = Store(tmp_path / "runs", create=True)
    for day, jobs in enumerate(runs, start=1):
        add_manifest(store, f"2026-01-0{day}T00:00:00Z", jobs)
    return store


def test_nothing_is_said_where_nothing_is_left_out(tmp_path: Path) -> None:
    store = made(tmp_path, [make_job()], [make_job(runner="lightgbm", view="point"), make_job(runner_version=2)])
    assert left_out(store, select(store, "full")) == ()


def test_other_data_sets_and_profiles_are_named_with_the_command_that_shows_them(tmp_path: Path) -> None:
    moon = make_job(dataset="simulated:cells=64", dataset_fingerprint="0" * 64)
    laptop = make_job(profile="laptop")
    store = made(
        tmp_path,
        [moon, make_job(runner="lightgbm", dataset=moon.dataset, dataset_fingerprint="0" * 64)],
        [laptop],
        [make_job()],
    )
    said = left_out(store, select(store, "full"))
    assert len(said) == 2
    assert any("2 planned jobs of suite full on data set simulated:cells=64, profile smoke" in text for text in said)
    for text, wanted in zip(sorted(said, key=len), (laptop, moon), strict=True):
        [command] = re.findall(r"`(bench report .*)`", text)
        words = shlex.split(command)
        options = dict(zip(words[2::2], words[3::2], strict=True))
        shown = select(store, options["--suite"], options["--dataset"], options["--profile"])
        assert wanted.id in {job.id for job in shown.jobs}


def test_other_data_of_the_same_name_are_named_with_the_command_that_shows_them(tmp_path: Path) -> None:
    namesake = make_job(dataset_fingerprint="0" * 64)
    store = made(tmp_path, [namesake], [make_job()])
    [said] = left_out(store, select(store, "full"))
    assert "other data of that name (fingerprint 000000000000)" in said
    [command] = re.findall(r"`bench report (.*)`", said)
    words = shlex.split(command)
    options = dict(zip(words[::2], words[1::2], strict=True))
    assert options["--dataset"] == "toy@000000000000"
    shown = select(store, options["--suite"], options["--dataset"], options["--profile"])
    assert [job.id for job in shown.jobs] == [namesake.id]
    [back] = left_out(store, shown)
    assert f"toy@{make_job().dataset_fingerprint[:12]}" in back


def test_other_splits_that_no_option_reaches_are_named_as_such(tmp_path: Path) -> None:
    other = make_job(split={"kind": "full", "test_year": 2019, "max_cells": None})
    store = made(tmp_path, [other], [make_job()])
    said = " ".join(left_out(store, select(store, "full")))
    assert '"test_year": 2019' in said
    assert "`bench report" not in said and said.count("repeat that run to see it") == 1


def of_every_state(tmp_path: Path) -> Selection:
    """A selection whose jobs are stale (and done), damaged, interrupted, failed and missing."""
    names = ("climatology", "lightgbm", "catboost", "xgboost", "knn_unif")
    jobs = [make_job(runner=name) for name in names]
    selection = select(made(tmp_path, jobs), "full")
    stale, damaged, killed, failed, _ = jobs
    records = {
        stale.id: make_record(stale),
        killed.id: make_record(killed, status="failed", reason="killed", interrupted=True),
        failed.id: make_record(failed, status="failed", reason="it broke"),
    }
    return replace(selection, records=records, stale=frozenset({stale.id}), damaged={damaged.id: "no file"})


def test_every_sentence_counts_the_same_states(tmp_path: Path) -> None:
    selection = of_every_state(tmp_path)
    states = "1 damaged, 1 failed, 1 interrupted, 1 missing, 1 stale"
    [nothing] = incomplete(selection)
    assert f"No job of suite full is done ({states})" in nothing
    with pytest.raises(BenchError, match=re.escape(f"({states})")):
        subject(Store(tmp_path / "runs"), {"full": selection}, needs_results=True)
    done = make_job(runner="extra_trees")
    some = replace(selection, jobs=(*selection.jobs, done), records=selection.records | {done.id: make_record(done)})
    [partly] = incomplete(some)
    assert f"5 of 6 planned jobs are not done ({states})" in partly
    named = [state_of(job, some)[0] for job in some.jobs]
    assert sorted(named) == ["damaged", "done", "failed", "interrupted", "missing", "stale"]
    problems = [problem for row in rows(some) for problem in row.problems]
    assert any("catboost #0: interrupted: killed" in problem for problem in problems)


def test_the_coverage_of_a_page_counts_every_state(tmp_path: Path) -> None:
    selection = of_every_state(tmp_path)
    contexts = {
        job.id: JobContext(*state_of(job, selection), None, (), "", "", CoordinateUnits("", ""))
        for job in selection.jobs
    }
    headings = re.findall(r"<th[^>]*>([^<]*)</th>", coverage(selection, contexts))
    assert set(headings) >= {"damaged", "failed", "interrupted", "missing", "stale"}
