"""The ablation suite: its jobs, their names, and that the other suites' jobs are what they were."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data.cube_zarr import write_cube
from bench.data.datasets import OpenedDataset
from bench.data.splits import ablation_parameters, make_split
from bench.errors import BenchError
from bench.runners.entry import DUAL_BRANCH, DUAL_BRANCH_PLUS
from bench.scoring.metrics import statistics_of
from bench.store.jobs import Job
from bench.store.store import Store
from bench.suites import ablation
from bench.suites.ablation import EXPERIMENTS, VARIANTS, base_parameters, override_of, variants_of
from bench.suites.options import SuiteOptions
from bench.suites.profiles import PROFILES
from bench.suites.suites import make_jobs
from tests.conftest import ROOT, Bench, make_cube

CUBE = make_cube()


def jobs_of(profile: str = "laptop", **changes: object) -> list[Job]:
    opened = OpenedDataset(CUBE, Path("toy"), "toy", "for tests")
    return make_jobs("ablation", opened, SuiteOptions(profile=profile, **changes))  # type: ignore[arg-type]


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """More cells than the most nodes of a variant, so that nothing is capped."""
    monkeypatch.setattr("tests.suites.test_ablation.CUBE", make_cube(n_cells=2100))


def test_ids_of_existing_jobs_are_what_they_were() -> None:
    found = 0
    for path in (ROOT / "tables" / "reference").glob("*/records/*.json"):
        record = json.loads(path.read_text())
        assert Job.model_validate(record["cell"]).id == record["cell_id"] == path.stem
        found += path.stem == "0acbdd079ff12748"
    assert found >= 1  # a reference may keep what an earlier one has


def test_the_base_and_equal_variants_are_run_once(large: None) -> None:
    jobs = jobs_of(repetitions=2)
    assert len({job.id for job in jobs}) == len({job.address for job in jobs}) == len(jobs)
    assert Counter((job.runner, job.variant) for job in jobs)[DUAL_BRANCH, "base"] == 2  # one per repetition
    distinct = {(item.runner, json.dumps(item.options)) for item in VARIANTS}
    assert len(VARIANTS) == len(distinct) + 1  # 2,000 nodes are in two experiments
    assert len(jobs) == 2 * (len(distinct) + 2)
    assert {job.label for job in jobs} >= {"dual_branch [base] #0", "dual_branch [n_nodes=100] #1"}
    assert len({job.seed for job in jobs if job.runner == DUAL_BRANCH and job.repetition == 0}) == 1  # paired


def test_a_job_differs_from_its_base_in_its_override_only(large: None) -> None:
    for profile in PROFILES:
        jobs = jobs_of(profile)
        bases = {job.runner: job for job in jobs if job.variant == "base"}
        for job in jobs:
            assert job.override is not None
            base = bases[job.runner].parameters
            assert job.parameters == base | {"options": base["options"] | job.override}
            assert base_parameters(job) == base


@pytest.mark.runners
def test_every_job_of_every_profile_has_settings_that_its_network_takes(large: None) -> None:
    from models.dual_branch import DualBranchOptions, DualBranchPlusOptions, TrainingOptions

    for profile in PROFILES:
        for job in jobs_of(profile):
            kind = DualBranchOptions if job.runner == DUAL_BRANCH else DualBranchPlusOptions
            built = kind(**job.parameters["options"])
            assert all(getattr(built, key) == value for key, value in (job.override or {}).items())
            TrainingOptions(**job.parameters.get("training", {}))
    # The base is the network's own default, but for its nodes, and the weights of plus as the paper has them.
    plus = DualBranchPlusOptions(importance_detached=False, gradient_consistency_weight=0.0)
    stated = {DUAL_BRANCH: DualBranchOptions(), DUAL_BRANCH_PLUS: plus}
    for runner, options in ablation.BASE_OPTIONS.items():
        assert {key: getattr(stated[runner], key) for key in options if key != "n_nodes"} == {
            key: value for key, value in options.items() if key != "n_nodes"
        }


def test_more_nodes_or_groups_than_training_cells_are_capped() -> None:
    nodes = [item for item in VARIANTS if "n_nodes" in item.options]
    assert [override_of(item, 620) for item in nodes] == [{"n_nodes": 100}, {"n_nodes": 620}, {"n_nodes": 620}]
    assert [override_of(item, 300) for item in nodes] == [{"n_nodes": 100}, {}, {}]  # the base has 300 as well
    groups = [item for item in VARIANTS if "condition_groups" in item.options]
    assert [override_of(item, 300) for item in groups] == [{"condition_groups": 100}, {}]


def test_experiments_are_chosen_by_name(large: None) -> None:
    assert {job.variant for job in jobs_of(only=("nodes",))} == {"base", "n_nodes=100", "n_nodes=2000"}
    assert {job.runner for job in jobs_of(only=("geometry", "k"), skip=("k",))} == {DUAL_BRANCH}
    with pytest.raises(BenchError, match="nodes"):
        jobs_of(only=("node",))
    with pytest.raises(BenchError, match="one size"):
        jobs_of(train_cells=(300, 600))


def test_every_variant_belongs_to_an_experiment_that_names_its_base() -> None:
    for experiment in EXPERIMENTS:
        assert all(variants_of(experiment, runner) for runner in experiment.base)
    assert sum(len(variants_of(item, runner)) for item in EXPERIMENTS for runner in item.base) == len(VARIANTS)


def test_the_reduced_split_trains_on_some_steps_and_tests_every_cell() -> None:
    cube = make_cube(n_years=3)
    split = make_split(cube, ablation_parameters(cube, (1, 10), 12, 0, step_stride=23, train_years=1))
    assert list(cube.step_of_year[split.train.times]) == [1, 10, 24]
    assert set(cube.year[split.train.times]) == {2019} and set(cube.year[split.test.times]) == {2020}
    assert len(split.train.cells) == 12 and len(split.test.cells) == 30
    assert list(cube.step_of_year[split.scored_train.times]) == list(cube.step_of_year[split.test.times]) == [1, 10]
    other = make_split(cube, ablation_parameters(cube, (1, 10), 12, 1, step_stride=23, train_years=None))
    assert set(cube.year[other.train.times]) == {2018, 2019}
    assert set(other.train.cells) != set(split.train.cells)
    assert (
        len(make_split(cube, ablation_parameters(cube, (1,), None, 0, step_stride=1, train_years=1)).train) == 30 * 46
    )


def test_statistics_of_the_ablation_split_tell_border_from_inner_cells() -> None:
    cube = make_cube()
    split = make_split(cube, ablation_parameters(cube, (1, 10), 12, 0, step_stride=23, train_years=1))
    zero = {"test": np.zeros((30, 2), np.float32), "train": np.zeros((12, 2), np.float32)}
    table = statistics_of(cube, split, zero).query("weighting == 'plain'").groupby(["part", "group"])["n"].sum()
    for part, n in (("test", 60), ("train", 24)):
        assert table[part, "border:outer"] + table[part, "border:inner"] == table[part, "all"] == n


@pytest.mark.runners
def test_two_variants_end_to_end(bench: Bench, tmp_path: Path) -> None:
    write_cube(tmp_path / "toy.zarr", make_cube(n_cells=60))
    arguments = ["--suite", "ablation", "--profile", "smoke", "--dataset", str(tmp_path / "toy.zarr")]
    arguments += ["--only", "geometry", "--train-cells", "40", "--weeks", "1,24"]
    planned = json.loads(bench("plan", *arguments, "--json").stdout)["jobs"]
    result = bench("run", *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    store = Store(tmp_path / "runs")
    records = {record.job.variant: record for record in store.records()}
    assert set(records) == {"base", "geometry=plane"} and {item["id"] for item in planned} == {
        record.job_id for record in records.values()
    }
    for record in records.values():
        assert record.job.parameters["options"]["n_nodes"] == 40
        assert len(pd.read_parquet(store.file(record, "predictions.parquet"))) == 60 * 2
    assert "nothing to do" in bench("run", *arguments).stdout
    why = bench("why", records["geometry=plane"].job_id).stdout
    assert "done" in why and "dual_branch [geometry=plane] #0" in why
    report = bench("report", "--suite", "ablation", "--json")
    assert report.returncode == 0, report.stderr
    written = {Path(path).name for path in json.loads(report.stdout)["files"]}
    assert written >= {"ablation.tex", "ablation.csv", "ablation.md", "ablation.pdf", "ablation.png"}
