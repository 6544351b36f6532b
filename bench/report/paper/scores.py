"""The rows that stand for the paper's models, found by runner, and comparisons of them as the tables make them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.arrays import Doubles
from bench.data.views import DEFAULT_VIEW
from bench.report.results import comparison
from bench.report.results.comparison import Measure, interval_value, paired
from bench.report.results.rows import RowResult, rows, standing_rows, usual_view
from bench.report.results.selection import Selection
from bench.report.results.statistics_reader import StatisticsReader
from bench.report.table import Value
from bench.scoring.interval import Interval


class Scores:
    """The rows of one suite and one training sample size, with the default feature view if it is there.

    Rows that ``--set`` changed are none of the paper's models.

    Attributes:
        view: of the rows that stand for the paper's models.
        of_all_views: rows with results, also those of other views.

    Args:
        selection: the jobs.
        reader: their statistics.
        train_cells: few-shot sample size, or None for the full suite.
    """

    def __init__(self, selection: Selection, reader: StatisticsReader, train_cells: int | None = None) -> None:
        found = [row for row in rows(selection) if row.records and row.key.train_cells == train_cells]
        self.view = usual_view(found) or DEFAULT_VIEW
        self._reader = reader
        self.of_all_views = tuple(found)
        registered = (row for row in found if row.key.variant is None)
        self._rows = standing_rows(row for row in registered if row.key.view in (None, self.view))

    @property
    def rows(self) -> list[RowResult]:
        """All rows, in the order of the registry."""
        return list(self._rows.values())

    def row(self, runner: str) -> RowResult | None:
        """The row of a runner, or None where it has no result."""
        return self._rows.get(runner)

    def number(self, runner: str, measure: Measure) -> Value | None:
        """What the tables show of a runner, or None without results."""
        row = self._rows.get(runner)
        found = None if row is None else comparison.number(self._reader, row, measure)
        return None if found is None else interval_value(found)

    def ratio(self, runner: str, other: str, measure: Measure) -> Interval | None:
        """`bench.report.results.comparison.ratio` of two runners, or None without results."""
        return self._compared(comparison.ratio, runner, other, measure)

    def difference(self, runner: str, other: str, measure: Measure) -> Interval | None:
        """`bench.report.results.comparison.difference` of two runners, or None without results."""
        return self._compared(comparison.difference, runner, other, measure)

    def _compared(
        self,
        compare: Callable[[StatisticsReader, RowResult, RowResult, Measure], Interval | None],
        runner: str,
        other: str,
        measure: Measure,
    ) -> Interval | None:
        first, second = self._rows.get(runner), self._rows.get(other)
        return None if first is None or second is None else compare(self._reader, first, second, measure)

    def infer(self, function: Callable[..., Doubles], runners: Sequence[str], measure: Measure) -> Interval | None:
        """A function of one number of each of several runners, or None where not all have results in common.

        Args:
            function: of one array per runner.
            runners: names.
            measure: the number, of one part.
        """
        found = [self._rows[runner] for runner in runners if runner in self._rows]
        if len(found) < len(runners):
            return None
        common = paired(*found)
        if not all(row.records for row in common):
            return None
        return self._reader.infer(function, measure.metric, [term for row in common for term in measure.terms(row)])
