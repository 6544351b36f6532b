"""Rows of a table of differences are told apart by view and by what is set in them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bench.report.results.differences import _said
from bench.report.results.selection import RowKey


@pytest.mark.parametrize(
    ("variant", "several_views", "said"),
    [
        (None, False, ""),
        (None, True, " (located)"),
        ("epochs=256", False, " (epochs=256)"),
        ("epochs=256", True, " (located, epochs=256)"),
    ],
)
def test_view_and_settings_of_a_row_are_in_its_label(variant: str | None, several_views: bool, said: str) -> None:
    row = SimpleNamespace(key=RowKey("realmlp", "located", None, variant))
    assert _said(row, several_views) == said  # type: ignore[arg-type]
