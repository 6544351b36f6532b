"""The paper's tables as data: a damaged file is one sentence that names the place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.report import published
from bench.system import paths

HEADER = "table,row,family,method,runner,week,part,metric,value\n"


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project's tables that a test may damage."""
    copy = tmp_path / "tables"
    for name in ("published", "templates", "expectations"):
        shutil.copytree(paths.tables_dir() / name, copy / name)
    monkeypatch.setattr(paths, "tables_dir", lambda: copy)
    return copy


def test_digits_and_rounding_are_those_of_the_print() -> None:
    item = published.find(published.load(2), "gwr", "r2", week=1)
    assert item is not None and (item.value, item.digits) == (0.43, 2)
    assert item.rounding == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("table,row\n1,2\n", "table1.csv has other columns than table,row,family"),
        (HEADER, "table1.csv holds no number"),
        (HEADER + "1,1,A,B,gwr,,test,rmse,one\n", "table1.csv, line 2: could not convert string to float: 'one'"),
        (HEADER + "1,1,A,B,gwr,,test,rmse,nan\n", "line 2: value 'nan' is no printed decimal number"),
        (HEADER + "1,1,A,B,gwr,,test,rmse,1e0\n", "line 2: value '1e0' is no printed decimal number"),
        (HEADER + "1,1,A,B,gwr,,test,mae,1.0\n", "metric 'mae' of part 'test' is none of the paper's"),
        (HEADER + "1,1,A,B,gwr,x,test,rmse,1.0\n", "line 2: invalid literal for int"),
        (HEADER + "1,1,A,B\n", "line 2: it has not 9 fields"),
        (HEADER + "1,1,A,B,gwr,,test,rmse,1.0,more\n", "line 2: it has not 9 fields"),
        (HEADER + '1,1,"A,B,gwr', "is no CSV file in UTF-8"),
    ],
)
def test_a_table_that_does_not_parse_is_named_with_the_line(tables: Path, content: str, message: str) -> None:
    (tables / "published" / "table1.csv").write_text(content)
    with pytest.raises(BenchError) as error:
        published.load(1)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_table_that_is_no_text_or_missing_is_named(tables: Path) -> None:
    (tables / "published" / "table2.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BenchError, match="table2.csv is no CSV file in UTF-8"):
        published.load(2)
    (tables / "published" / "table3.csv").unlink()
    with pytest.raises(BenchError, match="table3.csv is missing; restore it"):
        published.load(3)


def test_the_letter_and_its_variant_stand_for_the_papers_model() -> None:
    assert published.variants("dual_branch") == ("dual_branch", "dual_branch_plus")
    assert published.variants("gnnwr") == ("gnnwr",)
