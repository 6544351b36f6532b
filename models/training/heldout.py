"""The part of the training samples that a training is judged by and does not learn from."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from models.arrays import Indices, Mask
from models.training.panel import Panel

PLACES_SHARE = 0.1
"""Part of the places at which samples are held out."""
SQUARE_DEGREES = 1.5
"""Side of a place: neighbouring cells are held out together, since one tells the other's target."""
LEAST_SQUARES = 10
"""With fewer squares than that, each cell is a place."""
RUN_STEPS, EVERY_RUN = 3, 3
"""Within a single year, every third run of three 8-day steps is held out."""
_PLACES_SEED = 71


def held_out(panel: Panel, cells: Indices, times: Indices) -> Mask:
    """(sample,) whether a training sample is held out.

    At a tenth of the places it is the last year, where the samples come from several years: what a training should
    generalise to is a new year. From a single year, which has none, every third run of steps is taken, and of a single
    step the place itself. The choice depends on nothing but the samples' places and times.

    Args:
        panel: the data.
        cells: (sample,) training cells.
        times: (sample,) training times.

    Raises:
        ValueError: the samples are too few to take a part away.
    """
    seen, steps = np.unique(cells), np.unique(times)
    place = _places(panel.lon[seen], panel.lat[seen])
    n_places = int(place.max()) + 1
    order = np.random.default_rng(_PLACES_SEED).permutation(n_places)
    chosen = np.zeros(panel.n_cells, bool)
    chosen[seen] = np.isin(place, order[: max(1, round(PLACES_SHARE * n_places))])
    later = np.zeros(panel.n_times, bool)
    later[steps[_later(panel.step_of_year[steps])]] = True
    mask: Mask = chosen[cells] & later[times]
    if not mask.any() or mask.all():
        raise ValueError(
            f"No part of {len(cells)} training samples can be held out; set TrainingOptions.patience to None."
        )
    return mask


def _places(lon: npt.NDArray[Any], lat: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """(cell,) number of each cell's place."""
    squares = np.stack((np.floor(lon / SQUARE_DEGREES), np.floor(lat / SQUARE_DEGREES)), axis=1)
    found, square = np.unique(squares, axis=0, return_inverse=True)
    if len(found) < LEAST_SQUARES:
        return np.arange(len(lon))
    return square.reshape(-1).astype(np.int64)


def _later(step_of_year: npt.NDArray[np.integer[Any]]) -> Mask:
    """(step,) which of the training steps, in order, are held out at the places chosen."""
    begins = np.flatnonzero(np.diff(step_of_year.astype(np.int64)) <= 0) + 1
    index = np.arange(len(step_of_year))
    if len(begins):
        return np.asarray(index >= begins[-1])
    if len(index) < RUN_STEPS * EVERY_RUN:
        return np.ones(len(index), bool)
    return np.asarray(index // RUN_STEPS % EVERY_RUN == EVERY_RUN - 1)
