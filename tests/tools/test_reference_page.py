"""The page of a reference has the numbers that its store's page has."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.report.reporting import ReportOptions, report
from bench.store.store import Store
from tests.report.html.conftest import PageReader
from tests.tools.test_reference_numbers import committed as committed  # a fixture
from tools.reference_page import makes_page, page_of


def test_the_page_of_a_reference_has_the_rows_of_its_store(committed: tuple[Store, Path]) -> None:
    store, folder = committed
    assert makes_page(folder)
    page = PageReader(page_of(folder))
    made = report(ReportOptions(figures=False), store=store.root).tables["table1"]
    for row in made.rows:
        if "rmse" in row.values:
            assert row.label in page.text and f"{row.values['rmse'].value:.3f}" in page.text
    assert "Published against reproduced" in page.text


def test_a_reference_without_sums_has_no_page(committed: tuple[Store, Path]) -> None:
    _, folder = committed
    (folder / "sums_full.parquet").unlink()
    assert not makes_page(folder)
    with pytest.raises(BenchError, match="has no sums"):
        page_of(folder)
