"""Names of letters only, one for each number, by a rule that a reader can apply."""

from __future__ import annotations

import re

import pytest

from bench.errors import BenchError
from bench.report.table import Column, Row, Table, Value, words
from bench.report.tables import macros


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "Zero"),
        (1, "One"),
        (13, "Thirteen"),
        (40, "Forty"),
        (46, "FortySix"),
        (620, "SixHundredTwenty"),
        (6000, "SixThousand"),
        (20_001, "TwentyThousandOne"),
        (1_000_100, "OneMillionOneHundred"),
    ],
)
def test_numbers_are_spelled(number: int, text: str) -> None:
    assert macros.spelled(number) == text


def test_numbers_beyond_english_are_refused() -> None:
    with pytest.raises(BenchError, match="cannot be spelled"):
        macros.spelled(10**9)


def test_all_spelled_numbers_differ() -> None:
    assert len({macros.spelled(number) for number in range(3000)}) == 3000


@pytest.mark.parametrize(
    ("column", "row", "week", "name"),
    [
        ("rmse_40", "dual_branch", None, "benchRmseDualBranchWeekForty"),
        ("rmse", "dual_branch_plus", None, "benchRmseDualBranchPlus"),
        ("r2_1", "gwr", None, "benchRTwoGwrWeekOne"),
        ("train_rmse", "gnnwr", 40, "benchTrainRmseGnnwrWeekForty"),
        ("paper_ratio", "lightgbm (window)", None, "benchPaperRatioLightgbmWindow"),
        ("ratio_10", "gwr (600 cells)", None, "benchRatioGwrSixHundredCellsWeekTen"),
    ],
)
def test_the_rule_of_the_names(column: str, row: str, week: int | None, name: str) -> None:
    assert macros.name_of(column, row, week) == name


def table(*names: str) -> Table:
    columns = (Column("rmse", "RMSE"), Column("bias", "Bias"), Column("verdict", "Verdict"), Column("mae", "MAE"))
    values = {
        "rmse": Value(0.70149, 0.6051, 0.7949),
        "bias": Value(-0.055, -0.12, 0.01),
        "verdict": words("yes"),
        "mae": Value(float("nan")),
    }
    return Table("t", "", "", "Method", columns, tuple(Row(name, "F", values, name=name) for name in names))


def test_numbers_are_rounded_as_in_the_table_and_intervals_have_three_forms() -> None:
    text = macros.numbers([(table("gwr", ""), None)], {"dataset": "a_b", "dataset_title": "100 % 0.25°"})
    lines = [line for line in text.splitlines() if not line.startswith("%")]
    assert lines == [
        r"\newcommand{\benchDataset}{a\_b}",
        r"\newcommand{\benchDatasetTitle}{100 \% 0.25$^\circ$}",
        r"\newcommand{\benchRmseGwr}{0.701}",
        r"\newcommand{\benchRmseGwrLow}{0.61}",
        r"\newcommand{\benchRmseGwrHigh}{0.79}",
        r"\newcommand{\benchRmseGwrInterval}{[0.61, 0.79]}",
        r"\newcommand{\benchBiasGwr}{\ensuremath{-0.055}}",
        r"\newcommand{\benchBiasGwrLow}{\ensuremath{-0.12}}",
        r"\newcommand{\benchBiasGwrHigh}{0.01}",
        r"\newcommand{\benchBiasGwrInterval}{[\ensuremath{-0.12}, 0.01]}",
    ]
    assert all(re.match(r"\\newcommand\{\\[A-Za-z]+\}", line) for line in lines)


@pytest.mark.parametrize("names", [("gwr_two", "gwr2"), ("gwr", "gwr (low)"), ("gwr", "gwr")])
def test_two_numbers_never_share_a_name(names: tuple[str, str]) -> None:
    with pytest.raises(BenchError, match=r"LaTeX macro \\benchRmseGwr\w* would stand for two numbers, t, row gwr"):
        macros.numbers([(table(*names), None)], {})
