"""A store of many done jobs whose numbers are invented, to measure what the commands take of time and memory.

    python -m tools.fake_store FOLDER --repeats 150
    python -m tools.fake_store FOLDER --repeats 150 --measure

The jobs are those that ``bench run --suite full --dataset simulated:cells=200,years=2 --profile smoke`` plans with so
many repetitions; their sums are those of a noisy prediction, scaled at random. ``--measure`` runs `bench ls jobs`,
`bench plan` and `bench report` on the store, and prints seconds and peak memory of each as JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.data.splits import make_split
from bench.execution.request import RunOptions, resolve
from bench.scoring.metrics import METRICS, statistics_of
from bench.scoring.metrics import STATISTICS as STATISTICS_COLUMNS
from bench.store.dataset_record import parquet_bytes, write_dataset_record
from bench.store.names import PREDICTIONS, STATISTICS
from bench.store.records import Manifest, Record
from bench.store.store import Store
from bench.system import clock
from bench.system.disk import sha256
from bench.system.host import this_host
from bench.version import __version__

DATASET = "simulated:cells=200,years=2"
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
    sums = statistics_of(cube, split, noisy)
    cells, times = np.repeat(split.test.cells, len(split.test.times)), np.tile(split.test.times, len(split.test.cells))
    frame = pd.DataFrame({"cell": cells.astype(np.int32), "time": times.astype(np.int32)})
    frame["target"], frame["prediction"] = split.test.of(cube.target).ravel(), noisy["test"].ravel()
    predictions, machine, now = parquet_bytes(frame), this_host(), clock.now()
    write_dataset_record(store, cube)
    for job in jobs:
        factor = float(generator.uniform(0.8, 1.2))
        own = sums.assign(**{name: sums[name] * factor**power for name, power in _SCALED.items()})
        work = store.new_work_folder(job.id)
        (work / STATISTICS).write_bytes(parquet_bytes(own))
        (work / PREDICTIONS).write_bytes(predictions)
        record = Record(
            job_id=job.id,
            job=job,
            status="done",
            metrics={name: _metrics(own, name) for name in ("train", "test")},
            n_train=len(split.train),
            n_test=len(split.test),
            fit_seconds=1.0,
            predict_seconds=1.0,
            wall_seconds=3.0,
            peak_memory_bytes=10**9,
            threads=1,
            started=now,
            finished=now,
            files={name: sha256(work / name) for name in (STATISTICS, PREDICTIONS)},
            host=machine,
            bench_version=__version__,
        )
        store.publish(work, record)
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
    found: dict[str, Any] = {"jobs": len(Store(root).ids()), "commands": {}}
    for name, words in commands.items():
        before = time.perf_counter()
        code = (
            "import resource, sys; from bench.cli import cli; cli.main(sys.argv[1:], standalone_mode=False);"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, *words, "--store", str(root)], capture_output=True, text=True, check=True
        )
        seconds = time.perf_counter() - before
        peak = int(done.stderr.split()[-1]) * 1024 / 1e6
        found["commands"][name] = {"seconds": round(seconds, 2), "peak_mb": round(peak)}
    found["children_cpu_seconds"] = round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime, 1)
    return found


def _metrics(sums: pd.DataFrame, part: str) -> dict[str, float | None]:
    own = sums[(sums["part"] == part) & (sums["group"] == "all") & (sums["weighting"] == "plain")]
    total = {name: np.asarray(own[name].sum(), np.float64) for name in STATISTICS_COLUMNS}
    return {name: float(metric.of(total)) for name, metric in METRICS.items()}


def main() -> None:
    """Makes the store where it is missing, and measures it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeats", type=int, default=150, help="repetitions of every runner that depends on a seed")
    parser.add_argument("--measure", action="store_true")
    given = parser.parse_args()
    if not given.folder.exists():
        print(f"{fill(given.folder, given.repeats)} jobs in {given.folder}")
    if given.measure:
        print(json.dumps(measure(given.folder, given.repeats), indent=1))


if __name__ == "__main__":
    main()
