"""Expectations check results: they hold, are broken, or have not run, and a bad file is one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from bench.errors import BenchError
from bench.report.paper import expectations
from bench.report.paper.expectations import Expectation, judge
from bench.report.table import Column, Row, Table, Value
from bench.runners import registry
from bench.system import paths
from tests.conftest import ROOT

TABLE = Table(
    "table1",
    "",
    "",
    "Method",
    (Column("rmse", "RMSE"), Column("ratio", "Ratio")),
    (
        Row("GWR", "Spatial", {"rmse": Value(0.5)}, name="gwr"),
        Row("GNNWR", "Spatial", {"rmse": Value(0.6)}, name="gnnwr"),
        Row("GTWR", "Spatial", {"rmse": Value(0.7)}, note="1 of 3 done", name="gtwr", complete=False),
    ),
)


def expect(**fields: object) -> Expectation:
    return Expectation.model_validate({"table": "table1", "row": "gwr", "column": "rmse", "why": "for tests"} | fields)


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"value": 0.52, "tolerance": 0.03}, "holds"),
        ({"value": 0.52, "tolerance": 0.01}, "broken"),
        ({"at_most": 0.5}, "holds"),
        ({"at_most": 0.49}, "broken"),
        ({"at_least": 0.5}, "holds"),
        ({"at_least": 0.51}, "broken"),
        ({"below": "gnnwr"}, "holds"),
        ({"row": "gnnwr", "below": "gwr"}, "broken"),
        ({"row": "gwr", "below": "gwr"}, "broken"),
        ({"row": "gtwr", "at_most": 0.1}, "not run"),  # not all repetitions are done
        ({"below": "gtwr"}, "not run"),
        ({"row": "gtnnwr", "at_most": 0.1}, "not run"),
        ({"column": "ratio", "at_most": 0.1}, "not run"),
        ({"table": "table2", "column": "rmse_40", "at_most": 0.1}, "not run"),
    ],
)
def test_an_expectation_holds_is_broken_or_has_not_run(fields: dict[str, object], state: str) -> None:
    [outcome] = judge([expect(**fields)], {"table1": TABLE})
    assert outcome.state == state


def test_the_sentence_says_what_was_expected_and_found() -> None:
    [outcome] = judge([expect(value=0.4, tolerance=0.01)], {"table1": TABLE})
    assert outcome.sentence == "table1, gwr, rmse: expected 0.4 ± 0.01, found 0.5 (for tests)"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"row": "gwrr", "at_most": 1}, "Unknown runner 'gwrr': did you mean 'gwr'"),
        ({"below": "gnwr"}, "Unknown runner 'gnwr': did you mean 'gnnwr'"),
        ({"column": "rmsee", "at_most": 1}, "column 'rmsee' of table1, which has rmse, ratio"),
        ({"table": "table9", "at_most": 1}, "table 'table9'; there are table1, table2 and table3"),
    ],
)
def test_a_slip_of_the_pen_is_no_silent_not_run(fields: dict[str, object], message: str) -> None:
    if "below" not in fields and "at_most" not in fields:
        fields = fields | {"at_most": 1}
    with pytest.raises(BenchError, match=message):
        judge([expect(**fields)], {"table1": TABLE})


ENTRY = '[[expect]]\ntable = "table1"\nrow = "gwr"\ncolumn = "rmse"\nwhy = "x"\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[[expect", "is no TOML in UTF-8"),
        ("", r"must hold \[\[expect\]\] entries and nothing else"),
        ("[[expects]]\n", r"must hold \[\[expect\]\] entries and nothing else"),
        (ENTRY, "entry 1: give exactly one of value, at_most, at_least and below"),
        (ENTRY + "at_most = 1\nat_least = 0\n", "entry 1: give exactly one of"),
        (ENTRY + "value = 1\n", "entry 1: value and tolerance belong together"),
        (ENTRY + "at_most = 1\n" + ENTRY + 'at_most = "low"\n', "entry 2: 'at_most': input should be a valid number"),
        (ENTRY + "at_most = 1\nslack = 2\n", "entry 1: 'slack' is not known here; correct it"),
        (ENTRY.replace('"x"', '" "') + "at_most = 1\n", "why is empty"),
    ],
)
def test_a_file_that_does_not_parse_is_named_with_the_entry(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(content)
    with pytest.raises(BenchError, match=message) as error:
        expectations.load(path)
    assert "mine.toml" in str(error.value) and "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="There is no expectations file .*none.toml"):
        expectations.load(tmp_path / "none.toml")


def test_the_committed_file_is_found_by_data_set_and_profile() -> None:
    path = expectations.committed("northchina", "laptop")
    assert path is not None and path.name == "northchina-laptop.toml"
    assert expectations.committed("simulated:cells=99,seed=0", "laptop") is None


@pytest.mark.parametrize(
    "path", sorted((paths.tables_dir() / "expectations").glob("*.toml")), ids=lambda path: path.stem
)
def test_the_committed_reference_results_fulfil_every_expectation(path: Path) -> None:
    folder = ROOT / "tables" / "reference" / path.stem
    runners = {
        item.stem: json.loads(item.read_text())["cell"]["runner"] for item in (folder / "records").glob("*.json")
    }
    wanted = expectations.load(path)
    assert all(item.row in registry.entries() for item in wanted)
    outcomes = judge(wanted, {name: read(folder / f"{name}.csv", runners) for name in ("table1", "table2", "table3")})
    assert [item.sentence for item in outcomes if item.state != "holds"] == []


def read(path: Path, runners: dict[str, str]) -> Table:
    """A committed table as values, its rows named by the runners of their jobs."""
    lines = pd.read_csv(path, keep_default_na=False)
    rows = []
    for (family, method), group in lines.groupby(["family", "method"], sort=False):
        ids = group["cells"].iloc[0].split()
        values = {line.column: Value(float(line.value)) for line in group.itertuples()}
        rows.append(Row(method, family, values, name=runners[ids[0]] if ids else ""))
    columns = tuple(Column(key, key) for key in dict.fromkeys(lines["column"]))
    return Table(path.stem, "", "", "Method", columns, tuple(rows))
