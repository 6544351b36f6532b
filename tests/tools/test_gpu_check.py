from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
ROOT = Path(__file__).parents[2]
BARE = """
import runpy, sys
for name in ("sklearn", "pandas", "xarray", "zarr"):
    sys.modules[name] = None  # a GPU machine may have torch, NumPy and SciPy only
sys.argv = ["gpu_check.py", "--cells", "12", "--seconds", "0.4"]
runpy.run_path("tools/gpu_check.py", run_name="__main__")
"""


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", BARE], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_it_runs_from_a_bare_checkout_and_says_what_was_measured(report: dict[str, Any]) -> None:
    assert set(report["models"]) == {"dual_branch_plus", "dual_branch, series", "dual_branch, windows", "gnnwr"}
    for model in report["models"].values():
        assert 0 <= model["difference"] < 1e-5
        assert model["samples_per_second"] > 0 and model["peak_bytes"] > 1e6
        assert model["hours"] == pytest.approx(20 * 52e6 / model["samples_per_second"] / 3600)
        rate = report["matrix_operations_per_second"][model["precision"]]
        done = model["samples_per_second"] * model["operations_per_sample"]
        assert model["share_of_matrix_rate"] == pytest.approx(done / rate)


def test_without_a_gpu_it_says_that_none_was_seen(report: dict[str, Any]) -> None:
    import torch

    if torch.cuda.is_available():
        assert report["gpu"] and report["agrees"] is True
    else:
        assert report["gpu"] is None and report["agrees"] is None


def test_a_series_does_less_work_per_sample_than_windows(report: dict[str, Any]) -> None:
    series, windows = (report["models"][f"dual_branch, {name}"] for name in ("series", "windows"))
    assert series["parameters"] == windows["parameters"]
    assert series["operations_per_sample"] < windows["operations_per_sample"] / 3
