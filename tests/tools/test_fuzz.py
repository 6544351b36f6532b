"""A short run of the fuzzer; `python -m tools.fuzz` is the long one."""

from __future__ import annotations

import pytest

from tools.fuzz.__main__ import fuzz


def test_damaged_files_are_refused_in_a_sentence_and_nothing_else_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE_DIR", "")  # set by the fuzzer, and put back
    counts, failures = fuzz(120, seed=20)
    assert failures == []
    assert sum(sum(found.values()) for found in counts.values()) == 120
    assert all(counts["cube values"].get(outcome, 0) == 0 for outcome in ("accepted",))
