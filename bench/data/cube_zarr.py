"""Cubes on disk: a Zarr (version 3) group in which each array is one uncompressed chunk.

xarray and zarr open it like any other store, and the same bytes memory-map, so that a cube larger than memory costs
nothing to open. A cube is written block by block into a temporary folder and appears by one rename.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from bench.data import rhythm as rhythms
from bench.data.cube import Cube, FloatArray, normalised_lon
from bench.data.cube_metadata import CUBE_FORMAT, REBUILD, chunk_file, dates, map_array, read_attributes
from bench.data.rhythm import EIGHT_DAY, Rhythm
from bench.errors import BenchError
from bench.system.ownership import is_abandoned, owner

if TYPE_CHECKING:
    from zarr.core.common import JSON

_TIME_UNITS = "days since 1970-01-01"


class CubeWriter:
    """Writes a cube block by block: the arrays are memory maps onto the Zarr chunks of a temporary folder.

    ``finish`` checks the cube, stores its fingerprint and moves the folder to ``path`` in one rename; before that,
    ``path`` is what it was, and a killed build leaves only a ``*.partial`` (and perhaps the old cube as a
    ``*.replaced``) folder that the next build removes.
    """

    _DIMENSIONS = {
        "climate": ("cell", "time", "feature"),
        "static": ("cell", "static_feature"),
        "lon": ("cell",),
        "lat": ("cell",),
        "time": ("time",),
        "x": ("cell",),
        "y": ("cell",),
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
        rhythm: Rhythm = EIGHT_DAY,
        has_split: bool = False,
        several_targets: Mapping[str, str] | None = None,
        crs: str | None = None,
        place_names: tuple[str, ...] | None = None,
        groupings: tuple[str, ...] = (),
    ) -> None:
        """Creates empty arrays on disk.

        Args:
            path: folder of the cube.
            name: see `Cube`, as all that are not named here.
            lon: (cell,) degrees east, or x with a ``crs``.
            lat: (cell,) degrees north, or y with a ``crs``.
            time: (time,) first day of each step.
            features: name → units of the climate features.
            static_features: name → units; empty for none.
            n_land_cover: how many of them, from the first on, are land-cover fractions.
            target_name: of the target, or of the first of several.
            target_units: of the target, or of the first of several.
            provenance: texts.
            withheld: name → units of the withheld arrays.
            rhythm: how the steps divide the year.
            has_split: whether the data bring a split of their own, to be written into ``split``.
            several_targets: name → units, where there are several.
            crs: of planar coordinates.
            place_names: one per cell.
            groupings: categories by which results are grouped.
        """
        import zarr

        self.path = path
        self._partial = path.with_name(f"{path.name}.{owner()}.partial")
        path.parent.mkdir(parents=True, exist_ok=True)
        for remains in ("partial", "replaced"):
            for stale in path.parent.glob(f"{path.name}.*.{remains}"):
                if is_abandoned(stale):
                    shutil.rmtree(stale, ignore_errors=True)
        n_cells, n_times = len(lon), len(time)
        units = dict(withheld or {})
        targets = dict(several_targets or {})
        # Of what it describes, this cube has the sizes and the names; its values are yet to be written.
        self._schema = Cube(
            name=name,
            climate=np.empty((0, 0, 0), np.float32),
            static=np.empty((0, 0), np.float32),
            target=np.empty((0, 0), np.float32),
            lon=lon,
            lat=lat,
            time=time,
            feature_names=tuple(features),
            feature_units=tuple(features.values()),
            static_names=tuple(static_features),
            static_units=tuple(static_features.values()),
            n_land_cover=n_land_cover,
            target_name=target_name,
            target_units=target_units,
            provenance=provenance,
            rhythm=rhythm,
            several_targets=targets,
            crs=crs,
            place_names=place_names,
            groupings=groupings,
        ).schema()
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
            self.static: npt.NDArray[np.float32] = np.empty((n_cells, 0), np.float32)
            if static_features:
                self.static = self._create("static", (n_cells, len(static_features)), np.dtype("<f4"))
            shape = (n_cells, n_times, len(targets)) if targets else (n_cells, n_times)
            units_of_all = ", ".join(targets.values()) if targets else target_units
            self.target = self._create("target", shape, np.dtype("<f4"), units=units_of_all)
            self.split: npt.NDArray[np.int8] | None = None
            if has_split:
                self._group.attrs["has_split"] = True
                self.split = self._create("split", (n_cells, n_times), np.dtype("i1"))
            self.withheld = {
                key: self._create(f"withheld/{key}", (n_cells, n_times), np.dtype("<f4"), units=unit)
                for key, unit in units.items()
            }
            if crs is None:
                self._create("lon", (n_cells,), np.dtype("<f8"), units="degrees_east")[:] = normalised_lon(lon)
                self._create("lat", (n_cells,), np.dtype("<f8"), units="degrees_north")[:] = lat
            else:
                self._create("x", (n_cells,), np.dtype("<f8"))[:] = lon
                self._create("y", (n_cells,), np.dtype("<f8"))[:] = lat
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
            dimension_names=("cell", "time", "target_name")[: len(shape)]
            if name == "target"
            else self._DIMENSIONS.get(name, ("cell", "time")),
            attributes=attributes,
        )
        chunk = chunk_file(self._partial, name, len(shape))
        chunk.parent.mkdir(parents=True, exist_ok=True)
        if hasattr(os, "posix_fallocate"):
            # Without its blocks reserved, a write through the map to a full disk would end the process by SIGBUS.
            with chunk.open("wb") as stream:
                os.posix_fallocate(stream.fileno(), 0, max(1, int(np.prod(shape)) * dtype.itemsize))
            return np.memmap(chunk, dtype=dtype, mode="r+", shape=shape)
        return np.memmap(chunk, dtype=dtype, mode="w+", shape=shape)

    def finish(self) -> Cube:
        """Checks the written values, stores the fingerprint, publishes the folder and opens it."""
        for array in (self.climate, self.static, self.target, self.split, *self.withheld.values()):
            if isinstance(array, np.memmap):
                array.flush()
        cube = _open(self._partial).validate()
        if cube.has_gaps:
            self._group.attrs["has_gaps"] = True
        self._group.attrs["fingerprint"] = cube.fingerprint
        replaced = self._partial.with_suffix(".replaced")
        if self.path.exists():
            os.replace(self.path, replaced)  # in one piece: a half removed folder would pass for something else
        try:
            os.replace(self._partial, self.path)
        except BaseException:
            if replaced.exists():
                os.replace(replaced, self.path)
            raise
        shutil.rmtree(replaced, ignore_errors=True)
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
        rhythm=cube.rhythm,
        has_split=cube.split is not None,
        several_targets=cube.several_targets,
        crs=cube.crs,
        place_names=cube.place_names,
        groupings=cube.groupings,
    )
    try:
        writer.climate[:], writer.static[:], writer.target[:] = cube.climate, cube.static, cube.target
        if writer.split is not None and cube.split is not None:
            writer.split[:] = cube.split
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
    attributes = read_attributes(path)
    if attributes.fingerprint is None:
        raise BenchError(f"Cube {path} carries no fingerprint: its build was cut short; {REBUILD}.")
    # `bench.data.cube_seal` compares both with the bytes.
    cube.__dict__.update(fingerprint=attributes.fingerprint, has_gaps=attributes.has_gaps)
    return cube


def verify_cube(path: Path) -> str:
    """Recomputes the fingerprint of a stored cube and returns it.

    Raises:
        BenchError: a value is not finite, or the bytes differ from those that were written.
    """
    stored, actual = open_cube(path).fingerprint, _examined(path)
    if stored != actual:
        raise BenchError(f"Cube {path} is damaged: fingerprint {actual[:12]} instead of {stored[:12]}; {REBUILD}.")
    return actual


def _examined(path: Path) -> str:
    cube = _open(path)
    cube.__dict__["has_gaps"] = read_attributes(path).has_gaps
    return cube.examined()


def _open(path: Path) -> Cube:
    attributes = read_attributes(path)
    schema = attributes.schema_
    first, second = ("lon", "lat") if schema.crs is None else ("x", "y")
    lon = np.asarray(map_array(path, first), np.float64)
    return Cube(
        name=schema.name,
        climate=_floats(path, "climate"),
        static=_floats(path, "static") if schema.static_names else np.empty((len(lon), 0), np.float32),
        target=_floats(path, "target"),
        lon=lon,
        lat=np.asarray(map_array(path, second), np.float64),
        time=dates(path, map_array(path, "time")),
        feature_names=schema.feature_names,
        feature_units=schema.feature_units,
        static_names=schema.static_names,
        static_units=schema.static_units,
        n_land_cover=schema.n_land_cover,
        target_name=schema.target_name,
        target_units=schema.target_units,
        provenance=attributes.provenance,
        withheld={name: _floats(path, f"withheld/{name}") for name in attributes.withheld},
        rhythm=rhythms.get(schema.rhythm) if schema.rhythm is not None else EIGHT_DAY,
        split=cast("npt.NDArray[np.int8]", map_array(path, "split")) if attributes.has_split else None,
        several_targets=dict(schema.several_targets),
        crs=schema.crs,
        place_names=schema.place_names,
        groupings=schema.groupings,
    )


def _floats(path: Path, name: str) -> FloatArray:
    return cast("FloatArray", map_array(path, name))
