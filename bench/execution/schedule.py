"""Runs planned jobs, several at a time, each in a process of its own, and publishes each result as it comes.

The scheduler is one loop in one thread. Whatever happens to it, the store holds only whole jobs: a job is published
by one rename, and the lock that says who runs it vanishes with the process that holds it.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from bench.errors import BenchError
from bench.execution.executor import Executor, RunningJob
from bench.execution.planning import PENDING, REFUSED, RETRYABLE, PlannedJob
from bench.execution.process import Limits, Outcome
from bench.execution.progress import RunProgress, TimeLeft
from bench.runners import registry
from bench.store.jobs import Job
from bench.store.names import RESULT_FILES
from bench.store.reading import CorruptRecord
from bench.store.records import Record, Status
from bench.store.store import Store
from bench.system import clock
from bench.system.disk import sha256
from bench.system.host import Host, this_host
from bench.system.locks import ProcessLock
from bench.system.untrusted import is_regular, make_readable, remove_tree
from bench.version import __version__

POLL_S = 0.03


class Interrupted(Exception):
    """Ctrl-C or SIGTERM: running jobs were ended and the store is ready to resume."""


@dataclass
class _Running:
    process: RunningJob
    lock: ProcessLock
    started: str


@dataclass(frozen=True)
class Summary:
    """How many jobs ended how.

    Attributes:
        counts: status → number, of the jobs that this run dealt with; those that were killed from outside, which
            the next run repeats unasked, count as ``interrupted``.
        already_done: jobs that were done before.
        left: jobs whose earlier failure was left as it is (no `--retry`).
    """

    counts: dict[str, int]
    already_done: int
    left: int


def to_run(planned: Sequence[PlannedJob], retry: Sequence[str] = ()) -> list[PlannedJob]:
    """The jobs that a run deals with: all that are pending, and earlier failures if asked for.

    Args:
        planned: the plan.
        retry: states to repeat; `failed` means every kind of failure.
    """
    repeated = {*PENDING, *retry, *(RETRYABLE if "failed" in retry else ())}
    return [item for item in planned if item.state in repeated or item.state in REFUSED]


def run_jobs(
    planned: Sequence[PlannedJob],
    store: Store,
    executor: Executor,
    limits: Limits,
    progress: RunProgress,
    retry: Sequence[str] = (),
    keep_artefacts: bool = False,
) -> Summary:
    """Runs what is to be run and returns how it went.

    Args:
        planned: the plan, in the order to start.
        store: where results go.
        executor: runs the jobs.
        limits: what one job may use.
        progress: is told of every event.
        retry: see `to_run`.
        keep_artefacts: keep what a runner wrote into its scratch folder, as ``artefacts/`` beside the record.

    Raises:
        Interrupted: on Ctrl-C or SIGTERM, after running jobs were ended.
        BenchError: the store cannot be written.
    """
    waiting = to_run(planned, retry)
    already_done = sum(item.state == "done" for item in planned)
    left = len(planned) - already_done - len(waiting)
    counts: Counter[str] = Counter()
    running: list[_Running] = []
    store.clean_work()
    expected = {item.job.id: item.estimate.seconds for item in waiting if item.state not in REFUSED}
    progress.planned(TimeLeft(expected, executor.room()))

    def finish(record: Record, process: RunningJob) -> None:
        store.publish(process.work, record, log=process.log(), artefacts="scratch" if keep_artefacts else None)
        if record.status == "done":
            store.remove_checkpoint(record.job_id)
        counts[record.ended] += 1
        progress.finished(record)

    stop = _StopRequest()
    with stop.listening():
        try:
            elsewhere: list[PlannedJob] = []
            while waiting or running or elsewhere:
                stop.raise_if_received()
                if not waiting and elsewhere and not running:
                    time.sleep(0.2)  # another run works on these: look again
                if not waiting:
                    waiting, elsewhere = elsewhere, []
                while len(running) < executor.room() and (place := next_place(waiting, executor, limits)) is not None:
                    item = waiting.pop(place)
                    lock = store.lock(item.job.id)
                    if not lock.try_acquire():
                        elsewhere.append(item)
                        continue
                    started = _start(item, store, executor, limits, lock, progress)
                    if isinstance(started, Record):
                        counts[started.ended] += 1
                    else:
                        running.append(started)
                for job in list(running):
                    outcome = job.process.poll()
                    if outcome is not None and outcome.obstacle is not None:
                        raise BenchError(
                            f"Job {job.process.job.label} {outcome.obstacle} and run the same command again; stored "
                            "results are untouched."
                        )
                    if outcome is not None:
                        running.remove(job)
                        finish(_record(job, outcome), job.process)
                        job.lock.release()
                progress.tick([job.process for job in running])
                if running:
                    time.sleep(POLL_S)
        finally:
            for job in running:
                job.process.kill()
                remove_tree(job.process.work)
                job.lock.release()
            progress.close()
    return Summary(dict(counts), already_done, left)


def next_place(waiting: Sequence[PlannedJob], executor: Executor, limits: Limits) -> int | None:
    """Which of the waiting jobs starts next; None where none is taken now (it may wait for a GPU).

    The first of the plan, which is its cheapest; but the longest as soon as all others would end beside it: were it
    begun last, the end of the run would be a wait for it alone.

    Args:
        waiting: in the order of the plan.
        executor: runs the jobs.
        limits: what one job may use.
    """
    first = next((place for place, item in enumerate(waiting) if executor.takes(item.job, limits)), None)
    beside = executor.room() - 1
    if first is None or beside < 1:
        return first
    costly = (place for place in range(len(waiting) - 1, -1, -1) if waiting[place].state not in REFUSED)
    longest = next(costly, first)
    left = waiting[longest].estimate.seconds * beside
    for place in costly:  # from the longest down, so that a long plan is soon known to have more
        left -= waiting[place].estimate.seconds
        if left < 0:
            return first
    return longest if executor.takes(waiting[longest].job, limits) else first


def _start(
    item: PlannedJob,
    store: Store,
    executor: Executor,
    limits: Limits,
    lock: ProcessLock,
    progress: RunProgress,
) -> _Running | Record:
    """Starts a job whose lock is held, or deals with it at once and returns its record."""
    job = item.job
    try:
        ended_elsewhere = _ended_since_planned(item, store)
        if ended_elsewhere is not None:
            progress.finished(ended_elsewhere)
            lock.release()
            return ended_elsewhere
        if item.state in REFUSED:
            record = _refuse(item, store)
            if record is not item.record:
                progress.finished(record)
            lock.release()
            return record
        work = store.new_work_folder(job.id)
        entry = registry.get(job.runner)
        own = replace(
            limits,
            threads=limits.threads if entry.thread_invariant else 1,
            processes=limits.processes if entry.several_processes else 1,
        )
        progress.started(job.label)
        started = clock.now()
        return _Running(
            executor.start(job, item.estimate, work, store.checkpoint_folder(job.id), own, progress.lost),
            lock,
            started,
        )
    except BaseException:
        lock.release()
        raise


def record_refusals(planned: Sequence[PlannedJob], store: Store) -> list[PlannedJob]:
    """Records the refused jobs of a plan as a run would, for plans that hand on the others only; returns the refused.

    Raises:
        BenchError: the store cannot be written.
    """
    refused = [item for item in planned if item.state in REFUSED]
    for item in refused:
        with store.try_lock(item.job.id) as free:
            if free and _ended_since_planned(item, store) is None:
                _refuse(item, store)
    return refused


def _refuse(item: PlannedJob, store: Store) -> Record:
    """Records a refused job, whose lock is held, as skipped; an earlier failure says more and is left as it is."""
    if item.record is not None and item.record.status != "skipped":
        return item.record
    work = store.new_work_folder(item.job.id)
    record = _base(item.job, "skipped", item.reason, clock.now())
    store.publish(work, record)
    return record


def _ended_since_planned(item: PlannedJob, store: Store) -> Record | None:
    """The record of a job that another run ended after this plan was made: its word counts. Sets damage aside."""
    try:
        current = store.record(item.job.id)
        if current is not None:
            for name in current.files:
                store.file(current, name)
    except CorruptRecord:
        store.quarantine(item.job.id)
        return None
    if current is None or current == item.record:
        return None
    return current


def _record(job: _Running, outcome: Outcome) -> Record:
    process, result = job.process, outcome.result
    done = result is not None and outcome.status == "done"
    times = result.times if result is not None else {}
    return _base(process.job, outcome.status, outcome.reason, outcome.started or job.started, outcome.host).model_copy(
        update={
            "interrupted": outcome.interrupted,
            "metrics": dict(result.metrics) if result is not None and done else {},
            "n_train": result.n_train if result is not None else None,
            "n_test": result.n_test if result is not None else None,
            "fit_seconds": times.get("fit"),
            "predict_seconds": times.get("predict"),
            "wall_seconds": outcome.wall_seconds,
            "peak_memory_bytes": outcome.peak_memory_bytes,
            "threads": process.limits.threads,
            "processes": process.limits.processes,
            "device": result.device if result is not None else None,
            "precision": result.precision if result is not None else None,
            "training_ended": result.training_ended if result is not None else None,
            "files": _hashes(process.work) if done else {},
        }
    )


def _hashes(work: Path) -> dict[str, str]:
    """Name → SHA-256 of the files that a job left for its record."""
    found = [name for name in RESULT_FILES if is_regular(work / name)]
    for name in found:
        make_readable(work / name)  # a job may have set any umask
    return {name: sha256(work / name) for name in found}


def _base(job: Job, status: Status, reason: str | None, started: str, host: Host | None = None) -> Record:
    return Record(
        job_id=job.id,
        job=job,
        status=status,
        reason=reason,
        started=started,
        finished=clock.now(),
        host=host or this_host(),
        bench_version=__version__,
    )


class _StopRequest:
    """Remembers Ctrl-C or SIGTERM until the loop asks: nothing is ever interrupted in the middle of a step."""

    def __init__(self) -> None:
        self._received: int | None = None

    def raise_if_received(self) -> None:
        """Raises `Interrupted` if a signal has come."""
        if self._received is not None:
            raise Interrupted(signal.Signals(self._received).name)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._received = number

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Takes the two signals for the time of a run."""
        previous = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
