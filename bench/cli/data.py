"""`bench data`: fetch, build, import, describe, verify and audit data sets."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import click

from bench.cli.data_build import command as build_command
from bench.cli.data_import import command as import_command
from bench.cli.options import dataset_argument, json_option
from bench.errors import BenchError
from bench.system.text import counted

_MOST_LINES = 20
"""More files than this are named by their number."""


@click.group(
    "data",
    epilog="""\b
Examples:
  bench data fetch northchina
  bench data info simulated:cells=2000
  bench data verify northchina
  bench data build climate2gpp --help
  bench data import towers.csv --out my/towers --target GPP:'gC m-2 d-1' --features temp:degC --time date
  bench data audit northchina --suite fewshot --weeks 40 --runner climatology
  bench data audit --dataset northchina --split blocks:3,1/5""",
)
def command() -> None:
    """Fetch, build, import, describe, verify and audit data sets."""


command.add_command(build_command)
command.add_command(import_command)


@command.command()
@dataset_argument("northchina")
def fetch(spec: str) -> int:
    """Download a data set's public files into the cache and check their SHA-256."""
    from bench.data import datasets
    from bench.data.fetch import download, locate

    parsed, _ = datasets.parse_spec(spec)
    source = datasets.entries()[parsed].source
    if source is None:
        click.echo(f"{parsed} needs no download: {datasets.at_hand(datasets.entries()[parsed]).reason}.")
        return 0
    location = locate(source)
    folder = location.folder
    if folder is None:
        folder = download(source, progress=True, say=lambda text: click.echo(text, err=True))
        click.echo(f"Downloaded {counted(len(source.sha256), 'file')} to {folder}.")
    else:
        click.echo(f"At hand: {counted(len(source.sha256), 'file')} of {parsed}, {location.reason} ({folder}).")
    _verify_files(parsed)
    return 0


@command.command()
@dataset_argument("auto")
@json_option
def info(spec: str, as_json: bool) -> int:
    """Describe a data set: size, variables with units, target, provenance and licence."""
    from bench.cli.info import _dataset, _lines
    from bench.data.datasets import open_dataset

    if spec == "auto":
        opened = open_dataset("auto", lambda text: click.echo(text, err=True))
        click.echo(opened.reason, err=True)
        spec = opened.spec
    found = _dataset(spec)
    click.echo(json.dumps(found, indent=1) if as_json else "\n".join(_lines(found)))
    return 0


@command.command()
@dataset_argument("auto")
def verify(spec: str) -> int:
    """Check source files by SHA-256 and the cube by its fingerprint, value by value."""
    from bench.data.cube_zarr import verify_cube
    from bench.data.datasets import open_dataset

    opened = open_dataset(spec, lambda text: click.echo(text, err=True))
    if opened.spec.partition(":")[0] == opened.cube.name:
        _verify_files(opened.cube.name)
    click.echo(f"Cube {opened.path}: fingerprint {verify_cube(opened.path)[:16]}…, every value finite. OK")
    return 0


@command.command()
@dataset_argument("auto")
@click.option("--suite", default="full", show_default=True, help="Whose split: full, fewshot or flux.")
@click.option(
    "--design", default="places", show_default=True, help="flux: which question's split; of several, the first."
)
@click.option("--split", default=None, help="full: name of the split, as in `bench run`; of several folds, the first.")
@click.option("--target", default=None, help="Of several targets, which  [default: the first].")
@click.option("--weeks", default="", help="fewshot: steps of the year, as in `bench run`.")
@click.option("--train-cells", type=int, default=None, help="fewshot: size of the sample, as in `bench run`.")
@click.option("--profile", default="laptop", show_default=True, help="Of the split and of --runner.")
@click.option(
    "--runner", default=None, help="Also prove that this runner's fit reads training data only (fits it twice)."
)
@json_option
def audit(
    spec: str,
    suite: str,
    design: str,
    split: str | None,
    target: str | None,
    weeks: str,
    train_cells: int | None,
    profile: str,
    runner: str | None,
    as_json: bool,
) -> int:
    """Audit a split: shared samples and their twins, distance from test to training cells, what a fit depends on."""
    from bench.data.audit import audit_split
    from bench.data.datasets import open_dataset
    from bench.data.split_names import default_split, parse_split, split_parameters
    from bench.data.splits import cube_of, default_weeks, fewshot_parameters, make_split, parse_weeks
    from bench.errors import unknown
    from bench.suites import profiles
    from bench.suites.flux import SUITE as FLUX
    from bench.suites.flux import split_of_design
    from bench.suites.options import SuiteOptions

    if suite not in ("full", "fewshot", FLUX):
        raise unknown("suite", suite, ["full", "fewshot", FLUX], "see `bench data audit --help`")
    cube = open_dataset(spec, lambda text: click.echo(text, err=True)).cube
    max_cells = profiles.get(profile).max_cells
    if suite == "full":
        parameters = split_parameters(cube, parse_split(split or default_split(cube)), max_cells)[0]
    elif suite == FLUX:
        parameters = split_of_design(cube, design, SuiteOptions(profile=profile, split=split))
    else:
        scored = parse_weeks(weeks) if weeks.strip() else default_weeks(cube)
        parameters = fewshot_parameters(cube, scored, train_cells, 0, max_cells)
    if cube.several_targets and suite != FLUX:
        parameters["target"] = target or cube.target_name
    cube = cube_of(cube, parameters)
    made = make_split(cube, parameters)
    result = audit_split(cube, made)
    found: dict[str, Any] = dataclasses.asdict(result) | {"passed": result.passed}
    clean = True
    if runner is not None:
        from bench.execution.inprocess import trained_on_training_only

        clean = trained_on_training_only(runner, cube, made, profile)
        found |= {"runner": runner, "runner_saw_training_only": clean}
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        from bench.cli.audit import print_audit

        print_audit(cube, made, result, runner, clean)
    if not (result.passed and clean):
        raise BenchError("The audit found a leak: see the lines above; do not trust results of this split or runner.")
    return 0


def _verify_files(name: str) -> None:
    from bench.data import datasets
    from bench.data.fetch import locate, verify_file

    source = datasets.entries()[name].source
    folder = locate(source).folder if source else None
    if source is None or folder is None:
        return
    for relative, digest in source.sha256.items():
        verify_file(folder / relative, digest)
        if len(source.sha256) <= _MOST_LINES:
            click.echo(f"{relative}: SHA-256 OK")
    if len(source.sha256) > _MOST_LINES:
        click.echo(f"{counted(len(source.sha256), 'file')} in {folder}: SHA-256 OK")
