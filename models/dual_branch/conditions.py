"""Location-specific conditions: temporal convolution, graph convolution and LSTM on the graph (Eq. 9–13).

The embedding of a node at a step is a sum, v_it = a_i + b_t with a = Node2vec and b = RoPE (Eq. 9), and both
convolutions are linear up to the σ of Eq. 11. So they are taken of the nodes and of the steps apart, (node, width) and
(step, width), and meet in front of σ: the same sums in another order, at a fraction of the cost of (node, step, width).
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def cyclic_rotary(steps_per_year: int, width: int) -> Tensor:
    """RoPE(t) of the node embedding v_it = Node2vec(i) + RoPE(t), with whole turns per year.

    The vector (1, …, 1, 0, …, 0) rotated by t·θ_i is (cos t·θ_i, sin t·θ_i). Instead of RoFormer's θ the
    angles are whole numbers of turns per year, spaced geometrically from 1 to half the steps of a year as
    RoFormer's are, so that the last step of a year lies beside the first.

    Args:
        steps_per_year: period.
        width: even number of channels.

    Returns:
        (step of the year, width).
    """
    half = width // 2
    fastest = max(1.0, steps_per_year / 2)
    turns = torch.logspace(0, math.log10(fastest), half).round() if half > 1 else torch.ones(1)
    angle = 2 * math.pi / steps_per_year * torch.arange(steps_per_year)[:, None] * turns
    return torch.cat((angle.cos(), angle.sin()), dim=1)


class TemporalConvolution(nn.Module):
    """1-D convolution along the year, which is a circle (Eq. 10)."""

    def __init__(self, width: int, reach: int) -> None:
        """Creates W_time with taps −reach … reach.

        Args:
            width: channels.
            reach: k of Eq. 12, steps to either side.
        """
        super().__init__()
        self.reach = reach
        self.taps = nn.Linear((2 * reach + 1) * width, width)

    def forward(self, of_node: Tensor, of_step: Tensor) -> tuple[Tensor, Tensor]:
        """Σ_τ w_τ · v_(i, t+τ) of v_it = a_i + b_t, again as such a sum: (Σ_τ w_τ) · a_i and Σ_τ w_τ · b_(t+τ).

        Args:
            of_node: (node, width) a.
            of_step: (step of the year, width) b.

        Returns:
            The two parts, of the same shapes; the bias is in the second.
        """
        width = of_step.shape[-1]
        constant = self.taps.weight.view(width, -1, width).sum(dim=1)
        shifted = [of_step.roll(-tau, dims=0) for tau in range(-self.reach, self.reach + 1)]
        return F.linear(of_node, constant), self.taps(torch.cat(shifted, dim=-1))


class _SymmetricProduct(torch.autograd.Function):
    """Product with a symmetric sparse matrix: the gradient is the same product, summed in a fixed order."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, dense: Tensor) -> Tensor:
        ctx.matrix = matrix
        product: Tensor = torch.sparse.mm(matrix, dense)
        return product

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, torch.sparse.mm(ctx.matrix, gradients[0].contiguous())


class GraphConvolution(nn.Module):
    """Graph convolution σ(D^-½ (A∘W) D^-½ V H) (Eq. 11–12), with σ = ReLU.

    With ``learned_adjacency`` a dense row-stochastic matrix softmax(ReLU(E₁E₂ᵀ)) is added to the fixed one
    (Wu et al. 2019, Graph WaveNet, Eq. 5): a dynamic adjacency, at n² cost.
    """

    row_start: Tensor
    neighbour: Tensor
    weight: Tensor
    total: Tensor

    def __init__(
        self,
        width: int,
        row_start: Tensor,
        neighbour: Tensor,
        weight: Tensor,
        *,
        learned_adjacency: bool = False,
    ) -> None:
        """Keeps the normalised matrix in compressed sparse rows.

        Args:
            width: channels.
            row_start: (node + 1,) int64.
            neighbour: (edge,) int64.
            weight: (edge,) normalised symmetric weights, float32.
            learned_adjacency: whether to add a learned matrix.
        """
        super().__init__()
        self.register_buffer("row_start", row_start, persistent=False)
        self.register_buffer("neighbour", neighbour, persistent=False)
        self.register_buffer("weight", weight, persistent=False)
        rows = torch.repeat_interleave(row_start.diff())
        total = weight.new_zeros(len(row_start) - 1).index_add(0, rows, weight)
        self.register_buffer("total", total, persistent=False)
        self.mix = nn.Linear(width, width, bias=False)  # H
        n_nodes, rank = len(row_start) - 1, min(width, 16)
        self.source = nn.Parameter(torch.randn(n_nodes, rank)) if learned_adjacency else None
        self.sink = nn.Parameter(torch.randn(n_nodes, rank)) if learned_adjacency else None

    def neighbourhood(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """The nodes that some nodes are joined with, and the rows of the matrix between the two.

        Args:
            nodes: (asked,) distinct nodes.

        Returns:
            (near,) nodes, ascending, and the dense (asked, near) part of the normalised matrix.
        """
        start, degree = self.row_start[nodes], self.row_start[nodes + 1] - self.row_start[nodes]
        row = torch.repeat_interleave(torch.arange(len(nodes), device=nodes.device), degree)
        before = degree.cumsum(0) - degree
        edge = start[row] + torch.arange(len(row), device=nodes.device) - before[row]
        near, column = torch.unique(self.neighbour[edge], return_inverse=True)
        matrix = self.weight.new_zeros(len(nodes), len(near))
        matrix[row, column] = self.weight[edge]
        return near, matrix

    def among(self, nodes: Tensor, of_node: Tensor, of_step: Tensor, matrix: Tensor) -> Tensor:
        """Mixes some nodes with their neighbours, as ``forward`` does with all.

        Args:
            nodes: (asked,) distinct nodes.
            of_node: (near, width) the neighbours' part of the embedding.
            of_step: (step of the year, width) the steps' part of it.
            matrix: (asked, near) from ``neighbourhood``.

        Returns:
            (asked, step of the year, width).
        """
        mixed = self.mix(of_node)
        with torch.autocast(mixed.device.type, enabled=False):  # as the sparse product
            product = matrix @ mixed.float()
        return self._meet(product, self.total[nodes], of_step)

    def forward(self, of_node: Tensor, of_step: Tensor) -> Tensor:
        """Mixes every node with its neighbours.

        Args:
            of_node: (node, width) the nodes' part of the embedding.
            of_step: (step of the year, width) the steps' part of it.

        Returns:
            (node, step of the year, width).
        """
        mixed = self.mix(of_node)
        with torch.autocast(mixed.device.type, enabled=False):  # sparse products know no bfloat16
            product: Tensor = _SymmetricProduct.apply(  # type: ignore[no-untyped-call]  # torch's own gap
                self._matrix(), mixed.float().contiguous()
            )
        total = self.total
        if self.source is not None and self.sink is not None:
            product = product + torch.softmax(torch.relu(self.source @ self.sink.T), dim=1) @ mixed
            total = total + 1  # as every row of that matrix
        return self._meet(product, total, of_step)

    def _meet(self, product: Tensor, total: Tensor, of_step: Tensor) -> Tensor:
        """(asked, step of the year, width) σ of the nodes' part and, times the sum of a row, of the steps' part.

        Args:
            product: (asked, width) of the matrix and the nodes' part.
            total: (asked,) sums of the matrix's rows.
            of_step: (step of the year, width).
        """
        return torch.relu(product[:, None] + total[:, None, None] * self.mix(of_step).to(product.dtype))

    def _matrix(self) -> Tensor:
        size = len(self.row_start) - 1
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            return torch.sparse_csr_tensor(
                self.row_start, self.neighbour, self.weight, size=(size, size), check_invariants=False
            )


class ConditionEncoder(nn.Module):
    """Condition vectors V_final of every node at every step of the year (Eq. 9–13)."""

    time_embedding: Tensor

    def __init__(
        self,
        embedding: Tensor,
        row_start: Tensor,
        neighbour: Tensor,
        weight: Tensor,
        *,
        steps_per_year: int,
        reach: int,
        learned_adjacency: bool,
        embedding_rate: float = 1.0,
    ) -> None:
        """Creates the encoder.

        Args:
            embedding: (node, width) initial node embeddings; they are trained.
            row_start: (node + 1,) of the normalised adjacency.
            neighbour: (edge,) of the normalised adjacency.
            weight: (edge,) of the normalised adjacency.
            steps_per_year: period of the conditions.
            reach: steps to either side in the temporal convolution.
            learned_adjacency: see ``GraphConvolution``.
            embedding_rate: how many times as fast as other parameters the embeddings learn. A batch visits few nodes,
                so that each takes few of the steps that Adam makes equally long.
        """
        super().__init__()
        width = embedding.shape[1]
        self.embedding_rate = embedding_rate
        self.embedding = nn.Parameter(embedding / embedding_rate)  # a step of the parameter is so many of the embedding
        self.register_buffer("time_embedding", cyclic_rotary(steps_per_year, width), persistent=False)
        self.temporal = TemporalConvolution(width, reach)
        self.spatial = GraphConvolution(width, row_start, neighbour, weight, learned_adjacency=learned_adjacency)
        self.memory = nn.LSTM(width, width, batch_first=True)

    def forward(self, nodes: Tensor | None = None) -> Tensor:
        """(node, step of the year, width) V_final; the LSTM starts each year from zero.

        Args:
            nodes: (asked,) distinct nodes whose conditions are asked for; None for all. Convolutions are computed for
                the neighbours of these nodes, or for all where a learned matrix joins all with all.
        """
        if nodes is None or self.spatial.source is not None:
            mixed = self.spatial(*self._convolved(self.embedding))
            asked = mixed if nodes is None else mixed[nodes]
        else:
            near, matrix = self.spatial.neighbourhood(nodes)
            asked = self.spatial.among(nodes, *self._convolved(F.embedding(near, self.embedding)), matrix)
        # Under autocast cuDNN's LSTM runs in float16, whatever type was asked for, and would need scaled gradients.
        with torch.autocast(asked.device.type, enabled=False):
            final: Tensor = self.memory(asked.to(self.embedding.dtype))[0]
        return final

    def _convolved(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """The two parts of the temporal convolution of v_it = Node2vec(i) + RoPE(t) (Eq. 9–10)."""
        convolved: tuple[Tensor, Tensor] = self.temporal(embedding * self.embedding_rate, self.time_embedding)
        return convolved
