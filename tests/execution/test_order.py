"""Jobs start cheapest first, but no run ends with a wait for one long job that could have begun earlier."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from typing import cast

import pytest

from bench.execution.executor import Executor
from bench.execution.planning import Estimate, PlannedJob
from bench.execution.process import Limits
from bench.execution.schedule import next_place
from bench.store.jobs import Job
from tests.store.test_store import make_job

LIMITS = Limits(1, 2_000_000_000, 60)
NORTHCHINA = (1, 1, 1, 56, 57, 59, 181, 203, 144, 101, 198, 178, 301, 337, 269, 579, 590, 920)
"""Seconds of the jobs of Table 1, about as they were measured."""


@dataclass
class Workers:
    """An executor with so many workers that refuses the jobs of some runners."""

    at_once: int
    refused: tuple[str, ...] = ()

    def room(self) -> int:
        return self.at_once

    def takes(self, job: Job, limits: Limits) -> bool:
        return job.runner not in self.refused


def planned(*seconds: float) -> list[PlannedJob]:
    return [
        PlannedJob(make_job(runner=f"job_{number}"), "missing", "", Estimate(float(value), 1, 1), None, False)
        for number, value in enumerate(sorted(seconds))
    ]


def run(waiting: list[PlannedJob], workers: int) -> tuple[list[float], float]:
    """The seconds of the jobs as they start, and when the last one ends."""
    executor, started, ends = cast(Executor, Workers(workers)), [], [0.0] * workers
    while waiting:
        place = next_place(waiting, executor, LIMITS)
        assert place is not None
        started.append(waiting.pop(place).estimate.seconds)
        heapq.heapreplace(ends, ends[0] + started[-1])
    return started, max(ends)


def test_one_worker_takes_the_cheapest_first() -> None:
    assert run(planned(3, 1, 2, 50), 1)[0] == [1, 2, 3, 50]


def test_the_longest_starts_as_soon_as_all_others_end_beside_it() -> None:
    started, end = run(planned(*NORTHCHINA), 2)
    assert started[:10] == sorted(NORTHCHINA)[:10]  # the quick rows still come first
    assert end <= 1.05 * sum(NORTHCHINA) / 2
    assert run(planned(10, 10, 10, 10, 40), 2)[1] == 40
    assert run(planned(1, 1, 1), 8)[1] == 1


@pytest.mark.parametrize("workers", [2, 3, 4])
def test_it_is_never_worse_than_cheapest_first(workers: int) -> None:
    def plain(seconds: tuple[float, ...]) -> float:
        ends = [0.0] * workers
        for value in sorted(seconds):
            heapq.heapreplace(ends, ends[0] + value)
        return max(ends)

    for seconds in (NORTHCHINA, (5,) * 7, (1, 2, 3, 4, 5, 6, 7, 8), (1,) * 30 + (20, 21)):
        assert run(planned(*seconds), workers)[1] <= plain(seconds)


def test_a_long_job_that_is_refused_or_waits_for_a_gpu_holds_up_nobody() -> None:
    waiting = planned(1, 2, 50)
    assert next_place(waiting, cast(Executor, Workers(2, ("job_2",))), LIMITS) == 0
    assert next_place(waiting, cast(Executor, Workers(2, ("job_0", "job_1", "job_2"))), LIMITS) is None
    waiting[2] = replace(waiting[2], state="too long")
    assert next_place(waiting, cast(Executor, Workers(2)), LIMITS) == 1  # the longest of those that run
    assert next_place(waiting[2:], cast(Executor, Workers(2)), LIMITS) == 0
