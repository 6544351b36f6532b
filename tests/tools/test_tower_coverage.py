"""How often intervals over towers hold: the committed table, the page that cites it, and a small run."""

from __future__ import annotations

import re

import pandas as pd

from tests.conftest import ROOT
from tools.tower_coverage import SIZES, coverage

TABLE = pd.read_csv(ROOT / "tables" / "reference" / "tower_coverage.csv")


def test_intervals_hold_nearly_as_often_as_they_say() -> None:
    assert set(TABLE["groups"]) == set(SIZES) and set(TABLE["number"]) == {"error", "ratio"}
    assert (TABLE["held"] >= 0.85).all() and (TABLE.loc[TABLE["groups"] == max(SIZES), "held"] >= 0.9).all()


def test_the_page_repeats_the_table() -> None:
    text = (ROOT / "docs" / "uncertainty.md").read_text().partition("## Towers")[2]
    for groups, own in TABLE.groupby("groups"):
        low, high = (f"{100 * value:.0f}" for value in (own["held"].min(), own["held"].max()))
        assert re.search(rf"^\| {groups} \| {low}–{high} % \|$", text, re.M), (groups, low, high)


def test_a_small_run_counts_both_numbers() -> None:
    lines = coverage(12, 2, 4)
    assert [line["number"] for line in lines] == ["error", "ratio"]
    assert all(0 <= float(str(line["held"])) <= 1 and line["groups"] == 12 for line in lines)
