"""The Parquet files beside a record, read as a stranger's: a right hash says who wrote a file, not what is in it.

What `docs/results-format.md` says of a table is checked before anything is made of it, so that a file that makes no
sense costs its job and not the report.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench.store.agreement import Totals, require_metrics, require_sums_of, totals_of
from bench.store.columns import UNREADABLE, TableColumns
from bench.store.extent import Extent
from bench.store.names import HISTORY, IMPORTANCE, PREDICTIONS, STATISTICS
from bench.store.reading import CorruptRecord
from bench.store.records import Record
from bench.system.text import one_line

if TYPE_CHECKING:
    import pandas as pd

_SAMPLE = ("cell", "time")
_PARTS, _WEIGHTINGS = ("train", "test", "fitted"), ("plain", "area")
_NOT_NEGATIVE = ("weight", "absolute_error", "squared_error", "squared_target")
_MOST_REASON = 200
"""Characters of what is wrong with a file."""


def require_table(path: Path, name: str, record: Record, extent: Extent | None) -> None:
    """Checks what is in a file beside a record.

    Args:
        path: of the file, whose hash is right.
        name: which of the files of a job it is.
        record: of the job.
        extent: of its data set; None where the store does not know it, and indices cannot be held against it.

    Raises:
        CorruptRecord: it is not the table that it should be.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    check = _CHECKS.get(name)
    if check is None:  # a file of a later version
        return
    try:
        with pq.ParquetFile(path) as file:
            check(TableColumns(file, path.stat().st_size), record, extent)
    except (pa.ArrowException, *UNREADABLE) as error:
        raise damaged_file(path, str(error)) from error


def sums_in(content: bytes, path: Path) -> pd.DataFrame:
    """The table of sums in the content of a Parquet file.

    Args:
        content: of the file.
        path: where it comes from.

    Returns:
        As `Store.statistics`.

    Raises:
        CorruptRecord: it is no table of sums.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from bench.scoring.metrics import KEYS
    from bench.scoring.metrics import STATISTICS as SUMS

    try:
        with pq.ParquetFile(io.BytesIO(content), read_dictionary=["part", "group", "weighting"]) as file:
            columns = TableColumns(file, len(content))
            require_sums(columns)
            frame = columns.frame()
    except (pa.ArrowException, *UNREADABLE) as error:
        raise damaged_file(path, str(error)) from error
    if "year" not in frame:  # written before years were told apart
        frame["year"] = 0
    return frame[[*KEYS, *SUMS]]


def damaged_file(path: Path, why: str | None = None) -> CorruptRecord:
    """What is raised of a file beside a record that is not what the record says.

    Args:
        path: of the file.
        why: what is wrong with its content, where its hash is right.
    """
    reason = f" ({one_line(why.partition(chr(10))[0], _MOST_REASON)})" if why else ""
    return CorruptRecord(f"File {path} is missing or damaged{reason}; `bench run` sets the job aside and repeats it.")


@dataclass(frozen=True)
class CheckedSums:
    """The rows of a table of sums that makes sense, found by part and group.

    Attributes:
        columns: of the table.
        part: (n_rows,) number of each row's part, and the parts by number.
        group: likewise.
        plain: (n_rows,) whether every sample counts the same.
    """

    columns: TableColumns
    part: tuple[npt.NDArray[np.int64], list[str]]
    group: tuple[npt.NDArray[np.int64], list[str]]
    plain: npt.NDArray[np.bool_]

    def totals(self, part: str, group: str) -> Totals | None:
        """What the unweighted sums of a part and group add up to; None where the table has none of them."""
        from bench.scoring.metrics import STATISTICS as SUMS

        wanted = self.plain.copy()
        for (numbers, names), name in ((self.part, part), (self.group, group)):
            if name not in names:
                return None
            wanted &= numbers == names.index(name)
        if not wanted.any():
            return None
        n = self.columns.whole("n", 1)[wanted].sum()
        return {"n": float(n)} | {name: float(self.columns.numbers(name)[wanted].sum()) for name in SUMS[1:]}


def require_sums(columns: TableColumns, owner: str | None = None) -> CheckedSums:
    """Checks a table of sums.

    Args:
        columns: of the table.
        owner: column that says whose sums they are, where a file has those of several jobs.

    Raises:
        ValueError: it is none.
    """
    from bench.scoring.metrics import STATISTICS as SUMS

    part, parts = columns.texts("part", _PARTS)
    group, groups = columns.texts("group")
    weighting, weightings = columns.texts("weighting", _WEIGHTINGS)
    year = columns.whole("year", 0) if "year" in columns.names else np.zeros(columns.n_rows, np.int64)
    keys = [part, group, weighting, columns.whole("block", np.iinfo(np.int64).min), year]
    if owner is not None:
        keys.append(columns.texts(owner)[0])
    if _repeated(keys):
        raise ValueError("sums of one key stand there twice")
    columns.whole("n", 1)
    for name in SUMS[1:]:
        columns.numbers(name, least=0 if name in _NOT_NEGATIVE else -np.inf)
    if "test" not in parts:
        raise ValueError("it has no sums of the test part")
    plain = weighting == weightings.index("plain") if "plain" in weightings else np.zeros(columns.n_rows, bool)
    return CheckedSums(columns, (part, parts), (group, groups), plain)


def _statistics(columns: TableColumns, record: Record, extent: Extent | None) -> None:
    require_sums_of(record, require_sums(columns).totals)


def _predictions(columns: TableColumns, record: Record, extent: Extent | None) -> None:
    targets = record.job.targets
    most = None if record.n_test is None else record.n_test * max(1, len(targets))
    if most is not None and (columns.n_rows > most or (not targets and columns.n_rows < most)):
        raise ValueError(f"the record says {record.n_test} test samples, {columns.n_rows} are stored")
    keys = _sample(columns, extent)
    if targets:
        keys.insert(0, columns.texts("variable", targets)[0])
    _require_single(keys)
    target, prediction = columns.numbers("target"), columns.numbers("prediction")
    variable, variables = columns.texts("variable", targets) if targets else (None, ["all"])

    def totals(part: str, group: str) -> Totals | None:
        if part != "test" or group not in variables:
            return None
        own = slice(None) if variable is None else variable == variables.index(group)
        return totals_of(target[own], prediction[own])

    require_metrics(record, totals, "its predictions")
    for name in columns.numeric({"target", "prediction"}):
        columns.numbers(name, gaps=True, least=0 if name == "deviation" else -np.inf)


def _importance(columns: TableColumns, record: Record, extent: Extent | None) -> None:
    if record.n_test is not None and columns.n_rows != record.n_test:
        raise ValueError(f"the record says {record.n_test} test samples, {columns.n_rows} are stored")
    _require_single(_sample(columns, extent))
    for name in extent.features if extent is not None else columns.numeric(set(_SAMPLE)):
        columns.numbers(name, gaps=True)


def _history(columns: TableColumns, record: Record, extent: Extent | None) -> None:
    columns.texts("member")
    columns.whole("epoch", 1)
    columns.numbers("training_loss", gaps=True)
    columns.numbers("held_out_error", gaps=True)


def _sample(columns: TableColumns, extent: Extent | None) -> list[npt.NDArray[np.int64]]:
    bounds = (None, None) if extent is None else (extent.n_cells, extent.n_times)
    return [columns.whole(name, 0, below) for name, below in zip(_SAMPLE, bounds, strict=True)]


def _require_single(keys: list[npt.NDArray[np.int64]]) -> None:
    repeated = _repeated(keys)
    if repeated:
        raise ValueError(f"{repeated} test samples are stored twice")


def _repeated(keys: list[npt.NDArray[np.int64]]) -> int:
    """How many rows have the keys of another one before them."""
    if not len(keys[0]):
        return 0
    spans = [int(key.max()) - int(key.min()) + 1 for key in keys]
    if math.prod(spans) >= np.iinfo(np.int64).max:
        keys = [np.unique(key, return_inverse=True)[1] for key in keys]
        spans = [int(key.max()) + 1 for key in keys]
        if math.prod(spans) >= np.iinfo(np.int64).max:
            raise ValueError("its rows are of more things than any data have")
    together = np.zeros(len(keys[0]), np.int64)
    for key, span in zip(keys, spans, strict=True):
        together = together * span + (key - key.min())
    if (np.diff(together) > 0).all():  # as predictions are stored
        return 0
    return len(together) - len(np.unique(together))


_CHECKS: dict[str, Callable[[TableColumns, Record, Extent | None], None]] = {
    STATISTICS: _statistics,
    PREDICTIONS: _predictions,
    IMPORTANCE: _importance,
    HISTORY: _history,
}
