"""The Python entries behind `bench data import`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bench.data.cube import Cube
from bench.data.importer.assemble import Say, import_table
from bench.data.importer.columns import Columns
from bench.data.importer.findings import findings
from bench.data.importer.sources import FrameSource, RowSource, open_table
from bench.errors import BenchError
from bench.system.text import is_printed_as_it_is, one_line

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


_LONGEST_TEXT = 9_000
"""Characters of where data come from; a file's history may be any length."""


def silent(line: str) -> None:
    """Says nothing."""


def from_frame(
    frame: pd.DataFrame,
    columns: Columns,
    out: Path,
    *,
    name: str | None = None,
    provenance: Mapping[str, str] | None = None,
    say: Say = silent,
) -> Cube:
    """Makes a cube of a data frame, one row a sample.

    Args:
        frame: the samples, in any order; columns that are not named in ``columns`` are not read.
        columns: what its columns mean.
        out: folder of the cube, which `--dataset` names later; replaced if it holds a cube.
        name: of the data set; None for that of the folder.
        provenance: title, source, licence, citation and notes, as far as there are any.
        say: is told what was found, line by line, such as ``print``.

    Raises:
        BenchError: a column is missing or not what it should be; the message names the first offending row.
    """
    return _imported(FrameSource(frame), columns, out, name or out.stem, provenance, say)


def from_table(
    path: Path,
    columns: Columns,
    out: Path,
    *,
    name: str | None = None,
    provenance: Mapping[str, str] | None = None,
    say: Say = silent,
) -> Cube:
    """Makes a cube of a CSV (also .csv.gz) or Parquet file, which may be larger than memory.

    Args:
        path: the file.
        columns: as in `from_frame`.
        out: as in `from_frame`.
        name: as in `from_frame`.
        provenance: as in `from_frame`; the file's name is its source where none is given.
        say: as in `from_frame`.

    Raises:
        BenchError: the file cannot be read, or as in `from_frame`.
    """
    return _imported(open_table(path), columns, out, name or out.stem, provenance, say)


def from_xarray(
    data: xr.Dataset | Path,
    columns: Columns,
    out: Path,
    *,
    name: str | None = None,
    provenance: Mapping[str, str] | None = None,
    say: Say = silent,
) -> Cube:
    """Makes a cube of a grid or of stations, by the CF conventions.

    Args:
        data: an open data set, a NetCDF file or a Zarr folder.
        columns: what its variables mean; coordinates and units that it does not name are the file's own.
        out: as in `from_frame`.
        name: as in `from_frame`.
        provenance: as in `from_frame`; title, source and licence of the file where none are given.
        say: as in `from_frame`.

    Raises:
        BenchError: the file cannot be read, has no coordinates, or as in `from_frame`.
    """
    from bench.data.importer.gridded import open_gridded

    with open_gridded(data, columns) as (source, found):
        return _imported(source, found, out, name or out.stem, {**source.provenance, **(provenance or {})}, say)


def import_file(path: Path, columns: Columns, out: Path, *, name: str | None = None, say: Say = silent) -> Cube:
    """Makes a cube of a file of any of these kinds, by its ending (see `from_table`, `from_xarray`)."""
    if path.suffix.lower() in (".nc", ".nc4", ".cdf", ".zarr") or path.is_dir():
        return from_xarray(path, columns, out, name=name, say=say)
    return from_table(path, columns, out, name=name, say=say)


def _imported(
    source: RowSource, columns: Columns, out: Path, name: str, provenance: Mapping[str, str] | None, say: Say
) -> Cube:
    if not source.names:
        raise BenchError(f"{source.what} has no columns.")
    if not is_printed_as_it_is(name):
        raise BenchError(f"The name {name!r} holds control characters; choose another with --name.")
    texts = {"title": name, "source": source.what, **(provenance or {})}
    texts = {key: one_line(text, _LONGEST_TEXT) for key, text in texts.items()}
    cube = import_table(source, columns, out, name, texts, say)
    for line in findings(cube):
        say(line)
    return cube
