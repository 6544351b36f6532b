"""Options that repeat themselves, contradict themselves, or ask for more than any machine has."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench.cli.options import whole_numbers
from bench.data.datasets import OpenedDataset, parse_spec
from bench.errors import BenchError
from bench.execution.planning import limits_for
from bench.execution.slurm import ArrayOptions
from bench.suites.options import SuiteOptions
from bench.suites.settings import parse_settings
from bench.suites.suites import make_jobs
from tests.conftest import make_cube

HUGE = 10**30


def jobs(suite: str, **options: Any) -> list[str]:
    dataset = OpenedDataset(make_cube(), Path(), "toy", "")
    chosen = {"profile": "smoke", "only": ("lightgbm",), "extra": ("lightgbm",), "weeks": (1, 40)} | options
    return [job.id for job in make_jobs(suite, dataset, SuiteOptions(**chosen))]


@pytest.mark.parametrize(
    ("suite", "options", "plain"),
    [
        ("fewshot", {"train_cells": (12, 12)}, {"train_cells": (12,)}),
        ("fewshot", {"train_cells": whole_numbers("12,012,+12, 1_2", "--train-cells")}, {"train_cells": (12,)}),
        ("full", {"views": ("point", "point", "located", "point")}, {"views": ("point", "located")}),
        (
            "fewshot",
            {"views": ("point", "point"), "train_cells": (9, 12, 9)},
            {"views": ("point",), "train_cells": (9, 12)},
        ),
        (
            "ablation",
            {"only": ("k", "k"), "extra": (), "train_cells": (12, 12)},
            {"only": ("k",), "extra": (), "train_cells": (12,)},
        ),
        ("full", {"only": ("lightgbm", "lightgbm"), "extra": ("lightgbm",) * 3}, {}),
    ],
)
def test_what_is_given_twice_counts_once(suite: str, options: dict[str, Any], plain: dict[str, Any]) -> None:
    found = jobs(suite, **options)
    assert max(Counter(found).values()) == 1
    assert found == jobs(suite, **plain)


@pytest.mark.parametrize(
    "spec", ["simulated:cells=64,cells=65", "simulated:cells=64,cells=64", "simulated:seed=1,cells=64,seed=2"]
)
def test_an_option_of_a_data_set_has_one_value(spec: str) -> None:
    with pytest.raises(BenchError, match="is given twice"):
        parse_spec(spec)


def test_a_setting_is_of_a_runner_that_has_a_job() -> None:
    assert jobs("full", settings=("lightgbm.hyperparameters.num_leaves=3",)) != jobs("full")
    with pytest.raises(BenchError, match="no job of this run is of 'gnnwr'"):
        jobs("full", settings=("gnnwr.ridge=1",))


def test_a_setting_has_one_value() -> None:
    with pytest.raises(BenchError, match="--set gives lightgbm.depth two values"):
        parse_settings(["lightgbm.depth=3", "lightgbm.depth=4"])
    assert parse_settings(["lightgbm.depth=3", "lightgbm.depth=3"]) == {"lightgbm": {"depth": 3}}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"at_once": HUGE}, "--jobs is 1e+30; it must be"),
        ({"at_once": -HUGE}, "--jobs is -1e+30; it must be"),
        ({"processes": HUGE}, "--processes-per-job is 1e+30; it must be"),
        ({"timeout_s": 1e300}, "--timeout is 1e+300 s; it must be"),
        ({"timeout_s": float("nan")}, "--timeout is nan s; it must be"),
        ({"memory_gb": 1e300}, "--memory is 1e+300 GB; it must be"),
        ({"disk_gb": 1e300}, "--disk is 1e+300 GB; it must be"),
        ({"disk_gb": 0.0}, "--disk is 0 GB; it must be"),
        ({"disk_gb": float("nan")}, "--disk is nan GB; it must be"),
        ({"disk_gb": -1.0}, "--disk is -1 GB; it must be"),
    ],
)
def test_limits_beyond_any_machine_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(BenchError, match=re.escape(said)):
        limits_for(**({"at_once": 1, "memory_gb": None, "timeout_s": None} | options))


def test_the_disk_limit_is_the_users() -> None:
    assert limits_for(1, None, None, disk_gb=0.25).disk_bytes == 250_000_000
    assert limits_for(1, None, None).disk_bytes == 50_000_000_000


@pytest.mark.parametrize("name", ["at_once", "jobs_per_index", "minutes", "cores"])
@pytest.mark.parametrize("value", [0, -1, HUGE])
def test_a_job_array_asks_for_what_there_can_be(name: str, value: int) -> None:
    with pytest.raises(BenchError, match=f"--{name.replace('_', '-')} is .*; it must be at least 1 and at most"):
        ArrayOptions(**{name: value})
