"""The notebook runs as it stands, in an empty folder."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, bench_environment


@pytest.mark.runners
def test_the_notebook_runs(tmp_path: Path) -> None:
    pytest.importorskip("autogluon.tabular")
    notebook = json.loads((ROOT / "docs" / "quickstart.ipynb").read_text(encoding="utf-8"))
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell.get("outputs") for cell in notebook["cells"])  # figures in docs come from committed runs
    (tmp_path / "quickstart.py").write_text("\n".join(code), encoding="utf-8")
    environment = bench_environment(tmp_path) | {"MPLBACKEND": "agg", "BENCH_REGISTERED": "[]"}
    result = subprocess.run(
        [sys.executable, "quickstart.py"], capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=300
    )
    assert result.returncode == 0, result.stderr
    printed = {line[:30].strip(): float(line.split()[-1]) for line in result.stdout.splitlines()[-4:]}
    assert set(printed) == {"Training mean", "Cell × step climatology", "LightGBM", "My SVR"}
    assert printed["My SVR"] < printed["Training mean"]
    assert (tmp_path / "quickstart-map.png").stat().st_size > 10_000
