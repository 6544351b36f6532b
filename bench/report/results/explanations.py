"""Stored explanations and the stored truth that they are compared with: readers, and the scores of one job.

Where the store has the target along with the true sensitivities, both sides are taken relative to productivity: the
truth is ∂ log GPP, the explanation is divided by its own model's prediction. Absolute sensitivities are large where
much grows, so that agreement with them says little more than that. Stores of older versions have no such record and are
scored on absolute sensitivities.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from bench.arrays import Doubles, Integers, Reals
from bench.errors import BenchError
from bench.runners.entry import Explains
from bench.scoring.agreement import DOMINANT, SIGN, agreement, negligible
from bench.scoring.draws import BlockDraws, block_draws
from bench.scoring.interval import Interval
from bench.scoring.metrics import spatial_block
from bench.scoring.samples import Sample, sample_of
from bench.scoring.trivial_explainers import trivial_explainers
from bench.scoring.uncertainty import infer
from bench.store.columns import UNREADABLE, read_frame
from bench.store.dataset_record import dataset_folder
from bench.store.names import CELLS, CONTRIBUTIONS, IMPORTANCE, PREDICTIONS, PRODUCTIVITY, SENSITIVITIES
from bench.store.reading import CorruptRecord
from bench.store.records import Record
from bench.store.sensitivities_record import LAST_YEAR, TARGET
from bench.store.store import Store

LEAST_PRODUCTIVITY = 0.3
"""Target (gC m⁻² d⁻¹) above which relative sensitivities are scored: below it they are a ratio of two small numbers."""
_SAMPLE = ["cell", "time"]
_DRAWS_AT_ONCE = 1000  # bounds the memory of rank correlations, which are many per draw


@dataclass(frozen=True)
class Scored:
    """The scores of one explanation.

    Attributes:
        scores: score → (1 + draws + blocks,) values: of the whole sample, under the draws of blocks, and with one block
            after the other counted a little more.
        shares: (blocks,) of the explained samples.
    """

    scores: Mapping[str, Doubles]
    shares: Doubles


@dataclass(frozen=True)
class SampleNumbers:
    """Numbers per cell, step and column.

    Attributes:
        cells: (cell,) rows of the cube.
        times: (step,) columns of the cube.
        values: (cell, step, column).
    """

    cells: Integers
    times: Integers
    values: Reals

    def at(self, cells: Integers, times: Integers) -> Reals:
        """(cell, step, column) values of some of its cells and steps."""
        return self.values[np.ix_(np.searchsorted(self.cells, cells), np.searchsorted(self.times, times))]


class TruthReader:
    """The recorded truth of one data set, kept while a table is made.

    Args:
        store: where it is.
        fingerprint: of the data set.
        relative: score relative to productivity where the store has it.

    Attributes:
        features: names of the climate features.
        block: (cell,) index of the spatial block of every cell of the cube.
        n_blocks: number of blocks.
        draws: of these blocks, shared by all rows.
        relative: whether sensitivities are scored relative to productivity.

    Raises:
        BenchError: a stored file is damaged.
    """

    def __init__(self, store: Store, fingerprint: str, *, relative: bool = True) -> None:
        self._folder = dataset_folder(store, fingerprint)
        self._read: dict[str, tuple[SampleNumbers, float]] = {}
        self.features = tuple(frame(self._folder / SENSITIVITIES).columns.drop(_SAMPLE))
        places = frame(self._folder / CELLS, ["lon", "lat"])
        ids = spatial_block(places["lon"].to_numpy(np.float64), places["lat"].to_numpy(np.float64))
        names, self.block = np.unique(ids, return_inverse=True)
        self.n_blocks = len(names)
        self.draws: BlockDraws = block_draws(names)
        path = self._folder / PRODUCTIVITY
        self._productivity = explanation(frame(path), (TARGET, LAST_YEAR), path) if path.is_file() else None
        self.relative = relative and self._productivity is not None

    def of(self, kind: Explains) -> tuple[SampleNumbers, float]:
        """What explanations of a kind are compared with, and below which it is taken as 0."""
        name = CONTRIBUTIONS if kind == "contribution" else SENSITIVITIES
        if name not in self._read:
            truth = explanation(frame(self._folder / name), self.features, self._folder / name)
            counted = self.counted(truth.cells, truth.times)
            values = truth.values / self._target(truth.cells, truth.times)[:, :, None]
            truth = SampleNumbers(truth.cells, truth.times, values)
            self._read[name] = truth, negligible(values, counted)
        return self._read[name]

    def counted(self, cells: Integers, times: Integers) -> npt.NDArray[np.bool_]:
        """(cell, step) which samples are scored: all, or those where enough grows for a relative sensitivity."""
        if self._productivity is None or not self.relative:
            return np.ones((len(cells), len(times)), bool)
        return np.asarray(self._productivity.at(cells, times)[:, :, 0] > LEAST_PRODUCTIVITY)

    def last_year(self, cells: Integers, times: Integers) -> Reals | None:
        """(cell, step) last year's target on the scale of the truth, or None where not all of it is known."""
        if self._productivity is None:
            return None
        grown = self._productivity.at(cells, times)[:, :, 1] / self._target(cells, times)
        return grown if np.isfinite(grown[self.counted(cells, times)]).all() else None

    def _target(self, cells: Integers, times: Integers) -> Reals:
        """(cell, step) what the truth is relative to."""
        if self._productivity is None or not self.relative:
            return np.ones((len(cells), len(times)))
        return np.maximum(self._productivity.at(cells, times)[:, :, 0], LEAST_PRODUCTIVITY)

    @staticmethod
    def exists(store: Store, fingerprint: str) -> bool:
        """Whether the truth and the places of the data set are in the store."""
        folder = dataset_folder(store, fingerprint)
        return all((folder / name).is_file() for name in (SENSITIVITIES, CONTRIBUTIONS, CELLS))


def score(store: Store, record: Record, truth: TruthReader, kind: Explains) -> Scored:
    """The scores of one job.

    Raises:
        CorruptRecord: a file of the job is damaged, or does not hold every cell at every step.
    """
    path = store.file(record, IMPORTANCE)
    weights = explanation(frame(path, [*_SAMPLE, *truth.features]), truth.features, path)
    known, threshold = truth.of(kind)
    complete = weights.cells[np.isfinite(weights.values).all(axis=(1, 2))]
    cells = np.intersect1d(complete, known.cells)
    times = np.intersect1d(weights.times, known.times)
    values = weights.at(cells, times)
    if truth.relative and kind != "share":  # a share has no unit of the target
        predictions = store.file(record, PREDICTIONS)
        predicted = explanation(frame(predictions, [*_SAMPLE, "prediction"]), ("prediction",), predictions)
        if not (np.array_equal(predicted.cells, weights.cells) and np.array_equal(predicted.times, weights.times)):
            raise CorruptRecord(f"{path} and {predictions} hold other samples; run the job again.")
        values = values / np.maximum(predicted.at(cells, times), LEAST_PRODUCTIVITY)
    return _agreement(values, known.at(cells, times), truth, cells, times, threshold, kind)


def trivial(truth: TruthReader, times: Integers) -> dict[str, Scored]:
    """Title → the scores of each explainer that knows next to nothing, at some steps of all cells."""
    known, threshold = truth.of("sensitivity")
    values = known.at(known.cells, times)
    counted = truth.counted(known.cells, times)
    if not counted.any():
        return {}
    explainers = trivial_explainers(values, counted, truth.features, truth.last_year(known.cells, times))
    return {
        title: _agreement(weights, values, truth, known.cells, times, threshold, "sensitivity")
        for title, weights in explainers.items()
    }


def estimates(truth: TruthReader, per_seed: Sequence[Scored]) -> dict[str, Interval]:
    """Means of the scores over seeds with the intervals of `bench.scoring.uncertainty`, cut off where a score ends."""
    return {
        name: infer(lambda mean: mean, [_sample(truth, per_seed, name, "seeds")], truth.draws).within(
            0 if name in (SIGN, DOMINANT) else -1, 1
        )
        for name in per_seed[0].scores
    }


def gain(truth: TruthReader, own: Sequence[Scored], other: Sequence[Scored], name: str) -> Interval:
    """Own score − the other's, means over seeds, under the same draws of places."""
    samples = [_sample(truth, scored, name, group) for scored, group in ((own, "own"), (other, "other"))]
    return infer(lambda first, second: first - second, samples, truth.draws)


def _sample(truth: TruthReader, per_seed: Sequence[Scored], name: str, group: str) -> Sample:
    scored = np.stack([seed.scores[name] for seed in per_seed])
    n_draws = len(truth.draws.weights)
    drawn, nudged = scored[:, 1 : 1 + n_draws], scored[:, 1 + n_draws :]
    return sample_of(scored[:, 0], drawn, nudged, per_seed[0].shares, group)


def _agreement(
    weights: Reals,
    known: Reals,
    truth: TruthReader,
    cells: Integers,
    times: Integers,
    threshold: float,
    kind: Explains,
) -> Scored:
    counted, block = truth.counted(cells, times), truth.block[cells]
    resampling = np.concatenate([np.ones((1, truth.n_blocks)), truth.draws.weights, truth.draws.nudged])
    parts = np.array_split(resampling, math.ceil(len(resampling) / _DRAWS_AT_ONCE))
    sums = agreement(weights, known, counted, block, truth.n_blocks, threshold, signed=kind != "share")
    n = np.bincount(block, weights=counted.sum(axis=1), minlength=truth.n_blocks)
    scores = {name: np.concatenate([score.of(part) for part in parts]) for name, score in sums.items()}
    return Scored(scores, n / max(n.sum(), 1.0))


def frame(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """A stored table.

    Raises:
        BenchError: the file is damaged.
    """
    try:
        return read_frame(path, columns)
    except (pa.ArrowException, *UNREADABLE) as error:
        raise BenchError(
            f"{path} cannot be read ({str(error).splitlines()[0]}); delete it and issue `bench run` again."
        ) from error


def explanation(table: pd.DataFrame, columns: Sequence[str], path: object) -> SampleNumbers:
    """A stored table of every cell at every step.

    Raises:
        CorruptRecord: a cell has no row for a step.
    """
    cells, times = (np.unique(table[name].to_numpy(np.int64)) for name in _SAMPLE)
    if len(table) != len(cells) * len(times):
        raise CorruptRecord(f"{path} does not hold every cell at every step; delete it and issue `bench run` again.")
    ordered = table.sort_values(_SAMPLE, kind="stable")
    values = ordered[list(columns)].to_numpy(np.float32).reshape(len(cells), len(times), len(columns))
    return SampleNumbers(cells, times, values)
