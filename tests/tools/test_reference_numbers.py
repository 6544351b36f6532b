"""A reference is made of a store, and a user's own rows stand beside it."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from bench.cli.report import command
from bench.errors import BenchError
from bench.report.reporting import ReportOptions, report, selections, write_report
from bench.report.results.selection import select
from bench.report.results.statistics_reader import StatisticsReader
from bench.report.table import OWN
from bench.store.reference import Reference, open_results
from bench.store.store import Store
from tests.report.results.test_across import compared, make_store
from tests.store.test_store import make_job
from tools.update_reference import write_numbers

PLAIN = {"figures": False}


@pytest.fixture
def committed(tmp_path: Path) -> tuple[Store, Path]:
    """A store and the reference that was made of it."""
    jobs = [make_job(runner="lightgbm", view="located", repetition=number, seed=number) for number in range(2)]
    store = make_store(tmp_path / "made", [(make_job(), 0.5), *((job, 1.0) for job in jobs)])
    folder = tmp_path / "toy-smoke"
    report(ReportOptions(out=folder, figures=False), store=store.root)
    write_numbers(store, [selections(store, ReportOptions())], folder)
    return store, folder


def test_a_reference_gives_every_number_of_its_store(committed: tuple[Store, Path]) -> None:
    store, folder = committed
    reference = Reference(folder)
    assert reference.commands_of("full") == ["bench run --suite full --dataset toy --profile smoke"]
    theirs, own = select(reference, "full"), select(store, "full")
    assert theirs.jobs == own.jobs and theirs.records == own.records
    for record in own.done:
        keys = ["part", "group", "weighting", "block", "year"]
        stored, kept = (
            frame.sort_values(keys).reset_index(drop=True)
            for frame in (store.statistics(record), reference.statistics(record))
        )
        pd.testing.assert_frame_equal(stored, kept[list(stored.columns)], check_dtype=False)
        estimates = [StatisticsReader(place).estimate([record], "rmse") for place in (store, reference)]
        assert estimates[0] is not None and estimates[1] is not None
        assert estimates[0].value == pytest.approx(estimates[1].value, rel=1e-12)
    metrics = pd.read_csv(folder / "metrics_full.csv")
    assert set(metrics["group"]) == {"all"} and len(metrics) == 3 * 2 * 2  # jobs × parts × weightings
    assert {line.state for line in compared(open_results(folder), store).values()} == {"same"}  # type: ignore[arg-type]


def test_own_rows_stand_beside_the_committed_ones(committed: tuple[Store, Path], tmp_path: Path) -> None:
    _, folder = committed
    own = make_store(tmp_path / "own", [(make_job(runner="catboost", view="located", seed=1), 2.0)])
    found = report(ReportOptions(with_reference=str(folder), **PLAIN), store=own.root)  # type: ignore[arg-type]
    table = found.tables["reference_full"]
    assert [(row.label, OWN in row.marks) for row in table.rows] == [  # by their error
        ("Cell × step climatology", False),
        ("LightGBM (located)", False),
        ("CatBoost (located)", True),
    ]
    own_row = table.rows[-1]
    for row, noise in zip(table.rows[:-1], (0.5, 1.0), strict=True):
        assert row.values["rmse"].value == pytest.approx(2.0 - noise, rel=0.1)
        assert row.values["rmse"].value == pytest.approx(own_row.values["value"].value - row.values["value"].value)
        assert row.values["ratio"].value > 1 and len(row.jobs) in (2, 3)
    assert any("was made by: bench run --suite full" in note for note in found.notes)
    for extension in ("tex", "md", "csv"):
        text = (found.folder / f"reference_full.{extension}").read_text()
        body = text[text.index("midrule") :] if extension == "tex" else text
        assert body.index("climatology") < body.index("LightGBM (located)") < body.rindex("CatBoost (located)")
        assert "own row" in text


def test_own_rows_beside_the_reference_come_first_everywhere(committed: tuple[Store, Path], tmp_path: Path) -> None:
    _, folder = committed
    job = make_job(runner="catboost", view="located", seed=1)
    jobs = [(job, 2.0), (make_job(runner="xgboost", view="located", seed=1), 0.8)]
    own = make_store(tmp_path / "own", jobs)
    order: list[str] = []
    options = ReportOptions(with_reference=str(folder), html=True, **PLAIN)  # type: ignore[arg-type]
    found = write_report(own, options, lambda table: order.append(table.name), lambda answer: order.append("answer"))
    assert order[:3] == ["answer", "reference_full", "table1"] and list(found.tables)[:2] == order[1:3]
    blocks = [[row.label for row in rows] for _, rows in found.tables["reference_full"].families()]
    assert blocks[0][1] == "XGBoost (located)" and blocks[1][-1] == "CatBoost (located)"  # the better own row first
    document = (found.folder / "tables.tex").read_text()
    assert document.index(r"\thetable}{R") < document.index(r"\input{reference_full}")
    assert document.index(r"\input{reference_full}") < document.index(r"\thetable}{\arabic")
    assert document.index(r"\thetable}{\arabic") < document.index(r"\input{table1}")
    page = (found.folder / "report.html").read_text()
    assert page.index('id="answer"') < page.index('id="beside"') < page.index('id="results"')
    assert page.index('href="#reading"') < page.index('id="reference_full"')
    links, anchors = set(re.findall(r'href="#([^"]+)"', page)), set(re.findall(r' id="([^"]+)"', page))
    assert not links - anchors  # jobs of the reference are named, but are not on the page
    said = CliRunner().invoke(command, ["--store", str(own.root), "--with-reference", str(folder), "--no-figures"])
    answer = found.answer.plain[-1]
    first = said.output.index(answer)
    assert first < said.output.index("Own rows beside the committed reference") < said.output.index("Table 1 of")
    assert said.output.rindex(answer) > said.output.index("Written: ")  # the report still ends with it


def test_other_data_are_named_and_give_no_table(committed: tuple[Store, Path], tmp_path: Path) -> None:
    _, folder = committed
    own = make_store(tmp_path / "own", [(make_job(dataset_fingerprint="e" * 64), 2.0)])
    found = report(ReportOptions(with_reference=str(folder), **PLAIN), store=own.root)  # type: ignore[arg-type]
    assert "reference_full" not in found.tables
    assert any("data set's fingerprint: ffffffffffff → eeeeeeeeeeee" in note for note in found.notes)


def test_what_is_no_reference_is_one_sentence(committed: tuple[Store, Path], tmp_path: Path) -> None:
    store, folder = committed
    (folder / "sums_full.parquet").unlink()
    for name, said in (
        (str(folder), "has no sums"),
        ("nowhere", "Unknown reference 'nowhere'"),
        ("auto", "no committed reference of data set toy, profile smoke"),
    ):
        with pytest.raises(BenchError, match=said):
            report(ReportOptions(with_reference=name, **PLAIN), store=store.root)  # type: ignore[arg-type]
