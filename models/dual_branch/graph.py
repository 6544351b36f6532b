"""The spatiotemporal conditional graph: its nodes and edges (Du et al. 2025, Eq. 5–9)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from models.arrays import Doubles, Indices
from models.sphere import unit_sphere

Geometry = Literal["sphere", "plane"]
SIGMA = 0.5
"""σ of Eq. 8; the paper gives none."""
_KMEANS_RESTARTS = 1  # with k-means++ seeding; more change the nodes little and cost as much again


@dataclass(frozen=True)
class ConditionGraph:
    """Nodes and weighted edges, rows in compressed sparse form; symmetric, each node joined to itself.

    Attributes:
        lon: (node,) degrees east.
        lat: (node,) degrees north.
        row_start: (node + 1,) the edges of node i are ``row_start[i]`` to ``row_start[i + 1]``.
        neighbour: (edge,) node at the other end, ascending within a row.
        weight: (edge,) w_ij of Eq. 8, in (0, 1]; 1 from a node to itself, whose distance is 0.
    """

    lon: Doubles
    lat: Doubles
    row_start: Indices
    neighbour: Indices
    weight: Doubles

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.lon)

    def normalised_weight(self) -> Doubles:
        """(edge,) w_ij / √(d_i·d_j) with the degree d_i = Σ_j w_ij: the matrix D^-½ (A∘W) D^-½ of Eq. 11."""
        row = np.repeat(np.arange(self.n_nodes), np.diff(self.row_start))
        degree = np.bincount(row, weights=self.weight, minlength=self.n_nodes)
        normalised: Doubles = self.weight / np.sqrt(degree[row] * degree[self.neighbour])
        return normalised


def positions(lon: npt.NDArray[Any], lat: npt.NDArray[Any], geometry: Geometry) -> Doubles:
    """Where neighbours are sought (Eq. 6): (point, 3) on the unit sphere or (point, 2) degrees on the plane.

    Args:
        lon: (point,) degrees east.
        lat: (point,) degrees north.
        geometry: ``sphere`` (the paper's) or ``plane`` (ablation: the date line is an edge of the world).
    """
    if geometry == "sphere":
        return unit_sphere(lon, lat)
    return np.stack((lon, lat), axis=1).astype(np.float64)


def cluster_nodes(lon: npt.NDArray[Any], lat: npt.NDArray[Any], n_nodes: int, seed: int) -> tuple[Doubles, Doubles]:
    """K-means centres of the cells' longitudes and latitudes (Eq. 5).

    Args:
        lon: (cell,) degrees east.
        lat: (cell,) degrees north.
        n_nodes: number of centres.
        seed: of the K-means++ start.

    Returns:
        Longitude and latitude of the centres, (node,) each, in degrees.

    Raises:
        ValueError: there are more nodes than distinct cells.
    """
    points = np.stack((lon, lat), axis=1).astype(np.float64)
    distinct = len(np.unique(points, axis=0))
    if n_nodes > distinct:
        raise ValueError(f"The graph is to have {n_nodes} nodes, but the training part has only {distinct} cells.")
    if n_nodes == distinct:
        centres = np.unique(points, axis=0)  # Eq. 5 is 0 there; K-means would search in vain
    else:
        from sklearn.cluster import KMeans

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=RuntimeWarning, module="sklearn")
            centres = KMeans(n_nodes, n_init=_KMEANS_RESTARTS, random_state=seed).fit(points).cluster_centers_
    return centres[:, 0], centres[:, 1]


def build_graph(
    lon: Doubles, lat: Doubles, k: int, *, geometry: Geometry = "sphere", sigma: float = SIGMA
) -> ConditionGraph:
    """Joins each node to its k nearest others and to itself, with log-Gaussian weights (Eq. 7–9).

    Eq. 7 alone is directed; D^-½ A D^-½ of Eq. 11 is meant for an undirected graph, so that an edge exists
    where either end counts the other among its nearest. A node is at distance 0 from itself and so is its own
    nearest.

    Args:
        lon: (node,) degrees east.
        lat: (node,) degrees north.
        k: neighbours of a node, itself not counted.
        geometry: ``sphere`` (chord lengths) or ``plane`` (degrees).
        sigma: σ of Eq. 8; μ is the median distance over all edges.

    Raises:
        ValueError: k is below 1 or not below the number of nodes; a single node has no other, and k 0.
    """
    n_nodes = len(lon)
    if not min(1, n_nodes - 1) <= k < n_nodes:
        raise ValueError(f"k is {k}; with {n_nodes} nodes it must lie in 1–{n_nodes - 1}.")
    points = positions(lon, lat, geometry)
    nearest = nearest_others(points, k)
    row = np.repeat(np.arange(n_nodes), k)
    keys = np.unique(
        np.concatenate(
            (
                row * n_nodes + nearest.ravel(),
                nearest.ravel() * n_nodes + row,
                np.arange(n_nodes) * (n_nodes + 1),
            )
        )
    )
    row, neighbour = np.divmod(keys, n_nodes)
    distance = np.linalg.norm(points[row] - points[neighbour], axis=1)
    mu = float(np.median(distance[row != neighbour])) if n_nodes > 1 else 0.0
    return ConditionGraph(
        lon=lon,
        lat=lat,
        row_start=np.searchsorted(row, np.arange(n_nodes + 1)).astype(np.int64),
        neighbour=neighbour.astype(np.int64),
        weight=log_gaussian(distance, mu, sigma),
    )


def log_gaussian(distance: Doubles, mu: float, sigma: float) -> Doubles:
    """Edge weight exp(−(1 − exp(−distance/μ))² / 2σ²) (Eq. 8).

    Args:
        distance: any shape, in the unit of ``mu``.
        mu: μ, a distance scale.
        sigma: σ, without unit.
    """
    if mu == 0:  # all nodes at one place
        return np.ones_like(distance)
    weight: Doubles = np.exp(-np.square(1 - np.exp(-distance / mu)) / (2 * sigma**2))
    return weight


def nearest_others(points: Doubles, k: int) -> Indices:
    """(point, k) the k nearest other points of each, nearest first; duplicates of a point count as others.

    Args:
        points: (point, dimension).
        k: below the number of points.
    """
    _, found = cKDTree(points).query(points, k=np.arange(1, k + 2))
    found = np.asarray(found, dtype=np.int64)
    is_self = found == np.arange(len(points))[:, None]
    is_self[~is_self.any(axis=1), -1] = True  # crowded out by duplicates: drop the farthest instead
    others: Indices = found[~is_self].reshape(len(points), k)
    return others
