"""Errors of the stored models with their bootstrap draws, found by runner, part and group, for comparisons in pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.data.views import DEFAULT_VIEW
from bench.metrics import METRICS, STATISTICS, bootstrap, bootstrap_weights
from bench.report.selection import CONFIDENCE, DRAWS, RowResult, Selection, StatisticsReader, rows
from bench.seeds import BOOTSTRAP_SEED

Draws = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """A number with its bootstrap draws.

    Attributes:
        value: the number (of an error: its mean over repetitions).
        draws: (DRAWS,) the same under resampled spatial blocks; all scores of one `Scores` share the draws, so that
            differences and ratios are paired.
    """

    value: float
    draws: Draws

    def interval(self) -> tuple[float, float] | None:
        """The `CONFIDENCE` interval, or None where a tenth of the draws say nothing."""
        finite = self.draws[np.isfinite(self.draws)]
        if len(finite) < 0.9 * len(self.draws):
            return None
        low, high = np.quantile(finite, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        return float(low), float(high)


def ratio(first: Score, second: Score) -> Score:
    """First ÷ second; without a meaning (NaN) where the second is not positive."""

    def divide(above: Draws, below: Draws) -> Draws:
        return np.where(below > 0, above / np.where(below > 0, below, 1.0), np.nan)

    value = float(divide(np.asarray(first.value), np.asarray(second.value)))
    return Score(value, divide(first.draws, second.draws))


def difference(first: Score, second: Score) -> Score:
    """First − second."""
    return Score(first.value - second.value, first.draws - second.draws)


class Scores:
    """The scores of one suite's rows of one training sample size, with the default feature view if it is there.

    Args:
        selection: the cells.
        reader: their statistics.
        train_cells: few-shot sample size, or None for the full suite.
    """

    def __init__(self, selection: Selection, reader: StatisticsReader, train_cells: int | None = None) -> None:
        found = [row for row in rows(selection) if row.records and row.key.train_cells == train_cells]
        views = {row.key.view for row in found if row.key.view}
        self.view = DEFAULT_VIEW if DEFAULT_VIEW in views or not views else min(views)
        self._reader = reader
        scored = (reader.block_sums(record, "test", "all", "plain") for row in found for record in row.records)
        self._blocks = tuple(sorted({int(block) for sums in scored if sums is not None for block in sums["block"]}))
        self._weights = bootstrap_weights(max(len(self._blocks), 1), DRAWS, BOOTSTRAP_SEED)
        self._rows = {row.key.runner: row for row in found if row.key.view in (None, self.view)}
        self._known: dict[tuple[str, ...], Score | None] = {}

    def row(self, runner: str) -> RowResult | None:
        """The row of a runner, or None where it has no result."""
        return self._rows.get(runner)

    def score(self, runner: str, metric: str = "rmse", *, part: str = "test", group: str = "all") -> Score | None:
        """A metric of a runner, or None without results.

        Args:
            runner: name.
            metric: name in `METRICS`.
            part: test, train, or fitted (what the model was fitted on: the raw training samples, or for models of
                step means these).
            group: as in the statistics table.
        """
        key = (runner, metric, part, group)
        if key not in self._known:
            self._known[key] = self._score(*key)
        return self._known[key]

    def _score(self, runner: str, metric: str, part: str, group: str) -> Score | None:
        row = self._rows.get(runner)
        if row is None:
            return None
        values, draws = [], []
        for record in row.records:
            sums = self._reader.block_sums(record, part, group, "plain")
            if sums is None and part == "fitted" and not row.step_means:
                sums = self._reader.block_sums(record, "train", group, "plain")
            if sums is None:
                continue
            values.append(float(METRICS[metric].of({name: np.asarray(sums[name].sum()) for name in STATISTICS})))
            # A training sample may have no cell in a block; all parts and models share the draws of all blocks.
            draws.append(
                bootstrap(sums.set_index("block").reindex(self._blocks, fill_value=0.0), metric, self._weights)
            )
        return Score(float(np.mean(values)), np.mean(draws, axis=0)) if values else None
