"""`bench export`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bench.cli.options import json_option, store_option
from bench.errors import BenchError


@click.command(
    epilog="""\b
Examples:
  bench export lightgbm gwr --out gpp.nc                  # all finished jobs of two rows of Table 1
  bench export dual_branch --suite fewshot --out weeks.parquet
  bench export dual_branch_plus --importance --out why.parquet    # and how much each variable counts
  bench export 3f2a9c0d1e4b5a67 --out one.parquet         # a job id from `bench ls jobs`"""
)
@click.argument("names", nargs=-1, metavar="JOB|RUNNER…")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The file; .parquet has a line per sample, .nc is NetCDF by the CF conventions.",
)
@click.option("--suite", default="full", show_default=True, help="Of a runner: suite of its jobs.")
@click.option("--dataset", default=None, help="Of a runner: data set  [default: that of the newest run].")
@click.option("--profile", default=None, help="Of a runner: profile  [default: that of the newest run].")
@click.option("--target", default=None, help="Of a runner, of data with several targets, which  [default: the first].")
@click.option("--importance", is_flag=True, help="Also how much each variable counts in each prediction.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@store_option
@json_option
def command(
    names: tuple[str, ...],
    out: Path,
    suite: str,
    dataset: str | None,
    profile: str | None,
    target: str | None,
    importance: bool,
    force: bool,
    store_path: Path | None,
    as_json: bool,
) -> int:
    """Write the test predictions of jobs, or of all finished jobs of runners, into one file."""
    from bench.api import export

    if out.exists() and not force:
        raise BenchError(f"{out} is there already; name another file or add --force.")
    records = export(
        names, out, store_path, suite=suite, dataset=dataset, profile=profile, target=target, importance=importance
    )
    if as_json:
        click.echo(json.dumps({"file": str(out), "jobs": [record.job_id for record in records]}, indent=1))
        return 0
    samples = sum(record.n_test or 0 for record in records)
    count = f"{len(records)} {'job' if len(records) == 1 else 'jobs'}"
    click.echo(f"Written: {out} ({count}, {samples:,} predictions, {out.stat().st_size / 1e6:.1f} MB).")
    return 0
