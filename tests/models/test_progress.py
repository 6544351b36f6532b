"""Progress reports are read back by the class that prints them."""

from __future__ import annotations

import pytest

from models.progress import Progress

REPORT = Progress(3, 20, 17, 372, 0.12345, 1_234_567.8, 10_088.4)


@pytest.mark.parametrize("label", ["", "step_01", "training"])
def test_a_printed_report_is_read_back_to_the_printed_digits(label: str) -> None:
    line = f"{label}: {REPORT}" if label else str(REPORT)
    assert Progress.parse(line + "\n") == (label, Progress(3, 20, 17, 372, 0.1235, 1_234_568.0, 10_088.0))


def test_a_loss_that_is_no_number_is_read_back_too() -> None:
    parsed = Progress.parse(str(Progress(1, 1, 1, 1, float("nan"), 1.0, 0.0)))
    assert parsed is not None and parsed[1].loss != parsed[1].loss


@pytest.mark.parametrize("line", ["", "resuming from training.pt", "epoch 3/20", "UserWarning: epoch 1/2, step"])
def test_other_lines_are_passed_over(line: str) -> None:
    assert Progress.parse(line) is None
