"""Rows say what limits a comparison with them: a training without an end, fewer runs, a profile that is only a test."""

from __future__ import annotations

import re
from pathlib import Path

from bench.report.html.results import result_table
from bench.report.results.marks import BANNER, marked
from bench.report.results.selection import select
from bench.report.results.statistics_reader import StatisticsReader
from bench.report.table import FEWER_RUNS, UNTRAINED, Table, best_values
from bench.report.tables import render
from bench.report.tables.numbered import costs, table1
from bench.store.store import Store
from tests.conftest import make_cube
from tests.report.tables.test_tables import add_manifest, store_job
from tests.store.test_store import make_job


def tables(folder: Path, profile: str = "laptop") -> list[Table]:
    """Table 1 and costs: two runs of tabnet, of which one lacks budget, one of resnet, and a rule without a seed."""
    store, cube = Store(folder / "runs", create=True), make_cube()
    jobs = [make_job(runner="tabnet", repetition=index, seed=index, profile=profile) for index in range(2)]
    jobs += [make_job(runner="resnet", repetition=5, seed=5, profile=profile)]
    jobs += [make_job(runner="climatology", profile=profile)]
    add_manifest(store, "2026-01-01T00:00:00Z", jobs)
    for job, noise, ended in zip(jobs, (1.0, 1.0, 9.0, 0.1), ("converged", "budget", "converged", None), strict=True):
        store_job(store, job, cube, noise, training_ended=ended)
    selection, reader = select(store, "full"), StatisticsReader(store)
    return [marked(make(selection, reader), [selection]) for make in (table1, costs)]


def test_a_row_without_an_end_and_one_of_fewer_runs_are_marked_in_every_form_of_every_table(tmp_path: Path) -> None:
    for table in tables(tmp_path):
        marks = {row.label: row.marks for row in table.rows if row.jobs}
        assert marks == {"TabNet": UNTRAINED, "ResNet": FEWER_RUNS, "Cell × step climatology": ""}
        assert [mark for mark, _ in table.footnotes()] == [UNTRAINED, FEWER_RUNS]
        for text in (render.markdown(table), str(result_table(table, {}))):
            plain = re.sub("<[^>]*>", "", text)
            assert "TabNet‡" in plain and "ResNet§" in plain and "not trained to the end" in plain
        assert r"TabNet$^\ddagger$" in render.latex(table) and "not trained to the end" in render.latex(table)
        assert "TabNet,rmse" not in render.as_csv(table) or "not trained to the end" in render.as_csv(table)


def test_the_smoke_profile_has_no_best_row_and_says_so(tmp_path: Path) -> None:
    judged, _ = tables(tmp_path / "laptop")
    table, _ = tables(tmp_path / "smoke", "smoke")
    assert best_values(judged) and not best_values(table)
    assert "**" in render.markdown(judged) and "**" not in render.markdown(table)
    assert BANNER in table.caption and BANNER not in judged.caption
    assert not any(value.tied for row in table.rows for value in row.values.values())
