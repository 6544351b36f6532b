"""The validation of baselines reads no sample of the test year, and its records are those that the docs speak of."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data import datasets
from bench.data.cube import Cube
from bench.errors import BenchError
from tests.conftest import ROOT, make_cube
from tests.data.test_physics import growing_season
from tools import validation_baselines as tool

pytest.importorskip("torch")
SMALL = {"landmarks": 8, "hidden": (4,), "updates": 4}


def opened(monkeypatch: pytest.MonkeyPatch, cube: Cube) -> None:
    class Opened:
        pass

    found = Opened()
    found.cube = cube  # type: ignore[attr-defined]
    monkeypatch.setattr(datasets, "open_dataset", lambda spec: found)


def other_test_year(cube: Cube) -> Cube:
    """The same data with another, absurd last year."""
    later = cube.year == cube.year.max()
    climate, target = cube.climate.copy(), cube.target.copy()
    climate[:, later], target[:, later] = 1e6, -1e6
    return dataclasses.replace(cube, climate=climate, target=target)


@pytest.mark.parametrize("model", ["gnnwr", "gtnnwr"])
def test_spatial_models_are_scored_at_cells_that_did_not_train(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cube = growing_season(120)
    found = []
    for one in (cube, other_test_year(cube)):
        opened(monkeypatch, one)
        found.append(tool.spatial(model, "any", [10, 20], dict(SMALL), 0))
    assert found[0] == found[1], "the test year makes no difference"
    assert found[0]["steps"] == "10 20" and found[0]["rows"] < 36
    assert np.isfinite(found[0]["rmse_unseen"]) and ("rmse_neighbours" in found[0]) == (model == "gnnwr")


def test_frame_models_learn_from_so_many_rows_of_the_training_year(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch_frame")
    opened(monkeypatch, growing_season(40))
    found = tool.frame("resnet", "any", 100, {"channels": 8, "num_layers": 1}, {"epochs": 1, "batch_size": 50}, 0)
    assert found["rows"] == 100 and all(np.isfinite(found[name]) for name in ("rmse_train", "rmse_seen", "rmse_unseen"))


@pytest.mark.parametrize("split", ["blocks", "new_year"])
def test_autogluon_models_are_fitted_as_the_suites_fit_them_and_never_on_the_test_year(
    split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("autogluon.tabular")
    pytest.importorskip("lightgbm")
    cube = make_cube(40, n_years=3)
    found = []
    for one in (cube, other_test_year(cube)):
        opened(monkeypatch, one)
        found.append(tool.tabular("lightgbm", "any", split, 500, {"num_boost_round": 20}, 0, 1))
    assert found[0] == found[1], "the test year makes no difference"
    assert found[0]["rows"] == 500 and all(np.isfinite(found[0][name]) for name in ("rmse_seen", "rmse_unseen"))
    more = tool.tabular("lightgbm", "any", split, 500, {"num_boost_round": 2}, 0, 1)
    assert more["rmse_train"] > found[0]["rmse_train"], "hyperparameters are passed on"
    with pytest.raises(BenchError, match="did you mean"):
        tool.tabular("lightgbm", "any", split, 500, {"num_boost_rond": 2}, 0, 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["resnet", "--split", "new_year"], "--split new_year is for realmlp"),
        (["realmlp", "--training", "epochs=3"], "--training is for PyTorch Frame's models"),
        (["realmlp", "--rows", "0"], "--rows must be at least 1"),
    ],
)
def test_what_does_not_go_together_is_one_sentence_and_no_record(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tool, "FOLDER", tmp_path)
    monkeypatch.setattr(sys, "argv", ["validation_baselines", *arguments])
    with pytest.raises(SystemExit) as ended:
        tool.main()
    assert ended.value.code == 2 and said in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_the_committed_records_are_of_the_columns_and_models_that_the_tool_writes() -> None:
    paths = list((ROOT / "tables" / "reference" / "validation").glob("baselines_*.csv"))
    assert paths
    for path in paths:
        records = pd.read_csv(path)
        assert list(records.columns) == list(tool.COLUMNS)
        assert set(records["model"]) <= {*tool.SPATIAL, *tool.FRAME, *tool.AUTOGLUON}
        assert records["rmse_unseen"].notna().all()
