"""What a run is asked to do: the options of `bench run` and `bench plan`, and the same with the data opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.data.datasets import OpenedDataset, open_dataset
from bench.errors import BenchError, unknown
from bench.execution.planning import MOST_PROCESSES, PlannedJob, default_at_once, limits_for, plan
from bench.execution.process import Limits
from bench.runners import registry
from bench.store.place import place_of, require_place
from bench.store.store import Store
from bench.suites import profiles
from bench.suites.flux import DATASET as TOWERS
from bench.suites.flux import SUITE as FLUX
from bench.suites.options import SuiteOptions
from bench.suites.suites import SUITES, make_jobs, require_settings
from bench.system.text import short_number


@dataclass(frozen=True)
class RunOptions(SuiteOptions):
    """Everything that a run may be told; `bench run --help` says the same in words.

    Attributes:
        suite: full (Table 1), fewshot (Tables 2 and 3), ablation or flux.
        dataset: ``auto``, the name of a data set with its options, or a folder that holds a cube.
        jobs_at_once: as the name says; None for one per core, fewer where memory is short.
        memory_gb: cap of one job; None for an equal share.
        timeout_s: wall-clock limit of one job; None for the profile's.
        disk_gb: what one job may write into its folders; None for 50.
        processes_per_job: processes that train one job together, where its runner can use several.
        gpus_per_job: GPUs that a job asks a cluster for; as many processes train it.
        store: the result store; None for ``$BENCH_STORE`` or ``./runs``.
        retry: states of ended jobs that are repeated: failed (all kinds), timeout, oom.
        only_jobs: ids of the suite's jobs to run; empty for all.
        executor: where jobs run: ``local`` or ``ray``.
        address: of the Ray cluster.
        keep_artefacts: keep what a runner wrote (fitted models) beside its record.
    """

    suite: str = "full"
    dataset: str = "auto"
    jobs_at_once: int | None = None
    memory_gb: float | None = None
    timeout_s: float | None = None
    disk_gb: float | None = None
    processes_per_job: int = 1
    gpus_per_job: int = 0
    store: Path | None = None
    retry: tuple[str, ...] = ()
    only_jobs: tuple[str, ...] = ()
    executor: str = "local"
    address: str | None = None
    keep_artefacts: bool = False


@dataclass(frozen=True)
class Request:
    """Run options whose data are open.

    Attributes:
        options: as given.
        dataset: the opened data.
        limits: of one job.
        jobs_at_once: as the name says.
        store_path: the result store.
        gpus: that a job asks a cluster for.
    """

    options: RunOptions
    dataset: OpenedDataset
    limits: Limits
    jobs_at_once: int
    store_path: Path
    gpus: int

    def plan(self, store: Store | None) -> list[PlannedJob]:
        """The plan against a store."""
        jobs = make_jobs(self.options.suite, self.dataset, self.options)
        return plan(jobs, self.dataset.cube, store, self.limits)


def resolve(options: RunOptions, say: Callable[[str], None]) -> Request:
    """Checks every option, then opens the data.

    Args:
        options: what was asked for.
        say: is told of slow steps before they start.

    Raises:
        BenchError: an option makes no sense; the message names it.
    """
    for problem in registry.problems():
        say(f"A plug-in was skipped. {problem}")
    if options.suite not in SUITES:
        raise unknown("suite", options.suite, list(SUITES), "see `bench run --help`")
    profile = profiles.get(options.profile)
    timeout = options.timeout_s if options.timeout_s is not None else profile.timeout_s
    gpus, processes, at_once = options.gpus_per_job, options.processes_per_job, options.jobs_at_once
    if not 0 <= gpus <= MOST_PROCESSES:
        raise BenchError(
            f"--gpus-per-job is {short_number(gpus)}; it must be at least 0 and at most {MOST_PROCESSES:,}."
        )
    processes = max(processes, gpus) if processes > 0 else processes
    # Bad limits are named before any data is built.
    limits_for(1 if at_once is None else at_once, options.memory_gb, timeout, processes, options.disk_gb)
    require_settings(options.suite, options)
    place = place_of(options.store)
    require_place(place, create=True)
    # The choice of auto is between grids; the suite of fluxes is of towers.
    opened = open_dataset(TOWERS if (options.suite, options.dataset) == (FLUX, "auto") else options.dataset, say)
    if at_once is None:
        at_once = default_at_once(make_jobs(options.suite, opened, options), opened.cube, processes)
    limits = limits_for(at_once, options.memory_gb, timeout, processes, options.disk_gb)
    return Request(options, opened, limits, at_once, place, gpus)
