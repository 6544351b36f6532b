"""Long values in sentences are cut in one place; short ones and lists of names stay."""

from __future__ import annotations

import json
from collections.abc import Callable

import pydantic
import pytest

from bench.errors import BenchError, unknown, what_is_wrong

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


def test_where_there_is_no_name_at_all_none_is_offered() -> None:
    message = str(unknown("job with results", "x", [], "`bench ls jobs` lists what is stored"))
    assert message == "Unknown job with results 'x': there is none; `bench ls jobs` lists what is stored."


class Inner(pydantic.BaseModel):
    seed: int


class Outer(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    job: Inner

    @pydantic.model_validator(mode="after")
    def _small(self) -> Outer:
        if self.job.seed > 9:
            raise ValueError("the seed is large")
        return self


@pytest.mark.parametrize(
    ("fails", "said"),
    [
        (lambda: Outer.model_validate_json('{"job": {}}'), "'job.seed' is missing"),
        (lambda: Outer.model_validate_json('{"job": {"seed": 1}, "jbo": 2}'), "'jbo' is not known here"),
        (lambda: Outer.model_validate_json('{"job": {"seed": "x"}}'), "'job.seed': input should be a valid integer"),
        (lambda: Outer.model_validate_json('{"job": {"seed": 10}}'), "the seed is large"),
        (lambda: Outer.model_validate_json("{"), "invalid JSON: EOF while parsing"),
        (lambda: json.loads(""), "it is no JSON: expecting value in line 1"),
        (lambda: json.loads("[" * 10**6), "it is nested too deeply"),
        (lambda: {}["schema_version"], "'schema_version' is missing"),
        (lambda: int("x"), "invalid literal for int() with base 10: 'x'"),
    ],
)
def test_what_is_wrong_with_a_file_is_a_clause(fails: Callable[[], object], said: str) -> None:
    with pytest.raises((ValueError, KeyError, RecursionError)) as found:
        fails()
    clause = what_is_wrong(found.value)
    assert (
        clause.startswith(said) and "\n" not in clause and "pydantic" not in clause and "validation error" not in clause
    )


def test_an_endless_name_gets_its_sentence_quickly() -> None:
    assert len(str(unknown("runner", LONG, ["lightgbm", "climatology"], "`bench ls runners` lists them"))) < 500
