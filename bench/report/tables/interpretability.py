"""Does the explanation explain? Importance weights scored against the true sensitivities of the equations.

Both are in the store: weights beside each job, the truth with the data set (`bench.store.sensitivities_record`). What
the scores mean, and what they cannot say, is in ``docs/interpretability.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bench.report.results import few_blocks
from bench.report.results.comparison import interval_value
from bench.report.results.data_words import suite_title
from bench.report.results.explanations import (
    LEAST_PRODUCTIVITY,
    Scored,
    TruthReader,
    estimates,
    frame,
    gain,
    score,
    trivial,
)
from bench.report.results.rows import RowResult, rows
from bench.report.results.selection import Selection
from bench.report.table import Column, Row, Table, Value
from bench.runners import registry
from bench.runners.entry import FAMILIES, REFERENCE, Explains
from bench.scoring.agreement import DOMINANT, FEATURES, PLACES, SIGN, STEPS
from bench.scoring.agreement import NEGLIGIBLE as NEGLIGIBLE_SHARE
from bench.scoring.uncertainty import CONFIDENCE
from bench.store.names import IMPORTANCE
from bench.store.reading import CorruptRecord
from bench.store.records import Record
from bench.store.store import Store

_NOTES: dict[Explains, str] = {
    "sensitivity": "",
    "contribution": "contributions",
    "share": "unsigned",
}
COLUMNS = (
    Column(SIGN, "Sign", best="max"),
    Column(PLACES, "Rank, places", best="max"),
    Column(STEPS, "Rank, steps", best="max"),
    Column(FEATURES, "Rank, features", best="max"),
    Column(DOMINANT, "Dominant driver", best="max"),
    Column("runs", "Seeds", digits=0),
)


@dataclass(frozen=True)
class _Explained:
    """A row of the table and the scores that it is made of, one per seed.

    Attributes:
        row: of the table.
        scored: per seed.
    """

    row: Row
    scored: tuple[Scored, ...]


def interpretability(store: Store, selection: Selection) -> Table | None:
    """The table of a suite, or None where no truth or no explanation is stored.

    Args:
        store: where results are.
        selection: the jobs of the suite's tables.

    Raises:
        BenchError: a stored file is damaged.
    """
    first = selection.jobs[0]
    stored = [row for row in rows(selection) if any(IMPORTANCE in record.files for record in row.records)]
    explained = [row for row in stored if _kind(row)]
    if not explained or not TruthReader.exists(store, first.dataset_fingerprint):
        return None
    truth = TruthReader(store, first.dataset_fingerprint)
    sizes, views = {row.key.train_cells for row in explained}, {row.key.view for row in explained} - {None}
    references = [
        _Explained(Row(title, REFERENCE, _values(truth, [scored]), ranked=False), (scored,))
        for title, scored in trivial(truth, _scored_times(store, explained)).items()
    ]
    own = []
    for row in explained:
        records = [record for record in row.records if IMPORTANCE in record.files]
        kind = _kind(row)
        assert kind is not None  # rows without a kind were left out above
        found = {record.job_id: one for record in records if (one := _score(store, record, truth, kind)) is not None}
        if not found:
            continue
        scored, without = tuple(found.values()), len(records) - len(found)
        records = [record for record in records if record.job_id in found]
        which = [row.key.view] if row.key.view and len(views) > 1 else []
        which += [f"{row.key.train_cells} cells"] if len(sizes) > 1 else []
        label = f"{row.title} ({', '.join(which)})" if which else row.title
        incomplete = "" if len(records) == row.planned else f"{len(records)} of {row.planned} done"
        senseless = f"{without} of them explained in a file that makes no sense" if without else ""
        note = ", ".join(filter(None, (_NOTES[kind], incomplete, senseless)))
        jobs = tuple(record.job_id for record in records)
        values = _values(truth, scored) | {"runs": Value(len(records))}
        own.append(_Explained(Row(label, row.family, values, note=note, jobs=jobs), scored))
    if not own:
        return None
    columns, marked = _judged(truth, own, references)
    chance = {SIGN: 0.5, PLACES: 0.0, STEPS: 0.0, FEATURES: 0.0, DOMINANT: 1 / len(truth.features)}
    nothing = Row("Chance", REFERENCE, {name: Value(value) for name, value in chance.items()}, ranked=False)
    table_rows = [nothing, *(item.row for item in references), *marked]
    ordered = sorted(table_rows, key=lambda row: FAMILIES.index(row.family) if row.family in FAMILIES else 99)
    title = f"Agreement of importance weights with the true sensitivities, {suite_title(first.suite)}"
    gone = sorted({row.title for row in stored if row.key.runner not in registry.entries()})
    unknown = f" Left out, since no runner here says what their weights mean: {', '.join(gone)}." if gone else ""
    caption = _caption(selection, truth) + unknown
    return Table(f"interpretability_{first.suite}", title, caption, "Method", columns, tuple(ordered))


def _score(store: Store, record: Record, truth: TruthReader, kind: Explains) -> Scored | None:
    """The scores of a job, or None where its files make no sense together."""
    try:
        return score(store, record, truth, kind)
    except CorruptRecord:
        return None


def _judged(
    truth: TruthReader, own: Sequence[_Explained], references: Sequence[_Explained]
) -> tuple[tuple[Column, ...], list[Row]]:
    """Columns, of which those have a best value in which one beats every reference row, and rows with ties marked."""
    columns, marked = [], [item.row for item in own]
    for column in COLUMNS:
        scored = [index for index, item in enumerate(own) if column.best and column.key in item.row.values]
        best = max(scored, key=lambda index: own[index].row.values[column.key].value, default=None)
        if best is None:
            columns.append(replace(column, best=None))
            continue

        def above(other: _Explained, best: int = best, name: str = column.key) -> bool:
            return gain(truth, own[best].scored, other.scored, name).low > 0

        compared = [item for item in references if column.key in item.row.values]
        if not all(above(item) for item in compared):
            columns.append(replace(column, best=None))
            continue
        columns.append(column)
        tied = [index for index in scored if index != best and not above(own[index])]
        for index in [best, *tied] if tied else []:
            values = marked[index].values
            value = replace(values[column.key], tied=True)
            marked[index] = replace(marked[index], values=values | {column.key: value})
    return tuple(columns), marked


def _values(truth: TruthReader, per_seed: Sequence[Scored]) -> dict[str, Value]:
    return {name: interval_value(found) for name, found in estimates(truth, per_seed).items()}


def _kind(row: RowResult) -> Explains | None:
    entry = registry.entries().get(row.key.runner)
    return entry.explains if entry else None


def _scored_times(store: Store, explained: Sequence[RowResult]) -> npt.NDArray[np.int64]:
    """The steps that the suite explains."""
    record = next(record for row in explained for record in row.records if IMPORTANCE in record.files)
    return np.unique(frame(store.file(record, IMPORTANCE), ["time"])["time"].to_numpy(np.int64))


def _caption(selection: Selection, truth: TruthReader) -> str:
    first = selection.jobs[0]
    repetitions = sorted({job.repetition for job in selection.jobs})
    scale = (
        f"Sensitivities are relative to productivity (true ones ÷ the target, a model's ÷ its own prediction), where "
        f"the target is above {LEAST_PRODUCTIVITY:g}."
        if truth.relative
        else "Sensitivities are absolute: this store has no record of the target beside them (the next `bench run` "
        "adds it), so that what says how much grows agrees with them."
    )
    return (
        f"Data set {first.dataset} ({selection.manifest.dataset_title}); {selection.manifest.target_name}; test year "
        f"{first.split['test_year']}; profile {first.profile}; seeds {', '.join(map(str, repetitions))}. {scale} "
        f"Sign: share of equal signs where the truth is above {NEGLIGIBLE_SHARE:.0%} of the root mean square of its "
        "largest feature. Rank: mean Spearman correlation over places, over steps, and over features of a sample "
        "(absolute values). Dominant driver: share of samples in which the feature of the largest true sensitivity has "
        f"the largest weight. In brackets: {CONFIDENCE:.0%} intervals over places, as far as agreement goes "
        f"together, and over the runs of a row. Contributions are scored against "
        "sensitivity × standardised value, unsigned shares against absolute values. Every sample counts the "
        "same. Reference rows know next to nothing. Bold: best, if it beats every reference row (the interval of the "
        "paired difference is above 0); †: cannot be told from the best." + few_blocks.remark(truth.n_blocks)
    )
