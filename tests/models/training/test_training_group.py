"""Several processes train what one process trains, and a killed group goes on where it stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from models.training import TrainingOptions
from models.training.group import Group, batch_rand
from models.training.launch import companions
from tests.support import group_program

ROOT = Path(__file__).parents[3]


def run(folder: Path, *arguments: str, wait: bool = True) -> subprocess.Popen[bytes]:
    variables = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.support.group_program", str(folder), *arguments]
    process = subprocess.Popen(command, cwd=ROOT, env=variables)
    if wait:
        assert process.wait(timeout=240) == 0
    return process


def result(folder: Path) -> tuple[list[float], list[float], list[float]]:
    stored = json.loads((folder / "result.json").read_text())
    return stored["losses"], stored["parameters"], stored["predictions"]


def test_two_processes_killed_and_resumed_have_the_loss_curve_of_one(tmp_path: Path) -> None:
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    for folder in (alone, killed):
        folder.mkdir()
    process = run(killed, "--processes", "2", "--slow", wait=False)
    threads = torch.get_num_threads()
    group_program.main(alone, slow=False)
    torch.set_num_threads(threads)
    deadline = time.monotonic() + 120
    while not (killed / "training.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()  # its companion ends with it: it loses its connection
    process.wait()
    assert torch.load(killed / "training.pt", weights_only=True)["pass"] < group_program.TRAINING.epochs
    assert not (killed / "result.json").exists()
    run(killed, "--processes", "2")
    one, two = result(alone), result(killed)
    assert len(one[0]) == group_program.TRAINING.epochs and one[0][-1] < one[0][0]
    for single, several in zip(one, two, strict=True):
        np.testing.assert_allclose(several, single, rtol=2e-4, atol=2e-5)
    reports = (killed / "reports.txt").read_text().splitlines()
    assert len(set(reports)) == len(reports)  # the first process only
    assert (killed / "finished-1").exists()


def test_a_companion_that_fails_is_reported(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    before = dict(os.environ)
    with companions(2, [sys.executable, "-c", "raise SystemExit(9)"], lambda *what: told.append(what)) as [other]:
        assert os.environ["WORLD_SIZE"] == "2"
        other.wait()
        deadline = time.monotonic() + 10
        while not told and time.monotonic() < deadline:
            time.sleep(0.01)
    assert told == [(1, 9)]
    assert dict(os.environ) == before


def test_alone_a_draw_is_that_of_torch_and_a_share_is_a_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from models.training import group

    cpu = torch.device("cpu")
    torch.manual_seed(3)
    whole = torch.rand(10)
    torch.manual_seed(3)
    assert torch.equal(batch_rand(10, cpu), whole)
    torch.manual_seed(3)
    with group._drawing_for(group._Share(4, 7, 10)):
        assert torch.equal(batch_rand(3, cpu), whole[4:7])


@pytest.mark.parametrize("layer", [nn.Dropout(0.1), nn.BatchNorm1d(3)])
def test_layers_that_would_give_other_numbers_are_refused(layer: nn.Module) -> None:
    class Task:
        module = nn.Sequential(nn.Linear(3, 3), layer)

    with pytest.raises(ValueError, match="train this model in one process"):
        Group(Task(), torch.device("cpu"))  # type: ignore[arg-type]


def test_a_process_without_a_gpu_of_its_own_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "RANK": "1",
        "WORLD_SIZE": "2",
        "LOCAL_RANK": "1",
        "MASTER_ADDR": "h",
        "MASTER_PORT": "1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="Process 2 of this machine has no GPU of its own: torch sees 1"):
        TrainingOptions().resolve_device()
    assert replace(TrainingOptions(), device="cpu").resolve_device() == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert TrainingOptions().resolve_device() == torch.device("cuda", 1)
