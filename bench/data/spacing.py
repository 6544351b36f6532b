"""How far apart the places stand that train, on which it depends whether one can stand in for another."""

from __future__ import annotations

import numpy as np

from bench.data.cube import Cube
from bench.data.folds import IUGG_RADIUS_KM
from bench.data.parts import Part
from models.sphere import unit_sphere

FAR_KM = 333.0
"""Three degrees, over which squared errors of models on North China go together (2.4° to 3.6°, docs/uncertainty.md)."""


def few_and_far(cube: Cube, train: Part) -> bool:
    """Whether at most half of the places train, and the next of these is typically farther away than `FAR_KM`.

    Args:
        cube: the data; of planar coordinates, whose unit says nothing of kilometres on land, the answer is no.
        train: the training part.
    """
    if cube.is_planar or len(train.cells) < 2 or 2 * len(train.cells) > cube.n_cells:
        return False
    from scipy.spatial import cKDTree

    points = unit_sphere(cube.lon[train.cells], cube.lat[train.cells])
    chord = cKDTree(points).query(points, k=2)[0][:, 1]
    apart = 2 * IUGG_RADIUS_KM * np.arcsin(np.clip(chord / 2, 0, 1))
    return bool(np.median(apart) > FAR_KM)
