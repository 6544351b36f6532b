import math

import numpy as np
import pytest
import torch

from models.dual_branch.graph import (
    build_graph,
    cluster_nodes,
    log_gaussian,
    nearest_others,
)
from models.dual_branch.node2vec import _padded_rows, context_pairs, embed_nodes, random_walks


def dense(graph, values):
    matrix = np.zeros((graph.n_nodes, graph.n_nodes))
    row = np.repeat(np.arange(graph.n_nodes), np.diff(graph.row_start))
    matrix[row, graph.neighbour] = values
    return matrix


def literal_weights(lon, lat, k, sigma):
    """Eq. 6–9 with loops; an edge where either end chooses the other, and from each node to itself."""
    n = len(lon)
    points = []
    for longitude, latitude in zip(np.radians(lon), np.radians(lat), strict=True):
        points.append(
            (
                math.cos(latitude) * math.cos(longitude),
                math.cos(latitude) * math.sin(longitude),
                math.sin(latitude),
            )
        )
    distance = np.array([[math.dist(a, b) for b in points] for a in points])
    joined = np.eye(n, dtype=bool)
    for i in range(n):
        others = sorted((j for j in range(n) if j != i), key=lambda j: distance[i, j])
        for j in others[:k]:
            joined[i, j] = joined[j, i] = True
    mu = np.median(distance[joined & ~np.eye(n, dtype=bool)])
    return np.where(joined, np.exp(-((1 - np.exp(-distance / mu)) ** 2) / (2 * sigma**2)), 0.0)


@pytest.fixture
def globe():
    generator = np.random.default_rng(3)
    lon = generator.uniform(-180, 180, 40)
    lat = np.degrees(np.arcsin(generator.uniform(-1, 1, 40)))
    return lon, lat


def test_weights_are_equations_6_to_9(globe):
    graph = build_graph(*globe, 4, sigma=0.7)
    np.testing.assert_allclose(dense(graph, graph.weight), literal_weights(*globe, 4, 0.7), atol=1e-12)


def test_normalisation_is_symmetric_and_equals_the_dense_matrices(globe):
    graph = build_graph(*globe, 4)
    weight = dense(graph, graph.weight)
    root = np.diag(1 / np.sqrt(weight.sum(axis=1)))
    normalised = dense(graph, graph.normalised_weight())
    np.testing.assert_allclose(normalised, root @ weight @ root, atol=1e-12)
    np.testing.assert_allclose(normalised, normalised.T, atol=1e-15)
    assert np.abs(np.linalg.eigvalsh(normalised)).max() <= 1 + 1e-12


def test_the_graph_crosses_the_date_line_on_the_sphere_only():
    lon = np.array([-179.0, -160.0, -140.0, 140.0, 160.0, 179.0])
    lat = np.zeros(6)
    sphere, plane = build_graph(lon, lat, 1), build_graph(lon, lat, 1, geometry="plane")
    assert dense(sphere, sphere.weight)[0, 5] > 0
    assert dense(plane, plane.weight)[0, 5] == 0


def test_the_graph_crosses_the_poles():
    lon = np.array([0.0, 180.0, 0.0, 180.0])
    for pole in (1, -1):
        lat = pole * np.array([88.0, 88.0, 60.0, 60.0])
        graph = build_graph(lon, lat, 1)
        assert dense(graph, graph.weight)[0, 1] > 0, "two points 4° apart over the pole"


def test_nearest_others_never_returns_the_point_itself_even_with_duplicates():
    points = np.array([[0.0, 0.0]] * 5 + [[1.0, 0.0]])
    found = nearest_others(points, 3)
    assert found.shape == (6, 3)
    assert all(i not in row for i, row in enumerate(found))
    assert all(len(set(row)) == 3 for row in found)


def test_log_gaussian_falls_from_one_to_its_floor():
    weight = log_gaussian(np.array([0.0, 1.0, 1e9]), 1.0, 0.5)
    assert weight[0] == 1
    np.testing.assert_allclose(weight[2], math.exp(-2), rtol=1e-9)
    assert np.all(log_gaussian(np.zeros(3), 0.0, 0.5) == 1)


@pytest.mark.parametrize("k", [0, 6, 7])
def test_k_must_be_below_the_number_of_nodes(k):
    with pytest.raises(ValueError, match="with 6 nodes it must lie in 1–5"):
        build_graph(np.arange(6.0), np.zeros(6), k)


def test_more_nodes_than_cells_is_refused():
    with pytest.raises(ValueError, match="5 nodes, but the training part has only 4 cells"):
        cluster_nodes(np.array([0.0, 1, 2, 3, 3]), np.zeros(5), 5, seed=0)


def test_nodes_minimise_equation_5_locally_and_repeat_with_the_seed():
    generator = np.random.default_rng(0)
    lon, lat = generator.uniform(0, 20, 200), generator.uniform(0, 10, 200)
    centres = np.stack(cluster_nodes(lon, lat, 9, seed=1), axis=1)
    np.testing.assert_array_equal(centres, np.stack(cluster_nodes(lon, lat, 9, seed=1), axis=1))
    points = np.stack((lon, lat), axis=1)
    nearest = np.linalg.norm(points[:, None] - centres, axis=2).argmin(axis=1)
    for node in range(9):  # Lloyd's fixed point: each centre is the mean of the cells nearest to it
        np.testing.assert_allclose(centres[node], points[nearest == node].mean(axis=0), atol=0.05)


def test_as_many_nodes_as_cells_are_the_cells():
    lon, lat = np.array([3.0, 1.0, 2.0]), np.array([0.0, 5.0, 1.0])
    nodes = np.stack(cluster_nodes(lon, lat, 3, seed=0), axis=1)
    assert {tuple(node) for node in nodes} == {(3.0, 0.0), (1.0, 5.0), (2.0, 1.0)}


def test_walks_follow_edges_and_repeat_with_the_seed(globe):
    graph = build_graph(*globe, 4)
    walks = random_walks(graph, walks_per_node=3, length=12, p=0.5, q=2.0, seed=7)
    assert walks.shape == (120, 12)
    weight = dense(graph, graph.weight)
    assert (weight[walks[:, :-1], walks[:, 1:]] > 0).all()
    assert (walks[:, :-1] != walks[:, 1:]).all()
    np.testing.assert_array_equal(walks, random_walks(graph, walks_per_node=3, length=12, p=0.5, q=2.0, seed=7))


def test_second_steps_have_the_probabilities_of_node2vec(globe):
    graph = build_graph(*globe, 4)
    p, q = 0.3, 3.0
    walks = random_walks(graph, walks_per_node=4000, length=3, p=p, q=q, seed=0)
    weight = dense(graph, graph.weight) * (1 - np.eye(graph.n_nodes))
    before, here = 0, int(weight[0].argmax())
    chance = np.zeros(graph.n_nodes)
    for x in range(graph.n_nodes):
        bias = 1 / p if x == before else 1.0 if weight[before, x] > 0 else 1 / q
        chance[x] = weight[here, x] * bias
    taken = walks[(walks[:, 0] == before) & (walks[:, 1] == here), 2]
    frequency = np.bincount(taken, minlength=graph.n_nodes) / len(taken)
    np.testing.assert_allclose(frequency, chance / chance.sum(), atol=4 * math.sqrt(0.25 / len(taken)))


def test_padded_rows_hold_each_row_without_the_node_itself(globe):
    graph = build_graph(*globe, 4)
    neighbours, weights = _padded_rows(graph)
    rebuilt = np.zeros((40, 40))
    for node in range(40):
        for other, weight in zip(neighbours[node], weights[node], strict=True):
            rebuilt[node, other] += weight
    np.testing.assert_allclose(rebuilt, dense(graph, graph.weight) * (1 - np.eye(40)))


def test_context_pairs_are_those_of_a_loop():
    walks = np.array([[0, 1, 2, 3], [4, 5, 6, 7]])
    expected = [
        (int(walk[i]), int(walk[j])) for walk in walks for i in range(4) for j in range(4) if 0 < abs(i - j) <= 2
    ]
    assert sorted(map(tuple, context_pairs(walks, 2).tolist())) == sorted(expected)


def test_embeddings_are_standardised_deterministic_and_closer_between_neighbours():
    lon, lat = np.arange(24.0) * 15 - 180, np.zeros(24)  # a ring round the equator
    graph = build_graph(lon, lat, 2)
    embedding = embed_nodes(graph, 8, seed=0)
    assert torch.equal(embedding, embed_nodes(graph, 8, seed=0))
    assert not torch.equal(embedding, embed_nodes(graph, 8, seed=1))
    torch.testing.assert_close(embedding.mean(0), torch.zeros(8), atol=1e-5, rtol=0)
    unit = embedding / embedding.norm(dim=1, keepdim=True)
    likeness = (unit @ unit.T).numpy()
    ring = np.arange(24)
    assert likeness[ring, (ring + 1) % 24].mean() > likeness[ring, (ring + 12) % 24].mean() + 0.3


def test_a_single_node_is_joined_with_itself_only():
    graph = build_graph(np.array([10.0]), np.array([20.0]), 0)
    assert graph.row_start.tolist() == [0, 1] and graph.neighbour.tolist() == [0]
    assert graph.weight.tolist() == [1.0] and graph.normalised_weight().tolist() == [1.0]
    assert embed_nodes(graph, 4).shape == (1, 4)
