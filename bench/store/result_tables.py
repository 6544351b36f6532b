"""The tables beside a record, read as a stranger's files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.store.reading import CorruptRecord

if TYPE_CHECKING:
    import pandas as pd


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
        table = pq.read_table(pa.BufferReader(content), read_dictionary=["part", "group", "weighting"])
        frame: pd.DataFrame = table.to_pandas()
    except (pa.ArrowException, ValueError, OSError) as error:
        raise damaged_file(path) from error
    if not {*KEYS, *SUMS} - {"year"} <= set(frame):
        raise damaged_file(path)
    if "year" not in frame:  # written before years were told apart
        frame["year"] = 0
    return frame


def damaged_file(path: Path) -> CorruptRecord:
    """What is raised of a file beside a record that is not what the record says."""
    return CorruptRecord(f"File {path} is missing or damaged; `bench run` sets the job aside and repeats it.")
