"""Places of a long table: their names, positions and order."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.arrays import Doubles
from bench.data.cube import normalised_lon
from bench.data.importer import values
from bench.data.importer.columns import Columns
from bench.data.importer.sources import MOST_LABEL, Batch
from bench.errors import BenchError

_SAME_PLACE = 1e-6
"""Coordinates of one place may differ by this share of themselves: they were written with other numbers of digits."""


class PlaceIndex:
    """Places in the order in which they appear."""

    def __init__(self, columns: Columns, what: str) -> None:
        self._columns, self._what = columns, what
        self._known: dict[object, int] = {}
        self._coordinates: list[Doubles] = []
        self._lon = self._lat = np.empty(0)
        self._n_rows = 0

    def add(self, batch: Batch) -> npt.NDArray[np.int32]:
        """(row,) provisional index of each row's place."""
        lon, lat = (values.numbers(batch, name, self._what) for name in (self._columns.lon, self._columns.lat))
        self._check_range(batch, lon, lat)
        if self._columns.crs is None:
            lon = normalised_lon(lon)
        if self._columns.place is None and self._columns.time is None:
            self._coordinates.append(np.stack([lon, lat]))
            self._n_rows += len(batch)
            return np.arange(self._n_rows - len(batch), self._n_rows, dtype=np.int32)
        if self._columns.place is not None:
            import pandas as pd

            written = values.labels(batch, self._columns.place, self._what, MOST_LABEL)
            empty = np.flatnonzero(written == "")
            if len(empty):
                raise self._error(batch, int(empty[0]), f"the place {self._columns.place!r} is empty; name it")
            inverse, distinct = pd.factorize(written)
            keys: list[object] = list(distinct)
        else:
            found, inverse = np.unique(lon + 1j * lat, return_inverse=True)
            keys = list(found.tolist())
        _, first = np.unique(inverse, return_index=True)
        fresh = [index for index, key in enumerate(keys) if key not in self._known]
        for index in fresh:
            self._known[keys[index]] = len(self._known)
        self._lon = np.concatenate([self._lon, lon[first[fresh]]])
        self._lat = np.concatenate([self._lat, lat[first[fresh]]])
        code = np.array([self._known[key] for key in keys], np.int32)[inverse]
        for name, here, of_place in (
            (self._columns.lon, lon, self._lon[code]),
            (self._columns.lat, lat, self._lat[code]),
        ):
            moved = np.flatnonzero(~np.isclose(here, of_place, rtol=_SAME_PLACE, atol=_SAME_PLACE))
            if len(moved):
                raise self._error(
                    batch,
                    int(moved[0]),
                    f"{name!r} is {here[moved[0]]:g}, but {of_place[moved[0]]:g} in an earlier row of the same place; "
                    "give each place one position, or leave out --place so that positions name places",
                )
        return code

    def sorted(self) -> tuple[Doubles, Doubles, tuple[str, ...] | None, npt.NDArray[np.int32]]:
        """Coordinates and names of the places in their final order, and (provisional place,) index in it."""
        if self._coordinates:
            lon, lat = np.concatenate(self._coordinates, axis=1)
            return lon, lat, None, np.arange(len(lon), dtype=np.int32)
        keys = list(self._known)
        if self._columns.place is None:
            order = np.lexsort((self._lat, self._lon))
            names = None
        else:
            order = np.array(sorted(range(len(keys)), key=lambda index: str(keys[index])), np.int64)
            names = tuple(str(keys[index]) for index in order)
        rank = np.empty(len(keys), np.int32)
        rank[order] = np.arange(len(keys), dtype=np.int32)
        return self._lon[order], self._lat[order], names, rank

    def _check_range(self, batch: Batch, lon: Doubles, lat: Doubles) -> None:
        for name, coordinate in ((self._columns.lon, lon), (self._columns.lat, lat)):
            empty = np.flatnonzero(np.isnan(coordinate))
            if len(empty):
                raise self._error(batch, int(empty[0]), f"the coordinate {name!r} is empty; fill it or drop the row")
        if self._columns.crs is not None:
            return
        wrong = np.flatnonzero((np.abs(lat) > 90) | (lon < -180) | (lon > 360))
        if len(wrong):
            at = int(wrong[0])
            swapped = abs(lat[at]) <= 180 and abs(lon[at]) <= 90
            raise self._error(
                batch,
                at,
                f"longitude {lon[at]:g} and latitude {lat[at]:g} are no degrees; "
                + ("swap --lon and --lat" if swapped else "planar coordinates are named by --x, --y and --crs"),
            )

    def _error(self, batch: Batch, index: int, text: str) -> BenchError:
        return BenchError(f"Row {batch.first_row + index:,} of {self._what}: {text}.")
