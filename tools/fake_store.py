"""A store of many done jobs whose numbers are invented, to measure what the commands take of time and memory.

    python -m tools.fake_store FOLDER --repeats 150
    python -m tools.fake_store FOLDER --repeats 150 --measure

The jobs are those that ``bench run --suite full --dataset simulated:cells=200,years=2 --profile smoke`` plans with so
many repetitions; their sums are those of a noisy prediction, scaled at random. ``--measure`` runs `bench ls jobs`,
`bench plan`, `bench run` and `bench report` on the store, and prints seconds on the clock, CPU seconds and peak memory
of each as JSON.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bench.data.splits import make_split
from bench.execution.request import RunOptions, resolve
from bench.scoring.metrics import METRICS, statistics_of
from bench.scoring.metrics import STATISTICS as STATISTICS_COLUMNS
from bench.store.dataset_record import write_dataset_record
from bench.store.names import PREDICTIONS, RECORD, STATISTICS
from bench.store.records import Manifest, Record
from bench.store.store import Store
from bench.system import clock
from bench.system.disk import sha256
from bench.system.host import this_host
from bench.version import __version__

DATASET = "simulated:cells=200,years=2"
_KINDS = 97
"""Files of sums that differ; jobs share them by hard links, and every command reads each of them anew for each job."""
_SCALED = {"error": 1, "absolute_error": 1, "squared_error": 2}
"""Sums that grow with the error, and with which power of it."""


def fill(root: Path, repetitions: int, dataset: str = DATASET) -> int:
    """Makes the store, and returns its number of jobs."""
    options = RunOptions(suite="full", dataset=dataset, profile="smoke", repetitions=repetitions, store=root)
    request = resolve(options, lambda text: None)
    jobs = [item.job for item in request.plan(None)]
    cube, store, generator = request.dataset.cube, Store(root, create=True), np.random.default_rng(0)
    split = make_split(cube, jobs[0].split)
    noisy = {
        name: (part.of(cube.target) + generator.normal(size=(len(part.cells), len(part.times)))).astype(np.float32)
        for name, part in (("train", split.scored_train), ("test", split.test))
    }
    frame = statistics_of(cube, split, noisy)
    sums, totals = pa.Table.from_pandas(frame, preserve_index=False), {name: _totals(frame, name) for name in noisy}
    cells, times = np.repeat(split.test.cells, len(split.test.times)), np.tile(split.test.times, len(split.test.cells))
    tested = pd.DataFrame({"cell": cells.astype(np.int32), "time": times.astype(np.int32)})
    tested["target"], tested["prediction"] = split.test.of(cube.target).ravel(), noisy["test"].ravel()
    error = (tested["prediction"] - tested["target"]).astype(np.float64)
    machine, now = this_host(), clock.now()
    write_dataset_record(store, cube)
    (root / "kinds").mkdir(exist_ok=True)
    kinds: list[tuple[float, dict[str, Path], dict[str, str]]] = []
    for number, factor in enumerate(generator.uniform(0.8, 1.2, _KINDS)):
        own = sums
        for name, power in _SCALED.items():
            scaled = pa.array(sums.column(name).to_numpy() * factor**power)
            own = own.set_column(own.schema.get_field_index(name), own.schema.field(name), scaled)
        wrong = tested.assign(prediction=(tested["target"] + factor * error).astype(np.float32))
        tables = {STATISTICS: own, PREDICTIONS: pa.Table.from_pandas(wrong, preserve_index=False)}
        paths = {name: root / "kinds" / f"{number}-{name}" for name in tables}
        for name, table in tables.items():
            paths[name].write_bytes(_parquet(table))
        kinds.append((float(factor), paths, {name: sha256(path) for name, path in paths.items()}))
    for number, job in enumerate(jobs):
        folder = store.jobs_dir / job.id
        if folder.exists():  # an earlier call was cut off
            continue
        factor, paths, files = kinds[number % _KINDS]
        record = Record(
            job_id=job.id,
            job=job,
            status="done",
            metrics={part: _metrics(of_part, factor) for part, of_part in totals.items()},
            n_train=len(split.train),
            n_test=len(split.test),
            fit_seconds=1.0,
            predict_seconds=1.0,
            wall_seconds=3.0,
            peak_memory_bytes=10**9,
            threads=1,
            started=now,
            finished=now,
            files=files,
            host=machine,
            bench_version=__version__,
        )
        # Not by `Store.publish`: it syncs each file to disk, which invented numbers need not.
        work = store.work_dir / f"{job.id}-new"
        work.mkdir(exist_ok=True)
        for name, path in paths.items():
            (work / name).hardlink_to(path)
        (work / RECORD).write_text(record.model_dump_json(indent=1))
        work.rename(folder)
    store.add_manifest(
        Manifest(
            created=now,
            suite="full",
            dataset_spec=dataset,
            dataset_reason="invented numbers",
            dataset_title="invented numbers",
            target_name=cube.target_name,
            target_units=cube.target_units,
            options={"profile": "smoke", "repetitions": repetitions},
            jobs=jobs,
        )
    )
    return len(jobs)


def measure(root: Path, repetitions: int, dataset: str = DATASET) -> dict[str, Any]:
    """Seconds and peak memory of what reads the whole store, each in a process of its own."""
    same = ["--suite", "full", "--dataset", dataset, "--profile", "smoke", "--repeats", str(repetitions)]
    commands = {
        "ls": ["ls", "jobs", "--json"],
        "ls again": ["ls", "jobs", "--json"],
        "plan": ["plan", *same, "--json"],
        "plan again": ["plan", *same, "--json"],
        "run": ["run", *same],
        "report": ["report", "--no-figures"],
    }
    found: dict[str, Any] = {
        "jobs": len(Store(root).ids()),
        "load": [round(value, 1) for value in os.getloadavg()],
        "host": this_host().model_dump(),
        "commands": {},
    }
    for name, words in commands.items():
        before = time.perf_counter()
        code = (
            "import resource, sys; from bench.cli import cli; cli.main(sys.argv[1:], standalone_mode=False);"
            "used = resource.getrusage(resource.RUSAGE_SELF);"
            "print(used.ru_maxrss, used.ru_utime + used.ru_stime, file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, *words, "--store", str(root)],
            env=os.environ | {"OMP_NUM_THREADS": "1"},  # threads that wait for each other count as CPU seconds
            capture_output=True,
            text=True,
            check=True,
        )
        seconds = time.perf_counter() - before
        kilobytes, cpu_seconds = done.stderr.split()[-2:]
        found["commands"][name] = {
            "seconds": round(seconds, 2),
            "cpu_seconds": round(float(cpu_seconds), 2),
            "peak_mb": round(int(kilobytes) * 1024 / 1e6),
        }
    return found


def _totals(sums: pd.DataFrame, part: str) -> dict[str, float]:
    own = sums[(sums["part"] == part) & (sums["group"] == "all") & (sums["weighting"] == "plain")]
    return {name: float(own[name].sum()) for name in STATISTICS_COLUMNS}


def _metrics(totals: Mapping[str, float], factor: float) -> dict[str, float | None]:
    scaled = {name: np.asarray(value * factor ** _SCALED.get(name, 0)) for name, value in totals.items()}
    return {name: float(metric.of(scaled)) for name, metric in METRICS.items()}


def _parquet(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


def main() -> None:
    """Makes the store where it is missing, and measures it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeats", type=int, default=150, help="repetitions of every runner that depends on a seed")
    parser.add_argument("--measure", action="store_true")
    given = parser.parse_args()
    if not (given.folder / "manifests").is_dir() or not any((given.folder / "manifests").iterdir()):
        print(f"{fill(given.folder, given.repeats)} jobs in {given.folder}")
    if given.measure:
        print(json.dumps(measure(given.folder, given.repeats), indent=1))


if __name__ == "__main__":
    main()
