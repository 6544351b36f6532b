"""TreeSHAP and permutation importance of AutoGluon's LightGBM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.data.cube import Cube
from bench.data.splits import Part, Split, full_parameters, make_split
from bench.data.views import FeatureTable
from bench.execution.inprocess import build_runner
from bench.runners import registry
from bench.runners.base import Runner, Task
from tests.conftest import make_cube

pytestmark = [
    pytest.mark.runners,
    pytest.mark.skipif(registry.get("lightgbm").unavailable() is not None, reason="AutoGluon is not installed"),
]


@pytest.fixture(scope="module")
def cube() -> Cube:
    return make_cube(n_cells=40)


@pytest.fixture(scope="module")
def split(cube: Cube) -> Split:
    return make_split(cube, full_parameters(cube))


def fitted(name: str, cube: Cube, split: Split, scratch: Path) -> Runner:
    # The first 10 trees, as the whole forest would only take longer; 460 samples are 10 cells of 46 steps.
    parameters = {"model": "GBM", "hyperparameters": {"num_boost_round": 10}, "explained_samples": 460}
    runner = build_runner(name, cube, split, view="point", seed=1, threads=1, parameters=parameters, scratch=scratch)
    runner.fit()
    return runner


def test_contributions_add_up_to_the_prediction_in_a_part_of_the_cells(
    cube: Cube, split: Split, tmp_path: Path
) -> None:
    runner = fitted("lightgbm_shap", cube, split, tmp_path)
    contributions = runner.explain(split.test)
    assert contributions is not None and contributions.shape == (40, 46, 7)
    explained = np.isfinite(contributions).all(axis=(1, 2))
    assert explained.sum() == 10 and np.isnan(contributions[~explained]).all()
    part = Part(split.test.cells[explained], split.test.times)
    rest = runner.predict(part) - contributions[explained].sum(axis=2)
    assert rest.std() < 1e-5, "what is left is the expected prediction, one number"
    assert np.abs(contributions[explained][..., 0]).mean() > np.abs(contributions[explained][..., 2]).mean()


def test_permutation_importance_is_one_number_per_feature_from_training_samples(
    cube: Cube, split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = fitted("lightgbm_permutation", cube, split, tmp_path)
    asked, table = [], Task.table

    def remember(task: Task, part: Part) -> FeatureTable:
        asked.append(part)
        return table(task, part)

    monkeypatch.setattr(Task, "table", remember)
    importance = runner.explain(split.test)
    assert importance is not None and importance.shape == (40, 46, 7)
    assert (importance == importance[0, 0]).all()
    assert importance[0, 0].argmax() == 0, "the target follows the first feature"
    assert asked == [split.train]


def test_they_are_planned_by_name_only_and_say_what_their_numbers_mean() -> None:
    kinds = {name: registry.get(name).explains for name in ("lightgbm", "lightgbm_shap", "lightgbm_permutation")}
    assert kinds == {"lightgbm": None, "lightgbm_shap": "contribution", "lightgbm_permutation": "share"}
    assert registry.get("lightgbm_shap").by_name and not registry.get("lightgbm").by_name
    assert registry.get("lightgbm").parameters == {"model": "GBM", "hyperparameters": {}}
    assert registry.get("dual_branch_plus").parameters_for("laptop") == {}
