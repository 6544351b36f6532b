"""SIGKILL in each stage of a flux model: the next run goes on from what is kept, to the same bytes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bench.data.cube_zarr import write_cube
from bench.store.names import HISTORY, PREDICTIONS, STATISTICS
from bench.store.store import Store
from tests.conftest import bench_environment
from tests.support.flux_cube import make_flux_cube

pytest.importorskip("torch")
STAGES = {
    "branches": "imputation_weighted",
    "competition": "imputation_weighted",
    "cells": "imputation_weighted",
    "shares": "shares_predicted",
    "towers": "imputation_weighted",
    "imputation": "imputation_weighted",
    "samples": "imputation_weighted",
    "imputed_towers": "imputation_weighted",
}
"""Stage → a row that has it; the published method's six steps are among them."""


class Scene:
    """A data set and the command that runs a single row on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._undisturbed: dict[str, dict[str, bytes]] = {}
        write_cube(folder / "toy.zarr", make_flux_cube(n_towers=20, tropical=0))

    def start(self, store: Path, row: str) -> subprocess.Popen[bytes]:
        words = ["--suite", "flux", "--profile", "smoke", "--dataset", str(self.folder / "toy.zarr")]
        words += ["--designs", "places", "--split", "places:1/4", "--only", row, "--with", row, "--jobs", "1"]
        return subprocess.Popen(
            [sys.executable, "-m", "bench", "run", "--store", str(store), *words],
            env=bench_environment(self.folder),
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def undisturbed(self, row: str) -> dict[str, bytes]:
        if row not in self._undisturbed:
            self._undisturbed[row] = self.results(self.folder / f"whole-{row}", row)
        return self._undisturbed[row]

    def results(self, store: Path, row: str) -> dict[str, bytes]:
        assert self.start(store, row).wait(timeout=500) == 0
        [record] = Store(store).records()
        assert record.status == "done", record.reason
        return {name: Store(store).file(record, name).read_bytes() for name in (STATISTICS, PREDICTIONS, HISTORY)}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("flux"))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("stage", list(STAGES))
def test_a_kill_in_any_stage_changes_no_byte(stage: str, scene: Scene) -> None:
    store, row = scene.folder / stage, STAGES[stage]
    process = scene.start(store, row)
    wait_for(store, f"stage {stage}\n", process)
    tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for item in tree:
        with contextlib.suppress(psutil.NoSuchProcess):
            item.send_signal(signal.SIGKILL)
    process.wait()
    psutil.wait_procs(tree[1:], timeout=20)
    assert not list(Store(store).records()), "it was done before it was killed"
    assert scene.results(store, row) == scene.undisturbed(row)


def wait_for(store: Path, words: str, process: subprocess.Popen[bytes]) -> None:
    """Until a job's log says something."""
    while process.poll() is None:
        for log in store.glob("work/*/log.txt"):
            with contextlib.suppress(OSError):
                if words in log.read_text():
                    return
        time.sleep(0.01)
    raise AssertionError(f"the run ended before its log said {words!r}: {os.listdir(store)}")
