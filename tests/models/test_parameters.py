"""The dual-branch estimators work where there is no scikit-learn."""

from __future__ import annotations

import subprocess
import sys

import pytest
from sklearn.base import clone, is_regressor
from sklearn.exceptions import NotFittedError

from models.dual_branch import DualBranchOptions, DualBranchPlusRegressor, DualBranchRegressor, TrainingOptions
from models.parameters import not_fitted

WITHOUT = """
import sys
sys.modules["sklearn"] = None  # an import of it fails
from models.dual_branch import DualBranchRegressor, TrainingOptions
from models.parameters import not_fitted
model = DualBranchRegressor().set_params(training=TrainingOptions(seed=3))
print(model.get_params()["training"].seed, type(not_fitted("no")).__name__)
"""


@pytest.mark.parametrize("kind", [DualBranchRegressor, DualBranchPlusRegressor])
def test_parameters_are_read_set_and_copied(kind: type) -> None:
    model = kind(training=TrainingOptions(seed=5))
    assert set(model.get_params()) == {"options", "training"} and is_regressor(model)
    assert clone(model).training.seed == 5 and repr(clone(model)) == repr(model)
    assert model.set_params(training=TrainingOptions(seed=6)) is model and model.training.seed == 6
    with pytest.raises(ValueError, match="Invalid parameter 'seed' for estimator .*; it has options, training."):
        model.set_params(seed=1)


def test_a_parameter_that_is_given_reaches_the_copy() -> None:
    assert clone(DualBranchRegressor(DualBranchOptions(width=8))).options.width == 8


def test_scikit_learn_is_not_needed() -> None:
    run = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["3", "ValueError"]
    assert isinstance(not_fitted("no"), NotFittedError)
