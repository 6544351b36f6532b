"""Options that several verbs share, and what they have in common: opening the data and making the plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from bench.data.datasets import OpenedDataset, open_dataset
from bench.data.splits import parse_weeks
from bench.errors import BenchError
from bench.execution.planning import PlannedJob, default_at_once, limits_for, plan
from bench.execution.process import Limits
from bench.store.store import Store
from bench.suites import profiles
from bench.suites.options import SuiteOptions
from bench.suites.suites import make_jobs
from bench.system import paths

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def store_option(function: CommandT) -> CommandT:
    """``--store``."""
    return click.option(
        "--store",
        "store_path",
        type=click.Path(path_type=Path),
        default=None,
        help="Result store  [default: $BENCH_STORE or ./runs]",
    )(function)


def json_option(function: CommandT) -> CommandT:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")(function)


def suite_options(function: CommandT) -> CommandT:
    """The options that choose jobs and resources, shared by `run` and `plan`."""
    options = (
        click.option(
            "--suite", required=True, metavar="NAME", help="full (Table 1), fewshot (Tables 2 and 3) or ablation."
        ),
        click.option(
            "--dataset",
            default="auto",
            show_default=True,
            metavar="SPEC",
            help="auto, northchina, simulated[:cells=N,years=N,seed=N], or a folder that holds a cube.",
        ),
        click.option(
            "--profile",
            default=profiles.DEFAULT_PROFILE,
            show_default=True,
            metavar="NAME",
            help="smoke, laptop or paper.",
        ),
        click.option(
            "--only", metavar="A,B", default="", help="Keep these runners or families; ablation: experiments."
        ),
        click.option("--skip", metavar="A,B", default="", help="Leave these out."),
        click.option("--with", "extra", metavar="A,B", default="", help="fewshot: add these tabular runners."),
        click.option(
            "--view",
            "views",
            metavar="A,B",
            default="located",
            show_default=True,
            help="Feature views: point, located, window.",
        ),
        click.option(
            "--first-repeat",
            "first_repetition",
            type=int,
            default=0,
            show_default=True,
            help="Number of the first repetition.",
        ),
        click.option(
            "--repeats",
            type=int,
            default=1,
            show_default=True,
            help="Repetitions of every runner that depends on a seed.",
        ),
        click.option(
            "--weeks",
            default="1,10,20,30,40",
            show_default=True,
            metavar="W,W",
            help="fewshot, ablation: 8-day steps of the year, 1-46.",
        ),
        click.option(
            "--train-cells",
            default="",
            metavar="N,N",
            help="fewshot, ablation: sampled cells  [default, fewshot: 6000, or 30 % of fewer than 20,000].",
        ),
        click.option(
            "--jobs",
            "jobs_at_once",
            type=int,
            default=None,
            help="Jobs at once  [default: one per core, fewer if memory is short].",
        ),
        click.option(
            "--memory",
            "memory_gb",
            type=float,
            default=None,
            help="Memory cap of one job in GB  [default: an equal share].",
        ),
        click.option(
            "--timeout",
            "timeout_s",
            type=float,
            default=None,
            help="Wall-clock limit of one job in seconds  [default: the profile's].",
        ),
        click.option(
            "--processes-per-job",
            "processes",
            type=int,
            default=1,
            show_default=True,
            metavar="N",
            help="Processes that train one job together, each on a GPU of its own where there are GPUs "
            "(dual-branch networks only).",
        ),
        click.option(
            "--gpus-per-job",
            "gpus",
            type=int,
            default=0,
            show_default=True,
            metavar="N",
            help="GPUs that a job asks a cluster for if its runner can use them; as many processes train it.",
        ),
        store_option,
    )
    for option in reversed(options):
        function = option(function)
    return function


@dataclass(frozen=True)
class Request:
    """A resolved command line.

    Attributes:
        suite: name of the suite.
        options: what chooses its jobs.
        dataset: the opened data.
        limits: of one job.
        jobs_at_once: as the name says.
        store_path: the result store.
        gpus: that a job asks a cluster for.
    """

    suite: str
    options: SuiteOptions
    dataset: OpenedDataset
    limits: Limits
    jobs_at_once: int
    store_path: Path
    gpus: int

    def plan(self, store: Store | None) -> list[PlannedJob]:
        """The plan against a store."""
        return plan(make_jobs(self.suite, self.dataset, self.options), self.dataset.cube, store, self.limits)


def resolve(
    say: Callable[[str], None],
    *,
    suite: str,
    dataset: str,
    profile: str,
    only: str,
    skip: str,
    extra: str,
    views: str,
    first_repetition: int,
    repeats: int,
    weeks: str,
    train_cells: str,
    jobs_at_once: int | None,
    memory_gb: float | None,
    timeout_s: float | None,
    processes: int,
    gpus: int,
    store_path: Path | None,
) -> Request:
    """Checks every option and opens the data.

    Raises:
        BenchError: an option makes no sense; the message names it.
    """
    from bench.errors import unknown
    from bench.suites.suites import SUITES

    if suite not in SUITES:
        raise unknown("suite", suite, list(SUITES), "see `bench run --help`")
    options = SuiteOptions(
        profile=profiles.get(profile).name,
        only=names(only),
        skip=names(skip),
        extra=names(extra),
        views=names(views) or ("located",),
        first_repetition=first_repetition,
        repetitions=repeats,
        weeks=parse_weeks(weeks),
        train_cells=whole_numbers(train_cells, "--train-cells"),
    )
    timeout = timeout_s if timeout_s is not None else profiles.get(profile).timeout_s
    if gpus < 0:
        raise BenchError(f"--gpus-per-job is {gpus}; it must not be negative.")
    processes = max(processes, gpus) if processes > 0 else processes
    limits_for(
        1 if jobs_at_once is None else jobs_at_once, memory_gb, timeout, processes
    )  # bad options are named before any data is built
    opened = open_dataset(dataset, say)
    at_once = (
        jobs_at_once
        if jobs_at_once is not None
        else default_at_once(make_jobs(suite, opened, options), opened.cube, processes)
    )
    limits = limits_for(at_once, memory_gb, timeout, processes)
    return Request(suite, options, opened, limits, at_once, store_path or paths.default_store(), gpus)


def names(text: str) -> tuple[str, ...]:
    """A comma-separated list, without blanks and repetitions."""
    return tuple(dict.fromkeys(filter(None, (item.strip() for item in text.split(",")))))


def whole_numbers(text: str, option: str) -> tuple[int, ...]:
    """A comma-separated list of whole numbers.

    Raises:
        BenchError: something is no whole number.
    """
    found = []
    for item in names(text):
        try:
            found.append(int(item))
        except ValueError as error:
            raise BenchError(
                f"{option}: {item!r} is no whole number; give numbers such as {option} 300,600."
            ) from error
    return tuple(found)


def existing_store(path: Path | None) -> Store:
    """The store that the user means.

    Raises:
        BenchError: there is none.
    """
    return Store(path or paths.default_store())
