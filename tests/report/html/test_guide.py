"""What the page explains depends on what is on it."""

from __future__ import annotations

from bench.report.html.guide import Shown, guide

HOUSES = Shown(of_paper=False, of_carbon=False, has_seasons=False, few_shot=False, folds=True, explained=False)


def test_a_page_on_other_data_speaks_neither_of_the_paper_s_tables_nor_of_carbon_nor_of_seasons() -> None:
    text = str(guide("plain", HOUSES))
    absent = ("Tables 1 to 3", "Table 1", "PML_V2", "Gross primary", "season", "Week", "few-shot sample", "'s ratio")
    for word in absent:
        assert word not in text, word
    assert "<dt>Fold</dt>" in text and "<dt>÷</dt>" in text and "<dt>R²</dt>" in text


def test_a_page_on_the_paper_s_data_explains_all_of_it() -> None:
    text = str(guide("area", Shown()))
    for word in ("Tables 1 to 3", "PML_V2", "Gross primary", "a season", "Seen, unseen", "cos(latitude)"):
        assert word in text, word
    assert "÷ and the paper" in text


def test_towers_have_seasons_and_carbon_and_no_paper() -> None:
    text = str(guide("plain", Shown(of_paper=False, few_shot=False, explained=False)))
    assert "Gross primary" in text and "a season" in text and "With one test year" in text
    assert "PML_V2" not in text and "arXiv" not in text
