"""Location-invariant features: dual linear attention over time and features (Du et al. 2025, Eq. 1–4)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

AttentionKind = Literal["linear", "softmax"]
EPSILON = 1e-6
"""ε of Eq. 2."""
ROTARY_BASE = 10_000.0
"""Su et al. (2024), Section 3.2.2."""


def phi(x: Tensor) -> Tensor:
    """φ(x) = ELU(x) + 1, the positive feature map of Eq. 2 (Katharopoulos et al. 2020, Eq. 7).

    Args:
        x: any shape.
    """
    return F.elu(x) + 1


def rotary_angles(positions: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine of the rotary angles m·θ_i, θ_i = 10000^(−2i/width) (Su et al. 2024, Eq. 15).

    Args:
        positions: (position,) any real numbers.
        width: even number of channels.

    Returns:
        Two tensors of shape (position, width / 2).
    """
    frequency = ROTARY_BASE ** (-torch.arange(0, width, 2, dtype=torch.float32, device=positions.device) / width)
    angle = positions.float()[:, None] * frequency
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotates channel i against channel i + width/2 by its position's angle (Su et al. 2024, Eq. 34).

    Args:
        x: (..., position, …, width).
        cosine: (position, width / 2), with further dimensions of one where x has them between the two.
        sine: as ``cosine``.
    """
    first, second = x.chunk(2, dim=-1)
    return torch.cat(
        (torch.addcmul(first * cosine, second, sine, value=-1), torch.addcmul(first * sine, second, cosine)), dim=-1
    )


class SelfAttention(nn.Module):
    """Self-attention over a sequence of tokens, linear (Eq. 1–2) or softmax (ablation).

    Rotary positions act on queries and keys after φ and in the numerator of Eq. 2 only: the denominator stays
    a sum of positive numbers (Su et al. 2024, Eq. 19).
    """

    def __init__(self, width: int, heads: int, kind: AttentionKind, *, rotary: bool) -> None:
        """Creates W_Q, W_K and W_V of Eq. 1, side by side in one matrix.

        Args:
            width: channels D of a token.
            heads: number of heads; must divide ``width`` into even parts.
            kind: ``linear`` or ``softmax``.
            rotary: whether tokens have positions (time steps have, features have not).
        """
        super().__init__()
        self.heads, self.kind, self.rotary = heads, kind, rotary
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Attention output.

        Args:
            x: (sequence, token, width).

        Returns:
            (sequence, token, width).
        """
        sequences, tokens, width = x.shape
        query_key, value = self.query_key_value(x).split((2 * width, width), dim=-1)
        if self.kind == "linear":
            query_key = phi(query_key)  # side by side: one pass over memory instead of two
        query_key = query_key.view(sequences, tokens, 2, self.heads, width // self.heads)
        rotated = query_key
        if self.rotary:
            cosine, sine = rotary_angles(torch.arange(tokens, device=x.device), width // self.heads)
            rotated = rotate(query_key, cosine[:, None, None], sine[:, None, None]).to(value.dtype)
        rotated_query, rotated_key = rotated.permute(2, 0, 3, 1, 4)
        value = value.view(sequences, tokens, self.heads, -1).transpose(1, 2)
        if self.kind == "softmax":
            out = F.scaled_dot_product_attention(rotated_query, rotated_key, value)
        else:
            query, key = query_key.permute(2, 0, 3, 1, 4)
            out = _linear_numerator(rotated_query, rotated_key, value)
            out = out / ((query * key.sum(dim=-2, keepdim=True)).sum(dim=-1, keepdim=True) + EPSILON)
        return out.transpose(1, 2).reshape(sequences, tokens, width)


def _linear_numerator(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """φ(Q)(φ(K)ᵀV) or (φ(Q)φ(K)ᵀ)V.

    The two are equal, and for a sequence shorter than a head is wide the second costs less.
    """
    if query.shape[-2] <= query.shape[-1]:
        return (query @ key.transpose(-2, -1)) @ value
    return query @ (key.transpose(-2, -1) @ value)


def feed_forward(width: int, factor: int) -> nn.Sequential:
    """The position-wise feed-forward network of Eq. 4 and of the decoders.

    Args:
        width: channels of a token.
        factor: hidden channels, as a multiple of ``width``.
    """
    return nn.Sequential(nn.Linear(width, factor * width), nn.ReLU(), nn.Linear(factor * width, width))


class DualAttentionBlock(nn.Module):
    """One DA module: temporal attention, feature attention, feed-forward, each with a residual (Eq. 1–4)."""

    def __init__(self, width: int, heads: int, kind: AttentionKind, feed_forward_factor: int) -> None:
        """Creates the block.

        Args:
            width: channels D of a token.
            heads: attention heads.
            kind: ``linear`` or ``softmax``.
            feed_forward_factor: hidden channels of the feed-forward network ÷ width.
        """
        super().__init__()
        self.temporal = SelfAttention(width, heads, kind, rotary=True)
        self.features = SelfAttention(width, heads, kind, rotary=False)
        self.feed_forward = feed_forward(width, feed_forward_factor)

    def forward(self, x: Tensor) -> Tensor:
        """Refines the tokens.

        Args:
            x: (batch, feature token, window, width).

        Returns:
            The same shape.
        """
        batch, features, window, width = x.shape
        x = x + self.temporal(x.reshape(batch * features, window, width)).view_as(x)
        by_step = x.transpose(1, 2).reshape(batch * window, features, width)
        by_step = by_step + self.features(by_step)  # Eq. 3
        by_step = by_step + self.feed_forward(by_step)  # Eq. 4
        out: Tensor = by_step.view(batch, window, features, width).transpose(1, 2)
        return out


class TabularEncoder(nn.Module):
    """Linear embedding of every climate feature, one token for the static features, then DA blocks."""

    def __init__(
        self,
        n_features: int,
        n_static: int,
        width: int,
        heads: int,
        blocks: int,
        kind: AttentionKind,
        feed_forward_factor: int,
    ) -> None:
        """Creates the encoder.

        Args:
            n_features: climate features, one token each.
            n_static: static features; all share one token, none is made where there are none.
            width: channels of a token.
            heads: attention heads.
            blocks: number of DA blocks; 0 leaves the embedding as it is.
            kind: ``linear`` or ``softmax``.
            feed_forward_factor: hidden channels of the feed-forward network ÷ width.
        """
        super().__init__()
        self.scale = nn.Parameter(torch.randn(n_features, 1, width) * width**-0.5)
        self.shift = nn.Parameter(torch.randn(n_features, 1, width) * width**-0.5)  # tells the features apart
        self.static = nn.Linear(n_static, width) if n_static else None
        self.blocks = nn.ModuleList(DualAttentionBlock(width, heads, kind, feed_forward_factor) for _ in range(blocks))

    def forward(self, windows: Tensor, static: Tensor) -> Tensor:
        """Encodes standardised samples.

        Args:
            windows: (batch, window, feature), standardised.
            static: (batch, static_feature), standardised.

        Returns:
            (batch, token, window, width); the climate tokens first, then the static token if there is one.
        """
        tokens = windows.transpose(1, 2)[..., None] * self.scale + self.shift
        if self.static is not None:
            repeated = self.static(static)[:, None, None, :].expand(-1, 1, windows.shape[1], -1)
            tokens = torch.cat((tokens, repeated.to(tokens.dtype)), dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        return tokens
