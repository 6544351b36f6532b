"""Stored predictions as one file for other programs: Parquet with a line per sample, or NetCDF by the CF conventions.

Predictions are ragged: jobs may be tested at different places and times. Where all of them have the same samples and
these are whole series of places, the NetCDF file has the axes job, place and time (CF 1.11, Appendix H.2.1: orthogonal
arrays of time series); else it has one axis of samples (H.1: points) with the job that each belongs to.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bench.data.coordinate_units import linear_unit
from bench.errors import BenchError
from bench.store.columns import read_frame
from bench.store.dataset_record import DatasetDescription, DatasetRecord, read_dataset_record
from bench.store.names import IMPORTANCE, PREDICTIONS
from bench.store.records import Record
from bench.store.result_tables import damaged_file
from bench.store.store import Store
from bench.version import __version__

if TYPE_CHECKING:
    import xarray as xr

ENDINGS = (".parquet", ".nc")
_TIME_UNITS, _CALENDAR = "days since 1970-01-01", "proleptic_gregorian"
_CARBON = re.compile(r"\b(k?g|mg|mol|umol) ?C\b")
"""Carbon in a unit, which UDUNITS does not know: CF says in the name of a quantity what it is a mass of."""
PREFIX = "importance_"
"""Before the name of a variable: how much it counts in a prediction, as the runner says."""
_STANDARD_NAMES = {"GPP": "gross_primary_productivity_of_biomass_expressed_as_carbon"}
"""CF's names of targets whose sign and meaning are surely CF's."""


@dataclass(frozen=True)
class Predictions:
    """The test predictions of several jobs of one data set and target.

    Attributes:
        records: of the jobs.
        frames: per job, its samples: cell, time, target, prediction, and importance_<variable> where it was asked for.
        dataset: what the store knows of the data.
    """

    records: tuple[Record, ...]
    frames: tuple[pd.DataFrame, ...]
    dataset: DatasetRecord

    @property
    def units(self) -> str:
        """Of target and prediction, as the data set writes them."""
        description, target = self.dataset.description, self.records[0].job.target
        return description.several_targets.get(target, "") if target else description.target_units

    @property
    def target(self) -> str:
        """Name of the target."""
        return self.records[0].job.target or self.dataset.description.target_name

    @property
    def importance(self) -> tuple[str, ...]:
        """Columns of importance; none where it was not asked for."""
        return tuple(name for name in self.frames[0].columns if name.startswith(PREFIX))


def stored_predictions(store: Store, record: Record) -> pd.DataFrame:
    """The samples of one job: cell, time, target, prediction.

    Raises:
        BenchError: the job is not done, or its file is damaged.
    """
    if record.status != "done":
        raise BenchError(f"Job {record.job_id} is {record.status}, not done: {record.reason}")
    return read_frame(store.file(record, PREDICTIONS))


def stored_importance(store: Store, record: Record) -> pd.DataFrame:
    """How much each variable counts in each prediction of a job: cell, time, then a column for each variable.

    Raises:
        BenchError: the job is not done, its runner does not explain itself, or a file is damaged.
    """
    if record.status == "done" and IMPORTANCE not in record.files:
        raise BenchError(
            f"Job {record.job_id} stored no importance: its runner, {record.job.runner}, does not explain its "
            "predictions. Those that do are in docs/interpretability.md, dual_branch_plus and gwr among them."
        )
    samples = stored_predictions(store, record)[["cell", "time"]]
    path = store.file(record, IMPORTANCE)
    found = read_frame(path)
    if not found[["cell", "time"]].equals(samples):
        raise damaged_file(path, "its samples are not those of the predictions")
    return found


def _samples(store: Store, record: Record, *, importance: bool) -> pd.DataFrame:
    frame = stored_predictions(store, record)
    if not importance:
        return frame
    explained = stored_importance(store, record).drop(columns=["cell", "time"]).add_prefix(PREFIX)
    return pd.concat([frame, explained], axis=1)


def gather(store: Store, records: Sequence[Record], *, importance: bool = False) -> Predictions:
    """Reads the predictions of jobs that belong into one file.

    Args:
        store: where they are.
        records: of the jobs, at least one.
        importance: whether to read how much each variable counts, too.

    Raises:
        BenchError: they are of different data or targets, one is not done, a file is damaged, the store does not
            know the data, or a job has no importance that is asked for.
    """
    first = records[0].job
    several = next((record.job for record in records if record.job.targets), None)
    if several is not None:
        raise BenchError(
            f"Job {several.id} predicts {', '.join(several.targets)} together, and a file holds one; read it with "
            "bench.predictions(), whose column `variable` tells them apart."
        )
    for job in (record.job for record in records):
        if (job.dataset_fingerprint, job.target) != (first.dataset_fingerprint, first.target):
            raise BenchError(
                f"Jobs {first.id} and {job.id} are of different data sets or targets ({first.dataset}, "
                f"{first.target or 'its only target'}; {job.dataset}, {job.target or 'its only target'}); export them "
                "into one file each."
            )
    dataset = read_dataset_record(store, first.dataset_fingerprint)
    if dataset is None:
        raise BenchError(
            f"Store {store.root} does not know the places and times of data set {first.dataset}; issue the `bench run` "
            "command again, which describes them."
        )
    return Predictions(tuple(records), tuple(_samples(store, one, importance=importance) for one in records), dataset)


def as_table(predictions: Predictions) -> pd.DataFrame:
    """One line per job and sample.

    Returns:
        ``job`` (its id), ``runner``, ``view``, ``variant``, ``train_cells``, ``repetition``, ``fold`` (empty where a
        job has none); ``cell`` and ``time`` (indices of the cube); ``lon`` and ``lat`` (degrees; of planar coordinates
        ``x`` and ``y``); ``date`` (first day of the step; not of data without time); ``target`` and ``prediction`` in
        the target's unit; ``importance_<variable>`` where it was gathered.
    """
    east, north = _axes(predictions.dataset.description)
    cells, times = predictions.dataset.cells, predictions.dataset.times
    frames = []
    for record, frame in zip(predictions.records, predictions.frames, strict=True):
        cell, time = frame["cell"].to_numpy(), frame["time"].to_numpy()
        columns: dict[str, Any] = {**_identity(record), "cell": cell, "time": time}
        columns |= {east: cells["lon"].to_numpy()[cell], north: cells["lat"].to_numpy()[cell]}
        if predictions.dataset.rhythm.days is not None:
            columns["date"] = times["time"].to_numpy()[time]
        columns |= {name: frame[name].to_numpy() for name in ("target", "prediction", *predictions.importance)}
        frames.append(pd.DataFrame(columns).astype({"train_cells": "Int64", "fold": "Int64"}))
    return pd.concat(frames, ignore_index=True)


def as_parquet(predictions: Predictions) -> bytes:
    """The table of `as_table` as Parquet; the schema's metadata has the unit, data set and fingerprint."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(as_table(predictions), preserve_index=False)
    about = {key: value.encode() for key, value in _about(predictions).items()}
    stream = io.BytesIO()
    metadata = {**(table.schema.metadata or {}), **{key.encode(): value for key, value in about.items()}}
    pq.write_table(table.replace_schema_metadata(metadata), stream, compression="zstd")
    return stream.getvalue()


def as_dataset(predictions: Predictions) -> xr.Dataset:
    """An xarray data set by the CF conventions, as the head of this module says."""
    import xarray as xr

    first = predictions.frames[0]
    keys = first[["cell", "time"]].to_numpy()
    alike = all(np.array_equal(frame[["cell", "time"]].to_numpy(), keys) for frame in predictions.frames[1:])
    cells, times = (np.unique(keys[:, index]) for index in (0, 1))
    whole = len(keys) == len(cells) * len(times) and not first.duplicated(["cell", "time"]).any()
    found = _series(predictions, cells, times) if alike and whole else _points(predictions)
    attributes = {"Conventions": "CF-1.11", "featureType": "timeSeries" if alike and whole else "point"}
    if predictions.dataset.rhythm.days is None:
        attributes["featureType"] = "point"
    found.attrs = attributes | _about(predictions)
    crs = predictions.dataset.description.crs
    if crs is not None:
        found["crs"] = xr.DataArray(np.int32(0), attrs=_grid_mapping(crs))
    return found


def write(predictions: Predictions, path: Path) -> None:
    """Writes the predictions in the format that the file's ending names; the file is there whole or not at all.

    Raises:
        BenchError: the ending is unknown.
        OSError: the file cannot be written.
    """
    from bench.system.disk import write_atomically

    if path.suffix not in ENDINGS:
        raise BenchError(f"{path.name} ends in neither of {' and '.join(ENDINGS)}, which name the format; rename it.")
    if path.suffix == ".parquet":
        write_atomically(path, as_parquet(predictions))
        return
    found = as_dataset(predictions)
    encoding: dict[str, dict[str, Any]] = {
        str(name): {"zlib": True, "complevel": 4} for name in found.data_vars if found[name].dtype.kind == "f"
    }
    if "time" in found.variables:
        encoding["time"] = {"units": _TIME_UNITS, "calendar": _CALENDAR, "dtype": "int32", "_FillValue": None}
    written = found.to_netcdf(None, engine="netcdf4", format="NETCDF4", encoding=encoding)
    write_atomically(path, bytes(written))


def _identity(record: Record) -> dict[str, Any]:
    job = record.job
    return {
        "job": record.job_id,
        "runner": job.runner,
        "view": job.view or "",
        "variant": job.variant or "",
        "train_cells": job.split.get("train_cells"),
        "repetition": job.repetition,
        "fold": job.split.get("fold"),
    }


def _about(predictions: Predictions) -> dict[str, str]:
    description, job = predictions.dataset.description, predictions.records[0].job
    about = {
        "title": f"Test predictions of {predictions.target}, data set {description.title}",
        "source": f"climate2gpp-bench {__version__}",
        "dataset": job.dataset,
        "dataset_fingerprint": job.dataset_fingerprint,
        "target_name": predictions.target,
        "target_units": predictions.units,
    }
    known = {"license": "licence", "references": "citation"}  # CF's and ACDD's names, and those of a cube's provenance
    return about | {name: description.provenance[key] for name, key in known.items() if description.provenance.get(key)}


def _axes(description: DatasetDescription) -> tuple[str, str]:
    return ("lon", "lat") if description.crs is None else ("x", "y")


def _coordinates(predictions: Predictions, dimension: str, cells: Any, times: tuple[str, Any]) -> dict[str, Any]:
    """Places and times with their CF attributes."""
    description = predictions.dataset.description
    names, of_cells = _axes(description), predictions.dataset.cells
    if description.crs is None:
        attributes = [
            {"standard_name": "longitude", "long_name": "longitude", "units": "degrees_east"},
            {"standard_name": "latitude", "long_name": "latitude", "units": "degrees_north"},
        ]
    else:
        units = _grid_units(description.crs)
        attributes = [
            {"standard_name": f"projection_{axis}_coordinate", "long_name": f"{axis} of {description.crs}"} | units
            for axis in names
        ]
    found: dict[str, Any] = {
        name: (dimension, of_cells[column].to_numpy(np.float64)[cells], attribute)
        for name, column, attribute in zip(names, ("lon", "lat"), attributes, strict=True)
    }
    found["cell"] = (dimension, cells.astype(np.int32), {"long_name": "index of the cell in the data set"})
    if "place" in of_cells:
        attribute = {"long_name": "name of the place"}
        found["place"] = (dimension, of_cells["place"].to_numpy(str)[cells].astype(object), attribute)
    if predictions.dataset.rhythm.days is not None:
        axis, steps = times
        days = predictions.dataset.times["time"].to_numpy("datetime64[ns]")[steps]
        attribute = {"standard_name": "time", "axis": "T"}
        step = predictions.dataset.rhythm.step
        found["time"] = (axis, days, attribute | {"long_name": f"first day of the {step}"})
    return found


def _values(predictions: Predictions) -> tuple[dict[str, str], dict[str, str]]:
    """Attributes of the target and of the predictions."""
    units = _CARBON.sub(r"\1", predictions.units)
    common = {"units": units or "1"}
    if predictions.target in _STANDARD_NAMES and units != predictions.units:
        common["standard_name"] = _STANDARD_NAMES[predictions.target]
    if predictions.dataset.description.crs is not None:
        common["grid_mapping"] = "crs"
    said = f"{predictions.target} ({predictions.units})"
    return common | {"long_name": f"{said}, the data set's"}, common | {"long_name": f"{said}, predicted"}


def _of_importance(name: str) -> dict[str, str]:
    variable = name.removeprefix(PREFIX)
    return {"long_name": f"importance of {variable} for the prediction; docs/interpretability.md says of which kind"}


def _of_jobs(predictions: Predictions) -> dict[str, Any]:
    """What is known of each job, along the axis ``job``."""
    table = pd.DataFrame([_identity(record) for record in predictions.records])
    texts = {
        "job": "id of the job",
        "runner": "runner",
        "view": "feature view",
        "variant": "what is changed in the runner",
    }
    found: dict[str, Any] = {
        name: ("job", table[name].to_numpy(object), {"long_name": said}) for name, said in texts.items()
    }
    numbers = {"repetition": "number of the repetition", "train_cells": "sampled training cells", "fold": "fold"}
    for name, said in numbers.items():
        if table[name].notna().any():
            values = table[name].fillna(-1).to_numpy(np.int32)
            found[name] = ("job", values, {"long_name": said, "units": "1"})
    return found


def _series(predictions: Predictions, cells: Any, times: Any) -> xr.Dataset:
    import xarray as xr

    of_target, of_prediction = _values(predictions)
    shape = len(cells), len(times)
    order = [np.lexsort((frame["time"], frame["cell"])) for frame in predictions.frames]

    def values(index: int, name: str) -> Any:
        return predictions.frames[index][name].to_numpy()[order[index]].reshape(shape)

    def stacked(name: str) -> Any:
        return np.stack([values(index, name) for index in range(len(order))])

    axes = ("place", "time") if predictions.dataset.rhythm.days is not None else ("place", "step")
    coordinates = _coordinates(predictions, "place", cells, ("time", times))
    if "place" in coordinates:  # a coordinate of that name would be the axis itself
        coordinates["place_name"] = coordinates.pop("place")
    coordinates["cell"][2]["cf_role"] = "timeseries_id"
    return xr.Dataset(
        {
            "target": (axes, values(0, "target"), of_target),
            "prediction": (("job", *axes), stacked("prediction"), of_prediction),
            **{name: (("job", *axes), stacked(name), _of_importance(name)) for name in predictions.importance},
        },
        coordinates | _of_jobs(predictions),
    )


def _points(predictions: Predictions) -> xr.Dataset:
    import xarray as xr

    of_target, of_prediction = _values(predictions)
    frames = pd.concat(predictions.frames, ignore_index=True)
    counts = [len(frame) for frame in predictions.frames]
    owner = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    coordinates = _coordinates(predictions, "sample", frames["cell"].to_numpy(), ("sample", frames["time"].to_numpy()))
    coordinates["time"][2].pop("axis", None) if "time" in coordinates else None  # no axis of the file
    attribute = {"long_name": "position of the sample's job along the axis job", "units": "1"}
    return xr.Dataset(
        {
            "target": ("sample", frames["target"].to_numpy(), of_target),
            "prediction": ("sample", frames["prediction"].to_numpy(), of_prediction),
            "job_index": ("sample", owner, attribute),
            **{name: ("sample", frames[name].to_numpy(), _of_importance(name)) for name in predictions.importance},
        },
        coordinates | _of_jobs(predictions),
    )


def _grid_mapping(crs: str) -> dict[str, str]:
    from rasterio.crs import CRS

    return {"crs_wkt": CRS.from_user_input(crs).to_wkt(), "long_name": crs}


def _grid_units(crs: str) -> dict[str, str]:
    unit = linear_unit(crs)
    return {} if unit is None else {"units": {"metre": "m", "meter": "m"}.get(unit, unit)}
