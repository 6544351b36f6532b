"""`bench run`."""

from __future__ import annotations

import io
from typing import Any

import click

from bench.cli.options import NAMES, suite_options
from bench.system.text import counted


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
    "--retry",
    type=NAMES,
    metavar="STATES",
    default="",
    help="Repeat jobs that ended as: failed (all kinds), timeout, oom.",
)
@click.option("--executor", default="local", show_default=True, metavar="NAME", help="local or ray (a Ray cluster).")
@click.option(
    "--address",
    metavar="HOST:PORT",
    default=None,
    help="Of the Ray cluster  [default: $RAY_ADDRESS, one that runs on this machine, or a new one].",
)
@click.option(
    "--job",
    "only_jobs",
    type=NAMES,
    metavar="ID,ID",
    default="",
    help="Run only these jobs of the suite (see bench plan).",
)
@click.option("--keep-artefacts", is_flag=True, help="Keep what a runner wrote (fitted models) beside its record.")
@click.option("--quiet", is_flag=True, help="Say only how it ended.")
def command(quiet: bool, **given: Any) -> int:
    """Run a suite; re-issued, it finishes the remainder.

    Every job (runner, view, seed) is a process of its own with a time limit and a memory cap; whatever happens to
    one, the others go on. A finished job is never run again. Exit code 0: all jobs done (or skipped with a reason);
    1: some failed; 2: bad input; 130: interrupted, run the same command to resume.
    """
    from bench.execution.progress import PlainProgress, RunProgress, for_terminal
    from bench.execution.request import RunOptions
    from bench.execution.running import run
    from bench.execution.schedule import Interrupted
    from bench.store.records import INTERRUPTED

    def progress(n_jobs: int) -> RunProgress:
        return PlainProgress(n_jobs, stream=io.StringIO()) if quiet else for_terminal(n_jobs)

    def say(text: str) -> None:
        if not quiet:
            click.echo(text)

    try:
        result = run(RunOptions(**given), progress, say, lambda text: click.echo(text, err=True))
    except Interrupted as stop:
        click.echo(f"Stopped by {stop}; finished jobs are stored. Run the same command to resume.", err=True)
        return 130
    click.echo(str(result))
    killed = result.summary.counts.get(INTERRUPTED, 0)
    if killed:
        were = "was" if killed == 1 else "were"
        click.echo(f"{counted(killed, 'job')} {were} killed from outside; run the same command to repeat what is left.")
    if result.summary.left:
        failed, them = counted(result.summary.left, "job"), "it" if result.summary.left == 1 else "them"
        click.echo(f"{failed} failed in an earlier run and left so; repeat {them} with --retry failed.")
    elif result.failures > killed:
        click.echo("See why with `bench ls jobs` and `bench info JOB`; repeat them with --retry failed.")
    return 1 if result.failures else 0
