from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bench.data.splits import full_parameters, make_split
from models.dual_branch import PLUS_TRAINING, DualBranchPlusOptions
from tests.conftest import make_cube
from tools import validation

CUBE = make_cube(n_cells=200)
"""Two years, of which the second is the test year."""


def test_no_sample_of_a_test_year_is_in_any_part() -> None:
    test = make_split(CUBE, full_parameters(CUBE)).test.times
    for cells in (None, 60):
        part = validation.cut_cube(CUBE, "northchina", "blocks", cells)
        for mask in (part.fit, part.seen, part.unseen):
            assert mask.any() and not mask[:, test].any()


def test_a_new_year_of_one_training_year_is_refused() -> None:
    for dataset in ("northchina", "simulated", "simulated:cells=200,years=2,seed=9"):
        with pytest.raises(SystemExit, match="one training year only"):
            validation.cut_cube(CUBE, dataset, "new_year", None)


def test_of_a_world_for_validation_the_last_year_is_new() -> None:
    part = validation.cut_cube(CUBE, "simulated:seed=10,cells=200", "new_year", None)
    last = CUBE.year == CUBE.year.max()
    assert not part.fit[:, last].any() and not part.seen[:, ~last].any() and not part.unseen[:, ~last].any()
    known = part.fit.any(axis=1)
    assert 0.65 < known.mean() < 0.85
    np.testing.assert_array_equal(part.seen, np.outer(known, last))
    np.testing.assert_array_equal(part.unseen, np.outer(~known, last))


def test_parts_of_a_year_do_not_overlap_and_unseen_cells_are_never_trained_on() -> None:
    part = validation.cut_blocks(CUBE.lon, CUBE.lat, 46)
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
                assert int(parameters["seed"]) >= validation.VALIDATION_SEEDS


def test_a_trial_is_appended_below_a_header(tmp_path: Path) -> None:
    for seed in (1, 2):
        validation.append(tmp_path / "new" / "world.csv", {"model": "dual_branch", "seed": seed})
    with (tmp_path / "new" / "world.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["seed"] for row in rows] == ["1", "2"] and rows[0]["rmse_seen"] == ""


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
