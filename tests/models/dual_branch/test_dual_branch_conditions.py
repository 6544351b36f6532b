import math

import numpy as np
import pytest
import torch

from models.dual_branch.conditions import (
    ConditionEncoder,
    GraphConvolution,
    TemporalConvolution,
    cyclic_rotary,
)
from models.dual_branch.graph import build_graph

WIDTH, STEPS = 6, 7


@pytest.fixture
def edges():
    generator = np.random.default_rng(0)
    graph = build_graph(generator.uniform(-180, 180, 12), generator.uniform(-60, 60, 12), 3)
    return (
        torch.from_numpy(graph.row_start),
        torch.from_numpy(graph.neighbour),
        torch.from_numpy(graph.normalised_weight()).float(),
    )


def parts(nodes, steps=STEPS, *, trained=False):
    """a and b of v_it = a_i + b_t, drawn at random."""
    return (torch.randn(number, WIDTH, requires_grad=trained) for number in (nodes, steps))


def dense(row_start, neighbour, weight):
    matrix = torch.zeros(len(row_start) - 1, len(row_start) - 1)
    for node in range(len(matrix)):
        for edge in range(int(row_start[node]), int(row_start[node + 1])):
            matrix[node, neighbour[edge]] = weight[edge]
    return matrix


@torch.no_grad()
def test_temporal_convolution_is_equation_10_on_a_circle():
    torch.manual_seed(0)
    module = TemporalConvolution(WIDTH, 2)
    a, b = parts(3)
    v = a[:, None] + b
    expected = torch.zeros_like(v)
    for node in range(3):
        for step in range(STEPS):
            out = module.taps.bias.clone()
            for tap, tau in enumerate(range(-2, 3)):
                kernel = module.taps.weight[:, tap * WIDTH : (tap + 1) * WIDTH]
                out = out + kernel @ v[node, (step + tau) % STEPS]
            expected[node, step] = out
    of_node, of_step = module(a, b)
    torch.testing.assert_close(of_node[:, None] + of_step, expected)


def test_graph_convolution_and_its_gradient_are_equation_11(edges):
    torch.manual_seed(0)
    module = GraphConvolution(WIDTH, *edges)
    a, b = parts(12, trained=True)
    literal, matrix, h = a[:, None] + b, dense(*edges), module.mix.weight.T
    expected = torch.stack([torch.relu(matrix @ literal[:, step] @ h) for step in range(STEPS)], dim=1)
    out = module(a, b)
    torch.testing.assert_close(out, expected)
    probe = torch.randn_like(out)
    trained = (a, b, module.mix.weight)
    for own, other in zip(
        torch.autograd.grad((out * probe).sum(), trained),
        torch.autograd.grad((expected * probe).sum(), trained),
        strict=True,
    ):
        torch.testing.assert_close(own, other)


@torch.no_grad()
def test_graph_convolution_agrees_with_torch_geometric():
    conv = pytest.importorskip("torch_geometric.nn")
    generator = np.random.default_rng(1)
    graph = build_graph(generator.uniform(-180, 180, 15), generator.uniform(-60, 60, 15), 4)
    row = np.repeat(np.arange(15), np.diff(graph.row_start))
    module = GraphConvolution(
        WIDTH,
        torch.from_numpy(graph.row_start),
        torch.from_numpy(graph.neighbour),
        torch.from_numpy(graph.normalised_weight()).float(),
    )
    reference = conv.GCNConv(WIDTH, WIDTH, bias=False, add_self_loops=False)
    reference.lin.weight.copy_(module.mix.weight)
    v = torch.randn(15, WIDTH)
    edge_index = torch.from_numpy(np.stack((graph.neighbour, row)))
    expected = torch.relu(reference(v, edge_index, torch.from_numpy(graph.weight).float()))
    torch.testing.assert_close(module(v, torch.zeros(1, WIDTH))[:, 0], expected, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_equation_12_written_node_by_node(edges):
    torch.manual_seed(0)
    temporal, spatial = TemporalConvolution(WIDTH, 1), GraphConvolution(WIDTH, *edges)
    a, b = parts(12)
    v = a[:, None] + b
    row_start, neighbour, weight = edges
    out = spatial(*temporal(a, b))
    for node, step in ((0, 0), (5, 3), (11, STEPS - 1)):
        total = torch.zeros(WIDTH)
        for edge in range(int(row_start[node]), int(row_start[node + 1])):
            j = int(neighbour[edge])
            window = torch.cat([v[j, (step + tau) % STEPS] for tau in (-1, 0, 1)])
            total = total + weight[edge] * (spatial.mix.weight @ temporal.taps(window))
        torch.testing.assert_close(out[node, step], torch.relu(total))


def test_learned_adjacency_adds_a_row_stochastic_matrix(edges):
    torch.manual_seed(0)
    module = GraphConvolution(WIDTH, *edges, learned_adjacency=True)
    a, b = parts(12, 1)
    v = a[:, None] + b
    learned = torch.softmax(torch.relu(module.source @ module.sink.T), dim=1)
    expected = torch.relu((dense(*edges) + learned) @ v[:, 0] @ module.mix.weight.T)
    torch.testing.assert_close(module(a, b)[:, 0], expected)
    module(a, b).sum().backward()
    assert module.source.grad.abs().sum() > 0


def test_the_time_embedding_is_cyclic_and_of_unit_pairs():
    table = cyclic_rotary(46, 8)
    assert table.shape == (46, 8)
    torch.testing.assert_close(table[:, :4] ** 2 + table[:, 4:] ** 2, torch.ones(46, 4))
    slow = table[:, [0, 4]]  # one turn per year
    assert math.isclose(float((slow[45] - slow[0]).norm()), float((slow[1] - slow[0]).norm()), rel_tol=1e-4)


@torch.no_grad()
def test_the_encoder_runs_convolution_graph_and_lstm_in_order(edges):
    torch.manual_seed(0)
    encoder = ConditionEncoder(torch.randn(12, WIDTH), *edges, steps_per_year=STEPS, reach=1, learned_adjacency=False)
    spatial = encoder.spatial(*encoder.temporal(encoder.embedding, cyclic_rotary(STEPS, WIDTH)))
    final, memory = encoder(), encoder.memory
    hidden = cell = torch.zeros(12, WIDTH)
    for step in range(STEPS):  # Eq. 13, gate by gate
        gates = spatial[:, step] @ memory.weight_ih_l0.T + memory.bias_ih_l0
        gates = gates + hidden @ memory.weight_hh_l0.T + memory.bias_hh_l0
        enter, forget, candidate, leave = gates.chunk(4, dim=1)
        cell = forget.sigmoid() * cell + enter.sigmoid() * candidate.tanh()
        hidden = leave.sigmoid() * cell.tanh()
        torch.testing.assert_close(final[:, step], hidden, rtol=1e-4, atol=1e-5)


def test_conditions_of_some_nodes_are_those_of_all_with_the_same_gradient(edges):
    torch.manual_seed(0)
    encoder = ConditionEncoder(torch.randn(12, WIDTH), *edges, steps_per_year=STEPS, reach=1, learned_adjacency=False)
    nodes = torch.tensor([1, 4, 9])
    everything, some = encoder()[nodes], encoder(nodes)
    torch.testing.assert_close(some, everything)
    gradients = [torch.autograd.grad((part**2).sum(), list(encoder.parameters())) for part in (everything, some)]
    for whole, partial in zip(*gradients, strict=True):
        torch.testing.assert_close(partial, whole)


def test_embeddings_that_learn_faster_start_at_the_same_place_and_take_longer_steps(edges):
    start = torch.randn(12, WIDTH)
    moved = {}
    for rate in (1.0, 30.0):
        torch.manual_seed(0)
        encoder = ConditionEncoder(
            start, *edges, steps_per_year=STEPS, reach=1, learned_adjacency=False, embedding_rate=rate
        )
        before = encoder().detach()
        optimiser = torch.optim.AdamW(encoder.parameters(), lr=1e-3, weight_decay=0.0)
        encoder().square().sum().backward()
        optimiser.step()
        moved[rate] = (before, encoder.embedding.detach() * rate - start)
    torch.testing.assert_close(moved[30.0][0], moved[1.0][0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(moved[30.0][1], 30 * moved[1.0][1], rtol=1e-2, atol=1e-4)
