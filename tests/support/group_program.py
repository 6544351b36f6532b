"""``group_program FOLDER [--processes N]`` trains a small network with masked samples, alone or by several."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from models.dual_branch import DualBranchPlusOptions, DualBranchPlusRegressor, MemberOptions
from models.training import Panel, TrainingOptions, leave
from models.training.launch import companions

TRAINING = TrainingOptions(
    epochs=3, batch_size=24, learning_rate=3e-3, device="cpu", seed=4, checkpoint_seconds=0, progress_seconds=1e9
)
N_CELLS, N_TIMES = 11, 23
"""253 samples: the last batch of an epoch has 13, an odd number."""


def main(folder: Path, slow: bool) -> None:
    """What every process of the group does."""
    random = np.random.default_rng(0)
    climate = random.normal(size=(N_CELLS, N_TIMES, 3)).astype(np.float32)
    static = random.dirichlet(np.ones(3), size=N_CELLS).astype(np.float32)
    lon, lat = random.uniform(100, 120, N_CELLS), random.uniform(30, 40, N_CELLS)
    panel = Panel(climate, static, lon, lat, np.arange(N_TIMES) + 1)
    cells, times = np.repeat(np.arange(N_CELLS), N_TIMES), np.tile(np.arange(N_TIMES), N_CELLS)
    target = climate[:, :, 0] + 0.5 * random.normal(size=(N_CELLS, 1))
    options = DualBranchPlusOptions(
        members=(MemberOptions(hidden=16),), masked_share=0.4, importance_share=0.5, neighbours=3, lags=((1, 2),)
    )
    rank = os.environ.get("RANK", "0")
    torch.set_num_threads(1)

    def report(progress: object) -> None:
        with (folder / "reports.txt").open("a") as stream:
            print(progress, file=stream)
        if slow:
            time.sleep(0.5)

    estimator = DualBranchPlusRegressor(options, TRAINING if not slow else replace(TRAINING, progress_seconds=0))
    estimator.fit(panel, target, cells, times, checkpoint=folder / "training.pt", on_progress=report)
    (folder / f"finished-{rank}").touch()
    if rank == "0":
        network = estimator._members[0].state_dict().values()
        content = {
            "losses": estimator.results[0].epoch_losses,
            "parameters": torch.cat([value.flatten() for value in network]).tolist(),
            "predictions": estimator.predict(panel, cells, times).tolist(),
        }
        (folder / "result.json").write_text(json.dumps(content))
    leave()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--slow", action="store_true")
    given = parser.parse_args()
    if given.processes == 1 or "RANK" in os.environ:
        main(given.folder, given.slow)
    else:
        command = [sys.executable, "-m", "tests.support.group_program", *sys.argv[1:]]
        with companions(given.processes, command, lambda rank, code: os._exit(1)):
            main(given.folder, given.slow)
