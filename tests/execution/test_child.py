"""A job that is started again in the same folder finds nothing of the first start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.execution import child
from bench.execution.result import Result


def test_scratch_is_empty_where_a_killed_start_left_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the job goes into its scratch folder; the test comes back
    scratch = tmp_path / "scratch"
    (scratch / "models").mkdir(parents=True)
    (scratch / "models" / "half").write_text("written")
    found: list[list[str]] = []

    def run(task: dict[str, Any], work: Path, scratch: Path, rank: int) -> Result:
        found.append([path.name for path in scratch.iterdir()])
        return Result(status="done")

    monkeypatch.setattr(child, "_run", run)
    result = child._contained({"processes": 2}, tmp_path, scratch, 1)
    assert result is not None and result.status == "done" and found == [[]] and Path.cwd() == scratch
