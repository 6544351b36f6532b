"""Reading a stored Parquet file: what pandas would give, without Arrow's threads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.store.columns import read_frame
from tests.conftest import ROOT

FRAME = pd.DataFrame(
    {
        "cell": np.arange(4, dtype=np.int32),
        "name": pd.Categorical(["a", "b", "a", "b"]),
        "word": ["x", None, "y", "z"],
        "when": pd.to_datetime(["2001-01-01", "2001-01-09", "2001-01-17", "2001-01-25"]),
        "value": np.array([1, np.nan, 3, 4], np.float32),
    }
)


def test_a_file_is_read_as_pandas_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    FRAME.to_parquet(path, index=False)
    pd.testing.assert_frame_equal(read_frame(path), pd.read_parquet(path))
    pd.testing.assert_frame_equal(read_frame(path, ["value", "cell"]), pd.read_parquet(path, columns=["value", "cell"]))
    with pytest.raises(ValueError, match="it lacks column weight"):
        read_frame(path, ["value", "weight"])


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted by Linux's own list")
def test_no_thread_is_left_that_could_outlive_the_interpreter(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pd.DataFrame(np.zeros((1000, 12)), columns=[f"c{number}" for number in range(12)]).to_parquet(path, index=False)
    code = (
        "import os, sys, pyarrow.parquet; from pathlib import Path; from bench.store.columns import read_frame\n"
        "def threads(): return len(os.listdir('/proc/self/task'))\n"
        "before = threads(); read_frame(Path(sys.argv[1])); after = threads(); print(after - before)"
    )
    told = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True, cwd=ROOT)
    assert told.stdout.strip() == "0"


def test_nothing_of_the_benchmark_reads_with_threads_of_arrow() -> None:
    for path in (ROOT / "bench").rglob("*.py"):
        assert "pd.read_parquet(" not in path.read_text(encoding="utf-8"), f"{path}: use read_frame"
