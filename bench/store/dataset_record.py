"""What a store knows of a data set, so that `bench report` reads nothing but the store.

``datasets/<fingerprint>/`` holds ``dataset.json`` (type `DatasetDescription`), ``cells.parquet`` and ``times.parquet``;
`docs/results-format.md` describes them.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pydantic import BaseModel, ConfigDict

from bench.data import climate_classes
from bench.data.cube import Cube
from bench.errors import BenchError
from bench.store.records import SCHEMA_VERSION
from bench.store.store import STORED_STAYS, CorruptRecord, Store
from bench.system.disk import disk_errors, sha256, write_atomically
from bench.system.text import one_line
from bench.system.untrusted import is_regular, read_regular, remove_tree

STEP_DAYS = 8
"""Length of a step; the last one of a year is shorter."""
_TABLES = {
    "cells.parquet": {"lon": "f", "lat": "f", "land_cover": "O", "climate": "O"},
    "times.parquet": {"time": "M", "year": "i", "step_of_year": "i"},
}
"""Columns of the tables and NumPy's letters for their kinds."""
_MOST_BYTES = 20_000_000  # of ``dataset.json``
_MOST_TABLE_BYTES = 500_000_000  # the land of the globe on 0.05 degrees has some 8 million cells of less than 40 bytes


class DatasetDescription(BaseModel):
    """The content of ``dataset.json``.

    Attributes:
        schema_version: version of this type.
        fingerprint: SHA-256 of the data set's content, as in its jobs.
        name: of the data set.
        title: what it is.
        target_name: for example GPP.
        target_units: for example gC m-2 d-1.
        feature_names: climate features.
        feature_units: one per climate feature.
        static_names: static features; those of land cover begin with ``land_cover_``.
        static_units: one per static feature.
        step_days: length of a step.
        climate_source: how the column ``climate`` of the cells was made.
        provenance: source, licence, citation and notes.
        files: SHA-256 of the tables beside it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    fingerprint: str
    name: str
    title: str
    target_name: str
    target_units: str
    feature_names: tuple[str, ...]
    feature_units: tuple[str, ...]
    static_names: tuple[str, ...]
    static_units: tuple[str, ...]
    step_days: int
    climate_source: str
    provenance: Mapping[str, str]
    files: Mapping[str, str]


@dataclass(frozen=True)
class DatasetRecord:
    """A data set as the store describes it.

    Attributes:
        description: names, units, provenance.
        cells: one row per cell of the cube, in its order: lon and lat (degrees), land_cover (the commonest class),
            climate (its class, see `bench.data.climate_classes`).
        times: one row per step of the cube, in its order: time (first day), year, step_of_year (1–46).
    """

    description: DatasetDescription
    cells: pd.DataFrame
    times: pd.DataFrame


def dataset_folder(store: Store, fingerprint: str) -> Path:
    """Where a store describes a data set.

    Raises:
        BenchError: the fingerprint, which becomes part of a path, is none.
    """
    if not re.fullmatch("[0-9a-f]{1,64}", fingerprint):
        raise BenchError(f"{fingerprint!r} is no fingerprint of a data set (64 hexadecimal digits); build it again.")
    return store.root / "datasets" / fingerprint


def write_dataset_record(store: Store, cube: Cube) -> None:
    """Describes a data set in the store, unless a readable description is there; files appear whole or not at all.

    Raises:
        BenchError: the disk is full or may not be written, or a newer version has described it.
    """
    folder = dataset_folder(store, cube.fingerprint)
    if _is_readable(store, cube.fingerprint):
        return
    tables = {name: _parquet(frame) for name, frame in zip(_TABLES, (_cells(cube), _times(cube)), strict=True)}
    description = DatasetDescription(
        fingerprint=cube.fingerprint,
        name=cube.name,
        title=cube.provenance.get("title", cube.name),
        target_name=cube.target_name,
        target_units=cube.target_units,
        feature_names=cube.feature_names,
        feature_units=cube.feature_units,
        static_names=cube.static_names,
        static_units=cube.static_units,
        step_days=STEP_DAYS,
        climate_source=climate_classes.SOURCE,
        provenance=dict(cube.provenance),
        files={name: hashlib.sha256(content).hexdigest() for name, content in tables.items()},
    )
    with disk_errors(f"The record of the data set in store {store.root}", STORED_STAYS):
        if folder.is_symlink():
            remove_tree(folder)  # what is written into this store stays in it
        folder.mkdir(parents=True, exist_ok=True)
        # The description comes last: whoever finds it finds the tables too.
        for name, content in (tables | {"dataset.json": description.model_dump_json(indent=1).encode()}).items():
            if not is_regular(folder / name):
                remove_tree(folder / name)
            write_atomically(folder / name, content)


def read_dataset_record(store: Store, fingerprint: str) -> DatasetRecord | None:
    """What the store knows of a data set, or None where no `bench run` has described it yet.

    Raises:
        CorruptRecord: the record is damaged.
        BenchError: it was written by a newer version.
    """
    folder = dataset_folder(store, fingerprint)
    path = folder / "dataset.json"
    try:
        content = read_regular(path, _MOST_BYTES)
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise BenchError(f"{path} may not be read; grant read permission on it.") from error
    except OSError as error:
        raise _corrupt(folder, error) from error
    try:
        version = json.loads(content)["schema_version"]
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise BenchError(
                f"{path} was written by a newer version (schema {version}, this one reads {SCHEMA_VERSION}); update "
                "climate2gpp-bench."
            )
        description = DatasetDescription.model_validate_json(content)
        if description.fingerprint != fingerprint:
            raise ValueError("it describes another data set")
        cells, times = (_table(folder, name, description.files[name]) for name in _TABLES)
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        raise _corrupt(folder, error) from error
    return DatasetRecord(description, cells, times)


def _table(folder: Path, name: str, expected: str) -> pd.DataFrame:
    """A table of the record.

    Raises:
        ValueError: its content is another than when it was described, or has other columns.
        OSError: it is no file that can be read.
    """
    if (folder / name).stat().st_size > _MOST_TABLE_BYTES:
        raise ValueError(f"{name} is larger than the table of any data set")
    if sha256(folder / name) != expected:
        raise ValueError(f"{name} has changed")
    frame = pd.read_parquet(folder / name)
    kinds = {column: frame[column].dtype.kind for column in frame.columns}
    if kinds != _TABLES[name]:
        raise ValueError(f"{name} has other columns than it should")
    return frame


def _corrupt(folder: Path, error: Exception) -> CorruptRecord:
    why = one_line(str(error).partition("\n")[0], 200)
    return CorruptRecord(
        f"The data set's record {folder} is damaged ({why}); issue the `bench run` command again, which writes it anew."
    )


def _is_readable(store: Store, fingerprint: str) -> bool:
    try:
        return read_dataset_record(store, fingerprint) is not None
    except CorruptRecord:
        return False


def _cells(cube: Cube) -> pd.DataFrame:
    names = [name.removeprefix("land_cover_") for name in cube.static_names[: cube.n_land_cover]]
    return pd.DataFrame(
        {
            "lon": cube.lon,
            "lat": cube.lat,
            "land_cover": [names[index] for index in cube.land_cover_class],
            "climate": climate_classes.climate_classes(cube),
        }
    )


def _times(cube: Cube) -> pd.DataFrame:
    return pd.DataFrame({"time": cube.time, "year": cube.year, "step_of_year": cube.step_of_year})


def _parquet(frame: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.to_parquet(stream, index=False)
    return stream.getvalue()
