"""`--set runner.key=value`: parsed, applied, part of the id, and a row of its own."""

from __future__ import annotations

from typing import Any

import pytest

from bench.errors import BenchError
from bench.suites.settings import parse_settings, with_settings


def test_values_are_json_or_else_text() -> None:
    words = ["lightgbm.a.b=2", "lightgbm.a.c=[1, null]", "catboost.mode=fast=yes", "lightgbm.flag=true"]
    assert parse_settings(words) == {
        "lightgbm": {"a.b": 2, "a.c": [1, None], "flag": True},
        "catboost": {"mode": "fast=yes"},
    }


@pytest.mark.parametrize("word", ["", "x", "lightgbm=2", "lightgbm.=2", ".a=2", "lightgbm.a", "lightgbm.a..b=1"])
def test_other_forms_are_refused(word: str) -> None:
    with pytest.raises(BenchError, match="not of the form runner.key=value"):
        parse_settings([word])


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_numbers_are_finite(value: str) -> None:
    with pytest.raises(BenchError, match="give a finite one"):
        parse_settings([f"lightgbm.x={value}"])


def test_an_unknown_runner_gets_a_suggestion() -> None:
    with pytest.raises(BenchError, match="did you mean 'lightgbm'"):
        parse_settings(["lightgmb.x=1"])


def test_nested_settings_change_a_copy() -> None:
    base: dict[str, Any] = {"options": {"width": 8, "k": 3}, "x": 1}
    assert with_settings(base, {"options.width": 16, "new.key": 2}, "r") == {
        "options": {"width": 16, "k": 3},
        "x": 1,
        "new": {"key": 2},
    }
    assert base == {"options": {"width": 8, "k": 3}, "x": 1}
    with pytest.raises(BenchError, match="--set r.x.y: x is 1"):
        with_settings(base, {"x.y": 1}, "r")
