"""How many places and times a data set has, and its features: what a job's tables can be of.

It is read without the whole record of the data set, because every stored table is held against it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from bench.store.columns import UNREADABLE
from bench.store.names import CELLS, DATASET, TIMES
from bench.system.untrusted import read_regular

_MOST_BYTES = 200_000_000  # of ``dataset.json``
_MOST_TABLE_BYTES = 2_000_000_000


@dataclass(frozen=True)
class Extent:
    """What indices and names may stand in the tables of the jobs of a data set.

    Attributes:
        n_cells: places.
        n_times: steps.
        features: names of the climate features, then of the static ones.
    """

    n_cells: int
    n_times: int
    features: tuple[str, ...]


def read_extent(folder: Path) -> Extent | None:
    """Returns the extent of a data set, or None where its record is missing or damaged: a run writes that anew.

    Args:
        folder: with the record of the data set.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        described = json.loads(read_regular(folder / DATASET, _MOST_BYTES))
        counts = []
        for name in (CELLS, TIMES):
            content = read_regular(folder / name, _MOST_TABLE_BYTES)
            if hashlib.sha256(content).hexdigest() != described["files"][name]:
                return None
            counts.append(pq.read_metadata(pa.BufferReader(content)).num_rows)
        return Extent(counts[0], counts[1], (*described["feature_names"], *described["static_names"]))
    except (pa.ArrowException, *UNREADABLE, RecursionError):
        return None
