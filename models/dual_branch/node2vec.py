"""Initial node embeddings: node2vec (Grover & Leskovec 2016), a skip-gram over random walks."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from models.dual_branch.graph import ConditionGraph

WALKS_PER_NODE = 10
WALK_LENGTH = 20
CONTEXT = 5
"""Steps on either side that count as context; the paper of node2vec uses 10 on walks of 80."""
NEGATIVES = 5
"""Weight of the negative samples against one positive pair."""
SHARED_NEGATIVES = 64
"""Nodes drawn per batch as negatives of all its pairs; their mean stands for ``NEGATIVES`` draws per pair."""
MIN_STEPS = 200
"""Optimiser steps at least: a small graph has few pairs and repeats them."""
BATCH_PAIRS = 4096
MAX_PAIRS = 1_000_000
"""Pairs of one epoch; larger graphs take a random part of theirs."""
LEARNING_RATE = 0.025
RETURN_P = 1.0
IN_OUT_Q = 1.0
_NOISE_POWER = 0.75  # negative samples follow degree^0.75 (Mikolov et al. 2013)


def random_walks(
    graph: ConditionGraph,
    *,
    walks_per_node: int = WALKS_PER_NODE,
    length: int = WALK_LENGTH,
    p: float = RETURN_P,
    q: float = IN_OUT_Q,
    seed: int = 0,
) -> npt.NDArray[np.int64]:
    """Second-order random walks from every node, all of them one step at a time.

    From t over v to x the unnormalised probability is w_vx times 1/p where x = t, 1 where x is joined to t,
    and 1/q elsewhere (Grover & Leskovec 2016, Eq. 2). A node's edge to itself is not walked.

    Args:
        graph: where to walk.
        walks_per_node: walks that start at each node.
        length: nodes of a walk.
        p: return parameter.
        q: in-out parameter.
        seed: of the draws.

    Returns:
        (walk, length) nodes.
    """
    generator = np.random.default_rng(seed)
    neighbours, weights = _padded_rows(graph)
    n_nodes = graph.n_nodes
    row = np.repeat(np.arange(n_nodes), np.diff(graph.row_start))
    edges = row * n_nodes + graph.neighbour  # ascending
    walks = np.empty((walks_per_node * n_nodes, length), dtype=np.int64)
    walks[:, 0] = np.tile(np.arange(n_nodes), walks_per_node)
    for step in range(1, length):
        here = walks[:, step - 1]
        options, chance = neighbours[here], weights[here]
        if step > 1 and (p, q) != (1.0, 1.0):
            before = walks[:, step - 2][:, None]
            keys = before * n_nodes + options
            found = edges[np.minimum(np.searchsorted(edges, keys), len(edges) - 1)] == keys
            chance = chance * np.where(options == before, 1 / p, np.where(found, 1.0, 1 / q))
        cumulative = np.cumsum(chance, axis=1)
        drawn = generator.random(len(walks))[:, None] * cumulative[:, -1:]
        walks[:, step] = np.take_along_axis(options, (cumulative <= drawn).sum(axis=1)[:, None], axis=1)[:, 0]
    return walks


def _padded_rows(graph: ConditionGraph) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Neighbours and weights without the node itself, (node, largest degree), padded with weight 0."""
    row = np.repeat(np.arange(graph.n_nodes), np.diff(graph.row_start))
    other = graph.neighbour != row
    row, neighbour, weight = row[other], graph.neighbour[other], graph.weight[other]
    column = np.arange(len(row)) - np.searchsorted(row, row)
    neighbours = np.zeros((graph.n_nodes, int(column.max()) + 1), dtype=np.int64)
    weights = np.zeros(neighbours.shape)
    neighbours[row, column], weights[row, column] = neighbour, weight
    return neighbours, weights


def context_pairs(walks: npt.NDArray[np.int64], context: int) -> npt.NDArray[np.int64]:
    """(pair, 2) centre and context nodes at most ``context`` steps apart on a walk.

    Args:
        walks: (walk, length).
        context: steps on either side.
    """
    pairs = []
    for apart in range(1, min(context, walks.shape[1] - 1) + 1):
        first, second = walks[:, :-apart].ravel(), walks[:, apart:].ravel()
        pairs += [np.stack((first, second), axis=1), np.stack((second, first), axis=1)]
    return np.concatenate(pairs)


def embed_nodes(graph: ConditionGraph, width: int, *, seed: int = 0) -> torch.Tensor:
    """Node2vec embeddings, standardised to mean 0 and standard deviation 1 per channel.

    Args:
        graph: the graph to embed.
        width: channels.
        seed: of walks, initial values and negative samples.

    Returns:
        (node, width) float32 on the CPU.
    """
    if graph.n_nodes == 1:  # nowhere to walk
        return torch.zeros(1, width)
    pairs = torch.from_numpy(context_pairs(random_walks(graph, seed=seed), CONTEXT))
    noise = torch.from_numpy(np.diff(graph.row_start).astype(np.float64) ** _NOISE_POWER)
    generator = torch.Generator().manual_seed(seed)
    centre = (torch.rand(graph.n_nodes, width, generator=generator) - 0.5) / width
    centre.requires_grad_(True)
    other = torch.zeros(graph.n_nodes, width, requires_grad=True)
    optimizer = torch.optim.Adam((centre, other), lr=LEARNING_RATE, fused=True)
    epochs = math.ceil(MIN_STEPS * BATCH_PAIRS / min(len(pairs), MAX_PAIRS))
    with torch.enable_grad():
        for _ in range(epochs):
            order = torch.randperm(len(pairs), generator=generator)[:MAX_PAIRS]
            for positions in torch.split(order, BATCH_PAIRS):
                node, context = pairs[positions].unbind(dim=1)
                drawn = torch.multinomial(noise, SHARED_NEGATIVES, replacement=True, generator=generator)
                # One set of negatives per batch makes the products with them one matrix product.
                vectors = F.embedding(node, centre)  # unlike indexing, adds its gradients in a fixed order
                positive = F.logsigmoid((vectors * F.embedding(context, other)).sum(dim=1))
                negative = NEGATIVES * F.logsigmoid(-(vectors @ F.embedding(drawn, other).T)).mean(dim=1)
                optimizer.zero_grad(set_to_none=True)
                (-(positive + negative).mean()).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
    embedding = centre.detach()
    deviation = embedding.std(dim=0, unbiased=False, keepdim=True).clamp(min=1e-6)
    return (embedding - embedding.mean(dim=0, keepdim=True)) / deviation
