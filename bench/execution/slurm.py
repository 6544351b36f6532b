"""A SLURM job array for a plan: each index runs its jobs through ``bench run --job`` on a shared file system."""

from __future__ import annotations

import math
import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.execution.planning import PENDING, RETRYABLE, PlannedJob
from bench.execution.process import Limits
from bench.runners import registry
from bench.system.text import short_number

NO_CAP = 1 << 60
"""Memory of a plan that is made on another machine than it runs on: nothing is too large for it."""
_FOLDERS = ("BENCH_CACHE_DIR", "BENCH_DATA_DIR")
_TIME_FACTOR = 3.0
_TIME_MARGIN_S = 600.0
"""Time limit: estimates are rough, and a node has to start Python and read the data."""
_MEMORY_FACTOR = 2
_MEMORY_MARGIN_BYTES = 1_000_000_000  # `bench run` itself
_MOST = 10_000_000
"""Of anything that is asked for: an index may take 19 years."""
_LEAST_MEMORY_BYTES = 1_000_000_000


@dataclass(frozen=True)
class ArrayOptions:
    """How the array asks for nodes.

    Attributes:
        partition: to run in; None for the cluster's default.
        at_once: most indices that run at the same time.
        jobs_per_index: jobs that an index runs, one after the other.
        minutes: time limit of an index; None for one from the cost model.
        cores: of an index.
        gpus: of an index.
    """

    partition: str | None = None
    at_once: int = 16
    jobs_per_index: int = 1
    minutes: int | None = None
    cores: int = 1
    gpus: int = 0

    def __post_init__(self) -> None:
        for name in ("at_once", "jobs_per_index", "minutes", "cores"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= _MOST:
                option = f"--{name.replace('_', '-')}"
                raise BenchError(f"{option} is {short_number(value)}; it must be at least 1 and at most {_MOST:,}.")
        if self.partition is not None and not re.fullmatch(r"[\w.,-]+", self.partition):
            raise BenchError(f"--partition is {self.partition!r}; give its name, or several with commas between them.")


def job_array(
    planned: Sequence[PlannedJob],
    arguments: Sequence[str],
    store: Path,
    limits: Limits,
    options: ArrayOptions,
    logs: Path,
    mapped_bytes: int,
) -> str:
    """The script that ``sbatch`` takes; submitted again, it runs what is left.

    Args:
        planned: the plan, cheapest first.
        arguments: options of ``bench run`` that make the same plan.
        store: on a file system that all nodes share.
        limits: of one job; ``memory_bytes`` may be `NO_CAP`.
        options: how to ask for nodes.
        logs: folder for the output of the indices; must exist when the array starts.
        mapped_bytes: size of the file that all jobs map: the part of it that is in memory counts as the job's.

    Raises:
        BenchError: there is nothing to run.
    """
    jobs = [item for item in planned if item.state in (*PENDING, *RETRYABLE)]
    if not jobs:
        raise BenchError("Nothing is left to run with these options: every job is done or refused; see `bench plan`.")
    step = options.jobs_per_index
    groups = [jobs[start : start + step] for start in range(0, len(jobs), step)]
    largest = max(item.estimate.memory_bytes for item in jobs)
    cap = limits.memory_bytes if limits.memory_bytes < NO_CAP else max(_MEMORY_FACTOR * largest, _LEAST_MEMORY_BYTES)
    minutes = options.minutes or max(_minutes(group, limits.timeout_s) for group in groups)
    headers = {
        "job-name": "bench",
        "array": f"0-{len(groups) - 1}%{options.at_once}",
        "time": minutes,
        "mem": f"{math.ceil((cap + _MEMORY_MARGIN_BYTES + mapped_bytes) / 1e6)}M",
        "cpus-per-task": options.cores,
        "output": shlex.quote(str(logs.resolve() / "%A_%a.log")),
    }
    if options.partition:
        headers["partition"] = options.partition
    if options.gpus:
        headers["gpus-per-node"] = options.gpus
    command = [sys.executable, "-m", "bench", "run", *arguments, "--store", str(store.resolve()), "--jobs", "1"]
    command += ["--memory", f"{math.ceil(cap / 1e6) / 1e3:g}"]
    variables = {name: os.environ[name] for name in (*_FOLDERS, registry.PLUGINS_VARIABLE) if os.environ.get(name)}
    variables |= {name: str(Path(variables[name]).resolve()) for name in _FOLDERS if name in variables}
    for text in (*map(str, headers.values()), *command, str(Path.cwd()), *variables.values()):
        if not text.isprintable():  # a new line would end an #SBATCH line, and the rest of it would be run
            raise BenchError(
                f"{text!r} holds control characters, which have no place in a SLURM script; rename that folder or "
                "option."
            )
    lines = [
        "#!/usr/bin/env bash",
        *(f"#SBATCH --{name}={value}" for name, value in headers.items()),
        "# Written by `bench plan --slurm`. Submitted again, it runs what is left; what follows the name of the script",
        "# goes to every `bench run`: sbatch SCRIPT --retry failed",
        "set -euo pipefail",
        f"jobs=(  # one line per index, {len(jobs)} jobs",
        *("  " + ",".join(item.job.id for item in group) for group in groups),
        ")",
        'chosen="${jobs[${SLURM_ARRAY_TASK_ID:?is not set: submit this script with sbatch}]}"',
        f"cd {shlex.quote(str(Path.cwd()))}",
        *(f"export {name}={shlex.quote(value)}" for name, value in variables.items()),
        f'exec {shlex.join(command)} --job "$chosen" "$@"',
    ]
    return "\n".join(lines) + "\n"


def _minutes(group: Sequence[PlannedJob], timeout_s: float | None) -> int:
    longest = math.inf if timeout_s is None else timeout_s
    seconds = sum(min(_TIME_FACTOR * item.estimate.seconds, longest) for item in group)
    return math.ceil((seconds + _TIME_MARGIN_S) / 60)
