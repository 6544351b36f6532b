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

from bench.data.cube import Cube, FloatArray
from bench.data.cube_metadata import CUBE_FORMAT, REBUILD, chunk_file, dates, map_array, read_attributes
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
        self._partial = path.with_name(f"{path.name}.{owner()}.partial")
        path.parent.mkdir(parents=True, exist_ok=True)
        for remains in ("partial", "replaced"):
            for stale in path.parent.glob(f"{path.name}.*.{remains}"):
                if is_abandoned(stale):
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
        arrays = (self.climate, self.static, self.target, *self.withheld.values())
        for array in arrays:
            array.flush()
        self._group.attrs["fingerprint"] = _open(self._partial).examined()
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
    stored = read_attributes(path).fingerprint
    if stored is None:
        raise BenchError(f"Cube {path} carries no fingerprint: its build was cut short; {REBUILD}.")
    cube.__dict__["fingerprint"] = stored  # `bench.data.cube_seal` compares it with the bytes
    return cube


def verify_cube(path: Path) -> str:
    """Recomputes the fingerprint of a stored cube and returns it.

    Raises:
        BenchError: a value is not finite, or the bytes differ from those that were written.
    """
    stored, actual = open_cube(path).fingerprint, _open(path).examined()
    if stored != actual:
        raise BenchError(f"Cube {path} is damaged: fingerprint {actual[:12]} instead of {stored[:12]}; {REBUILD}.")
    return actual


def _open(path: Path) -> Cube:
    attributes = read_attributes(path)
    schema = attributes.schema_
    return Cube(
        name=schema.name,
        climate=_floats(path, "climate"),
        static=_floats(path, "static"),
        target=_floats(path, "target"),
        lon=np.asarray(map_array(path, "lon"), np.float64),
        lat=np.asarray(map_array(path, "lat"), np.float64),
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
    )


def _floats(path: Path, name: str) -> FloatArray:
    return cast("FloatArray", map_array(path, name))
