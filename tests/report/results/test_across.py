"""Rows of two stores set against each other: what is new, what has another number, and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli import cli
from bench.report.results.across import Compared, Side, compare, disagreements
from bench.report.results.selection import select
from bench.report.results.statistics_reader import StatisticsReader
from bench.store.jobs import Job
from bench.store.store import Store
from tests.conftest import make_cube
from tests.report.tables.test_tables import add_manifest, store_job
from tests.store.test_store import make_job


def make_store(root: Path, jobs: list[tuple[Job, float]]) -> Store:
    """A store of done jobs, each with noise of the given size."""
    store = Store(root, create=True)
    add_manifest(store, "2026-01-01T00:00:00Z", [job for job, _ in jobs])
    for job, noise in jobs:
        store_job(store, job, make_cube(), noise)
    return store


def compared(first: Store, second: Store) -> dict[str, Compared]:
    sides = [Side(select(store, "full"), StatisticsReader(store)) for store in (first, second)]
    return {line.key.runner: line for line in compare(*sides)}


@pytest.fixture
def two(tmp_path: Path) -> tuple[Store, Store]:
    old = make_job(runner="lightgbm", view="located", parameters={"leaves": 30}, packages={"lightgbm": "4.6"})
    new = old.model_copy(update={"parameters": {"leaves": 60}, "packages": {"lightgbm": "4.7"}, "runner_version": 2})
    same, repeated = make_job(runner="climatology"), make_job(runner="catboost", view="located")
    gone, fresh = make_job(runner="training_mean"), make_job(runner="xgboost", view="located")
    first = make_store(tmp_path / "a", [(old, 1.0), (same, 0.5), (repeated, 0.3), (gone, 1.0)])
    second = make_store(tmp_path / "b", [(new, 2.0), (same, 0.5), (repeated, 0.4), (fresh, 1.0)])
    return first, second


def test_every_row_says_what_became_of_it_and_why(two: tuple[Store, Store]) -> None:
    found = compared(*two)
    assert {name: line.state for name, line in found.items()} == {
        "lightgbm": "changed",
        "climatology": "same",
        "catboost": "repeated",
        "training_mean": "gone",
        "xgboost": "new",
    }
    changed = found["lightgbm"]
    assert set(changed.why) == {"packages.lightgbm: 4.6 → 4.7", "parameters.leaves: 30 → 60", "runner_version: 1 → 2"}
    assert changed.before is not None and changed.after is not None and changed.difference is not None
    assert changed.difference.value == pytest.approx(changed.after.value - changed.before.value, abs=1e-9)
    assert changed.difference.value == pytest.approx(1.0, rel=0.1) and changed.difference.low > 0
    same = found["climatology"].difference
    assert same is not None and same.value == same.low == same.high == 0
    assert found["catboost"].difference is not None and found["catboost"].difference.value > 0
    assert found["xgboost"].before is None and found["training_mean"].after is None


def test_only_runs_that_both_have_are_compared(tmp_path: Path) -> None:
    jobs = [make_job(runner="lightgbm", view="located", repetition=number, seed=number) for number in range(3)]
    first = make_store(tmp_path / "a", [(job, 1.0) for job in jobs])
    second = make_store(tmp_path / "b", [(job, 1.0) for job in jobs[1:]])
    line = compared(first, second)["lightgbm"]
    assert (line.runs, line.state) == (2, "same")
    assert line.difference is not None and line.difference.value == 0
    apart = make_store(tmp_path / "c", [(jobs[0], 1.0)])
    assert compared(second, apart)["lightgbm"].state == "no result"


def test_other_data_or_another_split_are_named_and_nothing_is_subtracted(tmp_path: Path) -> None:
    base = make_job(runner="lightgbm", view="located")
    first = make_store(tmp_path / "a", [(base, 1.0)])
    other = base.model_copy(update={"dataset_fingerprint": "e" * 64, "split": {**base.split, "max_cells": 20}})
    second = make_store(tmp_path / "b", [(other, 1.0)])
    line = compared(first, second)["lightgbm"]
    assert line.state == "other data" and line.difference is None and line.before is not None
    assert line.why == ("data set's fingerprint: ffffffffffff → eeeeeeeeeeee", "split, max_cells: None → 20")
    assert disagreements(select(first, "full"), select(first, "full")) == []


def test_the_command_prints_a_table_and_json(two: tuple[Store, Store]) -> None:
    words = ["compare", *(str(store.root) for store in two)]
    shown = CliRunner().invoke(cli, words)
    assert shown.exit_code == 0, shown.output
    assert "packages.lightgbm: 4.6 → 4.7" in shown.output and "same: the same jobs" in shown.output
    told = json.loads(CliRunner().invoke(cli, [*words, "--json"]).output)["full"]
    line = next(row for row in told if row["runner"] == "lightgbm")
    assert line["difference"]["low"] <= line["difference"]["value"] <= line["difference"]["high"]
    wrong = CliRunner().invoke(cli, [*words, "--metric", "rsme"])
    assert "did you mean 'rmse'" in str(wrong.exception)
    nothing = CliRunner().invoke(cli, ["compare", "no-such-place", words[1]])
    assert "There is no result store in no-such-place" in str(nothing.exception)
