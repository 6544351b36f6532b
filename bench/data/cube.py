"""The cube: one rectangular set of arrays that every dataset becomes.

A cube is a handful of contiguous arrays, in memory or memory-mapped from disk (`bench.data.cube_zarr`). A sample is an
index (cell, time) into these arrays. Data that are not rectangular are a rectangle with gaps: a target that is NaN was
not measured, while the features are complete (`bench.data.cube_checks` says what a cube must hold).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.arrays import Mask
from bench.data.array_pages import BLOCK_BYTES, release_pages
from bench.data.rhythm import EIGHT_DAY, Rhythm
from bench.errors import BenchError, unknown
from bench.system.text import counted

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Cube:
    """Features and target of every place at every step.

    Attributes:
        name: the dataset that the cube was made from.
        climate: (cell, time, feature) float32, in ``feature_units``; complete and finite.
        static: (cell, static_feature) float32, complete and finite; the first ``n_land_cover`` columns are land-cover
            fractions in 0–1. There may be no column.
        target: (cell, time) float32, in ``target_units``, or (cell, time, name) where there are several targets. NaN
            where it was not measured.
        lon: (cell,) float64, degrees east in [-180, 180); 180–360 is accepted and brought there. In a cube with a
            ``crs``, the first planar coordinate (easting) instead.
        lat: (cell,) float64, degrees north; with a ``crs``, the second planar coordinate (northing). Several cells may
            lie at one place: each is a sample of its own there.
        time: (time,) datetime64[D], the first day of each step.
        feature_names: one per climate feature.
        feature_units: one per climate feature.
        static_names: one per static feature; a category is one column per level, named ``category=level``.
        static_units: one per static feature.
        n_land_cover: how many leading columns of ``static`` are land-cover fractions; 0 for none.
        target_name: for example ``GPP``; of several targets, the first.
        target_units: for example ``gC m-2 d-1``; of several targets, of the first.
        provenance: title, source, licence, citation and notes, as text.
        withheld: (cell, time) float32 arrays that made the target but are no feature, such as LAI; only runners that
            ask for them by name (the PML_V2 reference) see them.
        rhythm: how its steps divide the year.
        split: (cell, time) int8, the data's own split (`bench.data.own_split`): 0 neither, 1 trains, 2 tests; None
            where it brings none.
        several_targets: name → units of every target, in the order of the last axis of ``target``; empty for one.
        crs: text of the coordinate reference system (such as ``EPSG:27700``) of planar coordinates, whose distances
            are Euclidean and in its unit; None for degrees on the sphere.
        place_names: one per cell, or None.
        groupings: categories (see ``static_names``) by whose levels results are grouped.
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
    rhythm: Rhythm = EIGHT_DAY
    split: npt.NDArray[np.int8] | None = None
    several_targets: Mapping[str, str] = field(default_factory=dict)
    crs: str | None = None
    place_names: tuple[str, ...] | None = None
    groupings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.crs is None:
            object.__setattr__(self, "lon", normalised_lon(self.lon))  # frozen, and not another cube for it

    def __repr__(self) -> str:
        """One line on what it is; the arrays are too large to be read."""
        several = ", ".join(f"{name} ({units})" for name, units in self.several_targets.items())
        extent = f"{counted(self.n_cells, 'cell')} × {counted(self.n_times, 'step')}"
        parts = (
            f"{extent} ({self.rhythm.step}, {self.time[0]} to {self.time[-1]})",
            f"{len(self.feature_names)} climate and {len(self.static_names)} static features",
            f"target {several or f'{self.target_name} ({self.target_units})'}",
        )
        return f"<Cube {self.name}: {', '.join(parts)}>"

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(self.climate.shape[0])

    @property
    def n_times(self) -> int:
        """Number of steps in the whole series."""
        return int(self.climate.shape[1])

    @cached_property
    def year(self) -> npt.NDArray[np.int64]:
        """(time,) calendar year of each step."""
        years: npt.NDArray[np.int64] = self.time.astype("datetime64[Y]").astype(np.int64)
        return years + 1970

    @property
    def steps_per_year(self) -> int:
        """Positions in the year of the cube's rhythm: 46 for 8-day steps, 12 for months, 1 for a cross-section."""
        return self.rhythm.steps_per_year

    @cached_property
    def step_of_year(self) -> npt.NDArray[np.int64]:
        """(time,) position of each step in its year, counted from 1 (see `Rhythm.step_of_year`)."""
        return self.rhythm.step_of_year(self.time)

    @cached_property
    def land_cover_class(self) -> npt.NDArray[np.int64]:
        """(cell,) column of the dominant land-cover fraction; ties go to the first.

        Raises:
            BenchError: the cube has no land cover.
        """
        if self.n_land_cover == 0:
            raise BenchError(f"Data set {self.name!r} has no land cover.")
        dominant: npt.NDArray[np.int64] = np.argmax(self.static[:, : self.n_land_cover], axis=1)
        return dominant

    @property
    def is_planar(self) -> bool:
        """Whether places have planar coordinates (``crs``) instead of degrees."""
        return self.crs is not None

    @property
    def places(self) -> npt.NDArray[np.float64]:
        """(cell, 2) longitude and latitude in degrees, or planar coordinates in the unit of the ``crs``."""
        return np.stack([self.lon, self.lat], axis=1)

    @property
    def coordinate_names(self) -> tuple[str, str]:
        """What the columns of `places` are called."""
        return ("x", "y") if self.is_planar else ("lon", "lat")

    @property
    def target_names(self) -> tuple[str, ...]:
        """Names of all targets."""
        return tuple(self.several_targets) or (self.target_name,)

    @cached_property
    def has_gaps(self) -> bool:
        """Whether some target was not measured somewhere."""
        rows = max(1, BLOCK_BYTES // max(1, self.target[:1].nbytes))
        for start in range(0, self.n_cells, rows):
            missing = bool(np.isnan(self.target[start : start + rows]).any())
            release_pages(self.target)
            if missing:
                return True
        return False

    @cached_property
    def measured(self) -> Mask | None:
        """(cell, time) where the target was measured (of several, any of them), or None where it was everywhere."""
        if not self.has_gaps:
            return None
        present = np.asarray(~np.isnan(self.target))
        return np.asarray(present.any(axis=2)) if self.several_targets else present

    def for_target(self, name: str | None) -> Cube:
        """The same data with one of its targets only; its fingerprint stays that of the whole.

        Args:
            name: of the target; None for a cube that has but one, which is returned as it is.

        Raises:
            BenchError: there is no such target, or None where there are several.
        """
        if not self.several_targets and name in (None, self.target_name):
            return self
        if name not in self.target_names:
            if name is None:
                raise BenchError(f"Data set {self.name!r} has the targets {', '.join(self.target_names)}; name one.")
            raise unknown(f"target of {self.name!r}", name, self.target_names, "name one of its targets")
        one = dataclasses.replace(
            self,
            target=self.target[:, :, self.target_names.index(name)],
            target_name=name,
            target_units=self.several_targets[name],
            several_targets={},
        )
        one.__dict__["fingerprint"] = self.fingerprint
        return one

    @property
    def categories(self) -> tuple[str, ...]:
        """Categories among the static features, in their order."""
        return tuple(dict.fromkeys(name.partition("=")[0] for name in self.static_names if "=" in name))

    def levels_of(self, category: str) -> tuple[str, ...]:
        """Levels of a category, in the order of its columns; empty where there is no such category."""
        prefix = f"{category}="
        return tuple(name.removeprefix(prefix) for name in self.static_names if name.startswith(prefix))

    def labels_of(self, category: str) -> npt.NDArray[np.str_]:
        """(cell,) level of a category at each cell.

        Raises:
            BenchError: there is no such category.
        """
        levels = self.levels_of(category)
        if not levels:
            raise BenchError(f"Data set {self.name!r} has no category {category!r} among its static features.")
        columns = [self.static_names.index(f"{category}={level}") for level in levels]
        labels: npt.NDArray[np.str_] = np.asarray(levels)[np.argmax(self.static[:, columns], axis=1)]
        return labels

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over names, units, shapes and every value: two cubes with one fingerprint give the same numbers."""
        return self._digest()

    def examined(self) -> str:
        """Checks the cube as `validate` does and returns the fingerprint of what was read.

        Raises:
            BenchError: it is none, or it has gaps and says that it has not, or the other way round.
        """
        self.validate()
        found = dataclasses.replace(self).has_gaps
        if found != self.has_gaps:
            what = "missing values, of which its record knows nothing" if found else "none of the gaps in its record"
            raise BenchError(f"Data set {self.name!r} is damaged: its target has {what}; build it again.")
        return self._digest()

    def _digest(self) -> str:
        digest = hashlib.sha256(json.dumps(self.schema(), sort_keys=True).encode())
        for name, array in sorted(self.arrays().items()):
            digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
            flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            for start in range(0, flat.size, BLOCK_BYTES):
                digest.update(flat[start : start + BLOCK_BYTES].tobytes())
                release_pages(array)
        return digest.hexdigest()

    def validate(self) -> Cube:
        """Returns the cube itself, if it is one (see `bench.data.cube_checks.check`).

        Raises:
            BenchError: it is none; the message names the array and the first offending place.
        """
        from bench.data.cube_checks import check

        check(self)
        return self

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Every array by the name that it has on disk."""
        arrays: dict[str, npt.NDArray[Any]] = {
            "climate": self.climate,
            "static": self.static,
            "target": self.target,
            "lon": self.lon,
            "lat": self.lat,
            "time": self.time,
        }
        if self.split is not None:
            arrays["split"] = self.split
        return arrays | {f"withheld/{name}": array for name, array in self.withheld.items()}

    def schema(self) -> dict[str, Any]:
        """What is fingerprinted and stored beside the arrays.

        A key that came after format 1 is there only where it says something, so that older cubes keep their bytes and
        their fingerprints.
        """
        later = {
            "rhythm": self.rhythm.name if self.rhythm != EIGHT_DAY else None,
            "several_targets": [list(target) for target in self.several_targets.items()],
            "crs": self.crs,
            "place_names": list(self.place_names or ()),
            "groupings": list(self.groupings),
        }
        return {
            "name": self.name,
            "feature_names": list(self.feature_names),
            "feature_units": list(self.feature_units),
            "static_names": list(self.static_names),
            "static_units": list(self.static_units),
            "n_land_cover": self.n_land_cover,
            "target_name": self.target_name,
            "target_units": self.target_units,
        } | {key: value for key, value in later.items() if value}


def normalised_lon(lon: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(cell,) degrees east with those of 180–360 brought to [-180, 0); all others stay as they are."""
    return np.where((lon >= 180) & (lon <= 360), lon - 360, lon) if lon.size and lon.max() >= 180 else lon
