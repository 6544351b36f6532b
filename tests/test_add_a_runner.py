"""docs/add-a-runner.md is true: its example is extracted, installed as a plug-in, run, reported and audited."""

from __future__ import annotations

import json
import re
from pathlib import Path

from bench.data.cube_zarr import write_cube
from tests.conftest import ROOT, Bench, make_cube


def test_the_example_runs_as_it_stands(bench: Bench, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "add-a-runner.md").read_text()
    [source] = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "ridge_runner.py").write_text(source)
    write_cube(tmp_path / "toy.zarr", make_cube())
    plugin = re.search(r"BENCH_PLUGINS=(\S+)", text)
    assert plugin is not None
    environment = {"plugins": plugin[1], "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    listed = json.loads(bench("ls", "runners", "--json", **environment).stdout)
    assert any(row["name"] == "ridge" and row["unavailable"] is None for row in listed)
    arguments = ("--suite", "full", "--profile", "smoke", "--dataset", str(tmp_path / "toy.zarr"))
    result = bench("run", *arguments, "--only", "ridge,training_mean", **environment)
    assert result.returncode == 0, result.stdout + result.stderr
    jobs = {row["job"]: row["test_rmse"] for row in json.loads(bench("ls", "jobs", "--json", **environment).stdout)}
    assert jobs["ridge [located] #0"] < 0.9 * jobs["training_mean #0"]
    assert "Ridge regression" in bench("report", **environment).stdout
    audit = bench("data", "audit", str(tmp_path / "toy.zarr"), "--runner", "ridge", **environment)
    assert audit.returncode == 0 and "reads its training part alone" in " ".join(audit.stdout.split())


def test_the_entry_point_group_is_the_one_that_is_read() -> None:
    from bench.runners.registry import ENTRY_POINT_GROUP

    assert f'[project.entry-points."{ENTRY_POINT_GROUP}"]' in (ROOT / "docs" / "add-a-runner.md").read_text()
