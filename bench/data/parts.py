"""Parts of a cube: the samples that train and those that test, as indices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.arrays import Mask
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.data.tower_roles import Roles

IndexArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """Samples: a rectangle of cells and times, or those of a rectangle that a mask names.

    Samples are ordered by cell, then by time. Without a mask, sample ``i * len(times) + j`` is (cells[i], times[j]).

    Attributes:
        cells: (n_cells,) rows of the cube, ascending.
        times: (n_times,) columns of the cube, ascending.
        mask: (n_cells, n_times) which of the rectangle are samples, or None for all of them.
    """

    cells: IndexArray
    times: IndexArray
    mask: Mask | None = None

    def __len__(self) -> int:
        return len(self.cells) * len(self.times) if self.mask is None else int(self.mask.sum())

    @property
    def shape(self) -> tuple[int, int]:
        """(n_cells, n_times) of the rectangle."""
        return len(self.cells), len(self.times)

    def of(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Copies this part's rectangle of a (cell, time, …) array, as (n_cells, n_times, …)."""
        return np.ascontiguousarray(array[self.cells[:, None], self.times[None, :]])

    def select(self, rectangle: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The samples of a (n_cells, n_times, …) array, as (n_samples, …)."""
        if self.mask is None:
            return rectangle.reshape(-1, *rectangle.shape[2:])
        return rectangle[self.mask]

    def spread(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Values (n_samples, …) laid out as (n_cells, n_times, …), NaN where the rectangle has no sample.

        Raises:
            BenchError: there are more or fewer values than samples; one would otherwise stand for all.
        """
        if values.shape[:1] != (len(self),):
            raise BenchError(f"Values of shape {values.shape} were given for {len(self)} samples; give one for each.")
        if self.mask is None:
            return values.reshape(*self.shape, *values.shape[1:])
        rectangle = np.full((*self.shape, *values.shape[1:]), np.nan, values.dtype)
        rectangle[self.mask] = values
        return rectangle

    def samples(self) -> tuple[IndexArray, IndexArray]:
        """(n_samples,) cell and time of every sample, in order."""
        if self.mask is None:
            return np.repeat(self.cells, len(self.times)), np.tile(self.times, len(self.cells))
        row, column = np.nonzero(self.mask)
        return self.cells[row], self.times[column]

    def rows(self, block: slice) -> Part:
        """The samples of some of the part's cells, all its times kept."""
        return Part(self.cells[block], self.times, None if self.mask is None else self.mask[block])

    def restricted(self, kept: Mask) -> Part:
        """The samples that a (cell, time) array of the whole cube keeps; cells and times without any are left out."""
        mask = self.of(kept) if self.mask is None else self.mask & self.of(kept)
        rows, columns = mask.any(axis=1), mask.any(axis=0)
        inner = mask[np.ix_(rows, columns)]
        return Part(self.cells[rows], self.times[columns], None if inner.all() else inner)


@dataclass(frozen=True)
class Split:
    """A training part, a test part, and the parameters that rebuild both from a cube.

    Attributes:
        train: samples that a runner may learn from.
        test: samples that it is scored on.
        scored_train: training samples on which its training error is taken: all of them, or, few-shot, those of the
            scored weeks, so that train and test error are about the same time of the year.
        parameters: JSON values that, with the cube, determine the two parts (they enter the cell's fingerprint).
        roles: what each training tower is for, of splits of towers; None of all others.
    """

    train: Part
    test: Part
    scored_train: Part
    parameters: Mapping[str, Any]
    roles: Roles | None = None
