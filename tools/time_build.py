"""Times `bench data build climate2gpp` on an invented archive, kills a second build twice, and compares both cubes.

    python -m tools.time_build WORK --output tables/reference/perf/build.json        # about ten minutes, 12 GB

The archive (``tools.make_archive``) has the real layouts: a NetCDF file per variable and year, daily, packed, HDF4 land
cover at 0.05 degrees, GeoTIFFs of GPP at 0.1. Its pages are dropped from the system's memory before the first build.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from bench.data.cube_zarr import open_cube, verify_cube
from bench.system.clock import Stopwatch
from bench.system.disk import sha256
from tools.make_archive import ArchiveLayout, write_archive
from tools.perf import machine
from tools.perf.scale_pieces import drop_pages

_PACKAGES = ("numpy", "xarray", "dask", "netCDF4", "rasterio", "zarr")


def main() -> int:
    """Measures and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder for archive and cubes; an archive that is there is used")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--years", default="2019-2020", help="FIRST-LAST")
    parser.add_argument("--degrees", type=float, default=0.5, help="of the climate files and of the cube")
    parser.add_argument("--kill-after", type=int, nargs="*", default=[20, 45], help="finished stages before each kill")
    chosen = parser.parse_args()
    first, last = (int(year) for year in chosen.years.split("-"))
    layout = ArchiveLayout(degrees=chosen.degrees, compression=0)
    archive = chosen.work / "archive"
    if not archive.exists():
        write_archive(archive, tuple(range(first, last + 1)), layout)
    inputs = [file for file in archive.rglob("*") if file.is_file()]
    drop_pages(archive)
    whole, killed = chosen.work / "whole.zarr", chosen.work / "killed.zarr"
    for cube in (whole, killed):
        for folder in (cube, cube.with_name(cube.name + ".work")):
            shutil.rmtree(folder, ignore_errors=True)
    watch = Stopwatch()
    subprocess.run(_command(archive, whole, chosen.years, chosen.degrees), check=True)
    seconds = watch.seconds
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024  # of this process's only child so far
    kills = [_kill(_command(archive, killed, chosen.years, chosen.degrees), stages) for stages in chosen.kill_after]
    subprocess.run(_command(archive, killed, chosen.years, chosen.degrees), check=True)
    verify_cube(killed)
    made = open_cube(whole)
    stages = json.loads((whole.with_name(whole.name + ".work") / "report.json").read_text())["stages"]
    report = machine.header("python -m tools.time_build", {"years": chosen.years, **asdict(layout)}, _PACKAGES) | {
        "input_files": len(inputs),
        "input_bytes": sum(file.stat().st_size for file in inputs),
        "cells": made.n_cells,
        "steps": made.n_times,
        "stages": stages,
        "seconds": seconds,
        "cell_steps_per_second": made.n_cells * made.n_times / seconds,
        "input_bytes_per_second": sum(file.stat().st_size for file in inputs) / seconds,
        "peak_memory_bytes": peak,
        "cube_bytes": sum(file.stat().st_size for file in whole.rglob("*") if file.is_file()),
        "killed_after_stages": kills,
        "sha256": _tree(whole),
        "sha256_after_kills": _tree(killed),
    }
    chosen.output.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if report["sha256"] == report["sha256_after_kills"] else 1


def _command(archive: Path, out: Path, years: str, degrees: float) -> list[str]:
    sources = {"--era5": "era5/*.nc", "--land-cover": "land_cover/*", "--gpp": "gpp/*"}
    words = [word for option, pattern in sources.items() for word in (option, f"{archive}/{pattern}")]
    words += ["--years", years, "--grid", f"{degrees:g}", "--out", str(out)]
    return [sys.executable, "-m", "bench", "data", "build", "climate2gpp", *words]


def _kill(command: list[str], after_stages: int) -> int:
    """Starts a build, ends it by SIGKILL when so many stages are finished, and returns how many were."""
    finished = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("["):
                finished = int(line[1:].partition("/")[0])
            if finished >= after_stages:
                process.send_signal(signal.SIGKILL)
                break
    return finished


def _tree(folder: Path) -> str:
    """A checksum of all files below a folder and of their names."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            digest.update(str(file.relative_to(folder)).encode())
            digest.update(bytes.fromhex(sha256(file)))
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
