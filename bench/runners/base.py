"""What a runner is: it is built from a task, fitted, and asked for predictions of parts of the cube."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.cube import Cube, FloatArray
from bench.data.splits import Part
from bench.data.views import FeatureTable, build_view
from bench.runners.entry import TRAINING_ROWS
from bench.seeds import ROW_SAMPLE_SEED

_BLOCK_ROWS = 500_000
"""Rows of a feature view that are made at once: with 33 columns 66 MB."""


@dataclass(frozen=True)
class Task:
    """Everything that a runner may know.

    Attributes:
        cube: the data without its target (all NaN), and with only those withheld arrays that the runner's registry
        entry
            names; these are NaN outside the training part.
        train: the training part.
        train_target: (n_train_cells, n_train_times) float32, in the target's units.
        view: feature view for `table`.
        seed: for every random choice.
        threads: numeric threads to use.
        parameters: resolved parameters of the cell.
        scratch: an empty folder, removed afterwards.
        checkpoint: a folder that outlives a killed process; what lies in it is what the same cell left there, and it is
            removed when the cell is done.
        scored_steps: the 8-day steps of the year (1–46) that will be scored; models per step need no others.
    """

    cube: Cube
    train: Part
    train_target: FloatArray
    view: str
    seed: int
    threads: int
    parameters: Mapping[str, Any]
    scratch: Path
    checkpoint: Path
    scored_steps: tuple[int, ...]

    def table(self, part: Part) -> FeatureTable:
        """Rows of the task's feature view for a part."""
        return build_view(self.cube, part, self.view)

    def tables(self, part: Part) -> Iterator[tuple[slice, FeatureTable]]:
        """The same rows in blocks of whole cells, each with its place among the part's cells, in bounded memory."""
        cells = max(1, _BLOCK_ROWS // max(1, len(part.times)))
        for start in range(0, len(part.cells), cells):
            block = slice(start, start + cells)
            yield block, self.table(Part(part.cells[block], part.times))

    def training_table(self) -> tuple[FeatureTable, FloatArray]:
        """Rows of the training part and their targets, (n_rows,).

        Where the cell's parameters name a number of training rows, these are a sample without replacement, in the
        part's order, drawn with a seed that depends on nothing but the two numbers: all runners of the same limit learn
        from the same rows. Rows that are not drawn are never in memory together.
        """
        part, wanted = self.train, self.parameters.get(TRAINING_ROWS)
        if wanted is None or wanted >= len(part):
            return self.table(part), self.train_target.reshape(-1)
        generator = np.random.default_rng([ROW_SAMPLE_SEED, len(part), wanted])
        chosen = np.sort(generator.choice(len(part), wanted, replace=False, shuffle=False))
        first, n_times = 0, len(part.times)
        blocks = []
        for block, table in self.tables(part):
            end = len(part.cells[: block.stop]) * n_times
            inside = chosen[np.searchsorted(chosen, first) : np.searchsorted(chosen, end)]
            blocks.append(table.values[inside - first])
            columns, first = table.columns, end
        print(f"learning from a sample of {wanted:,} of {len(part):,} training rows", flush=True)
        return FeatureTable(np.concatenate(blocks), columns), self.train_target.reshape(-1)[chosen]


@dataclass(frozen=True)
class Fitted:
    """What a model was fitted on, where that is not the raw training samples, and what it gives there.

    Attributes:
        target: (n_train_cells, n_steps) in the target's units, such as means over the training years.
        prediction: (n_train_cells, n_steps) of the same.
        steps: the 8-day step of the year of each column.
    """

    target: FloatArray
    prediction: FloatArray
    steps: tuple[int, ...]


class Runner(ABC):
    """One model of the comparison. Subclasses import heavy packages inside their methods."""

    def __init__(self, task: Task) -> None:
        self.task = task

    @abstractmethod
    def fit(self) -> None:
        """Learns from the task's training part only."""

    @abstractmethod
    def predict(self, part: Part) -> FloatArray:
        """(n_cells, n_times) float32 predictions of a part, in the target's units."""

    def explain(self, part: Part) -> FloatArray | None:
        """(n_cells, n_times, feature) importance weights, or None for a model that does not explain itself.

        Features are the climate features, then the static features, in the cube's order and units as the model saw
        them.
        """
        return None

    def fitted(self) -> Fitted | None:
        """What the model was fitted on, restricted to the scored steps, or None for one fitted on raw samples.

        The training error that the paper prints is taken there; every runner's training error on raw samples comes
        from `predict`.
        """
        return None

    def trained_on(self) -> tuple[str, str] | None:
        """Device (``cpu`` or the name of a GPU) and precision of the training, after `fit`.

        None for a runner that has no choice of the two: it computes on the CPU, as its package does.
        """
        return None
