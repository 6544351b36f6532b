"""The rate of the paper's network is measured on any data set, and what is none is refused in a sentence."""

from __future__ import annotations

import json
import sys

import pytest

from tools import time_dual_branch as tool


def test_rates_are_printed_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["tool", "simulated:cells=80,years=2", "--batches", "2"])
    tool.main()
    found = json.loads(capsys.readouterr().out)
    assert found["batches"] == 2 and found["samples_per_second"]["simulated:cells=80,years=2"] > 0


def test_no_data_set_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["tool", "nowhere"])
    with pytest.raises(SystemExit) as ended:
        tool.main()
    assert ended.value.code == 2 and "nowhere" in capsys.readouterr().err
