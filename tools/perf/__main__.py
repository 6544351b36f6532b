"""`python -m tools.perf`: speed and memory of the project's own engines, as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bench.cli import call
from bench.cli.options import names, whole_numbers
from bench.errors import BenchError


@click.group(
    "tools.perf",
    epilog="""\b
Examples:
  python -m tools.perf gwr
  python -m tools.perf gwr --sizes 500,1000 --repeat 3 --output gwr.json
  python -m tools.perf train --models dual_branch_plus --memory
  python -m tools.perf scale --cells 2000
  python -m tools.perf jobs --counts 1,100""",
)
def command() -> None:
    """Measure the project's own engines against this machine's rate and against plain code; print JSON.

    Progress goes to standard error. Figures are worth something on an otherwise idle machine only.
    """


_output = click.option(
    "--output", type=click.Path(path_type=Path), default=None, help="Write the JSON document to this file too."
)


@command.command(
    epilog="""\b
Examples:
  python -m tools.perf gwr
  python -m tools.perf gwr --sizes 6000 --skip-mgwr-above 0
  python -m tools.perf gwr --sizes 500,1000,2000 --repeat 3 --output gwr.json"""
)
@click.option("--sizes", default="500,1000,2000,6000", show_default=True, metavar="N,N", help="Numbers of points.")
@click.option("--columns", type=int, default=26, show_default=True, help="Columns, the intercept among them.")
@click.option("--threads", type=int, default=1, show_default=True, help="Of the own engine; mgwr has one.")
@click.option(
    "--skip-mgwr-above", type=int, default=6000, show_default=True, help="Leave mgwr out beyond this many points."
)
@click.option("--repeat", type=int, default=1, show_default=True, help="Measure so often; the fastest counts.")
@_output
def gwr(sizes: str, columns: int, threads: int, skip_mgwr_above: int, repeat: int, output: Path | None) -> int:
    """Time a whole bandwidth search and fit of GWR by the own engine and by mgwr, on the same random data.

    mgwr needs some minutes at 6,000 points.
    """
    from tools.perf.gwr import GwrOptions, measure

    options = GwrOptions(whole_numbers(sizes, "--sizes"), columns, threads, skip_mgwr_above, repeat)
    _check_output(output)
    _publish(measure(options, _say), output)
    return 0


@command.command(
    epilog="""\b
Examples:
  python -m tools.perf train
  python -m tools.perf train --models dual_branch_plus --samples-seconds 30 --threads 1
  python -m tools.perf train --memory --output train.json"""
)
@click.option("--models", default="", metavar="A,B", help="Which models  [default: all].")
@click.option(
    "--samples-seconds", type=float, default=10.0, show_default=True, help="Length of each throughput measurement."
)
@click.option("--threads", type=int, default=2, show_default=True, help="Numeric threads.")
@click.option("--device", default="auto", show_default=True, metavar="NAME", help="auto, cpu or cuda.")
@click.option("--cells", type=int, default=2068, show_default=True, help="Cells of the random panel.")
@click.option("--memory", is_flag=True, help="Also measure the memory of trainings of 2,068 and of 60,000 cells.")
@_output
def train(
    models: str,
    samples_seconds: float,
    threads: int,
    device: str,
    cells: int,
    memory: bool,
    output: Path | None,
) -> int:
    """Measure how fast each torch model trains, on random data.

    Samples per second of the training engine, its share of the matrix rate, and its ratio to a plain loop with a
    DataLoader over windows.
    """
    from tools.perf.train import MEMORY_CELLS, TrainOptions, measure
    from tools.perf.training_tasks import MODELS

    options = TrainOptions(
        models=names(models) or tuple(MODELS),
        samples_seconds=samples_seconds,
        threads=threads,
        device=device,
        cells=cells,
        memory_cells=MEMORY_CELLS if memory else (),
    )
    _check_output(output)
    _publish(measure(options, _say), output)
    return 0


@command.command(
    epilog="""\b
Examples:
  python -m tools.perf scale
  python -m tools.perf scale --cells 60000 --no-train
  python -m tools.perf scale --lightgbm-rows 10000000 --output scale.json"""
)
@click.option("--cells", type=int, default=12_000, show_default=True, help="Land cells of the simulated cube.")
@click.option("--years", type=int, default=20, show_default=True, help="Years of 46 steps; all but the last train.")
@click.option("--threads", type=int, default=2, show_default=True, help="Numeric threads.")
@click.option("--train/--no-train", default=True, show_default=True, help="Train one epoch from disk.")
@click.option(
    "--memory-seconds", type=float, default=30.0, show_default=True, help="Length of the training from memory."
)
@click.option("--lightgbm-rows", type=int, default=0, show_default=True, help="Rows for LightGBM; 0 leaves it out.")
@click.option(
    "--work", type=click.Path(path_type=Path), default=None, help="Folder for the cube  [default: temporary]."
)
@_output
def scale(
    cells: int,
    years: int,
    threads: int,
    train: bool,
    memory_seconds: float,
    lightgbm_rows: int,
    work: Path | None,
    output: Path | None,
) -> int:
    """Measure how a cube that need not fit into memory is made, read back and learnt from.

    The defaults are 11 million samples of 27 variables, 1.3 GB; the paper's size is --cells 60000.
    """
    from tools.perf.scale import ScaleOptions, measure

    options = ScaleOptions(cells, years, work, threads, train, memory_seconds, lightgbm_rows)
    _check_output(output)
    _publish(measure(options, _say), output)
    return 0


@command.command(
    epilog="""\b
Examples:
  python -m tools.perf jobs
  python -m tools.perf jobs --counts 1,100 --output jobs.json"""
)
@click.option("--counts", default="1,100,300,1000", show_default=True, metavar="N,N", help="Jobs of a run.")
@click.option("--at-once", type=int, default=2, show_default=True, help="Jobs at once.")
@_output
def jobs(counts: str, at_once: int, output: Path | None) -> int:
    """Measure what a tiny job costs in CPU time, and how a run grows with their number."""
    from tools.perf.jobs import JobOptions, measure

    options = JobOptions(whole_numbers(counts, "--counts"), at_once)
    _check_output(output)
    _publish(measure(options, _say), output)
    return 0


def _say(text: str) -> None:
    click.echo(text, err=True)


def _check_output(output: Path | None) -> None:
    """Refuses an output file that cannot be written before minutes are spent on it."""
    if output is not None and (output.is_dir() or not output.absolute().parent.is_dir()):
        problem = "is a folder" if output.is_dir() else f"lies in {output.parent}, which is no folder"
        raise BenchError(f"--output: {output} {problem}; name a file in a folder that exists.")


def _publish(report: dict[str, Any], output: Path | None) -> None:
    from bench.system.disk import disk_errors, write_atomically

    text = json.dumps(report, indent=1)
    click.echo(text)
    if output is not None:
        with disk_errors(f"Report {output}", "the document stands above"):
            write_atomically(output, text.encode() + b"\n")


if __name__ == "__main__":
    call(command, "python -m tools.perf")
