"""The geographical random forest as a row: per step, on the training part only, the same for any number of threads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.data.cube import Cube
from bench.data.splits import Split, fewshot_parameters, make_split
from bench.errors import BenchError
from bench.execution.inprocess import build_runner, trained_on_training_only
from bench.runners import registry
from bench.runners.base import Runner
from tests.conftest import make_cube

pytestmark = [
    pytest.mark.runners,
    pytest.mark.skipif(registry.get("gwr_rf").unavailable() is not None, reason="torch is not installed"),
]


def build(cube: Cube, split: Split, scratch: Path, threads: int = 1) -> Runner:
    parameters = {"anchors": 6, "trees": 30, "bandwidths": (0.1, 0.3)}
    return build_runner(
        "gwr_rf", cube, split, view=None, seed=3, threads=threads, parameters=parameters, scratch=scratch
    )


def test_it_beats_the_mean_of_the_week_and_sees_training_data_only(tmp_path: Path) -> None:
    cube = make_cube(n_cells=150, n_years=3)
    split = make_split(cube, fewshot_parameters(cube, (7, 30), 100, 0))
    runner = build(cube, split, tmp_path)
    runner.fit()
    target, predicted = split.test.of(cube.target), runner.predict(split.test)
    assert np.sqrt(np.mean((predicted - target) ** 2)) < 0.95 * np.sqrt(np.mean((target - target.mean(axis=0)) ** 2))
    shares = runner.explain(split.test)
    assert shares is not None and shares.shape == (150, 2, 7) and (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(axis=2), 1, rtol=1e-5)
    own = runner.fitted()
    assert own is not None and own.prediction.shape == own.target.shape == (100, 2)
    again = build(cube, split, tmp_path, threads=3)
    again.fit()
    np.testing.assert_array_equal(predicted, again.predict(split.test))
    assert trained_on_training_only("gwr_rf", cube, split, "smoke")


def test_too_small_a_sample_is_one_clear_sentence(cube: Cube, tmp_path: Path) -> None:
    split = make_split(cube, fewshot_parameters(cube, (7,), 10, 0))
    with pytest.raises(BenchError, match="cannot be fitted on this sample: 10 samples are too few"):
        build(cube, split, tmp_path).fit()
