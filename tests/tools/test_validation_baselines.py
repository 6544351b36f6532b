"""The validation of baselines reads no sample of the test year, and its records are those that the docs speak of."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bench.data import datasets
from bench.data.cube import Cube
from tests.conftest import ROOT
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


@pytest.mark.parametrize("model", ["gnnwr", "gtnnwr"])
def test_spatial_models_are_scored_at_cells_that_did_not_train(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    cube = growing_season(120)
    later = cube.year == cube.year.max()
    climate, target = cube.climate.copy(), cube.target.copy()
    climate[:, later], target[:, later] = 1e6, -1e6
    found = []
    for one in (cube, dataclasses.replace(cube, climate=climate, target=target)):
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


def test_the_committed_records_are_of_the_columns_and_models_that_the_tool_writes() -> None:
    records = pd.read_csv(ROOT / "tables" / "reference" / "validation" / "baselines_northchina.csv")
    assert list(records.columns) == list(tool.COLUMNS)
    assert set(records["model"]) <= {*tool.SPATIAL, *tool.FRAME} and records["rmse_unseen"].notna().all()
