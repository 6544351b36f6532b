"""The cube: one rectangular set of arrays that every dataset becomes.

In memory a cube is a handful of contiguous arrays. On disk it is a Zarr (version 3) group in which each array is one
uncompressed chunk: xarray and zarr open it like any other store, and the same bytes memory-map, so that a cube larger
than memory costs nothing to open. Training windows are indices (cell, time) into these arrays.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from bench.errors import BenchError

if TYPE_CHECKING:
    from zarr.core.common import JSON

FloatArray = npt.NDArray[np.float32]
STEPS_PER_YEAR = 46
"""8-day steps in a year, counted from 1 January; the last one is shorter (5 or 6 days)."""
CUBE_FORMAT = 1
"""Version of the on-disk layout, stored in the Zarr attributes as ``bench_cube_format``."""
_TIME_UNITS = "days since 1970-01-01"
_HASH_BLOCK = 1 << 24  # bytes hashed at once, so that a memory-mapped cube is never read whole


@dataclass(frozen=True)
class Cube:
    """Climate, static features and target of every land cell at every step.

    Attributes:
        name: the dataset that the cube was made from.
        climate: (cell, time, feature) float32, in ``feature_units``.
        static: (cell, static_feature) float32; the first ``n_land_cover`` columns are land-cover fractions in 0–1.
        target: (cell, time) float32, in ``target_units``.
        lon: (cell,) float64, degrees east in [-180, 180).
        lat: (cell,) float64, degrees north.
        time: (time,) datetime64[D], the first day of each 8-day step.
        feature_names: one per climate feature.
        feature_units: one per climate feature.
        static_names: one per static feature.
        static_units: one per static feature.
        n_land_cover: how many leading columns of ``static`` are land-cover fractions.
        target_name: for example ``GPP``.
        target_units: for example ``gC m-2 d-1``.
        provenance: title, source, licence, citation and notes, as text.
        withheld: (cell, time) float32 arrays that made the target but are no feature, such as LAI; only runners that
            ask for them by name (the PML_V2 reference) see them.
    """

    name: str
    climate: FloatArray
    static: FloatArray
    target: FloatArray
    lon: npt.NDArray[np.float64]
    lat: npt.NDArray[np.float64]
    time: npt.NDArray[np.datetime64]
    feature_names: tuple[str, ...]
    feature_units: tuple[str, ...]
    static_names: tuple[str, ...]
    static_units: tuple[str, ...]
    n_land_cover: int
    target_name: str
    target_units: str
    provenance: Mapping[str, str]
    withheld: Mapping[str, FloatArray] = field(default_factory=dict)

    @property
    def n_cells(self) -> int:
        """Number of land cells."""
        return int(self.climate.shape[0])

    @property
    def n_times(self) -> int:
        """Number of 8-day steps in the whole series."""
        return int(self.climate.shape[1])

    @cached_property
    def year(self) -> npt.NDArray[np.int64]:
        """(time,) calendar year of each step."""
        years: npt.NDArray[np.int64] = self.time.astype("datetime64[Y]").astype(np.int64)
        return years + 1970

    @cached_property
    def step_of_year(self) -> npt.NDArray[np.int64]:
        """(time,) 8-day step of the year, 1–46: the paper's *week*."""
        elapsed = self.time - self.time.astype("datetime64[Y]")
        day: npt.NDArray[np.int64] = elapsed.astype("timedelta64[D]").astype(np.int64)
        step: npt.NDArray[np.int64] = np.add(np.floor_divide(day, 8), 1)
        return step

    @cached_property
    def land_cover_class(self) -> npt.NDArray[np.int64]:
        """(cell,) column of the dominant land-cover fraction; ties go to the first."""
        dominant: npt.NDArray[np.int64] = np.argmax(self.static[:, : self.n_land_cover], axis=1)
        return dominant

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over names, units, shapes and every value: two cubes with one fingerprint give the same numbers."""
        digest = hashlib.sha256(json.dumps(self._schema(), sort_keys=True).encode())
        for name, array in sorted(self._arrays().items()):
            digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
            flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            for start in range(0, flat.size, _HASH_BLOCK):
                digest.update(flat[start : start + _HASH_BLOCK].tobytes())
                _release_pages(array)
        return digest.hexdigest()

    def validate(self) -> Cube:
        """Returns the cube itself, if its shapes agree and every value is finite.

        Raises:
            BenchError: a shape disagrees, names are repeated, coordinates leave their range, time does not increase,
                or a value is NaN or infinite; the message names the array and the first offending place.
        """
        n_cells, n_times = self.n_cells, self.n_times
        if n_cells == 0 or n_times == 0:
            raise BenchError(
                f"Data set {self.name!r} has {n_cells} cells and {n_times} steps; both must be at least one."
            )
        expected = {
            "climate": (n_cells, n_times, len(self.feature_names)),
            "static": (n_cells, len(self.static_names)),
            "target": (n_cells, n_times),
            "lon": (n_cells,),
            "lat": (n_cells,),
            "time": (n_times,),
        } | {f"withheld/{name}": (n_cells, n_times) for name in self.withheld}
        for name, array in self._arrays().items():
            if array.shape != expected[name]:
                raise BenchError(
                    f"Data set {self.name!r}: array {name!r} has shape {array.shape}, expected {expected[name]}; "
                    "rebuild the cube."
                )
            if array.dtype.kind == "f":
                self._require_finite(name, array)
        names = (*self.feature_names, *self.static_names)
        if len(set(names)) != len(names):
            repeated = sorted({name for name in names if names.count(name) > 1})
            raise BenchError(f"Data set {self.name!r}: feature names are repeated: {', '.join(repeated)}.")
        if len(self.feature_units) != len(self.feature_names) or len(self.static_units) != len(self.static_names):
            raise BenchError(f"Data set {self.name!r}: every feature needs exactly one unit.")
        if not 0 < self.n_land_cover <= len(self.static_names):
            raise BenchError(
                f"Data set {self.name!r}: n_land_cover is {self.n_land_cover}, outside 1–{len(self.static_names)}."
            )
        if np.abs(self.lat).max() > 90 or self.lon.min() < -180 or self.lon.max() >= 180:
            raise BenchError(f"Data set {self.name!r}: lon must lie in [-180, 180) and lat in [-90, 90].")
        if n_times > 1 and not np.all(np.diff(self.time) > np.timedelta64(0, "D")):
            raise BenchError(f"Data set {self.name!r}: the time axis does not increase.")
        return self

    def _require_finite(self, name: str, array: npt.NDArray[Any]) -> None:
        rows = max(1, _HASH_BLOCK // max(1, array[:1].nbytes))
        for start in range(0, len(array), rows):
            bad = ~np.isfinite(array[start : start + rows])
            _release_pages(array)
            if bad.any():
                where = tuple(int(i) for i in np.argwhere(bad)[0] + np.array([start] + [0] * (array.ndim - 1)))
                label = f", feature {self.feature_names[where[2]]!r}" if name == "climate" else ""
                raise BenchError(
                    f"Data set {self.name!r}: array {name!r} is NaN or infinite at index {where}{label}; "
                    "drop the cell or fill the value before building the cube."
                )

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        arrays: dict[str, npt.NDArray[Any]] = {
            "climate": self.climate,
            "static": self.static,
            "target": self.target,
            "lon": self.lon,
            "lat": self.lat,
            "time": self.time,
        }
        return arrays | {f"withheld/{name}": array for name, array in self.withheld.items()}

    def _schema(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "feature_names": list(self.feature_names),
            "feature_units": list(self.feature_units),
            "static_names": list(self.static_names),
            "static_units": list(self.static_units),
            "n_land_cover": self.n_land_cover,
            "target_name": self.target_name,
            "target_units": self.target_units,
        }


class CubeWriter:
    """Writes a cube block by block: the arrays are memory maps onto the Zarr chunks of a temporary folder.

    ``finish`` checks the cube, stores its fingerprint and moves the folder to ``path`` in one rename; before that,
    ``path`` does not exist, and a killed build leaves only a ``*.partial`` folder that the next build removes.
    """

    _DIMENSIONS = {
        "climate": ("cell", "time", "feature"),
        "static": ("cell", "static_feature"),
        "target": ("cell", "time"),
        "lon": ("cell",),
        "lat": ("cell",),
        "time": ("time",),
    }

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        lon: npt.NDArray[np.float64],
        lat: npt.NDArray[np.float64],
        time: npt.NDArray[np.datetime64],
        features: Mapping[str, str],
        static_features: Mapping[str, str],
        n_land_cover: int,
        target_name: str,
        target_units: str,
        provenance: Mapping[str, str],
        withheld: Mapping[str, str] | None = None,
    ) -> None:
        """Creates empty arrays on disk; ``features``, ``static_features`` and ``withheld`` map names to units."""
        import zarr

        self.path = path
        self._partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        path.parent.mkdir(parents=True, exist_ok=True)
        for stale in path.parent.glob(f"{path.name}.*.partial"):
            if not _is_alive(stale.name.split(".")[-2]):
                shutil.rmtree(stale, ignore_errors=True)
        n_cells, n_times = len(lon), len(time)
        units = dict(withheld or {})
        self._schema: dict[str, Any] = {
            "name": name,
            "feature_names": list(features),
            "feature_units": list(features.values()),
            "static_names": list(static_features),
            "static_units": list(static_features.values()),
            "n_land_cover": n_land_cover,
            "target_name": target_name,
            "target_units": target_units,
        }
        try:
            self._group = zarr.create_group(store=str(self._partial), overwrite=True, zarr_format=3)
            self._group.attrs.update(
                {
                    "bench_cube_format": CUBE_FORMAT,
                    "schema": self._schema,
                    "provenance": dict(provenance),
                    "withheld": units,
                }
            )
            self.climate = self._create("climate", (n_cells, n_times, len(features)), np.dtype("<f4"))
            self.static = self._create("static", (n_cells, len(static_features)), np.dtype("<f4"))
            self.target = self._create("target", (n_cells, n_times), np.dtype("<f4"), units=target_units)
            self.withheld = {
                key: self._create(f"withheld/{key}", (n_cells, n_times), np.dtype("<f4"), units=unit)
                for key, unit in units.items()
            }
            self._create("lon", (n_cells,), np.dtype("<f8"), units="degrees_east")[:] = lon
            self._create("lat", (n_cells,), np.dtype("<f8"), units="degrees_north")[:] = lat
            days = time.astype("datetime64[D]").astype(np.int64)
            self._create("time", (n_times,), np.dtype("<i8"), units=_TIME_UNITS)[:] = days
        except BaseException:
            self.abort()
            raise

    def _create(
        self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], units: str | None = None
    ) -> np.memmap[Any, Any]:
        attributes: dict[str, JSON] = {"units": units} if units else {}
        if name == "time":
            attributes["calendar"] = "proleptic_gregorian"
        self._group.create_array(
            name=name,
            shape=shape,
            chunks=shape,
            dtype=dtype,
            compressors=None,
            dimension_names=self._DIMENSIONS.get(name, ("cell", "time")),
            attributes=attributes,
        )
        chunk = _chunk_file(self._partial, name, len(shape))
        chunk.parent.mkdir(parents=True, exist_ok=True)
        if hasattr(os, "posix_fallocate"):
            # Without its blocks reserved, a write through the map to a full disk would end the process by SIGBUS.
            with chunk.open("wb") as stream:
                os.posix_fallocate(stream.fileno(), 0, max(1, int(np.prod(shape)) * dtype.itemsize))
            return np.memmap(chunk, dtype=dtype, mode="r+", shape=shape)
        return np.memmap(chunk, dtype=dtype, mode="w+", shape=shape)

    def finish(self) -> Cube:
        """Checks the written values, stores the fingerprint, publishes the folder and opens it."""
        arrays = (self.climate, self.static, self.target, *self.withheld.values())
        for array in arrays:
            array.flush()
        cube = _open(self._partial).validate()
        self._group.attrs["fingerprint"] = cube.fingerprint
        if self.path.exists():
            shutil.rmtree(self.path)
        os.replace(self._partial, self.path)
        return open_cube(self.path)

    def abort(self) -> None:
        """Removes the partial folder."""
        shutil.rmtree(self._partial, ignore_errors=True)


def write_cube(path: Path, cube: Cube) -> Cube:
    """Stores a cube that is in memory and returns it opened from disk.

    Args:
        path: folder to create (replaced if there).
        cube: a valid cube.
    """
    cube.validate()
    writer = CubeWriter(
        path,
        name=cube.name,
        lon=cube.lon,
        lat=cube.lat,
        time=cube.time,
        features=dict(zip(cube.feature_names, cube.feature_units, strict=True)),
        static_features=dict(zip(cube.static_names, cube.static_units, strict=True)),
        n_land_cover=cube.n_land_cover,
        target_name=cube.target_name,
        target_units=cube.target_units,
        provenance=cube.provenance,
        withheld=dict.fromkeys(cube.withheld, ""),
    )
    try:
        writer.climate[:], writer.static[:], writer.target[:] = cube.climate, cube.static, cube.target
        for name, array in cube.withheld.items():
            writer.withheld[name][:] = array
        return writer.finish()
    except BaseException:
        writer.abort()
        raise


def open_cube(path: Path) -> Cube:
    """Opens a stored cube as memory maps, reading no values.

    Raises:
        BenchError: the folder is no cube, was written by a newer version, or lacks a variable.
    """
    cube = _open(path)
    stored = _read_json(path / "zarr.json")["attributes"].get("fingerprint")
    if not isinstance(stored, str):
        raise BenchError(
            f"Cube {path} carries no fingerprint: its build was cut short; delete the folder and build it again."
        )
    cube.__dict__["fingerprint"] = stored  # trusted here; `bench data verify` recomputes it
    return cube


def verify_cube(path: Path) -> str:
    """Recomputes the fingerprint of a stored cube and returns it.

    Raises:
        BenchError: a value is not finite, or the bytes differ from those that were written.
    """
    stored, actual = open_cube(path).fingerprint, _open(path).validate().fingerprint
    if stored != actual:
        raise BenchError(
            f"Cube {path} is damaged: fingerprint {actual[:12]} instead of {stored[:12]}; delete the folder and "
            "build it again."
        )
    return actual


def _open(path: Path) -> Cube:
    try:
        attributes = _read_json(path / "zarr.json")["attributes"]
        version = attributes["bench_cube_format"]
        schema = attributes["schema"]
    except (KeyError, TypeError) as error:
        raise BenchError(
            f"{path} is no cube of this project (missing {error}); name another folder or build it again."
        ) from error
    if not isinstance(version, int) or version > CUBE_FORMAT:
        raise BenchError(
            f"Cube {path} has format {version}, this version reads up to {CUBE_FORMAT}; update climate2gpp-bench."
        )
    try:
        days = np.asarray(_map(path, "time"))
        return Cube(
            name=schema["name"],
            climate=_map(path, "climate"),
            static=_map(path, "static"),
            target=_map(path, "target"),
            lon=np.asarray(_map(path, "lon")),
            lat=np.asarray(_map(path, "lat")),
            time=days.astype("datetime64[D]"),
            feature_names=tuple(schema["feature_names"]),
            feature_units=tuple(schema["feature_units"]),
            static_names=tuple(schema["static_names"]),
            static_units=tuple(schema["static_units"]),
            n_land_cover=int(schema["n_land_cover"]),
            target_name=schema["target_name"],
            target_units=schema["target_units"],
            provenance=attributes["provenance"],
            withheld={name: _map(path, f"withheld/{name}") for name in attributes["withheld"]},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BenchError(
            f"The metadata of cube {path} is damaged ({error!r}); delete the folder and build it again."
        ) from error


def _chunk_file(root: Path, name: str, n_dimensions: int) -> Path:
    return root.joinpath(name, "c", *["0"] * n_dimensions)


def _map(root: Path, name: str) -> npt.NDArray[Any]:
    metadata_file = root / name / "zarr.json"
    if not metadata_file.exists():
        raise BenchError(f"Cube {root} lacks the variable {name!r}; delete the folder and build it again.")
    metadata = _read_json(metadata_file)
    shape, dtype = tuple(metadata["shape"]), np.dtype(metadata["data_type"])
    chunk = _chunk_file(root, name, len(shape))
    expected = int(np.prod(shape)) * dtype.itemsize
    actual = chunk.stat().st_size if chunk.exists() else 0
    if actual != expected:
        raise BenchError(
            f"Cube {root}: variable {name!r} holds {actual} bytes instead of {expected}; delete the folder and "
            "build it again."
        )
    return cast("npt.NDArray[Any]", np.memmap(chunk, dtype=dtype, mode="r", shape=shape))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return cast("dict[str, Any]", json.loads(path.read_text()))
    except FileNotFoundError as error:
        raise BenchError(
            f"{path.parent} is no cube of this project (there is no {path.name}); name another folder or build it "
            "again."
        ) from error
    except PermissionError as error:
        raise BenchError(f"{path} may not be read; grant read permission on it.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BenchError(f"{path} is damaged ({error}); delete the folder and build it again.") from error


def _release_pages(array: npt.NDArray[Any]) -> None:
    """Lets go of the resident pages of a memory map, so that reading a large cube once costs no memory."""
    mapping = getattr(array, "_mmap", None)
    if isinstance(mapping, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)  # the file keeps the values: nothing is lost


def _is_alive(pid: str) -> bool:
    import psutil

    return pid.isdigit() and bool(psutil.pid_exists(int(pid)))
