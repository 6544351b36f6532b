"""What a runner is: it is built from a task, fitted, and asked for predictions of parts of the cube."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.arrays import Integers
from bench.data.cube import Cube, FloatArray
from bench.data.splits import Part
from bench.data.tower_roles import Roles
from bench.data.views import FeatureTable, build_view
from bench.errors import BenchError
from bench.runners.entry import TRAINING_ROWS
from bench.runners.history import Epoch
from bench.runners.known import Known
from bench.seeds import ROW_SAMPLE_SEED

_BLOCK_ROWS = 500_000
"""Rows of a feature view that are made at once: with 33 columns 66 MB."""


def real_numbers(given: Any) -> FloatArray:
    """Predictions as float32, as long as they are real numbers: nothing is dropped or made up on the way.

    Raises:
        BenchError: they are complex, masked, dates, texts or objects.
    """
    kind = np.asarray(given).dtype
    if kind.kind not in "fiub" or np.ma.is_masked(given):
        what = "masked values" if np.ma.is_masked(given) else f"values of type {kind}"
        raise BenchError(f"The model returned {what} as predictions; real numbers are needed, correct its predict().")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused later
        return np.asarray(given, np.float32)


def _one_per_row(given: Any, n_rows: int) -> FloatArray:
    """Predictions as float32 (n_rows,); a row or a column of so many is taken for them."""
    values = real_numbers(given)
    if values.size != n_rows or n_rows not in values.shape:
        raise BenchError(
            f"The model returned predictions of shape {values.shape} for {n_rows} rows; one number for each row is "
            "needed, correct its predict()."
        )
    return values.reshape(-1)


@dataclass(frozen=True)
class Task:
    """Everything that a runner may know.

    Attributes:
        cube: the data without its target (all NaN), and with only those withheld arrays that the runner's registry
            entry names; these are NaN outside the training part.
        train: the training part: only measured samples.
        train_target: (n_train_cells, n_train_times) float32, in the target's units, of a job with several targets
            (n_train_cells, n_train_times, n_targets); NaN where the part's rectangle has no sample. `training_table`
            and ``train.select`` leave those out.
        view: feature view for `table`.
        seed: for every random choice.
        threads: numeric threads to use.
        parameters: resolved parameters of the job.
        scratch: an empty folder, removed afterwards.
        checkpoint: a folder that outlives a killed process; what lies in it is what the same job left there, and it is
            removed when the job is done.
        scored_steps: the steps of the year that will be scored; models per step need no others.
        roles: what each training tower is for, where the split says so.
        shared: a folder that outlives all jobs of a store, for what several of them need; what lies in it is named by
            all that its numbers depend on.
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
    roles: Roles | None = None
    shared: Path | None = None

    def table(self, part: Part) -> FeatureTable:
        """Rows of the task's feature view for a part."""
        return build_view(self.cube, part, self.view)

    def tables(self, part: Part) -> Iterator[tuple[Part, FeatureTable]]:
        """The same rows in blocks of whole cells, each with the part that its rows are, in bounded memory."""
        cells = max(1, _BLOCK_ROWS // max(1, len(part.times)))
        for start in range(0, len(part.cells), cells):
            block = part.rows(slice(start, start + cells))
            yield block, self.table(block)

    def predict_rows(self, part: Part, predict: Callable[[FeatureTable], npt.NDArray[Any]]) -> FloatArray:
        """Predictions of a model of rows, block by block.

        Args:
            part: which samples.
            predict: from the rows of a block to (n_rows,) predictions.

        Returns:
            (n_cells, n_times) float32, NaN where the part's rectangle has no sample.

        Raises:
            BenchError: the predictions are no real numbers, partly masked, or not one for each row.
        """
        blocks = [
            block.spread(_one_per_row(predict(table), len(block))) if len(block) else np.full(block.shape, np.nan)
            for block, table in self.tables(part)
        ]
        return np.concatenate(blocks).astype(np.float32)

    def training_table(self) -> tuple[FeatureTable, FloatArray]:
        """Rows of the training part and their targets, (n_rows,).

        Where the job's parameters name a number of training rows, these are a sample without replacement, in the
        part's order, drawn with a seed that depends on nothing but the two numbers: all runners of the same limit learn
        from the same rows. Rows that are not drawn are never in memory together.
        """
        part, chosen = self.train, self._drawn_rows()
        target = part.select(self.train_target)
        if chosen is None:
            return self.table(part), target
        first = 0
        drawn = []
        for block, table in self.tables(part):
            end = first + len(block)
            inside = chosen[np.searchsorted(chosen, first) : np.searchsorted(chosen, end)]
            drawn.append(table.values[inside - first])
            columns, first = table.columns, end
        print(f"learning from a sample of {len(chosen):,} of {len(part):,} training rows", flush=True)
        return FeatureTable(np.concatenate(drawn), columns), target[chosen]

    def training_samples(self) -> tuple[Integers, Integers]:
        """(n_rows,) cell and time, in the cube, of every row of `training_table`."""
        cells, times = self.train.samples()
        chosen = self._drawn_rows()
        return (cells, times) if chosen is None else (cells[chosen], times[chosen])

    def _drawn_rows(self) -> Integers | None:
        """(n_rows,) positions of the training samples that are learned from, ascending; None for all."""
        wanted = self.parameters.get(TRAINING_ROWS)
        if wanted is None or wanted >= len(self.train):
            return None
        generator = np.random.default_rng([ROW_SAMPLE_SEED, len(self.train), wanted])
        return np.sort(generator.choice(len(self.train), wanted, replace=False, shuffle=False))


@dataclass(frozen=True)
class Fitted:
    """What a model was fitted on, where that is not the raw training samples, and what it gives there.

    Attributes:
        target: (n_train_cells, n_steps) in the target's units, such as means over the training years; NaN where a cell
            has none.
        prediction: (n_train_cells, n_steps) of the same.
        steps: the step of the year of each column.
    """

    target: FloatArray
    prediction: FloatArray
    steps: tuple[int, ...]


def ended_together(reasons: Iterable[str]) -> str:
    """Why the trainings of a model's parts ended (see `Runner.training_ended`): short of budget if one of them was."""
    found = set(reasons)
    return "budget" if "budget" in found else min(found)


class Runner(ABC):
    """One model of the comparison. Subclasses import heavy packages inside their methods."""

    def __init__(self, task: Task) -> None:
        self.task = task

    @classmethod
    def known_parameters(cls, parameters: Mapping[str, Any]) -> Known | None:
        """What the task's parameters may hold; None for a runner that does not say, and is then given anything.

        Args:
            parameters: of a job, with all that was set.
        """
        return None

    @abstractmethod
    def fit(self) -> None:
        """Learns from the task's training part only."""

    @abstractmethod
    def predict(self, part: Part) -> FloatArray:
        """(n_cells, n_times) float32 predictions of a part, in the target's units.

        What stands where the part's rectangle has no sample is ignored; ``part.spread`` puts NaN there.
        """

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

    def training_ended(self) -> str | None:
        """Why the training ended, after `fit`, in the words of `models.training.stopping`.

        ``converged``: an error on a part held out of the training samples had stopped falling; ``budget``: it had not,
        and the row could be better; ``schedule``: nothing was held out. None for a runner that does not say.
        """
        return None

    def history(self) -> Sequence[Epoch] | None:
        """Every epoch of every training, after `fit`, or None for a model that does not learn in epochs.

        It is complete also where a training was taken up again.
        """
        return None


class SeveralTargetsRunner(Runner):
    """A model that predicts all targets of the data at once; suites plan it with splits that name them."""

    @abstractmethod
    def predict(self, part: Part) -> FloatArray:
        """(n_cells, n_times, n_targets) float32 predictions of a part, in the targets' units and order."""

    def deviation(self, part: Part) -> FloatArray | None:
        """(n_cells, n_times, n_targets) standard deviation of the error of `predict`, or None where it is not known."""
        return None

    def scores(self, part: Part, target: FloatArray) -> Mapping[str, npt.NDArray[Any]]:
        """Further scores of each prediction of a part, name → (n_cells, n_times, n_targets); stored beside it.

        Args:
            part: the test part.
            target: (n_cells, n_times, n_targets) what was measured there; called after everything else was predicted.
        """
        return {}
