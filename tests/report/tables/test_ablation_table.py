"""The ablation table and figure: variants beside their base, differences paired."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data.cube import Cube
from bench.data.datasets import OpenedDataset
from bench.report.figures.ablation import draw, write_figure
from bench.report.results.selection import Selection, select
from bench.report.results.statistics_reader import StatisticsReader
from bench.report.table import Row, Table
from bench.report.tables import render
from bench.report.tables.ablation import ablation_table, findings
from bench.report.tables.metrics_file import all_metrics
from bench.store.jobs import Job
from bench.store.store import Store
from bench.suites.options import SuiteOptions
from bench.suites.suites import make_jobs
from tests.conftest import make_cube
from tests.report.tables.test_tables import add_manifest, store_job

NOISE = {"base": 0.5, "n_nodes=100": 0.4, "geometry=plane": 0.9, "condition_groups=100": 0.6}
ONLY = ("geometry", "nodes", "k", "conditions")


def planned(cube: Cube, **changes: object) -> list[Job]:
    options = SuiteOptions(**{"profile": "smoke", "only": ONLY, "repetitions": 3, "weeks": (1, 24)} | changes)  # type: ignore[arg-type]
    return make_jobs("ablation", OpenedDataset(cube, Path("toy"), "toy", "for tests"), options)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Three seeds of some variants whose errors are known, and one that never ended; 120 training cells."""
    store, cube = Store(tmp_path_factory.mktemp("ablation") / "runs", create=True), make_cube(n_cells=150)
    jobs = planned(cube)
    add_manifest(store, "2026-01-01T00:00:00Z", jobs, suite="ablation")
    for job in jobs:
        if job.variant in NOISE:
            store_job(store, job, cube, NOISE[job.variant])
    return store


def selected(store: Store) -> tuple[Selection, StatisticsReader]:
    return select(store, "ablation"), StatisticsReader(store)


def row(table: Table, label: str, family: str | None = None) -> Row:
    return next(item for item in table.rows if item.label == label and family in (None, item.family))


def test_each_experiment_shows_its_base_and_the_paired_difference_to_it(filled: Store) -> None:
    table = ablation_table(*selected(filled))
    assert [family for family, _ in table.families()] == [
        "Neighbours: on the sphere or on the plane",
        "Number of graph nodes",
        "Neighbours of a node",
        "Conditions: shared or per cell",
    ]
    base = row(table, "Dual-branch (paper): on the sphere (base)")
    assert base.values["rmse"].value == pytest.approx(0.5, abs=0.03) and "difference" not in base.values
    assert base.jobs == row(table, "Dual-branch (paper): 500 nodes (base; capped: 120 training cells)").jobs
    fewer = row(table, "Dual-branch (paper): 100 nodes").values
    assert fewer["difference"].value == pytest.approx(fewer["rmse"].value - base.values["rmse"].value, abs=1e-9)
    assert fewer["difference"].high is not None and fewer["difference"].high < 0
    plane = row(table, "Dual-branch (paper): on the plane").values
    assert plane["difference"].low is not None and plane["difference"].low > 0.3
    assert plane["border_difference"].value == pytest.approx(plane["border"].value - base.values["border"].value)
    assert plane["runs"].value == 3 and plane["fit_seconds"].value == 1.0
    groups = row(table, "Dual-branch plus: 100 groups of cells").values
    assert groups["difference"].value == pytest.approx(0.1, abs=0.02)  # to the base of its own network


def test_capped_and_missing_variants_say_so(filled: Store) -> None:
    table = ablation_table(*selected(filled))
    capped = row(table, "Dual-branch (paper): 2,000 nodes (capped: 120 training cells)")
    assert (
        capped.jobs == row(table, "Dual-branch (paper): on the sphere (base)").jobs
        and "difference" not in capped.values
    )
    assert row(table, "Dual-branch (paper): 4 neighbours").note == "0 of 3 done"
    assert any("k=4" in note and "missing" in note for note in table.notes)
    for part in ("toy", "profile smoke", "seeds 0, 1, 2", "120 cells", "steps 1, 24 of 2020", "15 of 21 jobs done"):
        assert part in table.caption, table.caption
    assert "Dual-branch (paper): 100 nodes" in render.latex(table) and "tab:ablation" in render.latex(table)
    assert not pd.read_csv(pd.io.common.StringIO(render.as_csv(table))).duplicated(["family", "method", "column"]).any()


def test_a_newer_version_of_the_runner_makes_all_its_variants_stale(filled: Store, tmp_path: Path) -> None:
    cube = make_cube(n_cells=150)
    store = Store(tmp_path / "runs", create=True)
    older = planned(cube, only=("nodes", "geometry"), repetitions=1)
    add_manifest(store, "2026-01-01T00:00:00Z", older, suite="ablation")
    for job in older:
        store_job(store, job, cube, 0.5)
    newer = [job.model_copy(update={"runner_version": 99}) for job in planned(cube, only=("geometry",), repetitions=1)]
    add_manifest(store, "2026-01-02T00:00:00Z", newer, suite="ablation")
    for job in newer:
        store_job(store, job, cube, 0.5)
    selection, reader = selected(store)
    assert {record.job.runner_version for record in selection.done} == {99}
    assert any("n_nodes=100" in note and "stale" in note for note in ablation_table(selection, reader).notes)


def test_the_figure_shows_every_difference_and_error_against_time(filled: Store, tmp_path: Path) -> None:
    selection, reader = selected(filled)
    lines = findings(selection, reader)
    sheet = draw(lines, "GPP, gC m-2 d-1")
    differences, nodes = sheet.axes
    labels = [text.get_text() for text in differences.get_yticklabels()]
    assert labels == [
        "Dual-branch (paper): on the plane",
        "Dual-branch (paper): 100 nodes",
        "Dual-branch plus: 100 groups of cells",
    ]
    drawn = [
        line.get_xdata()[0] for line in differences.lines if len(line.get_xdata()) == 1 and line.get_marker() in "os"
    ]
    expected = [line.difference.value for line in lines if line.difference is not None]
    np.testing.assert_allclose(drawn, expected)
    assert {text.get_text() for text in nodes.texts} >= {"100 nodes"}
    written = write_figure(selection, reader, "plain", tmp_path)
    assert [Path(path).name for path in written] == ["ablation.pdf", "ablation.png"]
    first = [Path(path).read_bytes() for path in written]
    assert first == [Path(path).read_bytes() for path in write_figure(selection, reader, "plain", tmp_path)]


def test_raw_numbers_name_the_variant(filled: Store) -> None:
    selection, reader = selected(filled)
    header, *lines = "".join(all_metrics(selection, reader)).splitlines()
    assert header.split(",")[4:6] == ["runner", "variant"]
    assert any(",dual_branch,n_nodes=100," in line and "border:outer" in line for line in lines)
