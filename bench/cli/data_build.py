"""`bench data build`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from bench.errors import BenchError
from bench.system.text import counted

if TYPE_CHECKING:
    from bench.data.climate2gpp.accumulation import HourlyTotals
    from bench.data.climate2gpp.settle import Choices, MidnightTotals


@click.command(
    "build",
    epilog="""\b
Examples:
  bench data build climate2gpp --era5 'era5/*.nc' --land-cover 'mcd12c1/*.hdf' --gpp 'pml/*.tif' --dry-run
  bench data build climate2gpp --era5 'era5/*.nc' --land-cover 'mcd12c1/*.hdf' --gpp 'pml/*.tif' --years 2001-2020
  bench data build climate2gpp --source earth-engine --project my-project --export-to drive --dry-run""",
)
@click.argument("name", type=click.Choice(["climate2gpp"]))
@click.option("--source", type=click.Choice(["files", "earth-engine"]), default="files", show_default=True)
@click.option("--era5", multiple=True, metavar="GLOB", help="ERA5-Land: NetCDF, GRIB, or exported GeoTIFF; repeatable.")
@click.option("--land-cover", multiple=True, metavar="GLOB", help="MCD12C1: HDF4 or GeoTIFF, the year in the name.")
@click.option("--gpp", multiple=True, metavar="GLOB", help="PML_V2: GeoTIFF or NetCDF, 8-day.")
@click.option("--grid", "degrees", type=float, default=0.5, show_default=True, help="Size of a cell in degrees.")
@click.option(
    "--years", default="2001-2020", show_default=True, metavar="FIRST-LAST", help="The last one is the test year."
)
@click.option(
    "--midnight-totals",
    type=click.Choice(["previous-day", "same-day"]),
    default=None,
    help="Of which day ERA5-Land's totals are in files that hold 00:00 only.",
)
@click.option(
    "--hourly-totals",
    type=click.Choice(["accumulated", "per-hour"]),
    default=None,
    help="What hourly totals are: accumulated since midnight UTC (ERA5-Land), or the amount of each hour.",
)
@click.option(
    "--unit",
    "units",
    multiple=True,
    metavar="NAME=UNIT",
    help="Unit of all files of a variable, or its factor, where the files do not say: tp=mm, GPP=0.01; repeatable.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=None,
    help="Folder of the cube  [default: the cache, where --dataset climate2gpp finds it].",
)
@click.option("--work", type=click.Path(path_type=Path), default=None, help="Finished stages  [default: OUT.work].")
@click.option(
    "--dry-run", is_flag=True, help="Say what would be read or requested, check that it is complete, and stop."
)
@click.option("--project", default=None, help="earth-engine: Cloud project that is registered for it.")
@click.option("--export-to", type=click.Choice(["drive", "cloud"]), default="drive", show_default=True)
@click.option(
    "--folder", default="climate2gpp", show_default=True, help="Folder of the Drive, or bucket of Cloud Storage."
)
@click.option("--era5-collection", default=None, help="earth-engine: another collection of daily ERA5-Land.")
@click.option("--land-cover-collection", default=None, help="earth-engine: another collection of MCD12C1.")
@click.option("--gpp-collection", default=None, help="earth-engine: another collection of PML_V2.")
@click.option("--gpp-band", default=None, help="earth-engine: its band.")
def command(
    name: str,
    source: str,
    era5: tuple[str, ...],
    land_cover: tuple[str, ...],
    gpp: tuple[str, ...],
    degrees: float,
    years: str,
    midnight_totals: str | None,
    hourly_totals: str | None,
    units: tuple[str, ...],
    out: Path | None,
    work: Path | None,
    dry_run: bool,
    project: str | None,
    export_to: str,
    folder: str,
    era5_collection: str | None,
    land_cover_collection: str | None,
    gpp_collection: str | None,
    gpp_band: str | None,
) -> int:
    """Build a data set from files, or export these files from Earth Engine; given again, it does the rest."""
    from bench.data.climate2gpp.grids import target_grid

    span = parse_years(years)
    target_grid(degrees)  # a bad grid is named before anything is read
    if out is None:
        out = _default_out(span, degrees)
    work = work or out.with_name(out.name + ".work")
    if source == "earth-engine":
        from bench.data.climate2gpp.earth_engine import Collections

        chosen = {
            "era5": era5_collection,
            "land_cover": land_cover_collection,
            "gpp": gpp_collection,
            "gpp_band": gpp_band,
        }
        collections = Collections(**{key: text for key, text in chosen.items() if text})
        return _export(span, degrees, collections, project, export_to, folder, work, dry_run)
    patterns = {"--era5": era5, "--land-cover": land_cover, "--gpp": gpp}
    from bench.data.climate2gpp.settle import Choices
    from bench.data.climate2gpp.unit_option import parse_units

    choices = Choices(
        cast("MidnightTotals | None", midnight_totals), cast("HourlyTotals | None", hourly_totals), parse_units(units)
    )
    return _build(span, degrees, patterns, choices, out, work, dry_run)


def parse_years(text: str) -> tuple[int, ...]:
    """``2001-2020``, or one year, as years.

    Raises:
        BenchError: it is neither.
    """
    match = re.fullmatch(r"(\d{4})(?:-(\d{4}))?", text.strip())
    first, last = (int(match.group(1)), int(match.group(2) or match.group(1))) if match else (1, 0)
    if last < first or not 1950 <= first <= 2100:
        raise BenchError(f"--years is {text!r}; give the first and the last year, such as 2001-2020.")
    return tuple(range(first, last + 1))


def _default_out(years: tuple[int, ...], degrees: float) -> Path:
    from bench.data import datasets

    hundredths = round(100 * degrees)
    if years[-1] != datasets.CLIMATE2GPP_LAST_YEAR or abs(hundredths - 100 * degrees) > 1e-9:
        raise BenchError(
            "--out is needed for years that do not end in 2020, or a grid that is no whole number of hundredths of a "
            "degree; name the cube's folder and give it as --dataset later."
        )
    return datasets.cube_path("climate2gpp", {"years": len(years), "grid": hundredths})


def _build(
    years: tuple[int, ...],
    degrees: float,
    patterns: dict[str, tuple[str, ...]],
    choices: Choices,
    out: Path,
    work: Path,
    dry_run: bool,
) -> int:
    from bench.data.climate2gpp.build import build
    from bench.data.climate2gpp.inventory import expand, take_stock
    from bench.data.climate2gpp.progress import for_terminal
    from bench.data.climate2gpp.space import disk_estimate, usual_land_cells
    from bench.system.disk import disk_errors, write_atomically

    missing = [option for option, given in patterns.items() if not given]
    if missing:
        raise BenchError(f"{' and '.join(missing)} must name files (quoted patterns), or choose --source earth-engine.")
    files = {option: expand(given, option) for option, given in patterns.items()}
    inventory = take_stock(files["--era5"], files["--land-cover"], files["--gpp"], years, click.echo, choices)
    for option, paths in files.items():
        click.echo(
            f"{option}: {counted(len(paths), 'file')}, {sum(path.stat().st_size for path in paths) / 1e9:.2f} GB"
        )
    for name, source in inventory.sources().items():
        rows, columns = source.layers[0].grid.shape
        assert source.decision is not None  # an inventory has decided it
        unit = f"{source.decision.unit.name} (by {source.decision.evidence})"
        click.echo(f"{name}: {source.kind}, {rows} x {columns} cells, complete for {years[0]}-{years[-1]}, in {unit}")
    for note in inventory.notes:
        click.echo(f"note: {note}")
    cube, stages = disk_estimate(usual_land_cells(degrees), len(years))
    click.echo(f"disk: at most about {cube / 1e9:.1f} GB in {out} and {stages / 1e9:.1f} GB in {work}")
    if dry_run:
        return 0
    report = build(inventory, out, work, degrees, for_terminal())
    found = {
        "cube": {"folder": str(out), "fingerprint": report.cube.fingerprint, "cells": report.cube.n_cells},
        "steps": report.cube.n_times,
        "land_cells": report.land_cells,
        "cells_dropped_for_missing_values": report.dropped,
        "notes": list(report.notes),
        "stages": report.stages,
        "stages_finished_before": report.reused,
        "seconds": round(report.seconds, 1),
        "input_sha256": report.inputs,
    }
    with disk_errors(f"The report in {work}", "the cube is complete"):
        write_atomically(work / "report.json", json.dumps(found, indent=1).encode())
    for name, count in report.dropped.items():
        click.echo(f"note: {counted(count, 'land cell')} left out because {name} is missing there")
    for note in report.notes:
        click.echo(f"note: {note}")
    click.echo(
        f"{out}: {counted(report.cube.n_cells, 'cell')} x {counted(report.cube.n_times, 'step')}, fingerprint "
        f"{report.cube.fingerprint[:16]}; checksums of the {len(report.inputs)} inputs in {work / 'report.json'}; "
        f"the folder {work} may be deleted"
    )
    return 0


def _export(
    years: tuple[int, ...],
    degrees: float,
    collections: object,
    project: str | None,
    export_to: str,
    folder: str,
    work: Path,
    dry_run: bool,
) -> int:
    from bench.data.climate2gpp.earth_engine import Collections, requests
    from bench.data.climate2gpp.earth_engine_tasks import Destination, connect, submit

    assert isinstance(collections, Collections)
    wanted = requests(years, degrees, collections)
    if dry_run:
        for request in wanted:
            bands = counted(len(request.bands), "band")
            click.echo(
                f"{request.name}: {request.collection}, {bands} ({', '.join(request.bands[:3])}"
                f"{', ...' if len(request.bands) > 3 else ''}), {request.aggregation} of each step, "
                f"{request.size[0]} x {request.size[1]} cells, {request.bytes / 1e6:.0f} MB"
            )
        gigabytes = sum(request.bytes for request in wanted) / 1e9
        click.echo(f"{counted(len(wanted), 'export')}, {gigabytes:.1f} GB before compression")
        return 0
    connect(project)
    destination = Destination("cloud" if export_to == "cloud" else "drive", folder)
    found = submit(wanted, destination, work, click.echo)
    click.echo(
        f"{len(wanted)} exports: {found.started} started, {found.restarted} started again, {found.running} running, "
        f"{found.completed} completed. When all are (give this command again to see, and to start again what failed), "
        "download the files and build from them: --source files --era5 'era5_land_*.tif' --land-cover 'MCD12C1_*.tif' "
        "--gpp 'PML_V2_GPP_*.tif'"
    )
    return 0
