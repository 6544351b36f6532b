"""A whole run: the plan, its manifest, its jobs, and how it ended."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.errors import unknown
from bench.execution.executors import open_executor
from bench.execution.planning import RETRYABLE, PlannedJob, select_jobs
from bench.execution.progress import RunProgress
from bench.execution.request import Request, RunOptions, resolve
from bench.execution.schedule import Summary, run_jobs, to_run
from bench.runners import registry
from bench.store.dataset_record import write_dataset_record
from bench.store.records import Manifest, RowTitle
from bench.store.sensitivities_record import record_sensitivities
from bench.store.store import Store
from bench.suites.options import SuiteOptions
from bench.system import clock
from bench.system.text import counted


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        summary: how many jobs ended how.
        store: where the results are.
        seconds: wall-clock time of the jobs.
    """

    summary: Summary
    store: Path
    seconds: float

    @property
    def failures(self) -> int:
        """Jobs that did not end well in this run, and earlier failures that were left as they are."""
        bad = sum(count for status, count in self.summary.counts.items() if status not in ("done", "skipped"))
        return self.summary.left + bad

    def __str__(self) -> str:
        ended = ", ".join(f"{count} {status}" for status, count in self.summary.counts.items()) or "nothing to do"
        return f"{ended}; {self.summary.already_done} done before; {clock.human_seconds(self.seconds)}."


def run(
    options: RunOptions, progress: Callable[[int], RunProgress], say: Callable[[str], None], warn: Callable[[str], None]
) -> RunResult:
    """Runs what is pending of a suite.

    Args:
        options: what was asked for.
        progress: makes what is told of every event, given the number of jobs to run.
        say: is told what happens.
        warn: is told what the user should look at.

    Raises:
        BenchError: an option makes no sense, the data cannot be opened, or the store cannot be written.
        Interrupted: on Ctrl-C or SIGTERM, after running jobs were ended.
    """
    for state in options.retry:
        if state not in RETRYABLE:
            raise unknown("state for --retry", state, RETRYABLE, "`failed` covers all of them")
    request = resolve(options, say)
    cube = request.dataset.cube
    store = Store(request.store_path, create=True)
    for path in store.set_damaged_manifests_aside():
        warn(f"Manifest {path.name} was damaged; it now lies in {store.root / 'quarantine'}.")
    place = open_executor(
        options.executor,
        options.address,
        request.dataset,
        request.jobs_at_once,
        options.jobs_at_once,
        request.gpus,
        options.keep_artefacts,
    )
    try:
        request = dataclasses.replace(request, limits=place.limits(request.limits, options.memory_gb is not None))
        write_dataset_record(store, cube)  # before stored jobs are held against it
        planned = request.plan(store)
        _add_manifest(store, request, planned)
        planned = select_jobs(planned, options.only_jobs)
        record_sensitivities(store, cube, {item.job.runner for item in planned}, say)
        pending = to_run(planned, options.retry)
        extent = f"{counted(cube.n_cells, 'cell')} × {counted(cube.n_times, 'step')}"
        say(f"Data set {cube.name} ({extent}): {request.dataset.reason}.")
        say(
            f"Suite {options.suite}, profile {options.profile}: {counted(len(planned), 'job')}, {len(pending)} to run, "
            f"{place.room()} at once, store {request.store_path}."
        )
        watch = clock.Stopwatch()
        summary = run_jobs(
            planned,
            store,
            place,
            request.limits,
            progress(len(pending)),
            options.retry,
            options.keep_artefacts,
        )
        store.note_checked([item.job.id for item in pending])
    finally:
        place.close()
    return RunResult(summary, request.store_path, watch.seconds)


def _row_title(name: str) -> RowTitle:
    entry = registry.get(name)
    return RowTitle(title=entry.title, family=entry.family, step_means=entry.step_means)


def _add_manifest(store: Store, request: Request, planned: list[PlannedJob]) -> None:
    """Writes what this run set out to do; not again for each index of a job array that is in the store already."""
    ids = {item.job.id for item in planned}
    if request.options.only_jobs and any(ids == {job.id for job in known.jobs} for known in store.manifests()):
        return
    cube = request.dataset.cube
    chosen = {field.name: getattr(request.options, field.name) for field in dataclasses.fields(SuiteOptions)}
    store.add_manifest(
        Manifest(
            created=clock.now(),
            suite=request.options.suite,
            dataset_spec=request.dataset.spec,
            dataset_reason=request.dataset.reason,
            dataset_title=cube.provenance.get("title", cube.name),
            target_name=cube.target_name,
            target_units=cube.target_units,
            several_targets=dict(cube.several_targets),
            options=chosen,
            rows={name: _row_title(name) for name in sorted({item.job.runner for item in planned})},
            jobs=[item.job for item in planned],
        )
    )
