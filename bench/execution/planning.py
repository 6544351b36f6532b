"""What a run would do: each job's state, and what it is expected to need. Estimates never change a result."""

from __future__ import annotations

import contextlib
import json
import resource
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import psutil

from bench.data.cube import Cube
from bench.data.parts import Split
from bench.data.splits import cube_of, make_split
from bench.data.views import view_columns
from bench.errors import BenchError
from bench.execution import learned
from bench.execution.process import MOST_DISK_BYTES, Limits
from bench.runners import registry
from bench.runners.entry import TRAINING_ROWS
from bench.runners.suitability import unsuited
from bench.store.jobs import Job
from bench.store.records import Record
from bench.store.store import Store
from bench.system.host import available_cores
from bench.system.text import short_number

State = Literal[
    "done",
    "missing",
    "failed",
    "timeout",
    "oom",
    "skipped",
    "interrupted",
    "corrupt",
    "unavailable",
    "unsuited",
    "too large",
    "too long",
]
PENDING: tuple[State, ...] = ("missing", "interrupted", "corrupt", "skipped")
"""States that a run repeats unasked. Skipped jobs are looked at again: a package or memory may be there now."""
REFUSED: tuple[State, ...] = ("unavailable", "unsuited", "too large", "too long")
"""States that a run records as skipped, with the reason."""
_ABOUT_TO_RUN: tuple[State, ...] = (*PENDING, "failed", "timeout", "oom")
RETRYABLE = ("failed", "timeout", "oom")
MOST_MEMORY_GB = MOST_DISK_GB = 1_000_000
MOST_AT_ONCE, MOST_PROCESSES = 10_000, 1_000
MOST_TIMEOUT_S = 1e9
"""Many times what the largest machines have, and 30 years: more is a slip of the keyboard."""
_LEAST_MEMORY_BYTES = 500_000_000
_RESERVE_BYTES = 1_500_000_000  # for the system and the harness
_SECONDS_PER_MINUTE = 60.0
_OTHER_TOKENS = 2
"""What a network that makes a token of each climate feature has beside these, in the time of tokens."""
_SCORED_BYTES = 8
"""Of a scored sample: its prediction and its target, float32; `bench.scoring.metrics` sums them block by block."""
_STORED_BYTES = 32
"""Of a test sample on its way to `predictions.parquet`, measured: four columns of 4 bytes and their copies."""
_EXPLAINED_BYTES = 10
"""Of an importance weight on its way to `importance.parquet`, measured: float32, its column and Arrow's buffers."""
_RECORD_BYTES = 60_000  # record, statistics and log of a small job


Measured = Mapping[tuple[str, str, str | None, int | None], float]
"""(runner, profile, variant, training samples) → mean wall-clock seconds of stored jobs."""


@dataclass(frozen=True)
class Estimate:
    """What a job is expected to need.

    Attributes:
        seconds: wall-clock time on one thread.
        memory_bytes: peak resident memory.
        disk_bytes: size of its stored result.
    """

    seconds: float
    memory_bytes: int
    disk_bytes: int


@dataclass(frozen=True)
class PlannedJob:
    """A job, its state in the store and its estimate.

    Attributes:
        job: the job.
        state: see `State`.
        reason: one sentence, where the state is neither done nor missing.
        estimate: what it is expected to need.
        record: the stored record, if there is a readable one.
        stale: whether an older version of this job is stored under another id.
    """

    job: Job
    state: State
    reason: str | None
    estimate: Estimate
    record: Record | None
    stale: bool


def limits_for(
    at_once: int,
    memory_gb: float | None,
    timeout_s: float | None,
    processes: int = 1,
    disk_gb: float | None = None,
) -> Limits:
    """Limits of each of several jobs that run at once; numeric threads are divided among them.

    Args:
        at_once: jobs at once.
        memory_gb: cap of one job; None for an equal share.
        timeout_s: wall-clock limit of one job, or None.
        processes: that train one job together, where its runner can use several.
        disk_gb: what one job may write into its folders; None for `MOST_DISK_BYTES`.

    Raises:
        BenchError: an option is out of range.
    """
    if not 1 <= at_once <= MOST_AT_ONCE:
        raise BenchError(f"--jobs is {short_number(at_once)}; it must be at least 1 and at most {MOST_AT_ONCE:,}.")
    if memory_gb is not None and not 0 < memory_gb <= MOST_MEMORY_GB:
        raise BenchError(f"--memory is {memory_gb:g} GB; it must be positive and at most {MOST_MEMORY_GB:,}.")
    if timeout_s is not None and not 0 < timeout_s <= MOST_TIMEOUT_S:
        raise BenchError(f"--timeout is {timeout_s:g} s; it must be positive and at most {MOST_TIMEOUT_S:g}.")
    if disk_gb is not None and not 0 < disk_gb <= MOST_DISK_GB:
        raise BenchError(f"--disk is {disk_gb:g} GB; it must be positive and at most {MOST_DISK_GB:,}.")
    if not 1 <= processes <= MOST_PROCESSES:
        raise BenchError(
            f"--processes-per-job is {short_number(processes)}; it must be at least 1 and at most {MOST_PROCESSES:,}."
        )
    share = max(0, available_memory() - _RESERVE_BYTES) // at_once
    memory_bytes = int(memory_gb * 1e9) if memory_gb is not None else max(share, _LEAST_MEMORY_BYTES)
    most = _data_limit()
    if memory_bytes > most:
        if memory_gb is not None or most < _LEAST_MEMORY_BYTES:
            raise BenchError(
                f"A job is to have {memory_bytes / 1e9:g} GB, but this shell allows a process {most / 1e9:g} GB "
                "of data (ulimit -d); raise that limit or name a lower --memory."
            )
        memory_bytes = most
    disk_bytes = MOST_DISK_BYTES if disk_gb is None else int(disk_gb * 1e9)
    return Limits(max(1, available_cores() // at_once), memory_bytes, timeout_s, processes, disk_bytes)


def _data_limit() -> int:
    """Bytes of data that a process started from here can have at most."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def available_memory() -> int:
    """Bytes that this machine, or the container that this process is in, has altogether."""
    total = int(psutil.virtual_memory().total)
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):  # absent outside Linux and cgroups; "max" means no limit
            total = min(total, int(Path(limit).read_text()))
    return total


class Splits:
    """The splits of jobs of one data set, each made once.

    Args:
        cube: the data.
    """

    def __init__(self, cube: Cube) -> None:
        self._cube = cube
        self._made: dict[str, Split] = {}

    def of(self, job: Job) -> Split:
        """The split of a job."""
        key = json.dumps(job.split, sort_keys=True)
        if key not in self._made:
            self._made[key] = make_split(self._cube, job.split)
        return self._made[key]


def default_at_once(jobs: Sequence[Job], cube: Cube, processes: int = 1) -> int:
    """One job per core, or per as many cores as a job has processes; fewer where the memory is short.

    The largest of the jobs must fit into its share.
    """
    splits = Splits(cube)
    largest = max(estimate(job, cube, splits=splits).memory_bytes for job in jobs)
    at_once = max(1, available_cores() // processes)
    while at_once > 1 and limits_for(at_once, None, None).memory_bytes < largest:
        at_once -= 1
    return at_once


def estimate(
    job: Job,
    cube: Cube,
    known: Sequence[Record] = (),
    splits: Splits | None = None,
    measured: Measured | None = None,
) -> Estimate:
    """What a job will need, from its runner's cost and, better, from stored runs of the same runner.

    Runs of the same size are taken as they are, others are scaled (`bench.execution.learned`).

    Args:
        job: the job.
        cube: the data.
        known: records of its runner.
        splits: of these data, where several jobs are estimated.
        measured: what stored jobs of one size took, of all runners; None to take it from `known`.
    """
    entry = registry.get(job.runner)
    split = (splits or Splits(cube)).of(job)
    columns = len(view_columns(cube, job.view)) if job.view else 1
    n_train, n_test = len(split.train), len(split.test)
    n_fitted = min(n_train, job.parameters.get(TRAINING_ROWS, n_train))
    of_usual = learned.epochs_of(job.parameters) / learned.DEFAULT_EPOCHS if entry.several_processes else 1.0
    if entry.cost.usual_features:
        of_usual *= (len(cube.feature_names) + _OTHER_TOKENS) / (entry.cost.usual_features + _OTHER_TOKENS)
    seconds = entry.cost.seconds + entry.cost.seconds_per_million * n_fitted * columns / 1e6 * of_usual * (
        0.1 if job.profile == "smoke" else 1.0
    )
    pairs = len(split.train.cells) ** 2 * len(split.test.times)
    seconds += entry.cost.seconds_per_million_pairs * pairs / 1e6
    comparisons = n_fitted * (n_test + len(split.scored_train))
    seconds += entry.cost.seconds_per_billion_comparisons * comparisons / 1e9
    memory = entry.cost.memory_gb * 1e9 + entry.cost.bytes_per_value * (n_fitted + n_test) * columns
    memory += _SCORED_BYTES * (len(split.scored_train) + n_test) + _STORED_BYTES * n_test
    if entry.explains:
        memory += _EXPLAINED_BYTES * n_test * (len(cube.feature_names) + len(cube.static_names))
    exact = (_measured(known) if measured is None else measured).get((job.runner, job.profile, job.variant, n_train))
    if exact is not None:
        seconds = exact
    elif (budget := _budget(job)) is not None:
        seconds += budget
    else:
        size = learned.JobSize(n_train, n_test)
        scaled = learned.seconds(job, size, entry.cost, known, trains_in_epochs=entry.several_processes)
        seconds = seconds if scaled is None else scaled
    return Estimate(seconds, int(memory), _RECORD_BYTES + 10 * n_test)


def _budget(job: Job) -> float | None:
    """Seconds after which the fit of a job ends by its own parameter, or None where there is no such parameter."""
    minutes = job.parameters.get(registry.get(job.runner).cost.minutes_in)
    return _SECONDS_PER_MINUTE * minutes if isinstance(minutes, int | float) else None


def _measured(records: Iterable[Record]) -> Measured:
    """The mean seconds of stored jobs of one runner, profile, variant and size."""
    seconds: dict[tuple[str, str, str | None, int | None], list[float]] = {}
    for record in records:
        if record.status == "done" and record.wall_seconds:
            key = record.job.runner, record.job.profile, record.job.variant, record.n_train
            seconds.setdefault(key, []).append(record.wall_seconds)
    return {key: sum(own) / len(own) for key, own in seconds.items()}


def plan(jobs: Sequence[Job], cube: Cube, store: Store | None, limits: Limits) -> list[PlannedJob]:
    """State and estimate of every job, cheapest first.

    Args:
        jobs: what to run.
        cube: the data.
        store: where results are, or None before the first run.
        limits: what one job may use; jobs that are expected to need more memory are `too large`, those of a runner
            that is refused after some time and would need it are `too long`.
    """
    stored, damaged = store.survey({job.id for job in jobs}) if store else ({}, {})
    measured = _measured(stored.values())
    by_runner: dict[str, list[Record]] = {}
    for record in stored.values():
        by_runner.setdefault(record.job.runner, []).append(record)
    addresses = {record.job.address: record.job_id for record in stored.values()}
    planned = []
    splits = Splits(cube)
    for job in jobs:
        expected = estimate(job, cube, by_runner.get(job.runner, ()), splits, measured)
        if registry.get(job.runner).several_processes:  # each of them opens the data and keeps a copy of the model
            expected = replace(expected, memory_bytes=expected.memory_bytes * limits.processes)
        old = stored.get(job.id)
        state, reason = _state(job, old, damaged.get(job.id), expected, limits)
        if state in _ABOUT_TO_RUN:
            unfit = unsuited(registry.get(job.runner).needs, cube_of(cube, job.split), splits.of(job))
            state, reason = ("unsuited", unfit) if unfit else (state, reason)
        planned.append(
            PlannedJob(job, state, reason, expected, old, addresses.get(job.address, job.id) != job.id and old is None)
        )
    order = {id(job): index for index, job in enumerate(jobs)}
    return sorted(planned, key=lambda item: (item.estimate.seconds, order[id(item.job)]))


def select_jobs(planned: Sequence[PlannedJob], ids: Sequence[str]) -> list[PlannedJob]:
    """The jobs with these ids, in the order of the plan; all where none is named.

    Raises:
        BenchError: an id is not in the plan.
    """
    missing = [job_id for job_id in ids if job_id not in {item.job.id for item in planned}]
    if missing:
        raise BenchError(
            f"--job: the suite with these options has no job {missing[0]}; `bench plan` with the same options lists "
            "them (ids change with packages, parameters and data)."
        )
    return [item for item in planned if not ids or item.job.id in ids]


def _state(
    job: Job, old: Record | None, damage: str | None, expected: Estimate, limits: Limits
) -> tuple[State, str | None]:
    if old is not None and old.status == "done":
        return "done", None
    if damage:
        return "corrupt", damage
    entry = registry.get(job.runner)
    unavailable = entry.unavailable()
    if unavailable:
        return "unavailable", unavailable
    if expected.memory_bytes > limits.memory_bytes:
        return "too large", (
            f"needs about {expected.memory_bytes / 1e9:.1f} GB, its cap is {limits.memory_bytes / 1e9:.1f} GB; "
            "raise --memory, use fewer --jobs "
            "or a smaller data set"
        )
    if entry.refused_after is not None and expected.seconds > entry.refused_after:
        return "too long", (
            f"would take about {expected.seconds / 3600:.1f} hours on one core, its limit is "
            f"{entry.refused_after / 3600:g}; use {entry.instead} instead, a smaller data set, fewer --train-cells or "
            "fewer --weeks"
        )
    budget = _budget(job)
    if budget is not None and limits.timeout_s is not None and budget >= limits.timeout_s:
        minutes, most = (seconds / _SECONDS_PER_MINUTE for seconds in (budget, limits.timeout_s))
        return "too long", (
            f"fits for {minutes:g} minutes, the limit of a job is {most:g}; raise --timeout or set fewer "
            f"{entry.name}.{entry.cost.minutes_in}"
        )
    if old is None:
        return "missing", None
    if old.interrupted:
        return "interrupted", old.reason
    return old.status, old.reason
