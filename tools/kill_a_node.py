"""Runs the `smoke` suite on a Ray cluster of two nodes on this machine, kills one, and compares with a local run.

python -m tools.kill_a_node --output tables/reference/perf/ray.json        # a few minutes
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from bench.store.store import Store
from bench.system.clock import Stopwatch
from tools.perf import machine

TABLES = ("table1.tex", "table1.csv", "table1.md")
NODE = {"num_cpus": 1, "object_store_memory": 200_000_000}


def main() -> int:
    """Writes the report; exit code 1 if the tables differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--dataset", default="simulated:cells=200,years=2")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as short:  # Ray's sockets need short paths
        os.environ.update(RAY_TMPDIR=short, RAY_USAGE_STATS_ENABLED="0")
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args=NODE | {"include_dashboard": False})
        second = cluster.add_node(**NODE)
        folder, watch = Path(short) / "stores", Stopwatch()
        run = _start(folder / "ray", chosen.dataset, "--executor", "ray", "--address", cluster.address)
        raylet = psutil.Process(second.all_processes["raylet"][0].process.pid)
        while run.poll() is None and not (_done(folder / "ray") >= 4 and _has_cell(raylet)):
            time.sleep(0.05)
        finished = _done(folder / "ray")
        cluster.remove_node(second, allow_graceful=False)
        said, _ = run.communicate()
        seconds = watch.seconds
        cluster.shutdown()
        local = _start(folder / "local", chosen.dataset, "--jobs", "2")
        local.communicate()
        stores = {name: Store(folder / name) for name in ("ray", "local")}
        jobs = {name: {r.job.runner: r.status for r in store.records()} for name, store in stores.items()}
        same = {name: _tables(folder / "ray")[name] == _tables(folder / "local")[name] for name in TABLES}
    report = machine.header("python -m tools.kill_a_node", {"dataset": chosen.dataset}, ("ray", "torch")) | {
        "exit_codes": {"ray": run.returncode, "local": local.returncode},
        "finished_when_the_node_was_killed": finished,
        "cells_sent_again": said.count("its worker was lost"),
        "seconds_on_ray": seconds,
        "cells": jobs["ray"],
        "statuses_are_equal": jobs["ray"] == jobs["local"],
        "tables_are_equal": same,
    }
    chosen.output.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if all(same.values()) and report["statuses_are_equal"] else 1


def _start(store: Path, dataset: str, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench", "run", "--suite", "full", "--profile", "smoke", "--dataset", dataset]
    command += ["--store", str(store), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _done(store: Path) -> int:
    return len(list((store / "cells").glob("*/record.json")))


def _has_cell(raylet: psutil.Process) -> bool:
    try:
        return any(item.name().startswith("job-") for item in raylet.children(recursive=True))
    except psutil.NoSuchProcess:
        return False  # one ended between two looks


def _tables(store: Path) -> dict[str, bytes]:
    command = [sys.executable, "-m", "bench", "report", "--no-figures", "--store", str(store)]
    subprocess.run(command, check=True, capture_output=True)
    return {name: (store / "report" / name).read_bytes() for name in TABLES}


if __name__ == "__main__":
    sys.exit(main())
