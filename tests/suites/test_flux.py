"""The suite of fluxes: its questions, rows and jobs, and what it refuses."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from bench.data.cube import Cube
from bench.data.datasets import OpenedDataset
from bench.data.splits import make_split
from bench.errors import BenchError
from bench.runners import registry
from bench.store.jobs import Job
from bench.suites.again import command, planned_now
from bench.suites.flux import DESIGNS, PORTIONS, ROWS, parameters_of, row_of
from bench.suites.options import SuiteOptions
from bench.suites.suites import make_jobs
from tests.support.cubes import make_towers
from tests.support.flux_cube import make_flux_cube

CUBE = make_flux_cube()


def jobs(profile: str = "smoke", cube: Cube = CUBE, **options: object) -> list[Job]:
    opened = OpenedDataset(cube, Path("toy.zarr"), "toy.zarr", "a test")
    return make_jobs("flux", opened, SuiteOptions(profile=profile, **options))  # type: ignore[arg-type]


def test_names_of_rows_are_unique_and_every_portion_names_rows() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
    settings = [(row.runner, json.dumps(row.override, sort_keys=True)) for row in ROWS]
    assert len(set(settings)) == len(settings)
    for portions in PORTIONS.values():
        assert {portion.design for portion in portions} == set(DESIGNS)
        assert all(name in names for portion in portions for name in portion.rows)


@pytest.mark.parametrize("profile", list(PORTIONS))
def test_jobs_have_ids_of_their_own_and_know_their_rows(profile: str) -> None:
    planned = jobs(profile)
    assert len({job.id for job in planned}) == len(planned) == len({job.address for job in planned})
    for job in planned:
        assert row_of(job).runner == job.runner and job.targets == ("GPP", "RECO", "NEE")
        assert planned_now(job).id == job.id
        assert Job.model_validate_json(job.model_dump_json()).id == job.id


def test_rows_of_a_split_have_the_same_towers_and_seed() -> None:
    by_split: dict[str, set[int | None]] = {}
    for job in jobs("laptop"):
        by_split.setdefault(json.dumps(job.split, sort_keys=True), set()).add(job.seed)
    assert all(len(seeds - {None}) <= 1 for seeds in by_split.values())
    assert len({seed for seeds in by_split.values() for seed in seeds} - {None}) == 1


def test_a_repetition_draws_other_labelled_towers_and_leaves_the_folds() -> None:
    first, second = (jobs("smoke", first_repetition=number) for number in (0, 1))
    samples = [
        {job.split["labelled_seed"] for job in planned if "labelled" in job.split} for planned in (first, second)
    ]
    assert samples == [{0}, {1}]
    unseeded = [job for job in second if job.seed is None and job.split["design"] == "places"]
    assert unseeded and all(job.repetition == 0 for job in unseeded)


def test_rows_are_chosen_by_row_variant_backbone_runner_and_family() -> None:
    def names(**options: object) -> set[str]:
        return {row_of(job).name for job in jobs("laptop", designs=("places",), **options)}

    assert names(only=("lightgbm_process",)) == {"lightgbm_process"}
    assert names(only=("flux_lightgbm",)) == {"lightgbm", "lightgbm_process"}
    assert names(only=("dere",)) == {f"{backbone}_dere" for backbone in ("transformer", "informer", "fedformer")} | {
        f"{backbone}_dere" for backbone in ("itransformer", "timexer", "simpletm")
    }
    assert names(only=("timexer",)) == {"timexer_baseline_shares", "timexer_dere"}
    assert names(only=("timexer_kgml",), extra=("timexer_kgml",)) == {"timexer_kgml"}
    assert "mean" not in names(skip=("reference",))


def test_designs_and_folds_are_chosen() -> None:
    assert {job.split["design"] for job in jobs(designs=("years",))} == {"years"}
    assert {job.split["fold"] for job in jobs("laptop", designs=("places",), split="places:2/3")} == {2}
    assert {job.split["folds"] for job in jobs("laptop", designs=("imputation",), split="places:3")} == {3}
    assert {job.split["fold"] for job in jobs("laptop", designs=("places",))} == {1, 2, 3, 4, 5}


def test_tropical_towers_are_tested_and_learn_nothing() -> None:
    [split] = {json.dumps(job.split): job.split for job in jobs(designs=("tropics",))}.values()
    made = make_split(CUBE, split)
    assert made.test.cells.tolist() == [0, 1] and not np.isin([0, 1], made.train.cells).any()


def test_designs_that_the_data_do_not_allow_are_left_out_or_refused() -> None:
    cube = dataclasses.replace(make_flux_cube(tropical=0), split=None)
    assert {job.split["design"] for job in jobs(cube=cube)} == {"places", "few", "imputation"}
    for design in ("years", "tropics"):
        with pytest.raises(BenchError, match="does not allow the design"):
            jobs(cube=cube, designs=(design,))


def test_larger_samples_than_there_are_towers_are_left_out() -> None:
    sizes = {job.split["labelled"] for job in jobs("laptop", designs=("few",))}
    assert sizes == {10, 20}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"only": ("nothing",)}, "nothing"),
        ({"designs": ("nowhere",)}, "nowhere"),
        ({"split": "share:0.2"}, "places:FOLDS"),
        ({"split": "places:40"}, "fewer than the 40 folds"),
        ({"settings": ("flux_lightgbm.trees=3",)}, "--set"),
        ({"weeks": (1,)}, "--weeks"),
        ({"train_cells": (5,)}, "--train-cells"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(options: dict[str, object], said: str) -> None:
    with pytest.raises(BenchError, match=said):
        for job in jobs(**options):
            make_split(CUBE, job.split)


def test_other_data_and_single_towers_are_refused() -> None:
    with pytest.raises(BenchError, match="predicts GPP, RECO, NEE"):
        jobs(cube=make_towers(several=True))
    one = make_flux_cube(n_towers=1, tropical=0)
    with pytest.raises(BenchError, match="fewer than the 5 folds"):
        [make_split(one, job.split) for job in jobs(cube=one)]


def test_designs_are_of_this_suite_only() -> None:
    opened = OpenedDataset(CUBE, Path("toy.zarr"), "toy.zarr", "a test")
    with pytest.raises(BenchError, match="--designs is for --suite flux"):
        make_jobs("full", opened, SuiteOptions(designs=("places",)))


def test_settings_of_a_row_reach_the_model_and_leave_the_others() -> None:
    found = parameters_of("flux_transformer", {"variant": "dere", "tuned": "frozen"}, "smoke")
    base = registry.get("flux_transformer").parameters_for("smoke")
    assert found["options"] == {**base["options"], "variant": "dere", "tuned": "frozen"}
    assert found["training"] == base["training"]
    assert parameters_of("flux_process", {"calibrated": True}, "smoke") == {"calibrated": True}


def test_the_command_of_a_job_plans_it(tmp_path: Path) -> None:
    for job in jobs("smoke")[:4]:
        words = command(job, "toy.zarr").split()
        assert words[words.index("--designs") + 1] == job.split["design"]
        assert words[words.index("--job") + 1] == job.id
