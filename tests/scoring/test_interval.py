"""A number with its interval."""

from __future__ import annotations

from dataclasses import replace

from bench.report.table import Value
from bench.scoring.interval import Interval


def test_an_unknown_interval_excludes_nothing() -> None:
    assert not Interval(1.0).known and not Interval(1.0).excludes(7.0)
    assert Interval(1.0, 0.5, 2.0).known and Interval(1.0, 0.5, 2.0).excludes(0.4)
    assert not Interval(1.0, 0.5, 2.0).excludes(2.0)


def test_the_rest_to_one_turns_the_interval_round() -> None:
    found = Interval(0.25, 0.125, 0.5, 0.01).one_minus()
    assert (found.value, found.low, found.high, found.p) == (0.75, 0.5, 0.875, 0.01)


def test_a_value_of_a_table_is_an_interval_and_stays_a_value() -> None:
    value = Value(0.9, 0.5, 1.3, tied=True)
    assert isinstance(value, Interval) and value.excludes(0.4)
    assert value.within(0, 1) == replace(value, high=1.0)
