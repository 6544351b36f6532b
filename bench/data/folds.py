"""Folds of places: which places are tested together, by places and their labels alone, never by a value.

A fold is a number from 1. Every place is in exactly one fold; cells with equal coordinates are one place.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.arrays import Doubles
from bench.errors import BenchError
from bench.seeds import FOLD_SEED
from bench.system.text import counted
from models.sphere import unit_sphere

Folds = npt.NDArray[np.int64]

IUGG_RADIUS_KM = 6371.0088
"""Mean Earth radius (IUGG), of distances between places. The estimators take mgwr's rounder value (`models.sphere`), so
that bandwidths mean the same; by that one, places exactly a degree apart would be nearer than `NEAR_KM`."""
NEAR_KM = 111.195
"""Places on the sphere that are nearer than this, one degree of a great circle, are tested together."""


def folds_of_blocks(places: Doubles, size: float, folds: int) -> Folds:
    """(cell,) fold of each cell: square blocks of coordinates are dealt to folds of about equally many cells.

    Args:
        places: (cell, 2) coordinates.
        size: edge of a block, in the coordinates' unit (degrees, or that of the CRS).
        folds: how many.

    Raises:
        BenchError: there are fewer blocks than folds.
    """
    _, block = np.unique(np.floor(places / size), axis=0, return_inverse=True)
    return _dealt(block.reshape(-1), np.zeros(len(places), np.int64), folds, "block", f" of {size:g}")


def folds_of_places(
    places: Doubles, labels: npt.NDArray[np.str_] | None, near: float, folds: int, planar: bool
) -> Folds:
    """(cell,) fold of each cell: whole places, near ones together, labels spread evenly.

    Args:
        places: (cell, 2) coordinates.
        labels: (cell,) group of each cell, such as its vegetation class; None for one group.
        near: places at most so far apart (km on the sphere, else the CRS's unit) share a fold, and so do places that
            are joined by a chain of such distances; 0 for equal coordinates only.
        folds: how many.
        planar: whether coordinates are planar.

    Raises:
        BenchError: there are fewer groups of places than folds, or one of them is larger than a fold can be.
    """
    group = near_groups(places, near, planar)
    unit = "" if planar else " km"
    _require_groups(len(np.unique(places, axis=0)), folds, "place")
    largest = int(np.bincount(group).max())
    if near > 0 and largest > 2 * len(places) / folds:
        raise BenchError(
            f"Places within {near:g}{unit} of each other form a chain of {largest:,} of {len(places):,} cells, too "
            f"many for one of {folds} folds; name a smaller distance (places:{folds},0 keeps only equal coordinates "
            "together) or use blocks."
        )
    label = np.unique(labels, return_inverse=True)[1] if labels is not None else np.zeros(len(places), np.int64)
    return _dealt(group, label, folds, "group", f" of places within {near:g}{unit}")


def near_groups(places: Doubles, near: float, planar: bool) -> Folds:
    """(cell,) group of each cell: places that are near each other, or joined by a chain of such distances.

    Args:
        places: (cell, 2) coordinates.
        near: how far near ones lie apart at most (km on the sphere, else the CRS's unit); 0 for equal coordinates only.
        planar: whether coordinates are planar.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    distinct, place = np.unique(places, axis=0, return_inverse=True)
    place = place.reshape(-1)
    if near <= 0:
        return np.asarray(place)
    points = distinct if planar else unit_sphere(distinct[:, 0], distinct[:, 1])
    reach = near if planar else 2 * np.sin(min(near / IUGG_RADIUS_KM, np.pi) / 2)
    pairs = cKDTree(points).query_pairs(reach, output_type="ndarray")
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(distinct),) * 2)
    return np.asarray(connected_components(graph, directed=False)[1][place])


def _require_groups(n_groups: int, folds: int, one: str, which: str = "") -> None:
    """Raises where there are fewer of something than folds; `which` says more of it, after its name."""
    if n_groups < folds:
        there = "There is" if n_groups == 1 else "There are"
        raise BenchError(f"{there} {counted(n_groups, one)}{which}, fewer than the {folds} folds; name fewer folds.")


def _dealt(group: Folds, label: Folds, folds: int, one: str, which: str) -> Folds:
    """Deals groups to folds, the large ones first: each goes where its label, then any cell, is rarest.

    Cells of one group may differ in label; the commonest counts.
    """
    n_groups, n_labels = int(group.max()) + 1, int(label.max()) + 1
    _require_groups(n_groups, folds, one, which)
    counts = np.zeros((n_groups, n_labels), np.int64)
    np.add.at(counts, (group, label), 1)
    size, commonest = counts.sum(axis=1), counts.argmax(axis=1)
    shuffled = np.random.default_rng(FOLD_SEED).permutation(n_groups)
    order = shuffled[np.argsort(-size[shuffled], kind="stable")]
    fold_of_group = np.empty(n_groups, np.int64)
    held, labelled = np.zeros(folds, np.int64), np.zeros((folds, n_labels), np.int64)
    for index in order.tolist():
        kind = commonest[index]
        # Whoever has least of this label gets it, unless that would leave a fold without any place at all.
        fold = int(np.lexsort((held, labelled[:, kind]))[0]) if (held > 0).all() else int(held.argmin())
        fold_of_group[index] = fold
        held[fold] += size[index]
        labelled[fold, kind] += counts[index, kind]
    return np.asarray(fold_of_group[group] + 1)
