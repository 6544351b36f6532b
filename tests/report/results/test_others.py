"""What a table leaves out is said, with a command that shows it, where there is one."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from bench.report.results.others import left_out
from bench.report.results.selection import select
from bench.store.jobs import Job
from bench.store.store import Store
from tests.report.tables.test_tables import add_manifest
from tests.store.test_store import make_job


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


def test_older_data_and_other_splits_that_no_option_reaches_are_named_as_such(tmp_path: Path) -> None:
    other = make_job(split={"kind": "full", "test_year": 2019, "max_cells": None})
    store = made(tmp_path, [make_job(dataset_fingerprint="0" * 64)], [other], [make_job()])
    said = " ".join(left_out(store, select(store, "full")))
    assert "other data (fingerprint 000000000000)" in said and '"test_year": 2019' in said
    assert "`bench report" not in said and said.count("repeat that run to see it") == 2
