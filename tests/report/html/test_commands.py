"""The printed command asks for the very job, by its id."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli.plan import command as plan
from bench.data.cube_zarr import write_cube
from bench.data.datasets import OpenedDataset
from bench.report.html import commands
from bench.store.jobs import Job
from bench.suites import again
from bench.suites.options import SuiteOptions
from bench.suites.suites import make_jobs
from tests.conftest import make_cube


@pytest.mark.parametrize("suite", ["full", "fewshot"])
def test_the_command_plans_this_job_and_no_other(suite: str, tmp_path: Path) -> None:
    path = tmp_path / "a toy.zarr"
    write_cube(path, make_cube())
    dataset = OpenedDataset(make_cube(), path, str(path), "for tests")
    options = SuiteOptions(
        profile="smoke",
        only=("climatology", "lightgbm", "dual_branch_plus"),
        extra=("lightgbm",) if suite == "fewshot" else (),
        views=("point",),
        first_repetition=2,
        weeks=(3, 40),
        train_cells=(7,),
    )
    jobs = make_jobs(suite, dataset, options)
    assert len(jobs) == 3
    for job in jobs:
        assert planned(again.command(job, str(path)), tmp_path) == [job.id]
        assert shlex.split(commands.audit(job, str(path), job.runner))[:4] == ["bench", "data", "audit", str(path)]


def planned(command: str, folder: Path) -> list[str]:
    words = shlex.split(command)
    assert words[:2] == ["bench", "run"]
    result = CliRunner().invoke(plan, [*words[2:], "--store", str(folder / "none"), "--json"])
    assert result.exit_code == 0, result.output
    return [row["id"] for row in json.loads(result.stdout)["jobs"]]


def test_dataset_names_are_quoted() -> None:
    job = Job.model_validate(
        {
            "suite": "full",
            "dataset": "toy",
            "dataset_fingerprint": "f",
            "split": {"kind": "full", "test_year": 2020, "max_cells": None},
            "runner": "x",
            "runner_version": 1,
            "parameters": {},
            "view": None,
            "profile": "smoke",
            "repetition": 0,
            "seed": None,
            "packages": {},
        }
    )
    assert "--dataset 'a b; rm -rf c'" in again.command(job, "a b; rm -rf c")
