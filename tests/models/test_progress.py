"""Progress reports are printed in one line."""

from __future__ import annotations

from dataclasses import replace

from models.progress import Progress

REPORT = Progress(3, 20, 17, 372, 0.12345, 1_234_567.8, 10_088.4)


def test_a_report_says_where_the_training_stands() -> None:
    said = "epoch 3/20, step 17/372: loss 0.1235, 1,234,568 samples/s, 10,088 s left"
    assert str(REPORT) == said
    assert str(replace(REPORT, held_out=1.5)) == f"{said}, held-out error 1.5000"
