"""What a job costs beside its model: runs of many tiny jobs, each `bench run` a process whose CPU time is counted."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.system.clock import Stopwatch
from tools.perf.machine import header

_DATASET = "simulated:cells=64,years=2"
_RUNNER = "climatology"
"""Its fit takes milliseconds; the few-shot suite repeats it, each time with another sample of cells."""


@dataclass(frozen=True)
class JobOptions:
    """What to measure.

    Attributes:
        counts: numbers of jobs of a run.
        at_once: jobs at once.
    """

    counts: tuple[int, ...] = (1, 100, 300, 1000)
    at_once: int = 2


def measure(options: JobOptions, say: Callable[[str], None]) -> dict[str, Any]:
    """Runs each number of jobs in a new store and returns the report.

    Args:
        options: what to measure.
        say: is told of progress.

    Raises:
        BenchError: a number is not positive, or a run failed.
    """
    if not options.counts or min(*options.counts, options.at_once) < 1:
        raise BenchError("--counts and --at-once must be positive, such as --counts 1,100.")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        _run(Path(folder) / "first", 1, options.at_once)  # builds the data set, fills the system's cache
        for count in options.counts:
            say(f"{count} jobs")
            rows.append(_run(Path(folder) / str(count), count, options.at_once))
    return header("jobs", asdict(options), ("numpy", "pandas", "pyarrow")) | {
        "dataset": _DATASET,
        "runner": _RUNNER,
        "runs": rows,
        "cpu_seconds_per_further_job": _slope(rows),
    }


def _run(store: Path, count: int, at_once: int) -> dict[str, Any]:
    """Wall-clock and CPU time of one run: of `bench run` itself and of all that it started and waited for."""
    command = [sys.executable, "-m", "bench", "run", "--suite", "fewshot", "--profile", "smoke", "--quiet"]
    command += ["--dataset", _DATASET, "--only", _RUNNER, "--weeks", "1", "--repeats", str(count)]
    command += ["--jobs", str(at_once), "--store", str(store)]
    before, watch = resource.getrusage(resource.RUSAGE_CHILDREN), Stopwatch()
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if f"{count} done" not in done.stdout:
        raise BenchError(f"A run of {count} jobs failed: {done.stdout} {done.stderr}")
    cpu = sum(getattr(after, name) - getattr(before, name) for name in ("ru_utime", "ru_stime"))
    return {"jobs": count, "wall_seconds": watch.seconds, "cpu_seconds": cpu, "cpu_seconds_per_job": cpu / count}


def _slope(rows: Sequence[dict[str, Any]]) -> list[float]:
    """CPU seconds of each further job, from each run to the next larger one: equal numbers mean no growth."""
    ordered = sorted(rows, key=lambda row: int(row["jobs"]))
    pairs = zip(ordered, ordered[1:], strict=False)
    return [
        (more["cpu_seconds"] - less["cpu_seconds"]) / (more["jobs"] - less["jobs"])
        for less, more in pairs
        if more["jobs"] > less["jobs"]
    ]
