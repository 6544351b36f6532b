"""Long tables as batches of rows: CSV and Parquet files larger than memory, and data frames.

A CSV's fields are read as text: what is a number and what a name is the user's to say (``00123`` is a good name of a
place), and a field that is no number can then be shown with its row.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bench.errors import BenchError, unknown
from bench.system.text import is_printed_as_it_is

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

BATCH_ROWS = 1 << 17
"""Rows of a batch of Parquet or of a data frame: about 10 MB of ten columns."""
CSV_BLOCK_BYTES = 1 << 23
"""Bytes of a batch of CSV."""
_LONGEST_LINE = 1 << 24
"""Bytes of the names of all columns, at most."""
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
MOST_COLUMN, MOST_LABEL = 100, 200
"""Characters of a column's name, and of a place's name or a level together with its category's."""
MISSING_TEXTS = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "none", "-nan", "#N/A", "-", ".")
"""Fields that mean *not measured*."""


@dataclass(frozen=True)
class Batch:
    """Some rows of a table.

    Attributes:
        first_row: number of its first row in the table, from 1.
        columns: name → values.
    """

    first_row: int
    columns: Mapping[str, pa.Array]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    @property
    def rows(self) -> slice:
        """Its rows, counted from 0."""
        return slice(self.first_row - 1, self.first_row - 1 + len(self))


class RowSource(Protocol):
    """A table that can be read more than once.

    Attributes:
        what: the table, as the end of a sentence.
        names: its columns.
        units: column → unit, of those that the file names.
    """

    @property
    def what(self) -> str: ...  # noqa: D102

    @property
    def names(self) -> Sequence[str]: ...  # noqa: D102

    @property
    def units(self) -> Mapping[str, str]: ...  # noqa: D102

    def batches(self, names: Sequence[str]) -> Iterator[Batch]:
        """The named columns, batch by batch."""
        ...


def check_names(what: str, available: Sequence[str], names: Sequence[str]) -> None:
    """Raises unless a table has all named columns, each once.

    Args:
        what: the table.
        available: its columns.
        names: of the columns that it should have.

    Raises:
        BenchError: it lacks one (the message says what may have been meant) or has one twice.
    """
    for name in names:
        if name not in available:
            raise unknown(f"column of {what}", name, list(available), "name one of the table's columns")
        if list(available).count(name) > 1:
            raise BenchError(f"{what} has two columns {name!r}; rename one.")
        reason = unfit(name, MOST_COLUMN)
        if reason is not None:
            raise BenchError(f"The column {name!r} of {what} {reason}; rename it.")


def unfit(name: str, most: int) -> str | None:
    """Why a text can name nothing in a cube, as the rest of a sentence; None if it can.

    Args:
        name: the text.
        most: characters that it may have.
    """
    if not is_printed_as_it_is(name):
        return "holds control characters"
    return f"is longer than {most} characters" if len(name) > most else None


def open_table(path: Path) -> RowSource:
    """The source of a file, by its ending.

    Raises:
        BenchError: it is missing, unreadable, empty, or of another kind.
    """
    if not path.exists():
        raise BenchError(f"File {path} does not exist; correct the name.")
    if path.is_dir() or not path.is_file():
        raise BenchError(f"{path} is no file; name a CSV, Parquet or NetCDF file, or a Zarr folder.")
    name = path.name.lower()
    with _readable(path):
        if path.stat().st_size == 0:
            raise BenchError(f"File {path} is empty.")
        if name.endswith((".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")):
            return CsvSource(path)
        if name.endswith((".parquet", ".pq")):
            return ParquetSource(path)
    raise BenchError(
        f"File {path} ends in {path.suffix or 'nothing'!r}; files that can be read end in .csv, .csv.gz, .tsv, "
        ".parquet, .nc or .zarr."
    )


class CsvSource:
    """A CSV file, also compressed with gzip; its delimiter is the one that most divides its first line."""

    def __init__(self, path: Path) -> None:
        """Reads the first line."""
        self.path, self.what = path, path.name
        self.units: Mapping[str, str] = {}
        opener = gzip.open if path.name.endswith(".gz") else open
        with _readable(path), opener(path, "rb") as stream:
            start = stream.readline(_LONGEST_LINE)
        if start[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in start:
            raise BenchError(f"{path} is not text in UTF-8; save it as CSV UTF-8.")
        first = start.removeprefix(b"\xef\xbb\xbf").splitlines()[:1]
        if not first or not first[0].strip():
            raise BenchError(f"The first line of {path} is empty; it must name the columns.")
        line = _in_utf8(first[0], path)
        self.delimiter = max(DELIMITERS, key=line.count)
        if not line.count(self.delimiter):
            raise BenchError(
                f"{path} has one column only ({line!r}); its columns must be divided by "
                f"{', '.join([*DELIMITERS.values()][:-1])} or bars."
            )
        self.names: Sequence[str] = self._header(line)

    def _header(self, line: str) -> list[str]:
        import csv

        names = [name.strip() for name in next(csv.reader([line], delimiter=self.delimiter))]
        numbers = sum(_is_number(name) for name in names)
        if numbers > len(names) / 2:
            raise BenchError(f"The first line of {self.path} holds numbers ({line!r}); it must name the columns.")
        return names

    def batches(self, names: Sequence[str]) -> Iterator[Batch]:
        """The named columns as text, batch by batch."""
        import pyarrow as pa
        from pyarrow import csv

        # Columns are taken by position: names may carry blanks, and columns that are not read may share a name.
        position = {name: f"c{self.names.index(name)}" for name in names}
        with _readable(self.path):
            reader = csv.open_csv(
                self.path,
                csv.ReadOptions(
                    block_size=CSV_BLOCK_BYTES,
                    column_names=[f"c{index}" for index in range(len(self.names))],
                    skip_rows=1,
                    use_threads=False,
                ),
                csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
                csv.ConvertOptions(
                    include_columns=list(position.values()),
                    column_types={column: pa.string() for column in position.values()},
                    null_values=list(MISSING_TEXTS),
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=True,
                ),
            )
            row = 1
            for batch in reader:
                if batch.num_rows:
                    yield Batch(row, {name: batch.column(column) for name, column in position.items()})
                row += batch.num_rows


class ParquetSource:
    """A Parquet file."""

    def __init__(self, path: Path) -> None:
        """Reads the schema."""
        import pyarrow.parquet as pq

        self.path, self.what = path, path.name
        with _readable(path):
            self.names: Sequence[str] = pq.read_schema(path).names
        self.units: Mapping[str, str] = {}

    def batches(self, names: Sequence[str]) -> Iterator[Batch]:
        """The named columns, batch by batch."""
        import pyarrow.parquet as pq

        row = 1
        with _readable(self.path), pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=list(names), use_threads=False):
                yield Batch(row, {name: batch.column(name) for name in names})
                row += batch.num_rows


class FrameSource:
    """A data frame in memory; an index with names counts as columns."""

    def __init__(self, frame: pd.DataFrame, what: str = "the data frame") -> None:
        """Takes the frame as it is."""
        if any(name is not None for name in frame.index.names):
            frame = frame.reset_index()
        self.frame, self.what = frame, what
        self.names: Sequence[str] = [str(name) for name in frame.columns]
        self.units: Mapping[str, str] = {}

    def batches(self, names: Sequence[str]) -> Iterator[Batch]:
        """The named columns, batch by batch."""
        for start in range(0, len(self.frame), BATCH_ROWS):
            part = self.frame.iloc[start : start + BATCH_ROWS]
            yield Batch(start + 1, {name: _as_arrow(part.iloc[:, self.names.index(name)]) for name in names})


def _as_arrow(series: pd.Series[Any]) -> pa.Array:
    import pandas as pd
    import pyarrow as pa

    if series.dtype == object and pd.api.types.infer_dtype(series, skipna=True) == "datetime":
        # In several zones, perhaps: Arrow would bring all to that of the first.
        series = series.map(lambda stamp: None if pd.isna(stamp) else stamp.isoformat())
    try:
        array = pa.array(series, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # numbers and texts in one column: the texts are shown as they are
        array = pa.array([None if value != value or value is None else str(value) for value in series])
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _in_utf8(line: bytes, path: Path) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BenchError(f"{path} is not text in UTF-8; save it as CSV UTF-8.") from error


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turns what pyarrow and gzip say of a damaged file into one sentence.

    Raises:
        BenchError: the file cannot be read.
    """
    import pyarrow as pa

    try:
        yield
    except PermissionError as error:
        raise BenchError(f"File {path} may not be read; grant read permission on it.") from error
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, EOFError, OSError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        text = " ".join(str(error).split())
        if "UTF8" in text or "utf-8" in text.lower():
            raise BenchError(f"{path} is not text in UTF-8; save it as CSV UTF-8.") from error
        raise BenchError(f"{path} cannot be read: {text.rstrip('.')[:300]}; correct the file.") from error
