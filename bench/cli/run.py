"""`bench run`."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import click

from bench.cli.options import resolve, suite_options
from bench.system import clock


@click.command(
    epilog="""\b
Examples:
  bench run --suite full                                    # Table 1, laptop profile, best data at hand
  bench run --suite full --profile smoke --dataset simulated:cells=200
  bench run --suite full --only lightgbm,reference --repeats 3
  bench run --suite fewshot --weeks 1,10,20,30,40 --with lightgbm
  bench run --suite ablation --only nodes,geometry --repeats 3
  bench run --suite full --retry failed                     # repeat what failed, timed out or ran out of memory
  bench run --suite full --executor ray --address head:6379 --gpus-per-job 1    # on a Ray cluster"""
)
@suite_options
@click.option(
    "--retry", metavar="STATES", default="", help="Repeat jobs that ended as: failed (all kinds), timeout, oom."
)
@click.option("--executor", default="local", show_default=True, metavar="NAME", help="local or ray (a Ray cluster).")
@click.option(
    "--address",
    metavar="HOST:PORT",
    default=None,
    help="Of the Ray cluster  [default: $RAY_ADDRESS, one that runs on this machine, or a new one].",
)
@click.option("--job", "jobs", metavar="ID,ID", default="", help="Run only these jobs of the suite (see bench plan).")
@click.option("--keep-artefacts", is_flag=True, help="Keep what a runner wrote (fitted models) beside its record.")
@click.option("--quiet", is_flag=True, help="Say only how it ended.")
def command(
    retry: str, executor: str, address: str | None, jobs: str, keep_artefacts: bool, quiet: bool, **given: Any
) -> int:
    """Run a suite; re-issued, it finishes the remainder.

    Every job (runner, view, seed) is a process of its own with a time limit and a memory cap; whatever happens to
    one, the others go on. A finished job is never run again. Exit code 0: all jobs done (or skipped with a reason);
    1: some failed; 2: bad input; 130: interrupted, run the same command to resume.
    """
    from bench.cli.options import names
    from bench.errors import unknown
    from bench.execution.executors import open_executor
    from bench.execution.planning import RETRYABLE, select_jobs
    from bench.execution.progress import PlainProgress, Progress, for_terminal
    from bench.execution.schedule import Interrupted, run_jobs, to_run
    from bench.store.dataset_record import write_dataset_record
    from bench.store.records import Manifest
    from bench.store.sensitivities_record import record_sensitivities
    from bench.store.store import Store

    def say(text: str) -> None:
        if not quiet:
            click.echo(text)

    states = names(retry)
    for state in states:
        if state not in RETRYABLE:
            raise unknown("state for --retry", state, RETRYABLE, "`failed` covers all of them")
    request = resolve(say, **given)
    cube = request.dataset.cube
    store = Store(request.store_path, create=True)
    for path in store.set_damaged_manifests_aside():
        click.echo(f"Manifest {path.name} was damaged; it now lies in {store.root / 'quarantine'}.", err=True)
    place = open_executor(
        executor, address, request.dataset, request.jobs_at_once, given["jobs_at_once"], request.gpus, keep_artefacts
    )
    request = dataclasses.replace(request, limits=place.limits(request.limits, given["memory_gb"] is not None))
    planned = request.plan(store)
    manifest = Manifest(
        created=clock.now(),
        suite=request.suite,
        dataset_spec=request.dataset.spec,
        dataset_reason=request.dataset.reason,
        dataset_title=cube.provenance.get("title", cube.name),
        target_name=cube.target_name,
        target_units=cube.target_units,
        options=dataclasses.asdict(request.options),
        jobs=[item.job for item in planned],
    )
    ids = {item.job.id for item in planned}
    # The many runs of a job array would store it as many times.
    if not jobs or all(ids != {job.id for job in known.jobs} for known in store.manifests()):
        store.add_manifest(manifest)
    planned = select_jobs(planned, names(jobs))
    write_dataset_record(store, cube)
    record_sensitivities(store, cube, {item.job.runner for item in planned}, say)
    pending = to_run(planned, states)
    say(f"Data set {cube.name} ({cube.n_cells} cells × {cube.n_times} steps): {request.dataset.reason}.")
    say(
        f"Suite {request.suite}, profile {request.options.profile}: {len(planned)} jobs, {len(pending)} to run, "
        f"{place.room()} at once, "
        f"store {request.store_path}."
    )
    progress: Progress = PlainProgress(len(pending), stream=io.StringIO()) if quiet else for_terminal(len(pending))
    watch = clock.Stopwatch()
    try:
        summary = run_jobs(planned, store, place, request.limits, progress, states, keep_artefacts)
    except Interrupted as stop:
        click.echo(f"Stopped by {stop}; finished jobs are stored. Run the same command to resume.", err=True)
        return 130
    finally:
        place.close()
    ended = ", ".join(f"{count} {status}" for status, count in summary.counts.items()) or "nothing to do"
    click.echo(f"{ended}; {summary.already_done} done before; {clock.human_seconds(watch.seconds)}.")
    if summary.left:
        click.echo(f"{summary.left} jobs failed in an earlier run and were left so; repeat them with --retry failed.")
    failures = summary.left + sum(
        count for status, count in summary.counts.items() if status not in ("done", "skipped")
    )
    if failures and not summary.left:
        click.echo("See why with `bench ls jobs` and `bench info JOB`; repeat them with --retry failed.")
    return 1 if failures else 0
