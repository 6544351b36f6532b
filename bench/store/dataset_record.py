"""What a store knows of a data set, so that `bench report` reads nothing but the store.

``datasets/<fingerprint>/`` holds ``dataset.json`` (type `DatasetDescription`), ``cells.parquet``, ``times.parquet``
and, of data with gaps or with a split of their own, ``samples.parquet``; `docs/results-format.md` describes them.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from bench.data import climate_classes
from bench.data import rhythm as rhythms
from bench.data.cube import Cube
from bench.data.rhythm import EIGHT_DAY, Rhythm
from bench.data.splits import Layout
from bench.errors import BenchError, what_is_wrong
from bench.store.columns import read_frame
from bench.store.names import CELLS, DATASET, SAMPLES, TIMES
from bench.store.place import STORED_STAYS
from bench.store.reading import CorruptRecord, require_known_schema
from bench.store.records import SCHEMA_VERSION
from bench.store.store import Store
from bench.system.disk import disk_errors, sha256, write_atomically
from bench.system.text import one_line
from bench.system.untrusted import is_regular, read_regular, remove_tree

_TABLES = {
    CELLS: {"lon": "f", "lat": "f", "land_cover": "O", "climate": "O"},
    TIMES: {"time": "M", "year": "i", "step_of_year": "i"},
}
"""Columns that the tables have at least, and NumPy's letters for their kinds."""
_MEASURED = "measured_"
"""Prefix of the column of ``samples.parquet`` that says where a target was measured."""
_MOST_BYTES = 200_000_000  # of ``dataset.json``
_MOST_TABLE_BYTES = 2_000_000_000


class DatasetDescription(BaseModel):
    """The content of ``dataset.json``.

    Attributes:
        schema_version: version of this type.
        fingerprint: SHA-256 of the data set's content, as in its jobs.
        name: of the data set.
        title: what it is.
        target_name: for example GPP; of several targets, the first.
        target_units: for example gC m-2 d-1.
        feature_names: climate features.
        feature_units: one per climate feature.
        static_names: static features; those of land cover begin with ``land_cover_``.
        static_units: one per static feature.
        step_days: length of a step, in whole days; 0 for data without time.
        rhythm: name of the data set's `Rhythm`.
        several_targets: name → units of every target, where there are several.
        crs: of planar coordinates; None for degrees.
        groupings: categories by which results are grouped; each is a column of the cells.
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
    rhythm: str = EIGHT_DAY.name
    several_targets: Mapping[str, str] = Field(default_factory=dict)
    crs: str | None = None
    groupings: tuple[str, ...] = ()
    climate_source: str
    provenance: Mapping[str, str]
    files: Mapping[str, str]


@dataclass(frozen=True)
class DatasetRecord:
    """A data set as the store describes it.

    Attributes:
        description: names, units, provenance.
        cells: one row per cell of the cube, in its order: lon and lat (degrees, or planar coordinates), land_cover (the
            commonest class; ``unknown`` where the data have none), climate (its class, see
            `bench.data.climate_classes`), a column per grouping and, where the data name their places, place.
        times: one row per step of the cube, in its order: time (first day), year, step_of_year (from 1).
        samples: one row per cell and time, in this order: split (the data's own) and ``measured_TARGET``, as far as the
            data have them; None where every target was measured everywhere and no split came with the data.
    """

    description: DatasetDescription
    cells: pd.DataFrame
    times: pd.DataFrame
    samples: pd.DataFrame | None = None

    @property
    def rhythm(self) -> Rhythm:
        """How the steps divide the year."""
        return rhythms.get(self.description.rhythm)

    def layout(self, target: str | None) -> Layout:
        """What splits of one of its targets depend on.

        Args:
            target: name; None for the only one, or where all of several are meant: then any that was measured counts.
        """
        shape = len(self.cells), len(self.times)
        own = measured = None
        if self.samples is not None:
            wanted = [target] if target else list(self.description.several_targets) or [self.description.target_name]
            columns = [_MEASURED + name for name in wanted if _MEASURED + name in self.samples]
            if "split" in self.samples:
                own = self.samples["split"].to_numpy(np.int8).reshape(shape)
            if len(columns) == len(wanted):
                measured = np.asarray(self.samples[columns].to_numpy(np.bool_).any(axis=1)).reshape(shape)
        groupings = self.description.groupings
        return Layout(
            self.cells[["lon", "lat"]].to_numpy(np.float64),
            self.description.crs is not None,
            self.times["year"].to_numpy(np.int64),
            self.times["step_of_year"].to_numpy(np.int64),
            self.cells[groupings[0]].to_numpy(np.str_) if groupings else None,
            own,
            measured,
        )


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

    A readable one of another number of places or steps, or of other features, is written anew: stored jobs are held
    against it.

    Raises:
        BenchError: the disk is full or may not be written, or a newer version has described it.
    """
    folder = dataset_folder(store, cube.fingerprint)
    if _describes(store, cube):
        return
    frames = dict(zip(_TABLES, (_cells(cube), _times(cube)), strict=True))
    samples = _samples(cube)
    if samples is not None:
        frames[SAMPLES] = samples
    tables = {name: parquet_bytes(frame) for name, frame in frames.items()}
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
        step_days=round(cube.rhythm.days or 0),
        rhythm=cube.rhythm.name,
        several_targets=dict(cube.several_targets),
        crs=cube.crs,
        groupings=cube.groupings,
        climate_source=climate_classes.SOURCE,
        provenance=dict(cube.provenance),
        files={name: hashlib.sha256(content).hexdigest() for name, content in tables.items()},
    )
    with disk_errors(f"The record of the data set in store {store.root}", STORED_STAYS):
        if folder.is_symlink():
            remove_tree(folder)  # what is written into this store stays in it
        folder.mkdir(parents=True, exist_ok=True)
        # The description comes last: whoever finds it finds the tables too.
        for name, content in (tables | {DATASET: description.model_dump_json(indent=1).encode()}).items():
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
    path = folder / DATASET
    try:
        content = read_regular(path, _MOST_BYTES)
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise BenchError(f"{path} may not be read; grant read permission on it.") from error
    except OSError as error:
        raise _corrupt(folder, error) from error
    try:
        require_known_schema(content, path)
        description = DatasetDescription.model_validate_json(content)
        if description.fingerprint != fingerprint:
            raise ValueError("it describes another data set")
        tables = {name: _table(folder, name, description.files[name]) for name in _TABLES}
        if SAMPLES in description.files:
            tables[SAMPLES] = _table(folder, SAMPLES, description.files[SAMPLES])
            if len(tables[SAMPLES]) != len(tables[CELLS]) * len(tables[TIMES]):
                raise ValueError(f"{SAMPLES} has another number of rows than it should")
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        raise _corrupt(folder, error) from error
    return DatasetRecord(description, tables[CELLS], tables[TIMES], tables.get(SAMPLES))


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
    frame = read_frame(folder / name)
    wanted = _TABLES.get(name, {})
    if any(column not in frame or frame[column].dtype.kind != kind for column, kind in wanted.items()):
        raise ValueError(f"{name} has other columns than it should")
    return frame


def _corrupt(folder: Path, error: Exception) -> CorruptRecord:
    why = one_line(what_is_wrong(error), 200)
    return CorruptRecord(
        f"The data set's record {folder} is damaged ({why}); issue the `bench run` command again, which writes it anew."
    )


def _describes(store: Store, cube: Cube) -> bool:
    """Whether a readable description of the cube, with its places, steps and features, is there."""
    try:
        found = read_dataset_record(store, cube.fingerprint)
    except CorruptRecord:
        return False
    if found is None:
        return False
    names = found.description.feature_names, found.description.static_names
    own = cube.n_cells, cube.n_times, (cube.feature_names, cube.static_names)
    return (len(found.cells), len(found.times), names) == own


def _cells(cube: Cube) -> pd.DataFrame:
    names = np.array([name.removeprefix("land_cover_") for name in cube.static_names[: cube.n_land_cover]])
    frame = pd.DataFrame(
        {
            "lon": cube.lon,
            "lat": cube.lat,
            "land_cover": names[cube.land_cover_class] if len(names) else climate_classes.UNKNOWN,
            "climate": climate_classes.climate_classes(cube),
        }
    )
    for category in cube.groupings:
        frame[category] = cube.labels_of(category)
    if cube.place_names is not None:
        frame["place"] = list(cube.place_names)
    return frame


def _samples(cube: Cube) -> pd.DataFrame | None:
    columns: dict[str, npt.NDArray[Any]] = {}
    if cube.split is not None:
        columns["split"] = np.asarray(cube.split).reshape(-1)
    if cube.has_gaps:
        targets = np.asarray(cube.target).reshape(cube.n_cells * cube.n_times, -1)
        columns |= {_MEASURED + name: ~np.isnan(targets[:, index]) for index, name in enumerate(cube.target_names)}
    return pd.DataFrame(columns) if columns else None


def _times(cube: Cube) -> pd.DataFrame:
    return pd.DataFrame({"time": cube.time, "year": cube.year, "step_of_year": cube.step_of_year})


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    """A data frame as the content of a Parquet file."""
    stream = io.BytesIO()
    frame.to_parquet(stream, index=False)
    return stream.getvalue()
