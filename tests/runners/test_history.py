"""The history of a job's trainings: which rows it has, and that an interruption leaves no gap in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.data.splits import full_parameters, make_split
from bench.execution.inprocess import build_runner
from bench.runners import registry
from bench.runners.base import Runner
from bench.runners.history import Epoch, epochs_of, history_table
from models.training import TrainingResult
from tests.conftest import make_cube

NEEDED = pytest.mark.skipif(registry.get("dual_branch_plus").unavailable() is not None, reason="torch is missing")


def result(losses: tuple[float, ...], errors: tuple[float, ...] = ()) -> TrainingResult:
    return TrainingResult(losses, 1.0, 1.0, "cpu", "float32", "schedule", errors)


def test_every_epoch_of_every_member_is_a_row() -> None:
    epochs = epochs_of({"step_01": result((3.0, 2.0), (5.0, 4.0)), "step_10": result((1.0,))})
    assert epochs == [Epoch("step_01", 1, 3.0, 5.0), Epoch("step_01", 2, 2.0, 4.0), Epoch("step_10", 1, 1.0, None)]
    table = history_table(epochs)
    assert table["member"].tolist() == ["step_01", "step_01", "step_10"] and table["epoch"].tolist() == [1, 2, 1]
    assert table["training_loss"].tolist() == [3.0, 2.0, 1.0]
    np.testing.assert_array_equal(table["held_out_error"], [5.0, 4.0, np.nan])


def test_a_history_without_rows_has_the_columns_of_every_other() -> None:
    full, empty = history_table([Epoch("", 1, 1.0, None)]), history_table([])
    assert empty.dtypes.to_dict() == full.dtypes.to_dict() and not len(empty)


def fitted(name: str, folder: Path) -> Runner:
    cube = make_cube(n_cells=30)
    made = make_split(cube, full_parameters(cube))
    parameters = registry.get(name).parameters_for("smoke")
    view = "located" if registry.get(name).uses_view else None
    runner = build_runner(name, cube, made, view=view, seed=0, threads=1, parameters=parameters, scratch=folder)
    runner.fit()
    return runner


@NEEDED
@pytest.mark.runners
def test_a_training_that_goes_on_from_its_checkpoint_has_the_whole_history(tmp_path: Path) -> None:
    first = fitted("dual_branch", tmp_path).history()
    assert first is not None and [epoch.epoch for epoch in first] == list(range(1, len(first) + 1))
    assert all(epoch.held_out_error is not None for epoch in first)  # the paper's training stops early
    assert list(tmp_path.glob("*.pt"))  # all epochs lie in it: this process trains none
    assert fitted("dual_branch", tmp_path).history() == first


@pytest.mark.runners
def test_a_runner_that_is_not_trained_in_epochs_has_none(tmp_path: Path) -> None:
    assert fitted("climatology", tmp_path).history() is None
