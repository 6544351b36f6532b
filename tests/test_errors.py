"""Long values in sentences are cut in one place; short ones and lists of names stay."""

from __future__ import annotations

import pytest

from bench.errors import BenchError, unknown

LONG = "x y" * 200_000


@pytest.mark.parametrize(
    "value",
    [LONG, LONG + "'", LONG + '"', "\n" * 100_000, "it's " * 50_000, '"' * 3_000 + "'", "\\" * 9_999, "y" * 10**6],
)
def test_a_long_value_is_cut_and_the_sentence_stays(value: str) -> None:
    message = str(BenchError(f"Row 3 of t.csv: 'name' is {value!r}, not a number; correct it."))
    assert message.startswith("Row 3 of t.csv: 'name' is ") and message.endswith(", not a number; correct it.")
    assert len(message) < 300


def test_a_long_word_and_an_endless_sentence_are_cut() -> None:
    assert len(str(BenchError(f"File /{'a' * 10**6} is empty."))) < 300
    message = str(BenchError("so it goes, " * 10_000 + "the end."))
    assert len(message) < 4100 and message.endswith("the end.")


def test_what_can_be_read_stays() -> None:
    names = [f"column_{index}" for index in range(200)]
    message = str(unknown("column of 'my table'", "x", names, "name one of the table's columns"))
    assert all(name in message for name in names) and message.endswith("name one of the table's columns.")
    path = "/" + "deep/" * 100 + "file.csv"
    assert path in str(BenchError(f"File {path} isn't there; it's gone."))


def test_an_endless_name_gets_its_sentence_quickly() -> None:
    assert len(str(unknown("runner", LONG, ["lightgbm", "climatology"], "`bench ls runners` lists them"))) < 500
