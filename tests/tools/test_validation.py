from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bench.data.splits import full_parameters, make_split
from bench.errors import BenchError
from models.dual_branch import PLUS_TRAINING, DualBranchPlusOptions
from tests.conftest import make_cube
from tests.support.cubes import make_months
from tools import validation
from tools import validation_parts as parts

CUBE = make_cube(n_cells=200)
"""Two years, of which the second is the test year."""


def test_no_sample_of_a_test_year_is_in_any_part() -> None:
    test = make_split(CUBE, full_parameters(CUBE)).test.times
    for cells in (None, 60):
        part = parts.cut_cube(CUBE, "northchina", "blocks", cells)
        for mask in (part.fit, part.seen, part.unseen):
            assert mask.any() and not mask[:, test].any()


def test_a_few_shot_sample_of_a_world_trains_alone_and_is_tested_in_its_new_year() -> None:
    part = parts.cut_cube(CUBE, "simulated:seed=10,cells=200", "new_year", 40)
    last = CUBE.year == CUBE.year.max()
    assert not part.fit[:, last].any() and not (part.seen | part.unseen)[:, ~last].any()
    trained = part.fit.any(axis=1)
    assert trained.sum() == 40 and (part.seen.any(axis=1) == trained).all()
    assert (part.unseen.any(axis=1) == ~trained).all()


def test_a_new_year_of_one_training_year_is_refused() -> None:
    for dataset in ("northchina", "simulated", "simulated:cells=200,years=2,seed=9"):
        with pytest.raises(BenchError, match="one training year only"):
            parts.cut_cube(CUBE, dataset, "new_year", None)


def test_of_a_world_for_validation_the_last_year_is_new() -> None:
    part = parts.cut_cube(CUBE, "simulated:seed=10,cells=200", "new_year", None)
    last = CUBE.year == CUBE.year.max()
    assert not part.fit[:, last].any() and not part.seen[:, ~last].any() and not part.unseen[:, ~last].any()
    known = part.fit.any(axis=1)
    assert 0.65 < known.mean() < 0.85
    np.testing.assert_array_equal(part.seen, np.outer(known, last))
    np.testing.assert_array_equal(part.unseen, np.outer(~known, last))


def test_parts_of_a_year_do_not_overlap_and_unseen_cells_are_never_trained_on() -> None:
    part = parts.cut_blocks(CUBE.lon, CUBE.lat, 46)
    assert (part.fit.astype(int) + part.seen + part.unseen == 1).all()
    assert not part.fit[part.unseen.any(axis=1)].any() and part.fit[part.seen.any(axis=1)].any(axis=1).all()


def test_every_committed_trial_has_a_value_per_column() -> None:
    for path in (validation.FOLDER / f"{name}.csv" for name in ("northchina", "simulated")):
        with path.open(newline="") as file:
            header, *rows = csv.reader(file)
        assert tuple(header) == validation.COLUMNS and rows
        for row in rows:
            assert len(row) == len(header)
            record = dict(zip(header, row, strict=True))
            assert record["split"] in ("blocks", "new_year") and 0 < float(record["rmse_unseen"]) < 10
            if record["split"] == "new_year" and record["dataset"].startswith("simulated"):
                parameters = dict(part.split("=") for part in record["dataset"].partition(":")[2].split(","))
                assert int(parameters["seed"]) >= parts.VALIDATION_SEEDS


def test_a_trial_records_all_that_it_ran_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.data.datasets.open_dataset", lambda dataset: SimpleNamespace(cube=CUBE))
    small = {"members": [{"hidden": 8}], "rank": 2}
    quick = {"epochs": 1, "least_steps": 1}
    record = validation.validate("dual_branch_plus", "northchina", "blocks", None, small, quick, 3, 1)
    assert json.loads(str(record["options"])) == small and set(record) <= set(validation.COLUMNS)
    found = json.loads(str(record["in_force"]))
    assert found["members"][0] == {"hidden": 8, "harmonics": 3, "season_harmonics": 0, "weight_decay": None}
    assert found["rank"] == 2 and found["masked_share"] == DualBranchPlusOptions().masked_share
    assert found["epochs"] == 1 and found["seed"] == 3 and found["batch_size"] == PLUS_TRAINING.batch_size


def test_samples_that_were_not_measured_are_in_no_part() -> None:
    measured = np.random.default_rng(0).random(CUBE.target.shape) < 0.7
    cube = replace(CUBE, target=np.where(measured, CUBE.target, np.float32(np.nan)))
    for split, dataset in (("blocks", "northchina"), ("new_year", "simulated:seed=10")):
        part = parts.cut_cube(cube, dataset, split, None)
        assert all(mask.any() and measured[mask].all() for mask in (part.fit, part.seen, part.unseen))


def test_a_cut_without_a_sample_in_one_of_its_parts_is_refused() -> None:
    with pytest.raises(BenchError, match="No sample of 'toy' is in the part"):
        parts.cut_cube(CUBE, "northchina", "blocks", 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--dataset", "nowhere"], "Unknown data set 'nowhere'"),
        (["--dataset", "simulated:seed=x"], "not a whole number"),
        (["--dataset", "auto"], "a trial is recorded under the name of its data"),
        (["--dataset", "{folder}"], "a trial is recorded under the name of its data"),
        (["--split", "new_year"], "one training year only"),
        (["--train-cells", "0"], "outside 1–200"),
        (["--option", "nodes=3"], "did you mean 'n_nodes'"),
        (["--option", "n_nodes"], "write NAME=VALUE"),
        (["--option", "=3"], "write NAME=VALUE"),
        (["--option", "n_nodes=3", "--option", "n_nodes=4"], "is given twice"),
        (["--option", "n_nodes=many"], "it is a number"),
        (["--option", "n_nodes=-5"], "must be at least 1"),
        (["--training", "epochs=three"], "it is a number"),
        (["--training", "epochs=[1]"], "value of the wrong type"),
        (["--training", "epochs=0"], "must be at least 1"),
        (["--training", "seed=3"], "give the seed as --seed"),
        (["--seed", "-1"], "must not be negative"),
        (["--threads", "0"], "must be at least 1"),
    ],
)
def test_what_makes_no_sense_ends_in_one_sentence_and_is_not_recorded(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(validation, "FOLDER", tmp_path / "tables")
    monkeypatch.setattr("bench.data.datasets.open_dataset", lambda dataset: SimpleNamespace(cube=CUBE))
    words = [word.format(folder=tmp_path) for word in arguments]
    monkeypatch.setattr("sys.argv", ["validation", "dual_branch", "--dataset", "simulated", *words])
    with pytest.raises(SystemExit) as ended:
        validation.main()
    told = capsys.readouterr().err
    assert ended.value.code == 2 and said in told
    assert told.startswith("Error: ") and told.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_length_of_the_year_is_that_of_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    cube = make_months(n_cells=200)
    monkeypatch.setattr("bench.data.datasets.open_dataset", lambda dataset: SimpleNamespace(cube=cube))
    quick = {"epochs": 1, "least_steps": 1}
    small = {"n_nodes": 4, "width": 8, "blocks": 1}
    record = validation.validate("dual_branch", "northchina", "blocks", None, small, quick, 3, 1)
    assert json.loads(str(record["in_force"]))["steps_per_year"] == cube.steps_per_year == 12
