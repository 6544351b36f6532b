"""Does the explanation explain? Importance weights scored against the true sensitivities of the equations.

Both are in the store: weights beside each cell, the truth with the data set (`bench.store.sensitivities_record`). What
the scores mean, and what they cannot say, is in ``docs/interpretability.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.errors import BenchError
from bench.report.results.comparison import interval_value
from bench.report.results.selection import RowResult, Selection, rows
from bench.report.table import Column, Row, Table, Value
from bench.runners import registry
from bench.runners.entry import FAMILIES, Explains
from bench.scoring.agreement import DOMINANT, FEATURES, PLACES, SCORES, SIGN, STEPS, agreement, negligible
from bench.scoring.agreement import NEGLIGIBLE as NEGLIGIBLE_SHARE
from bench.scoring.metrics import BLOCK_DEGREES, spatial_block
from bench.scoring.uncertainty import CONFIDENCE, WINDOW_BLOCKS, BlockDraws, Sample, block_draws, infer
from bench.store.dataset_record import dataset_folder
from bench.store.records import Record
from bench.store.sensitivities_record import CONTRIBUTIONS, SENSITIVITIES
from bench.store.store import Store

IMPORTANCE = "importance.parquet"
_NOTES: dict[Explains, str] = {
    "sensitivity": "",
    "contribution": "contributions",
    "share": "unsigned",
}
_SAMPLE = ["cell", "time"]
Floats = npt.NDArray[np.float32]
Scored = dict[str, npt.NDArray[np.float64]]
"""Score → (1 + draws,) values: first that of the whole sample, then those under the draws of blocks."""


@dataclass(frozen=True)
class Explanation:
    """Numbers per cell, step and climate feature.

    Attributes:
        cells: (cell,) rows of the cube.
        times: (step,) columns of the cube.
        values: (job, step, feature).
    """

    cells: npt.NDArray[np.int64]
    times: npt.NDArray[np.int64]
    values: Floats

    def at(self, cells: npt.NDArray[np.int64], times: npt.NDArray[np.int64]) -> Floats:
        """(job, step, feature) values of some of its cells and steps."""
        place = np.ix_(np.searchsorted(self.cells, cells), np.searchsorted(self.times, times))
        return self.values[place]


class TruthReader:
    """The recorded truth of one data set, kept while a table is made.

    Attributes:
        features: names of the climate features.
        block: (cell,) index of the spatial block of every job of the cube.
        n_blocks: number of blocks.
        draws: of these blocks, shared by all rows.
    """

    def __init__(self, store: Store, fingerprint: str) -> None:
        self._folder = dataset_folder(store, fingerprint)
        self._read: dict[str, tuple[Explanation, float]] = {}
        self.features = tuple(_frame(self._folder / SENSITIVITIES).columns.drop(_SAMPLE))
        places = _frame(self._folder / "cells.parquet", ["lon", "lat"])
        ids = spatial_block(places["lon"].to_numpy(np.float64), places["lat"].to_numpy(np.float64))
        names, self.block = np.unique(ids, return_inverse=True)
        self.n_blocks = len(names)
        self.draws: BlockDraws = block_draws(names)

    def of(self, kind: Explains) -> tuple[Explanation, float]:
        """What explanations of a kind are compared with, and below which it is taken as 0."""
        name = CONTRIBUTIONS if kind == "contribution" else SENSITIVITIES
        if name not in self._read:
            truth = _explanation(_frame(self._folder / name), self.features, self._folder / name)
            self._read[name] = truth, negligible(truth.values)
        return self._read[name]

    @staticmethod
    def exists(store: Store, fingerprint: str) -> bool:
        """Whether the truth and the places of the data set are in the store."""
        folder = dataset_folder(store, fingerprint)
        return all((folder / name).is_file() for name in (SENSITIVITIES, CONTRIBUTIONS, "cells.parquet"))


def interpretability(store: Store, selection: Selection) -> Table | None:
    """The table of a suite, or None where no truth or no explanation is stored.

    Args:
        store: where results are.
        selection: the jobs of the suite's tables.

    Raises:
        BenchError: a stored file is damaged.
    """
    first = selection.jobs[0]
    explained = [row for row in rows(selection) if _kind(row) and any(IMPORTANCE in r.files for r in row.records)]
    if not explained or not TruthReader.exists(store, first.dataset_fingerprint):
        return None
    truth = TruthReader(store, first.dataset_fingerprint)
    sizes, views = {row.key.train_cells for row in explained}, {row.key.view for row in explained} - {None}
    table_rows = list(_references(truth, _scored_times(store, explained)))
    for row in explained:
        records = [record for record in row.records if IMPORTANCE in record.files]
        kind = _kind(row)
        assert kind is not None  # rows without a kind were left out above
        values = _estimates(truth, [_score(store, record, truth, kind) for record in records])
        values["runs"] = Value(len(records))
        which = [row.key.view] if row.key.view and len(views) > 1 else []
        which += [f"{row.key.train_cells} cells"] if len(sizes) > 1 else []
        label = f"{row.title} ({', '.join(which)})" if which else row.title
        incomplete = "" if len(records) == row.planned else f"{len(records)} of {row.planned} done"
        note = ", ".join(filter(None, (_NOTES[kind], incomplete)))
        jobs = tuple(record.job_id for record in records)
        table_rows.append(Row(label, row.family, values, note=note, jobs=jobs))
    columns = (
        Column(SIGN, "Sign", best="max"),
        Column(PLACES, "Rank, places", best="max"),
        Column(STEPS, "Rank, steps", best="max"),
        Column(FEATURES, "Rank, features", best="max"),
        Column(DOMINANT, "Dominant driver", best="max"),
        Column("runs", "Seeds", digits=0),
    )
    ordered = sorted(table_rows, key=lambda row: FAMILIES.index(row.family) if row.family in FAMILIES else 99)
    return Table(f"interpretability_{first.suite}", _caption(selection), "Method", columns, tuple(ordered))


def _kind(row: RowResult) -> Explains | None:
    entry = registry.entries().get(row.key.runner)
    return entry.explains if entry else None


def _score(store: Store, record: Record, truth: TruthReader, kind: Explains) -> Scored:
    """The scores of one job."""
    path = store.file(record, IMPORTANCE)
    weights = _explanation(_frame(path, [*_SAMPLE, *truth.features]), truth.features, path)
    known, threshold = truth.of(kind)
    complete = weights.cells[np.isfinite(weights.values).all(axis=(1, 2))]
    cells = np.intersect1d(complete, known.cells)
    times = np.intersect1d(weights.times, known.times)
    return _agreement(weights.at(cells, times), known.at(cells, times), truth, cells, threshold, kind)


def _agreement(
    weights: Floats,
    known: Floats,
    truth: TruthReader,
    cells: npt.NDArray[np.int64],
    threshold: float,
    kind: Explains,
) -> Scored:
    resampling = np.concatenate([np.ones((1, truth.n_blocks)), truth.draws.weights])
    sums = agreement(weights, known, truth.block[cells], truth.n_blocks, threshold, signed=kind != "share")
    return {name: score.of(resampling) for name, score in sums.items()}


def _estimates(truth: TruthReader, per_seed: Sequence[Scored]) -> dict[str, Value]:
    """Means of the scores over seeds with the intervals of `bench.scoring.uncertainty`, cut off where a score ends."""
    values = {}
    for name in SCORES:
        if name not in per_seed[0]:
            continue
        scored = np.stack([seed[name] for seed in per_seed])
        found = infer(lambda mean: mean, [Sample(scored[:, 0], scored[:, 1:], group="seeds")], truth.draws)
        values[name] = interval_value(found.within(0 if name in (SIGN, DOMINANT) else -1, 1))
    return values


def _references(truth: TruthReader, times: npt.NDArray[np.int64]) -> tuple[Row, ...]:
    """What chance reaches, and what the true mean of each feature reaches if it is named everywhere."""
    known, threshold = truth.of("sensitivity")
    values = known.at(known.cells, times)
    constant = np.broadcast_to(values.mean(axis=(0, 1)), values.shape)
    scored = _agreement(constant, values, truth, known.cells, threshold, "sensitivity")
    chance = {SIGN: 0.5, PLACES: 0.0, STEPS: 0.0, FEATURES: 0.0, DOMINANT: 1 / len(truth.features)}
    return (
        Row("Chance", "Reference", {name: Value(value) for name, value in chance.items()}, ranked=False),
        Row("True mean, the same everywhere", "Reference", _estimates(truth, [scored]), ranked=False),
    )


def _scored_times(store: Store, explained: Sequence[RowResult]) -> npt.NDArray[np.int64]:
    """The steps that the suite explains."""
    record = next(record for row in explained for record in row.records if IMPORTANCE in record.files)
    return np.unique(_frame(store.file(record, IMPORTANCE), ["time"])["time"].to_numpy(np.int64))


def _frame(path: object, columns: list[str] | None = None) -> pd.DataFrame:
    try:
        return pd.read_parquet(str(path), columns=columns)
    except (ValueError, KeyError, OSError) as error:
        raise BenchError(
            f"{path} cannot be read ({str(error).splitlines()[0]}); delete it and issue `bench run` again."
        ) from error


def _explanation(frame: pd.DataFrame, features: Sequence[str], path: object) -> Explanation:
    cells, times = (np.unique(frame[name].to_numpy(np.int64)) for name in _SAMPLE)
    if len(frame) != len(cells) * len(times):
        raise BenchError(f"{path} does not hold every cell at every step; delete it and issue `bench run` again.")
    ordered = frame.sort_values(_SAMPLE, kind="stable")
    values = ordered[list(features)].to_numpy(np.float32).reshape(len(cells), len(times), len(features))
    return Explanation(cells, times, values)


def _caption(selection: Selection) -> str:
    first = selection.jobs[0]
    repetitions = sorted({cell.repetition for cell in selection.jobs})
    return (
        f"Agreement of importance weights with the true sensitivities, suite {first.suite}. Data set {first.dataset} "
        f"({selection.manifest.dataset_title}); {selection.manifest.target_name}; test year "
        f"{first.split['test_year']}; profile {first.profile}; seeds {', '.join(map(str, repetitions))}. "
        f"Sign: share of equal signs where the truth is above {NEGLIGIBLE_SHARE:.0%} of the root mean square of its "
        "largest feature. Rank: mean Spearman correlation over places, over steps, and over features of a sample "
        "(absolute values). Dominant driver: share of samples in which the feature of the largest true sensitivity has "
        f"the largest weight. In brackets: {CONFIDENCE:.0%} intervals from a bootstrap over places, in windows "
        f"of {WINDOW_BLOCKS * BLOCK_DEGREES:g}°, and over the runs of a row. Contributions are scored against "
        "sensitivity × standardised value, unsigned shares against absolute sensitivities. Every sample counts the "
        "same. Bold: best."
    )
