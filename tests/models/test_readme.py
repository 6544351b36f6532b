"""The example of the README runs, and its list of estimators is whole."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from models import geographical_forest, gnnwr, gwr, pytorch_frame
from models.dual_branch import regressors

README = (Path(__file__).parents[2] / "models" / "README.md").read_text()


def test_the_example_runs() -> None:
    names: dict[str, Any] = {}
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(example, names)
    assert np.sqrt(np.mean((names["prediction"] - names["y"]) ** 2)) < 0.2


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
