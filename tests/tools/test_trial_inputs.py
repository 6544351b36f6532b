"""Tables of validation trials: what is appended lies below its own columns, or nothing is."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from bench.errors import BenchError
from models.dual_branch.options import DualBranchOptions
from tools import trial_inputs

COLUMNS = ("model", "seed", "rmse_seen")


def test_a_trial_is_appended_below_a_header(tmp_path: Path) -> None:
    for seed in (1, 2):
        trial_inputs.append(tmp_path / "new" / "world.csv", COLUMNS, {"model": "dual_branch", "seed": seed})
    with (tmp_path / "new" / "world.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["seed"] for row in rows] == ["1", "2"] and rows[0]["rmse_seen"] == ""


def test_a_trial_that_is_recorded_is_not_recorded_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, columns = tmp_path / "world.csv", (*COLUMNS, "in_force", "seconds")
    trial = {"model": "dual_branch", "seed": 1, "rmse_seen": 0.5317, "in_force": '{"rank": 16}', "seconds": 58}
    assert trial_inputs.append(path, columns, trial)
    once = path.read_text()
    assert not trial_inputs.append(path, columns, trial | {"seconds": 61})
    assert path.read_text() == once and "has this trial already, with the same errors" in capsys.readouterr().err
    with pytest.raises(BenchError, match=r"with rmse_seen 0\.5317, and now it has 0\.6"):
        trial_inputs.append(path, columns, trial | {"rmse_seen": 0.6})
    assert path.read_text() == once
    for other in ({"seed": 2}, {"in_force": '{"rank": 8}'}):
        assert trial_inputs.append(path, columns, trial | other)


def test_nothing_is_appended_to_a_table_of_other_columns(tmp_path: Path) -> None:
    path = tmp_path / "world.csv"
    path.write_text("model,seed\ndual_branch,1\n")
    with pytest.raises(BenchError, match="has other columns than trials have now"):
        trial_inputs.append(path, COLUMNS, {"model": "dual_branch", "seed": 2})
    assert path.read_text() == "model,seed\ndual_branch,1\n"


def test_an_error_that_is_no_number_is_not_recorded(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="rmse_seen of the trial is NaN"):
        trial_inputs.append(tmp_path / "world.csv", COLUMNS, {"rmse_seen": float("nan")})
    assert not (tmp_path / "world.csv").exists()


def test_tables_are_named_by_their_data(tmp_path: Path) -> None:
    assert trial_inputs.table_of(tmp_path, "simulated:seed=11", "baselines_") == tmp_path / "baselines_simulated.csv"


def test_what_a_library_raises_keeps_its_trace_and_what_this_project_refuses_ends_with_code_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended, trial_inputs.one_sentence():
        DualBranchOptions(n_nodes=0)
    assert ended.value.code == 2 and capsys.readouterr().err.startswith("Error: DualBranchOptions.n_nodes must be")
    with pytest.raises(ValueError, match="could not be broadcast"), trial_inputs.one_sentence():
        np.add(np.zeros(2), np.zeros(3))
