"""The file of all metrics: each line is that of its job and group, whatever the names are and numbers are missing."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from types import SimpleNamespace

import numpy as np
import pytest

from bench.report.results.kept_sums import GroupTotals
from bench.report.tables.metrics_file import all_metrics
from bench.scoring.metrics import STATISTICS
from bench.store.records import Record
from tests.store.test_store import make_job, make_record

GROUPS = ("all", "cover:100%s", "cover:a,b", 'cover:"nan"', "cover:nan")


class Totals:
    """A reader of sums that are made up: of job i, group g, squared errors of (i + 1)² (g + 1) in all."""

    def __init__(self, *, constant: bool) -> None:
        self._constant = constant

    def totals(self, records: Sequence[Record]) -> Iterator[GroupTotals]:
        n = np.arange(1.0, len(GROUPS) + 1)
        for index in range(len(records)):
            sums = {"n": n, "weight": n, "error": -n, "absolute_error": n, "squared_error": n * (index + 1) ** 2}
            sums |= {"target": n, "squared_target": n * (1 if self._constant else 3)}  # of (1, 1, …), or of variance 2
            keys = tuple(("test", group, "plain") for group in GROUPS)
            yield GroupTotals(keys, tuple(sums[name] for name in STATISTICS))


@pytest.mark.parametrize("constant", [False, True])
def test_lines_are_those_of_their_job_and_group(constant: bool) -> None:
    done = [make_record(make_job(repetition=repetition)) for repetition in range(2)]
    pieces = all_metrics(SimpleNamespace(done=done), Totals(constant=constant))  # type: ignore[arg-type]
    lines = list(csv.DictReader(io.StringIO("".join(pieces))))
    assert [(line["cell"], line["group"]) for line in lines] == [
        (record.job_id, group) for record in done for group in GROUPS
    ]
    for at, line in enumerate(lines):
        job, group = divmod(at, len(GROUPS))
        assert (line["repetition"], line["n"], line["rmse"]) == (str(job), str(group + 1), str(job + 1))
        assert (line["mae"], line["bias"]) == ("1", "-1")
        assert line["r2"] == ("" if constant else f"{1 - (job + 1) ** 2 / 2:.6g}")
        assert line["peak_memory_bytes"] == str(done[job].peak_memory_bytes or "")
