"""Informer (Zhou et al. 2021, *Beyond Efficient Transformer for Long Sequence …*, arXiv:2012.07436)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.flux.backbones.blocks import (
    AddAndNorm,
    MultiHeadAttention,
    SelfAttentionLayer,
    StepEmbedding,
    extend,
    feed_forward_block,
)
from models.flux.backbones.network import Encoder
from models.flux.backbones.options import BackboneOptions


def sampled_count(factor: float, length: int) -> int:
    """c·ln L, rounded up, at least 1 and at most L (Zhou et al. 2021, Algorithm 1).

    Args:
        factor: c.
        length: L, number of queries or keys.
    """
    return min(length, max(1, math.ceil(factor * math.log(length))))


def max_mean_sparsity(query: Tensor, key: Tensor, sampled: Tensor | None) -> Tensor:
    """M̄(q, K) = max_j qk_jᵀ/√d − mean_j qk_jᵀ/√d, by which active queries are told from lazy ones (Eq. 4).

    Args:
        query: (batch, head, query, d).
        key: (batch, head, key, d).
        sampled: (query, sample) keys that each query is held against; None for all.

    Returns:
        (batch, head, query).
    """
    scores = query @ key.mT
    if sampled is not None:
        # All products at once cost less than gathering the sampled keys, up to some thousand steps.
        scores = scores.gather(-1, sampled.expand(*scores.shape[:2], -1, -1))
    return (scores.amax(dim=-1) - scores.mean(dim=-1)) / math.sqrt(query.shape[-1])


class ProbSparseAttention(MultiHeadAttention):
    """Attention of the active queries only; lazy ones take the mean of the values (Eq. 3 and 4, Algorithm 1).

    In training the active queries are found by a random sample of keys, drawn from torch's random state on the CPU;
    in evaluation by all keys, so that nothing is drawn.
    """

    def __init__(self, width: int, heads: int, factor: float) -> None:
        """Creates the attention.

        Args:
            width: channels of a token.
            heads: must divide ``width``.
            factor: c.
        """
        super().__init__(width, heads)
        self.factor = factor

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """See ``MultiHeadAttention.attend``."""
        n_queries, n_keys = query.shape[-2], key.shape[-2]
        n_active, n_sampled = sampled_count(self.factor, n_queries), sampled_count(self.factor, n_keys)
        if n_active == n_queries:
            return F.scaled_dot_product_attention(query, key, value)
        sampled = None
        if self.training and n_sampled < n_keys:
            sampled = torch.randint(n_keys, (n_queries, n_sampled)).to(query.device)
        with torch.no_grad():  # choosing has no gradient
            active = max_mean_sparsity(query, key, sampled).topk(n_active, dim=-1).indices
        at = active[..., None].expand(-1, -1, -1, query.shape[-1])
        attended = F.scaled_dot_product_attention(query.gather(-2, at), key, value)
        lazy = value.mean(dim=-2, keepdim=True).expand_as(query)
        return lazy.scatter(-2, at, attended.to(lazy.dtype))


class Distilling(nn.Module):
    """MaxPool(ELU(Conv1d(x))) with stride 2: half the steps, the dominating ones (Eq. 5)."""

    def __init__(self, options: BackboneOptions) -> None:
        """Creates the convolution.

        Args:
            options: sizes.
        """
        super().__init__()
        self.reach = options.kernel_size // 2
        self.convolution = nn.Conv1d(options.width, options.width, options.kernel_size)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, ⌈time / 2⌉, width).

        Args:
            tokens: (batch, time, width).
        """
        features = F.elu(self.convolution(extend(tokens, self.reach, self.reach).transpose(1, 2)))
        return F.max_pool1d(features, kernel_size=3, stride=2, padding=1).transpose(1, 2)


class RestoringLayer(nn.Module):
    """The layer of Informer's decoder (Section 3.3): a token per output step reads the distilled memory.

    The paper's decoder is fed with known steps and placeholders for the steps to come (Eq. 6). Here the inputs of all
    steps are known, so that their embedding takes that place, and nothing needs to be masked.
    """

    def __init__(self, options: BackboneOptions) -> None:
        """Creates the layer.

        Args:
            options: sizes.
        """
        super().__init__()
        self.attention = ProbSparseAttention(options.width, options.heads, options.sampling_factor)
        self.attended = AddAndNorm(options.width, options.dropout)
        self.reading = MultiHeadAttention(options.width, options.heads)
        self.read = AddAndNorm(options.width, options.dropout)
        self.feed_forward = feed_forward_block(options)
        self.fed = AddAndNorm(options.width, options.dropout)

    def forward(self, tokens: Tensor, memory: Tensor) -> Tensor:
        """(batch, time, width).

        Args:
            tokens: (batch, time, width) embedding of all steps.
            memory: (batch, distilled, width).
        """
        tokens = self.attended(tokens, self.attention(tokens, tokens))
        tokens = self.read(tokens, self.reading(tokens, memory))
        out: Tensor = self.fed(tokens, self.feed_forward(tokens))
        return out


class InformerEncoder(Encoder):
    """ProbSparse layers with a distilling step between any two, then one layer that restores the length."""

    def __init__(self, n_inputs: int, options: BackboneOptions) -> None:
        """Creates the encoder.

        Args:
            n_inputs: variables of a step.
            options: sizes.
        """
        super().__init__(n_inputs, options)
        self.embedding = StepEmbedding(n_inputs, options, options.kernel_size, positions=True)
        stack: list[nn.Module] = []
        for layer in range(options.layers):
            if layer > 0:
                stack.append(Distilling(options))
            attention = ProbSparseAttention(options.width, options.heads, options.sampling_factor)
            stack.append(SelfAttentionLayer(options, attention))
        self.stack = nn.Sequential(*stack)
        self.restoring = RestoringLayer(options)

    def encode(self, x: Tensor) -> Tensor:
        """See ``Encoder.encode``."""
        tokens = self.embedding(x)
        hidden: Tensor = self.restoring(tokens, self.stack(tokens))
        return hidden
