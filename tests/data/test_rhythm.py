from __future__ import annotations

import numpy as np
import pytest

from bench.data.rhythm import RHYTHMS, check_time, get
from bench.errors import BenchError


def days(*texts: str) -> np.ndarray:
    return np.array(texts, "datetime64[D]")


@pytest.mark.parametrize(
    ("rhythm", "day", "expected"),
    [
        ("8-day", "2019-01-01", 1),
        ("8-day", "2020-12-26", 46),
        ("month", "2019-06-01", 6),
        ("month", "2020-06-01", 6),  # by days over eight it would be 19, and 20 in a leap year
        ("day", "2020-02-29", 60),
        ("day", "2019-03-01", 61),
        ("day", "2020-03-01", 61),
        ("day", "2019-12-31", 366),
        ("year", "2019-01-01", 1),
        ("none", "2019-05-17", 1),
    ],
)
def test_the_step_of_the_year_follows_the_calendar(rhythm: str, day: str, expected: int) -> None:
    assert get(rhythm).step_of_year(days(day)).tolist() == [expected]


@pytest.mark.parametrize("rhythm", list(RHYTHMS))
def test_steps_of_the_year_lie_within_the_rhythm_and_start_on_their_first_day(rhythm: str) -> None:
    every_day = np.arange("1999-12-01", "2005-02-01", dtype="datetime64[D]")
    first = get(rhythm).first_day(every_day)
    step = get(rhythm).step_of_year(every_day)
    assert step.min() >= 1 and step.max() <= get(rhythm).steps_per_year
    np.testing.assert_array_equal(get(rhythm).step_of_year(first), step)
    np.testing.assert_array_equal(get(rhythm).first_day(first), first)


@pytest.mark.parametrize(
    ("rhythm", "time", "message"),
    [
        ("8-day", days("2019-01-01", "2019-02-01"), "2019-02-01 is not the first day of a step of rhythm '8-day'"),
        ("month", days("2019-01-15"), "that is 2019-01-01"),
        ("year", days("2019-01-01", "2020-07-01"), "2020-07-01 is not"),
        ("none", days("2019-01-01", "2020-01-01"), "means a single step, but there are 2"),
        ("day", days("2019-01-02", "2019-01-01"), "does not increase"),
    ],
)
def test_a_time_axis_of_another_rhythm_is_refused(rhythm: str, time: np.ndarray, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        check_time(time, get(rhythm), "Data set 'toy'")


def test_an_unknown_rhythm_names_the_nearest() -> None:
    with pytest.raises(BenchError, match="month"):
        get("monthly")
