"""Times `bench data import` of ten million rows, as CSV and as Parquet, where memory is limited to two gigabytes.

    python -m tools.time_import WORK --output tables/reference/perf/import.json      # about two minutes, 2 GB of disk

The table has one row a place and day, three features, a target with gaps, and places in no order. Each import runs in
a process of its own whose data segments (``RLIMIT_DATA``: heap and private maps, not mapped files) are limited.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from bench.data.cube_zarr import open_cube
from bench.system.clock import Stopwatch
from tools.perf import machine

_PACKAGES = ("numpy", "pandas", "pyarrow", "zarr")
_FIRST_DAY = np.datetime64("1990-01-01")
_GAPS = 0.2
"""Part of the target that was not measured."""
_COLUMNS = (
    "--place",
    "site",
    "--time",
    "date",
    "--target",
    "GPP:gC m-2 d-1",
    "--features",
    "tair:degC,rain:mm:sum,vpd:kPa",
)


@dataclass(frozen=True)
class Import:
    """What one import took.

    Attributes:
        file_bytes: of the table.
        seconds: of wall-clock time.
        cpu_seconds: of all threads.
        peak_memory_bytes: largest resident set, mapped files that lie in memory counted.
        fingerprint: of the cube.
    """

    file_bytes: int
    seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    fingerprint: str


def main() -> int:
    """Measures and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder for tables and cubes, which are removed in the end")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--places", type=int, default=1000)
    parser.add_argument("--days", type=int, default=10_000)
    parser.add_argument("--limit-gb", type=float, default=2.0)
    chosen = parser.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    files = write_tables(chosen.work, chosen.places, chosen.days)
    found = {file.suffix[1:]: measure(file, chosen.work / "cube.zarr", chosen.limit_gb) for file in files}
    options = {"places": chosen.places, "days": chosen.days, "limit_gb": chosen.limit_gb}
    report = machine.header("python -m tools.time_import", options, _PACKAGES) | {
        "rows": chosen.places * chosen.days,
        "imports": {kind: asdict(one) for kind, one in found.items()},
    }
    chosen.output.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if len({one.fingerprint for one in found.values()}) == 1 else 1


def write_tables(folder: Path, places: int, days: int) -> tuple[Path, Path]:
    """Writes the same rows as CSV and as Parquet, a place after the other, and returns both files."""
    draw = np.random.default_rng(0)
    dates = pa.array(np.datetime_as_string(_FIRST_DAY + np.arange(days)))
    where = draw.uniform((-180, -60), (180, 80), size=(places, 2)).round(4)
    files = folder / "rows.csv", folder / "rows.parquet"
    names = ("site", "date", "lon", "lat", "GPP", "tair", "rain", "vpd")
    fields = [(name, pa.string() if name in ("site", "date") else pa.float64()) for name in names]
    schema = pa.schema(fields)
    with pa.csv.CSVWriter(files[0], schema) as text, pa.parquet.ParquetWriter(files[1], schema) as columns:
        for place in draw.permutation(places).tolist():
            values = draw.normal(size=(4, days)).round(3)
            gaps = draw.uniform(size=days) < _GAPS
            own = [pa.array([f"T-{place:05d}"] * days), dates, *(pa.array(np.full(days, at)) for at in where[place])]
            own += [pa.array(values[0], mask=gaps), *map(pa.array, values[1:])]
            table = pa.table(own, schema=schema)
            text.write_table(table)
            columns.write_table(table)
    return files


def measure(file: Path, out: Path, limit_gb: float) -> Import:
    """Imports a table in a process of its own, and removes cube and table."""
    command = [sys.executable, "-m", "bench", "data", "import", str(file), "--out", str(out), *_COLUMNS]
    watch = Stopwatch()
    process = subprocess.Popen(command, preexec_fn=_limited(int(limit_gb * 1e9)))
    _, status, used = os.wait4(process.pid, 0)  # of this process alone, as against getrusage
    seconds = watch.seconds
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    cpu, peak = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024
    one = Import(file.stat().st_size, seconds, cpu, peak, open_cube(out).fingerprint)
    shutil.rmtree(out)
    file.unlink()
    return one


def _limited(most_bytes: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most_bytes))


if __name__ == "__main__":
    sys.exit(main())
