"""Where a region has too few spatial blocks for intervals, tables say so in one sentence."""

from __future__ import annotations

from collections.abc import Iterable

from bench.report.results.rows import RowResult
from bench.report.results.statistics_reader import StatisticsReader
from bench.scoring.metrics import BLOCK_DEGREES
from bench.scoring.places import FEWEST_BLOCKS


def remark(n_blocks: int) -> str:
    """The sentence, with a space before it; empty where there are enough blocks."""
    if n_blocks >= FEWEST_BLOCKS:
        return ""
    have = "one block" if n_blocks == 1 else f"{n_blocks} blocks"
    return (
        f" No intervals: the test cells lie in {have} of {BLOCK_DEGREES:g}°, and fewer than {FEWEST_BLOCKS} do not "
        "tell how errors vary between places, so no row can be told from another."
    )


def remark_on(reader: StatisticsReader, found: Iterable[RowResult]) -> str:
    """`remark` on the test cells of some rows; empty where none has results."""
    row = next((row for row in found if row.records), None)
    if row is None:
        return ""
    one = row.records[0].job.repetition
    return remark(reader.test_blocks([record for record in row.records if record.job.repetition == one]))
