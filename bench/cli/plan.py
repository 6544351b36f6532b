"""`bench plan`."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from bench.cli.options import json_option, suite_options
from bench.system import clock
from bench.system.terminal import console

if TYPE_CHECKING:
    from bench.execution.planning import PlannedJob
    from bench.execution.request import Request
    from bench.execution.slurm import ArrayOptions

_NOT_FOR_RUN = ("jobs_at_once", "memory_gb", "store", "dataset")  # the script has its own


@click.command(
    epilog="""\b
Examples:
  bench plan --suite full
  bench plan --suite full --profile paper --dataset simulated:cells=20000,years=20 --memory 8
  bench plan --suite fewshot --weeks 40 --json
  bench plan --suite full --slurm array.sh --partition gpu --gpus-per-job 1 && sbatch array.sh"""
)
@suite_options
@click.option(
    "--slurm",
    "script",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Write a SLURM job array that runs what is left, one job per index.",
)
@click.option("--partition", default=None, metavar="NAME", help="slurm: partition to run in.")
@click.option("--at-once", type=int, default=16, show_default=True, help="slurm: indices that run at the same time.")
@click.option("--jobs-per-index", type=int, default=1, show_default=True, help="slurm: jobs that an index runs.")
@click.option("--minutes", type=int, default=None, help="slurm: time limit of an index  [default: by the cost model].")
@click.option("--cores", type=int, default=None, help="slurm: cores of an index  [default: one per process of a job].")
@json_option
def command(
    as_json: bool,
    script: Path | None,
    partition: str | None,
    at_once: int,
    jobs_per_index: int,
    minutes: int | None,
    cores: int | None,
    **given: Any,
) -> int:
    """Show what a run would do: every job with its state and expected time, memory and disk.

    Jobs that cannot fit into their memory cap, or whose model would take hours, are refused here, before anything
    starts. Times are rough until a job
    of the same runner and size has run; then they come from that run.
    """
    from bench.execution.planning import REFUSED
    from bench.execution.request import RunOptions, resolve
    from bench.store.store import store_of_plan

    request = resolve(RunOptions(**given), lambda text: click.echo(text, err=True))
    if script is not None:
        from bench.execution.slurm import ArrayOptions

        array = ArrayOptions(
            partition, at_once, jobs_per_index, minutes, cores or request.limits.processes, request.gpus
        )
        return _write_job_array(script, request, array)
    planned = request.plan(store_of_plan(request.store_path))
    open_jobs = [item for item in planned if item.state not in ("done", *REFUSED)]
    seconds = sum(item.estimate.seconds for item in open_jobs) / request.jobs_at_once
    disk = sum(item.estimate.disk_bytes for item in open_jobs)
    if as_json:
        rows = [
            {
                "id": item.job.id,
                "runner": item.job.runner,
                "view": item.job.view,
                "repetition": item.job.repetition,
                "state": item.state,
                "stale": item.stale,
                "reason": item.reason,
                "seconds": round(item.estimate.seconds, 1),
                "memory_bytes": item.estimate.memory_bytes,
                "disk_bytes": item.estimate.disk_bytes,
            }
            for item in planned
        ]
        click.echo(
            json.dumps(
                {
                    "suite": request.options.suite,
                    "dataset": request.dataset.spec,
                    "reason": request.dataset.reason,
                    "seconds": round(seconds, 1),
                    "jobs": rows,
                },
                indent=1,
            )
        )
        return 0
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=f"{request.options.suite} on {request.dataset.cube.name}, profile {request.options.profile}",
        title_justify="left",
    )
    for column in ("job", "runner", "state"):
        table.add_column(column)
    for column in ("time", "memory", "disk"):
        table.add_column(column, justify="right")
    for item in planned:
        state = item.state + (" (an older version is stored)" if item.stale else "")
        table.add_row(
            item.job.id,
            Text(item.job.label),
            state,
            clock.human_seconds(item.estimate.seconds),
            f"{item.estimate.memory_bytes / 1e9:.1f} GB",
            f"{item.estimate.disk_bytes / 1e6:.1f} MB",
        )
    out = console()
    out.print(table)
    for line in reasons(planned):
        out.print(line, markup=False, highlight=False)
    click.echo(f"Data: {request.dataset.reason}.")
    click.echo(
        f"About {clock.human_seconds(seconds)} with {request.jobs_at_once} at once, {disk / 1e6:.0f} MB of results in "
        f"{request.store_path}."
    )
    return 0


def reasons(planned: Sequence[PlannedJob]) -> list[str]:
    """Why jobs will not run or run differently, a line for each reason: folds and targets mostly share theirs."""
    found: dict[tuple[str, str], list[str]] = {}
    for item in planned:
        if item.reason:
            found.setdefault((item.state, item.reason), []).append(item.job.label)
    return [f"{'; '.join(_shortened(labels))}: {state}: {reason}" for (state, reason), labels in found.items()]


def _shortened(labels: Sequence[str]) -> list[str]:
    """Labels of jobs, those of one runner as one: ``gtwr #0, fold 1/5 and 4 more``."""
    of_runner: dict[str, list[str]] = {}
    for label in labels:
        of_runner.setdefault(label.partition(" ")[0], []).append(label)
    return [own[0] + (f" and {len(own) - 1} more" if own[1:] else "") for own in of_runner.values()]


def _write_job_array(script: Path, request: Request, options: ArrayOptions) -> int:
    """Writes the script and says how to submit it."""
    from bench.execution.schedule import record_refusals
    from bench.execution.slurm import NO_CAP, job_array
    from bench.store.place import STORED_STAYS
    from bench.store.store import Store
    from bench.system.disk import disk_errors, write_atomically

    if request.options.memory_gb is None:  # jobs run on other machines than this one
        request = dataclasses.replace(request, limits=dataclasses.replace(request.limits, memory_bytes=NO_CAP))
    store = Store(request.store_path, create=True)
    planned = request.plan(store)
    context = click.get_current_context()
    arguments = [f"--dataset={request.dataset.portable_spec}"]
    for option in context.command.params:
        name = option.name or ""
        named = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if named and hasattr(request.options, name) and name not in _NOT_FOR_RUN:
            value = getattr(request.options, name)
            arguments.append(f"{option.opts[0]}={','.join(map(str, value)) if isinstance(value, tuple) else value}")
    logs = script.with_name(script.name + ".logs")
    refused = record_refusals(planned, store)  # they are in no index, and the store should say why
    mapped = request.dataset.cube.climate.nbytes
    text = job_array(planned, arguments, request.store_path, request.limits, options, logs, mapped)
    with disk_errors(f"Script {script}", STORED_STAYS):
        logs.mkdir(parents=True, exist_ok=True)
        write_atomically(script, text.encode())
    click.echo(f"{script} is written; submit it with: sbatch {shlex.quote(str(script))}")
    if refused:
        click.echo(f"{len(refused)} refused, stored as skipped; see why with `bench ls jobs`.")
    click.echo(f"Store {request.store_path}, data and {script} must lie on a file system that all nodes share.")
    return 0
