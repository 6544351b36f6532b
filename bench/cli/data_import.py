"""`bench data import`."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.errors import BenchError
from bench.system.text import counted

if TYPE_CHECKING:
    from bench.data.cube import Cube

_FOLDS = 5


@click.command(
    "import",
    epilog="""\b
Examples:
  bench data import towers.csv --out my/towers --place site --time month --target GPP:'gC m-2 d-1' \\
      --features temp:degC,rain:mm:sum --category IGBP
  bench data import homes.parquet --out my/homes --x easting --y northing --crs EPSG:27700 \\
      --target price:GBP --features floor_area:m2,age:year
  bench data import grid.nc --out my/grid --target gpp --features tas,pr --rhythm month""",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the data set, new or its own.")
@click.option("--name", default=None, help="Name of the data set in tables  [default: that of the folder].")
@click.option(
    "--target",
    "targets",
    multiple=True,
    required=True,
    metavar="NAME:UNIT",
    help="What is predicted; repeat it for several. A NetCDF file's own unit need not be named.",
)
@click.option(
    "--features",
    multiple=True,
    required=True,
    metavar="NAME:UNIT:HOW,…",
    help="What it is predicted from; HOW is mean, sum, min or max over the rows of a step  [default: mean].",
)
@click.option("--static", multiple=True, metavar="NAME:UNIT,…", help="Numbers that belong to a place.")
@click.option("--category", "categories", multiple=True, metavar="NAME,…", help="Names that belong to a place.")
@click.option("--group", "groups", multiple=True, metavar="NAME,…", help="Categories by which results are grouped.")
@click.option("--place", default=None, metavar="NAME", help="Column that names the place  [default: coordinates do].")
@click.option("--lon", default=None, metavar="NAME", help="Column of degrees east  [default: lon].")
@click.option("--lat", default=None, metavar="NAME", help="Column of degrees north  [default: lat].")
@click.option("--x", default=None, metavar="NAME", help="Instead of --lon: first planar coordinate, with --crs.")
@click.option("--y", default=None, metavar="NAME", help="Instead of --lat: second planar coordinate.")
@click.option("--crs", default=None, metavar="CODE", help="Of --x and --y, such as EPSG:27700.")
@click.option("--time", default=None, metavar="NAME", help="Column of the date; without it, every row is a place.")
@click.option("--time-format", default=None, metavar="FORM", help="Of dates not written year first: '%d/%m/%Y'.")
@click.option("--rhythm", default=None, help="8-day, day, month or year  [default: that of the dates].")
@click.option(
    "--least-days",
    type=int,
    default=3,
    show_default=True,
    help="A step's value needs so many measured days where rows are finer than steps.",
)
@click.option("--split", default=None, metavar="NAME", help="Column that says train, test, or nothing for neither.")
@click.option("--missing", multiple=True, type=float, metavar="NUMBER", help="Means not measured, such as -9999.")
def command(
    file: Path,
    out: Path,
    name: str | None,
    targets: tuple[str, ...],
    features: tuple[str, ...],
    static: tuple[str, ...],
    categories: tuple[str, ...],
    groups: tuple[str, ...],
    place: str | None,
    lon: str | None,
    lat: str | None,
    x: str | None,
    y: str | None,
    crs: str | None,
    time: str | None,
    time_format: str | None,
    rhythm: str | None,
    least_days: int,
    split: str | None,
    missing: tuple[float, ...],
) -> int:
    """Bring in data of your own: a CSV or Parquet table, a NetCDF file or a Zarr store.

    The table has one row a sample. Says what was found, which runners cannot use it, and what to do next.
    """
    from bench.data.importer.columns import Columns, parse_features, parse_static, parse_target
    from bench.data.importer.entry import import_file

    first, second = _coordinates(lon, lat, x, y, crs)
    columns = Columns(
        target=parse_target(targets),
        features=parse_features(features),
        static=parse_static(static),
        categories=_names(categories),
        groups=_names(groups),
        place=place,
        lon=first,
        lat=second,
        crs=crs,
        time=time,
        time_format=time_format,
        split=split,
        rhythm=rhythm,
        least_days=least_days,
        missing=missing,
    )
    cube = import_file(file, columns, out, name=name, say=click.echo)
    extent = f"{counted(cube.n_cells, 'place')} x {counted(cube.n_times, 'step')}"
    click.echo(f"{out}: {extent}, fingerprint {cube.fingerprint[:16]}")
    dataset = str(out) if "/" in str(out) or out.suffix == ".zarr" else f"./{out}"
    chosen = suggested_split(cube)
    if chosen is None:
        click.echo("No split leaves samples to train and to test on: bring in more data before you run anything.")
        return 0
    for line in refusals(dataset, chosen):
        click.echo(line)
    click.echo(f"next: {shlex.join(['bench', 'run', '--suite', 'full', '--dataset', dataset, '--split', chosen])}")
    return 0


def suggested_split(cube: Cube) -> str | None:
    """The first split that suits a new cube and leaves something to train and to test on; None if none does.

    Its own; with years behind each other the last one of each place, which is what one would want to know; places
    nobody has seen, by blocks; a fifth of the samples.
    """
    import numpy as np

    from bench.data.importer.findings import block_size
    from bench.data.split_names import parse_split, split_parameters
    from bench.data.splits import make_split

    size = block_size(cube)
    blocks = len(np.unique(np.floor(cube.places / size), axis=0))
    candidates = {
        "column": cube.split is not None,
        "last-year-of-each-place": len(np.unique(cube.year)) > 1,
        f"blocks:{size:g},{_FOLDS}": blocks >= 2 * _FOLDS,
        "share:0.2": True,
    }
    for name in (name for name, suits in candidates.items() if suits):
        try:
            for parameters in split_parameters(cube, parse_split(name)):
                for target in cube.several_targets or (None,):
                    make_split(cube, {**parameters, "target": target})
        except BenchError:
            continue  # it leaves nothing to train or to test on: the next one may
        return name
    return None


def _coordinates(lon: str | None, lat: str | None, x: str | None, y: str | None, crs: str | None) -> tuple[str, str]:
    """Names of the two columns of coordinates.

    Raises:
        BenchError: degrees and planar coordinates are both named, or planar ones without their system.
    """
    planar = [option for option, given in (("--x", x), ("--y", y), ("--crs", crs)) if given is not None]
    if planar and (lon is not None or lat is not None):
        raise BenchError(f"{planar[0]} is for planar coordinates, --lon and --lat for degrees; name one kind.")
    if planar and len(planar) < 3:
        lacking = next(option for option in ("--x", "--y", "--crs") if option not in planar)
        raise BenchError(f"{planar[0]} needs {lacking}: planar coordinates are named by --x, --y and --crs together.")
    return (x, y) if x is not None and y is not None else (lon or "lon", lat or "lat")


def _names(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for text in texts for name in text.split(",") if name.strip()))


def refusals(dataset: str, split: str) -> list[str]:
    """Lines on the runners of the suite `full` that cannot use a data set, by the plan."""
    from bench.data.datasets import open_dataset
    from bench.execution.planning import REFUSED, limits_for, plan
    from bench.suites.options import SuiteOptions
    from bench.suites.suites import make_jobs

    opened = open_dataset(dataset)
    planned = plan(make_jobs("full", opened, SuiteOptions(split=split)), opened.cube, None, limits_for(1, None, None))
    refused: dict[str, dict[str, None]] = {}
    for item in planned:
        if item.state in REFUSED:
            refused.setdefault(str(item.reason), {})[item.job.runner] = None  # once, however many folds
    lines = [f"cannot run: {', '.join(runners)}: {reason}" for reason, runners in refused.items()]
    return lines or ["Every runner of the suite full can use it."]
