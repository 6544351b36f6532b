"""The columns of a Parquet file that somebody else wrote: counted and typed before their values are decoded."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from bench.system.text import one_line

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, MemoryError)
"""What pyarrow (beside its `ArrowException`) and pandas raise of a file that makes no sense."""
Kind = Literal["whole", "number", "flag", "text"]
_MOST_ROWS_PER_BYTE = 1000
"""Even a table of one number over and over has keys, of which a place with its steps takes some bytes; a file of
nothing but zeros may claim any number of rows."""
_SHOWN = 60
"""Characters of a name or value in a sentence."""


class TableColumns:
    """The columns of a Parquet file; they are decoded when the first is asked for.

    Args:
        file: opened.
        size: of the file in bytes.

    Raises:
        ValueError: it has nested or repeated columns, or too many rows for its size.
    """

    def __init__(self, file: pq.ParquetFile, size: int) -> None:
        self._file, self._schema = file, file.schema_arrow
        self.n_rows: int = file.metadata.num_rows
        self.names: list[str] = list(self._schema.names)
        if not 0 <= self.n_rows <= _MOST_ROWS_PER_BYTE * size:
            raise ValueError(f"{self.n_rows} rows in {size} bytes")
        if len(set(self.names)) < len(self.names):
            raise ValueError("two columns of one name")
        odd = next((name for name in self.names if self._kind(name) is None), None)
        if odd is not None:
            raise ValueError(f"column {_short(odd)} is of type {_short(self._schema.field(odd).type)}")
        self._known, self._plain = _in_pandas(self._schema.serialize().to_pybytes())

    def _kind(self, name: str) -> Kind | None:
        import pyarrow as pa

        found = self._schema.field(name).type
        if pa.types.is_dictionary(found):
            found = found.value_type
            return "text" if pa.types.is_string(found) or pa.types.is_large_string(found) else None
        if pa.types.is_string(found) or pa.types.is_large_string(found):
            return "text"
        if pa.types.is_boolean(found):
            return "flag"
        if pa.types.is_integer(found):
            return "whole"
        return "number" if pa.types.is_floating(found) else None

    def _require(self, name: str, kind: Kind) -> None:
        if name not in self._known or (kind != "text" and name not in self._plain):
            raise ValueError(f"it lacks column {_short(name)}")
        if self._kind(name) != kind:
            raise ValueError(f"column {_short(name)} is of type {_short(self._schema.field(name).type)}")

    @cached_property
    def _table(self) -> pa.Table:
        table = self._file.read(use_threads=False)
        if table.num_rows != self.n_rows:
            raise ValueError(f"{table.num_rows} rows instead of {self.n_rows}")
        return table

    def frame(self) -> pd.DataFrame:
        """All of it, as pandas reads the file."""
        found: pd.DataFrame = self._table.to_pandas(use_threads=False)
        return found

    def whole(self, name: str, least: int, below: int | None = None) -> npt.NDArray[np.int64]:
        """A column of whole numbers, none of them missing, within bounds."""
        self._require(name, "whole")
        column = self._table.column(name)
        if column.null_count:
            raise ValueError(f"column {_short(name)} has gaps")
        values: npt.NDArray[np.int64] = column.to_numpy().astype(np.int64)
        if len(values) and (values.min() < least or (below is not None and values.max() >= below)):
            wrong = values.min() if values.min() < least else values.max()
            raise ValueError(f"column {_short(name)} holds {wrong}, which is out of range")
        return values

    def numbers(self, name: str, *, gaps: bool = False, least: float = -np.inf) -> npt.NDArray[np.floating[Any]]:
        """A column of numbers: finite, but for the gaps that it may have."""
        self._require(name, "number")
        values: npt.NDArray[np.floating[Any]] = self._table.column(name).to_numpy()
        if np.isinf(values).any() or (not gaps and np.isnan(values).any()):
            raise ValueError(f"column {_short(name)} holds values that are not finite")
        if (values < least).any():
            raise ValueError(f"column {_short(name)} holds values below {least:g}")
        return values

    def texts(self, name: str, known: Collection[str] | None = None) -> tuple[npt.NDArray[np.int64], list[str]]:
        """A column of texts, none of them missing: the number of each, and the different ones by number.

        Args:
            name: of the column.
            known: texts that may be there; None for any.
        """
        self._require(name, "text")
        column = self._table.column(name).cast("large_string")
        if column.null_count:
            raise ValueError(f"column {_short(name)} has gaps")
        encoded = column.combine_chunks().dictionary_encode()
        levels: list[str] = encoded.dictionary.to_pylist()
        foreign = next((level for level in levels if known is not None and level not in known), None)
        if foreign is not None:
            raise ValueError(f"column {_short(name)} holds {_short(foreign)}")
        return encoded.indices.to_numpy().astype(np.int64), levels

    def numeric(self, but: Collection[str]) -> list[str]:
        """Names of the columns of numbers, but for some."""
        return [name for name in self.names if name not in but and self._kind(name) == "number"]


def read_frame(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """A Parquet file as pandas reads it, without Arrow's threads.

    `pandas.read_parquet` gives them a file of Python's to read. One may let go of it when Python is ending already,
    and the process then aborts ("terminate called without an active exception", apache/arrow issue 34314).

    Args:
        path: of the file.
        columns: to read, in this order; None for all.

    Raises:
        ValueError: it lacks a column; of a damaged file pyarrow raises what is in `UNREADABLE`, or its own exceptions.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        lacking = [name for name in columns or () if name not in file.schema_arrow.names]
        if lacking:
            raise ValueError(f"it lacks column {_short(lacking[0])}")
        table = file.read(None if columns is None else list(columns), use_threads=False)
        found: pd.DataFrame = (table if columns is None else table.select(list(columns))).to_pandas(use_threads=False)
        return found


@lru_cache(maxsize=64)
def _in_pandas(schema: bytes) -> tuple[frozenset[str], frozenset[str]]:
    """Names of the columns that pandas makes of a schema, and of those that become plain arrays.

    What a file says of pandas may hide a column in the index, rename it, or give it another type.
    """
    import pyarrow as pa

    frame = pa.ipc.read_schema(pa.py_buffer(schema)).empty_table().to_pandas()
    known = frozenset(name for name in frame if isinstance(name, str))
    return known, frozenset(name for name in known if isinstance(frame[name].dtype, np.dtype))


def _short(value: object) -> str:
    return one_line(str(value), _SHOWN)
