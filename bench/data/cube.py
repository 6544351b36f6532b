"""The cube: one rectangular set of arrays that every dataset becomes.

A cube is a handful of contiguous arrays, in memory or memory-mapped from disk (`bench.data.cube_zarr`). Training
windows are indices (cell, time) into these arrays.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.errors import BenchError

FloatArray = npt.NDArray[np.float32]
STEPS_PER_YEAR = 46
"""8-day steps in a year, counted from 1 January; the last one is shorter (5 or 6 days)."""
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
        return self._read_through(check=False)

    def examined(self) -> str:
        """Checks the cube as `validate` does and returns the fingerprint of what was read, reading every value once.

        Raises:
            BenchError: see `validate`.
        """
        self._require_shapes()
        found = self._read_through(check=True)
        self._require_sense()
        return found

    def validate(self) -> Cube:
        """Returns the cube itself, if its shapes agree and every value is finite.

        Raises:
            BenchError: a shape disagrees, names are repeated, coordinates leave their range, time does not increase,
                or a value is NaN or infinite; the message names the array and the first offending place.
        """
        self.examined()
        return self

    def _require_shapes(self) -> None:
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
        for name, array in self.arrays().items():
            if array.shape != expected[name]:
                raise BenchError(
                    f"Data set {self.name!r}: array {name!r} has shape {array.shape}, expected {expected[name]}; "
                    "rebuild the cube."
                )

    def _require_sense(self) -> None:
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
        if not np.all(np.diff(self.time) > np.timedelta64(0, "D")):
            raise BenchError(f"Data set {self.name!r}: the time axis does not increase.")

    def _read_through(self, check: bool) -> str:
        """The fingerprint of every value, each checked to be finite if so asked; in bounded memory."""
        digest = hashlib.sha256(json.dumps(self._schema(), sort_keys=True).encode())
        for name, array in sorted(self.arrays().items()):
            digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
            rows = max(1, _HASH_BLOCK // max(1, array[:1].nbytes))
            for start in range(0, len(array), rows):
                block = np.ascontiguousarray(array[start : start + rows])
                if check and block.dtype.kind in "fM":
                    self._require_finite(name, block, start)
                digest.update(block.reshape(-1).view(np.uint8).data)
                _release_pages(array)
        return digest.hexdigest()

    def _require_finite(self, name: str, block: npt.NDArray[Any], start: int) -> None:
        bad = ~np.isfinite(block)
        if bad.any():
            where = tuple(int(i) for i in np.argwhere(bad)[0] + np.array([start] + [0] * (block.ndim - 1)))
            label = f", feature {self.feature_names[where[2]]!r}" if name == "climate" else ""
            raise BenchError(
                f"Data set {self.name!r}: array {name!r} is NaN or infinite at index {where}{label}; "
                "drop the cell or fill the value before building the cube."
            )

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Every array by its name on disk, such as ``climate`` or ``withheld/LAI``."""
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


def _release_pages(array: npt.NDArray[Any]) -> None:
    """Lets go of the resident pages of a memory map, so that reading a large cube once costs no memory."""
    mapping = getattr(array, "_mmap", None)
    if isinstance(mapping, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)  # the file keeps the values: nothing is lost
