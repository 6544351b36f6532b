"""Reading the Parquet files of sums of thousands of jobs: what is not a job's own is decoded once.

The files of one split differ in three columns only. The encoded bytes of all other columns tell whether a file has the
keys and the targets of one that was read before; then its own columns are all that has to be decoded.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.arrays import Doubles

OWN = ("error", "absolute_error", "squared_error")
"""Sums that depend on the prediction."""


class SumsFile:
    """A file of sums, not decoded yet.

    Args:
        content: of the file.

    Raises:
        ValueError: it is no Parquet file.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        try:
            self._file = pq.ParquetFile(pa.BufferReader(content))
        except (pa.ArrowException, OSError) as error:
            raise ValueError(str(error)) from error

    def others(self) -> bytes:
        """How all columns but `OWN` are encoded: files of which this is the same have the same values there."""
        metadata, content = self._file.metadata, memoryview(self._content)
        found: list[bytes | memoryview] = [repr((metadata.num_rows, metadata.metadata)).encode()]
        for group in (metadata.row_group(index) for index in range(metadata.num_row_groups)):
            for column in (group.column(index) for index in range(metadata.num_columns)):
                name = column.path_in_schema
                if name not in OWN:
                    size = column.total_compressed_size
                    found.append(f"{name} {column.physical_type} {column.compression} {size}".encode())
                    start = column.data_page_offset
                    if column.has_dictionary_page:
                        start = min(start, column.dictionary_page_offset)
                    found.append(content[start : start + size])
        return b"\n".join(found)

    def own(self) -> Doubles:
        """(own, rows) the columns `OWN`.

        Raises:
            ValueError: one is missing or damaged.
        """
        try:
            table = self._file.read(columns=list(OWN), use_threads=False)
            # A copy: Arrow's own memory is then taken again for the next file, instead of fresh pages for each.
            return np.stack([table.column(name).to_numpy() for name in OWN]).astype(np.float64, copy=False)
        except (pa.ArrowException, OSError, KeyError) as error:
            raise ValueError(str(error)) from error
