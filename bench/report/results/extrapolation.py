"""Why the error of a row is enormous, told where it stands: the few predictions that make it, from the stored ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.report.results.rows import RowResult
from bench.report.results.statistics_reader import StatisticsReader
from bench.store.columns import read_frame
from bench.store.dataset_record import read_dataset_record
from bench.store.names import PREDICTIONS
from bench.store.reading import CorruptRecord
from bench.system.text import counted

WORST_SHARE = 0.01
"""Of the samples, whose part in the squared error is told."""
FEW_MAKE_IT = 0.5
"""Share of the squared error from which on the worst samples are the reason of its size."""
ENORMOUS_R2 = -1.0
"""Below it a row errs by more than √2 of what the mean of the tested values errs by: that asks for a reason."""


def footnote(reader: StatisticsReader, row: RowResult, week: int, r2: float) -> str:
    """What makes an enormous error, or nothing where the error is usual or few samples do not make it.

    Args:
        reader: of the store that holds the predictions.
        row: which.
        week: step of the year.
        r2: of the row in this step.

    Raises:
        BenchError: a stored file is damaged.
    """
    records = [record for record in row.records if PREDICTIONS in record.files]
    if not r2 < ENORMOUS_R2 or not records:
        return ""
    try:
        described = read_dataset_record(reader.store, records[0].job.dataset_fingerprint)
    except CorruptRecord:
        described = None
    if described is None:
        return ""
    steps = described.times["step_of_year"].to_numpy(np.int64)
    frames = [read_frame(reader.store.file(record, PREDICTIONS)) for record in records]
    samples = pd.concat([frame[steps[frame["time"].to_numpy()] == week] for frame in frames], ignore_index=True)
    if samples.empty:
        return ""
    target, predicted = (samples[name].to_numpy(np.float64) for name in ("target", "prediction"))
    squared = (predicted - target) ** 2
    n_worst = max(1, round(WORST_SHARE * len(samples)))
    worst = np.argsort(-squared, kind="stable")[:n_worst]
    share = squared[worst].sum() / squared.sum()
    outside = np.mean((predicted < target.min()) | (predicted > target.max()))
    rest = np.sqrt(np.delete(squared, worst).mean()) if n_worst < len(samples) else 0.0
    if share < FEW_MAKE_IT:
        return ""
    cells = samples["cell"].to_numpy()[worst]
    where = _where(described.cells, cells, planar=described.description.crs is not None)
    return (
        f"extrapolation: the worst {WORST_SHARE:.0%} of the samples ({n_worst:,} of {len(samples):,}, in "
        f"{counted(len(np.unique(cells)), 'cell')}{where}) make {share:.0%} of its squared error, without them the "
        f"RMSE is {rest:.3f}; {outside:.1%} of its predictions lie outside the measured values, which go from "
        f"{target.min():.2f} to {target.max():.2f}"
    )


def _where(cells: pd.DataFrame, chosen: npt.NDArray[np.int64], *, planar: bool) -> str:
    """The extent of some cells."""
    names = ("x", "y") if planar else ("longitude", "latitude")
    places = cells.iloc[np.unique(chosen)]
    ends = [(places[name].min(), places[name].max()) for name in ("lon", "lat")]
    return " between " + " and ".join(
        f"{name} {low:.1f} to {high:.1f}" for name, (low, high) in zip(names, ends, strict=True)
    )
