"""The way in from Python: what the command line does, as functions and data frames.

    >>> import bench
    >>> bench.run("full", profile="smoke", dataset="simulated:cells=200", only="reference,lightgbm")
    >>> bench.results().sort_values("value")

The command line is a thin shell over the same options (`RunOptions`, `ReportOptions`).
"""

from __future__ import annotations

import dataclasses
import operator
import os
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from bench.data.cube import Cube
from bench.data.datasets import open_dataset
from bench.errors import BenchError, unknown
from bench.execution.planning import PlannedJob
from bench.execution.progress import PlainProgress, for_terminal
from bench.execution.request import RunOptions, resolve
from bench.execution.running import RunResult
from bench.execution.running import run as _run
from bench.report.reporting import Report, ReportOptions, report, selections
from bench.report.results.flux.lines import flux_lines
from bench.report.results.flux.tower_reader import towers_of
from bench.report.results.named import job_named
from bench.report.results.rows import RowResult, rows
from bench.report.results.statistics_reader import StatisticsReader
from bench.runners.base import Runner
from bench.runners.entry import Cost, RunnerEntry
from bench.runners.registry import register
from bench.scoring.metrics import METRICS
from bench.store.dataset_record import read_dataset_record
from bench.store.export import PREFIX as IMPORTANCE_PREFIX
from bench.store.export import gather, stored_importance, stored_predictions
from bench.store.export import write as write_predictions
from bench.store.names import is_job_id
from bench.store.place import STORED_STAYS
from bench.store.records import Record
from bench.store.store import existing_store, store_of_plan
from bench.suites.flux import SUITE as FLUX
from bench.system.arguments import path, require, require_texts, texts
from bench.system.disk import disk_errors

__all__ = [
    "BenchError",
    "Cost",
    "Cube",
    "Report",
    "ReportOptions",
    "RunOptions",
    "Runner",
    "RunnerEntry",
    "export",
    "open_dataset",
    "plan",
    "predictions",
    "register",
    "report",
    "results",
    "run",
]


def run(options: RunOptions | str = "full", /, *, quiet: bool = False, **fields: Any) -> RunResult:
    """Runs what is pending of a suite; called again, it finishes the remainder.

    Args:
        options: all options, or the name of a suite.
        quiet: print nothing.
        **fields: further fields of `RunOptions`; lists of names or numbers may be texts with commas.

    Raises:
        BenchError: an option makes no sense, the data cannot be opened, or the store cannot be written.
        Interrupted: on Ctrl-C, after running jobs were ended; the same call goes on.
    """

    def say(text: str) -> None:
        if not quiet:
            print(text)

    def warn(text: str) -> None:
        print(text, file=sys.stderr)

    def progress(n_jobs: int) -> PlainProgress | Any:
        return for_terminal(n_jobs) if not quiet else _Silent(n_jobs)

    return _run(_options(options, fields), progress, say, warn)


def plan(options: RunOptions | str = "full", /, **fields: Any) -> list[PlannedJob]:
    """What a run with these options would do: each job with its state, and the time and memory that it may take.

    Args:
        options: all options, or the name of a suite.
        **fields: further fields of `RunOptions`.

    Raises:
        BenchError: an option makes no sense, or the data cannot be opened.
    """
    request = resolve(_options(options, fields), lambda text: None)
    return request.plan(store_of_plan(request.store_path))


def results(
    store: Path | str | None = None,
    *,
    suite: str | None = None,
    dataset: str | None = None,
    profile: str | None = None,
    weighting: str = "plain",
    groups: Iterable[str] | None = ("all",),
) -> pd.DataFrame:
    """Every metric of every row of the tables, with its interval and the jobs that it comes from.

    Args:
        store: the result store; None for ``$BENCH_STORE`` or ``./runs``.
        suite: only this suite; None for all.
        dataset: name of the data set; None for that of the newest run.
        profile: name of the profile; None for that of the newest run.
        weighting: plain or area.
        groups: groups of samples, such as ``all`` or ``week:40``; None for all that were stored.

    Returns:
        One line per suite, runner, view, sample size, variant, split, target, part, group and metric: ``value`` (mean
        over repetitions), ``low`` and ``high`` (95 % interval), ``runs`` (repetitions), ``planned``, ``jobs`` (their
        ids). ``split`` is its kind, of suite ``flux`` the question that it stands for; ``train_cells`` is there the
        number of labelled towers, ``towers`` that of test towers, and intervals are over towers.

    Raises:
        BenchError: the store holds no such run. Damaged jobs are left out, each with a warning.
    """
    require_texts(suite=suite, dataset=dataset, profile=profile)
    require(weighting, str, "weighting", "plain or area")
    options = ReportOptions(suite=suite, dataset=dataset, profile=profile, weighting=weighting)
    opened = existing_store(store)
    reader = StatisticsReader(opened)
    chosen = selections(opened, options)
    left_out = [*opened.damaged_manifests.values(), *(why for one in chosen.values() for why in one.damaged.values())]
    for reason in left_out:
        warnings.warn(f"Left out: {reason}", stacklevel=2)
    wanted = None if groups is None else set(texts(groups, "groups"))
    lines = []
    for name, selection in chosen.items():
        if name == FLUX:
            lines += [{"suite": name, **line} for line in flux_lines(selection, towers_of(reader), wanted)]
            continue
        for row in rows(selection):
            target = selection.manifest.target_name
            lines += [{"suite": name, "target": target, **line} for line in _lines(row, reader, weighting, wanted)]
    return pd.DataFrame(lines, columns=list(_COLUMNS))


_COLUMNS = (
    *("suite", "runner", "title", "family", "view", "train_cells", "variant", "split", "target", "towers"),
    *("part", "group", "metric", "value", "low", "high", "runs", "planned", "jobs"),
)


def _lines(
    row: RowResult, reader: StatisticsReader, weighting: str, wanted: set[str] | None
) -> Iterable[dict[str, object]]:
    if not row.records:
        return
    tables = [reader.table(record) for record in row.records]
    present = pd.concat(tables)[["part", "group"]].drop_duplicates()
    for part, group in present.itertuples(index=False):
        if wanted is not None and group not in wanted:
            continue
        for metric in METRICS:
            found = reader.estimate(row.records, metric, part=part, group=group, weighting=weighting)
            if found is None:
                continue
            yield {
                "runner": row.key.runner,
                "title": row.title,
                "family": row.family,
                "view": row.key.view,
                "train_cells": row.key.train_cells,
                "variant": row.key.variant,
                "split": row.records[0].job.split["kind"],
                "towers": None,
                "part": part,
                "group": group,
                "metric": metric,
                "value": found.value,
                "low": found.low,
                "high": found.high,
                "runs": row.runs,
                "planned": row.planned,
                "jobs": tuple(record.job_id for record in row.records),
            }


def predictions(
    job: str,
    store: Path | str | None = None,
    *,
    suite: str = "full",
    repetition: int = 0,
    dataset: str | None = None,
    profile: str | None = None,
    target: str | None = None,
) -> pd.DataFrame:
    """The test predictions of a job, sample by sample.

    Args:
        job: its id, or the name of a runner: the newest of its jobs of these data, rather done, as registered and of
            the view ``located`` than failed, changed by ``--set`` and of another view.
        store: the result store; None for ``$BENCH_STORE`` or ``./runs``.
        suite: where a runner is named: of which suite.
        repetition: where a runner is named: which repetition.
        dataset: where a runner is named: of which data set; None for that of its newest job.
        profile: where a runner is named: of which profile; None for that of its newest job.
        target: where a runner is named, of data with several; None for the first.

    Returns:
        One line per sample: ``cell`` and ``time`` (indices of the cube), ``lon``, ``lat``, ``date`` (first day of the
        step), ``target`` and ``prediction`` in the target's unit.

    Raises:
        BenchError: there is no such job, it is not done, or a stored file is damaged.
    """
    require(job, str, "job", "its id or the name of a runner")
    require(suite, str, "suite", "its name")
    require(repetition, int, "repetition", "a whole number")
    require_texts(dataset=dataset, profile=profile, target=target)
    opened = existing_store(store)
    record = job_named(opened, job, suite=suite, repetition=repetition, dataset=dataset, profile=profile, target=target)
    frame = stored_predictions(opened, record)
    described = read_dataset_record(opened, record.job.dataset_fingerprint)
    if described is None:
        return frame
    frame.insert(2, "lon", described.cells["lon"].to_numpy()[frame["cell"]])
    frame.insert(3, "lat", described.cells["lat"].to_numpy()[frame["cell"]])
    frame.insert(4, "date", described.times["time"].to_numpy()[frame["time"]])
    return frame


def importance(
    job: str,
    store: Path | str | None = None,
    *,
    suite: str = "full",
    repetition: int = 0,
    dataset: str | None = None,
    profile: str | None = None,
    target: str | None = None,
) -> pd.DataFrame:
    """How much each variable counts in each test prediction of a job.

    Args:
        job: as in `predictions`, as are all others.
        store: the result store.
        suite: of the job.
        repetition: of the job.
        dataset: of the job.
        profile: of the job.
        target: of the job.

    Returns:
        The columns of `predictions`, then ``importance_<variable>``; what kind of number it is depends on the runner
        (docs/interpretability.md).

    Raises:
        BenchError: as `predictions`, or the runner does not explain its predictions.
    """
    chosen: dict[str, Any] = {"suite": suite, "repetition": repetition}
    chosen |= {"dataset": dataset, "profile": profile, "target": target}
    frame = predictions(job, store, **chosen)
    opened = existing_store(store)
    explained = stored_importance(opened, job_named(opened, job, **chosen)).drop(columns=["cell", "time"])
    return pd.concat([frame, explained.add_prefix(IMPORTANCE_PREFIX)], axis=1)


def export(
    names: str | Iterable[str],
    out: Path | str,
    store: Path | str | None = None,
    *,
    suite: str = "full",
    dataset: str | None = None,
    profile: str | None = None,
    target: str | None = None,
    importance: bool = False,
) -> list[Record]:
    """Writes the test predictions of jobs or rows into one file that other programs read.

    Args:
        names: ids of jobs, or names of runners: all finished jobs of their rows in the suite's table.
        out: the file; its ending names the format: ``.parquet`` or ``.nc`` (NetCDF by the CF conventions).
        store: the result store; None for ``$BENCH_STORE`` or ``./runs``.
        suite: where a runner is named: of which suite.
        dataset: where a runner is named: of which data set; None for that of the newest run.
        profile: where a runner is named: of which profile; None for that of the newest run.
        target: where a runner is named, of data with several; None for the first.
        importance: whether the file also says how much each variable counts, as `importance`.

    Returns:
        The records of the jobs in the file.

    Raises:
        BenchError: there is no such job or row with results, they are of different data, a stored file is damaged,
            the file cannot be written, or a runner does not explain its predictions.
    """
    require_texts(suite=suite, dataset=dataset, profile=profile, target=target)
    require(importance, bool, "importance", "True or False")
    opened, out = existing_store(store), path(out, "out")
    records: dict[str, Record] = {}
    for name in texts(names, "names"):
        found = [opened.record(name)] if is_job_id(name) else []
        if found == [None]:
            raise BenchError(f"Store {opened.root} has no job {name}; `bench ls jobs` lists what is stored.")
        if not found:
            options = ReportOptions(suite=suite, dataset=dataset, profile=profile, target=target)
            of_rows = rows(selections(opened, options)[suite])
            known = sorted({row.key.runner for row in of_rows if row.records})
            if name not in known:
                raise unknown(f"job or runner with results in suite {suite}", name, known, "`bench ls jobs` lists jobs")
            found = [record for row in of_rows if row.key.runner == name for record in row.records]
        records |= {record.job_id: record for record in found if record is not None}
    if not records:
        raise BenchError("Nothing is named; name jobs or runners, such as `bench export lightgbm --out gpp.nc`.")
    chosen = list(records.values())
    with disk_errors(f"File {out}", STORED_STAYS):
        write_predictions(gather(opened, chosen, importance=importance), out)
    return chosen


def _options(options: RunOptions | str, fields: dict[str, Any]) -> RunOptions:
    if isinstance(options, str):
        options = RunOptions(suite=options)
    if not isinstance(options, RunOptions):
        raise BenchError(f"Options are a {type(options).__name__}; give the name of a suite or a RunOptions.")
    known = {field.name: field for field in dataclasses.fields(RunOptions)}
    for name in fields:
        if name not in known:
            raise unknown("option", name, list(known), "`help(bench.RunOptions)` explains them")
    given = {}
    for name, value in ({name: getattr(options, name) for name in known} | fields).items():
        given[name] = _as_field(value, name, isinstance(known[name].default, tuple))
    return dataclasses.replace(options, **given)


_NUMBERS = ("weeks", "train_cells")
_PLAIN: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("first_repetition", "repetitions", "jobs_at_once", "processes_per_job", "gpus_per_job"), (int,)),
    **dict.fromkeys(("memory_gb", "timeout_s", "disk_gb"), (int, float)),
    "keep_artefacts": (bool,),
}
"""Kinds of options that are no texts."""
_OPTIONAL = ("jobs_at_once", "memory_gb", "timeout_s", "disk_gb", "split", "address")


def _as_field(value: Any, name: str, is_tuple: bool) -> Any:
    """A value as the option has it: a folder becomes a path, and a text with commas or a single value a tuple."""
    if name == "store":
        return None if value is None else path(value, "The store")
    if name == "dataset" and isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not is_tuple:
        kinds = _PLAIN.get(name, (str,))
        wanted = "another value, see `help(bench.RunOptions)`"
        require(value, kinds, f"Option {name}", wanted, optional=name in _OPTIONAL)
        return value
    items = [item.strip() for item in value.split(",")] if isinstance(value, str) else value
    items = list(items) if isinstance(items, Iterable) else [items]
    if name not in _NUMBERS:
        return tuple(dict.fromkeys(filter(None, texts(items, f"Option {name}"))))
    try:
        numbers = dict.fromkeys(
            int(item) if isinstance(item, str) else operator.index(item) for item in items if item != ""
        )
        whole = tuple(sorted(numbers)) if name == "weeks" else tuple(numbers)
    except (TypeError, ValueError) as error:
        raise BenchError(f"Option {name} is {value!r}; give whole numbers, such as {name}=[1, 10].") from error
    if any(isinstance(item, bool) for item in items):
        raise BenchError(f"Option {name} is {value!r}; give whole numbers, such as {name}=[1, 10].")
    return whole


class _Silent(PlainProgress):
    """Progress that says nothing."""

    def __init__(self, n_jobs: int) -> None:
        import io

        super().__init__(n_jobs, stream=io.StringIO())
