"""The examples of the READMEs run, and the list of estimators is whole."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from models import geographical_forest, gnnwr, gwr, pytorch_frame
from models.dual_branch import regressors

MODELS = Path(__file__).parents[2] / "models"
README = (MODELS / "README.md").read_text()


def run_example(readme: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    (example,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    exec(example, names)
    return names


def test_the_example_runs() -> None:
    names = run_example(README)
    assert np.sqrt(np.mean((names["prediction"] - names["y"]) ** 2)) < 0.2


def test_the_dual_branch_example_explains_its_predictions() -> None:
    names = run_example((MODELS / "dual_branch" / "README.md").read_text())
    new_year = names["target"][names["cells"], names["times"] + names["n_steps"]]
    assert np.sqrt(np.mean((names["prediction"] - new_year) ** 2)) < 0.2 * new_year.std()
    slope = 2 + names["static"][names["cells"], 0]
    for explanation in (names["weights"], names["slopes"]):
        assert np.corrcoef(explanation[:, 0], slope)[0, 1] > 0.95
        assert np.abs(explanation[:, 1:3]).mean() < 0.1 * slope.mean()


def test_every_estimator_is_listed() -> None:
    modules = (geographical_forest, gnnwr, gwr, pytorch_frame, regressors)
    found = {
        name
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, type) and hasattr(value, "get_params") and value.__module__.startswith("models.")
    }
    listed = set(re.findall(r"`(\w+)`", README.split("## Inputs")[0]))
    assert len(found) > 8 and found - {"Parameters", "Estimator", "LocalRegression", "WeightedRegression"} <= listed
