"""Blocks that several backbones share: attention, feed-forward network, embedding, and cutting series into windows."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.flux.backbones.options import BackboneOptions

POSITION_BASE = 10_000.0
"""Longest wavelength ÷ 2π of the positional encoding (Vaswani et al. 2017, Section 3.5)."""


def extend(x: Tensor, before: int, after: int) -> Tensor:
    """Repeats the first and the last step of a series.

    Args:
        x: (batch, time, channels).
        before: copies of the first step to put before it.
        after: copies of the last step to put after it.

    Returns:
        (batch, before + time + after, channels).
    """
    # Not F.pad: its gradient adds up in any order on a GPU.
    return torch.cat((x[:, :1].expand(-1, before, -1), x, x[:, -1:].expand(-1, after, -1)), dim=1)


def widened(x: Tensor) -> Tensor:
    """The same numbers in float32 where they are of half precision, as under autocast.

    Args:
        x: any shape.
    """
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def sinusoidal_positions(length: int, width: int, device: torch.device) -> Tensor:
    """Sine in even and cosine in odd channels of position / 10000^(2i/width) (Vaswani et al. 2017, Section 3.5).

    Args:
        length: number of positions.
        width: even number of channels.
        device: where to make them.

    Returns:
        (length, width).
    """
    frequency = POSITION_BASE ** (-torch.arange(0, width, 2, device=device) / width)
    angle = torch.arange(length, device=device)[:, None] * frequency
    return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Splits channels into heads: (batch, token, width) → (batch, head, token, width / heads).

    Args:
        x: (batch, token, width).
        heads: must divide width.
    """
    batch, tokens, width = x.shape
    return x.reshape(batch, tokens, heads, width // heads).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """Undoes ``split_heads``.

    Args:
        x: (batch, head, token, width / heads).
    """
    return x.transpose(1, 2).flatten(2)


class MultiHeadAttention(nn.Module):
    """softmax(QKᵀ/√d)V in several heads (Vaswani et al. 2017, Eq. 1 and Section 3.2.2).

    A kind of attention of its own overrides ``attend``.
    """

    def __init__(self, width: int, heads: int) -> None:
        """Creates the four projections W^Q, W^K, W^V and W^O, all heads side by side.

        Args:
            width: channels of a token.
            heads: must divide ``width``.
        """
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        # A shift of all keys adds the same to all scores of a query: softmax does not see it.
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor, memory: Tensor) -> Tensor:
        """What the tokens read from the memory.

        Args:
            tokens: (batch, token, width); the queries.
            memory: (batch, memory, width); the keys and values, ``tokens`` themselves in self-attention.

        Returns:
            (batch, token, width).
        """
        query, key, value = (
            split_heads(projected, self.heads)
            for projected in (self.query(tokens), self.key(memory), self.value(memory))
        )
        out: Tensor = self.out(join_heads(self.attend(query, key, value)))
        return out

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attention within each head.

        Args:
            query: (batch, head, token, width / heads).
            key: (batch, head, memory, width / heads).
            value: as ``key``.

        Returns:
            The shape of ``query``.
        """
        return F.scaled_dot_product_attention(query, key, value)


class AddAndNorm(nn.Module):
    """LayerNorm(x + Dropout(y)) around each sublayer (Vaswani et al. 2017, Sections 3.1 and 5.4)."""

    def __init__(self, width: int, dropout: float) -> None:
        """Creates the norm.

        Args:
            width: channels of a token.
            dropout: of what the sublayer adds.
        """
        super().__init__()
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(dropout)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """The normalised sum.

        Args:
            x: (..., width) what went into the sublayer.
            y: (..., width) what came out.
        """
        out: Tensor = self.norm(x + self.dropout(y))
        return out


def feed_forward_block(options: BackboneOptions) -> nn.Sequential:
    """max(0, xW₁ + b₁)W₂ + b₂ (Vaswani et al. 2017, Eq. 2).

    Args:
        options: sizes.
    """
    hidden = options.feed_forward_factor * options.width
    return nn.Sequential(nn.Linear(options.width, hidden), nn.ReLU(), nn.Linear(hidden, options.width))


class SelfAttentionLayer(nn.Module):
    """Self-attention and a feed-forward network, each within Add & Norm (Vaswani et al. 2017, Section 3.1)."""

    def __init__(self, options: BackboneOptions, attention: MultiHeadAttention | None = None) -> None:
        """Creates the layer.

        Args:
            options: sizes.
            attention: another kind than the usual.
        """
        super().__init__()
        self.attention = attention or MultiHeadAttention(options.width, options.heads)
        self.attended = AddAndNorm(options.width, options.dropout)
        self.feed_forward = feed_forward_block(options)
        self.fed = AddAndNorm(options.width, options.dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Refines the tokens.

        Args:
            tokens: (batch, token, width).

        Returns:
            The same shape.
        """
        tokens = self.attended(tokens, self.attention(tokens, tokens))
        out: Tensor = self.fed(tokens, self.feed_forward(tokens))
        return out


class StepEmbedding(nn.Module):
    """One token per step: a convolution over the inputs, plus positions where asked for (Zhou et al. 2021, Appendix B).

    A kernel of one step is the linear embedding of the Transformer.
    """

    def __init__(self, n_inputs: int, options: BackboneOptions, kernel_size: int, *, positions: bool) -> None:
        """Creates the embedding.

        Args:
            n_inputs: variables of a step.
            options: sizes.
            kernel_size: odd number of steps.
            positions: whether to add the positional encoding.
        """
        super().__init__()
        self.reach, self.positions = kernel_size // 2, positions
        self.convolution = nn.Conv1d(n_inputs, options.width, kernel_size)
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, time, width) tokens.

        Args:
            x: (batch, time, inputs).
        """
        tokens = self.convolution(extend(x, self.reach, self.reach).transpose(1, 2)).transpose(1, 2)
        if self.positions:
            tokens = tokens + sinusoidal_positions(tokens.shape[1], tokens.shape[2], tokens.device)
        out: Tensor = self.dropout(tokens)
        return out


def cut_windows(x: Tensor, options: BackboneOptions) -> Tensor:
    """Cuts series of any length into windows of one length: a chunk each, with its context on both sides.

    The chunks follow each other from the first step on. Where a window reaches beyond the series, the first or the
    last step is repeated.

    Args:
        x: (batch, time, inputs).
        options: lengths of chunk and context.

    Returns:
        (batch · chunks, window, inputs), the chunks of a series one after the other.
    """
    missing = -x.shape[1] % options.chunk
    extended = extend(x, options.context, missing + options.context)
    return extended.unfold(1, options.window, options.chunk).flatten(0, 1).transpose(1, 2)


def join_chunks(chunks: Tensor, length: int) -> Tensor:
    """Puts the encoded chunks of each series together again.

    Args:
        chunks: (batch · chunks, chunk, width), in the order of ``cut_windows``.
        length: steps of the series.

    Returns:
        (batch, length, width).
    """
    windows, chunk, width = chunks.shape
    per_series = math.ceil(length / chunk)
    return chunks.reshape(windows // per_series, per_series * chunk, width)[:, :length]
