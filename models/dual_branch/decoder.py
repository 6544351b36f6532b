"""Constrained prediction: two decoders, two heads, two losses (Du et al. 2025, Eq. 14–18)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.dual_branch.attention import feed_forward, rotary_angles, rotate


class ConditionedDecoder(nn.Module):
    """Cross-attention with queries and keys from the data features and values from the conditions (Eq. 15).

    Queries are the tokens of the predicted steps, keys the tokens of each step of the sequence, averaged over
    features, so that there is one key for each of the sequence's condition vectors. Residual and feed-forward
    follow, each with a layer normalisation after it, as in Vaswani et al. (2017), if asked for.
    """

    def __init__(
        self, width: int, heads: int, feed_forward_factor: int, *, layer_norm: bool = False, rotary: bool = False
    ) -> None:
        """Creates the decoder.

        Args:
            width: channels of a token.
            heads: attention heads.
            feed_forward_factor: hidden channels of the feed-forward network ÷ width.
            layer_norm: normalise after each residual.
            rotary: whether queries and keys know their steps, so that a step can look for its own condition.
        """
        super().__init__()
        self.heads, self.rotary = heads, rotary
        self.after_attention = nn.LayerNorm(width) if layer_norm else nn.Identity()
        self.after_feed_forward = nn.LayerNorm(width) if layer_norm else nn.Identity()
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.feed_forward = feed_forward(width, feed_forward_factor)

    def forward(self, features: Tensor, conditions: Tensor, *, every_step: bool = False) -> Tensor:
        """Decodes one batch.

        Args:
            features: (batch, token, window, width) data features.
            conditions: (batch, window, width) condition vectors of the row's node at the window's steps.
            every_step: predict at every step of a row, else at its last.

        Returns:
            (sample, token, width), the samples of a row after each other.
        """
        asked = features if every_step else features[:, :, -1:]
        batch, n_tokens, steps, width = asked.shape
        tokens = asked.reshape(batch, n_tokens * steps, width)
        query = self._split(self.query(tokens))
        key = self._split(self.key(features.mean(dim=1)))
        if self.rotary:
            positions = torch.arange(key.shape[2], device=key.device)
            cosine, sine = rotary_angles(positions, key.shape[-1])
            key = rotate(key, cosine, sine).to(query.dtype)
            cosine, sine = (angle[-steps:].repeat(n_tokens, 1) for angle in (cosine, sine))
            query = rotate(query, cosine, sine).to(key.dtype)
        value = self._split(self.value(conditions))
        attended = F.scaled_dot_product_attention(query, key, value.to(query.dtype))  # softmax(QKᵀ/√d_k)V
        tokens = self.after_attention(tokens + attended.transpose(1, 2).reshape(tokens.shape))
        out: Tensor = self.after_feed_forward(tokens + self.feed_forward(tokens))
        return out.view(batch, n_tokens, steps, width).transpose(1, 2).reshape(batch * steps, n_tokens, width)

    def _split(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        return x.view(batch, length, self.heads, width // self.heads).transpose(1, 2)


class OutputLayer(nn.Linear):
    """A linear layer in its own type, also under autocast: bfloat16 would leave 8 significant bits of every output."""

    def forward(self, input: Tensor) -> Tensor:
        """As ``nn.Linear``.

        Args:
            input: (..., in) of any floating-point type.

        Returns:
            (..., out) in the type of the layer's weights.
        """
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.to(self.weight.dtype))


class PredictionHead(nn.Module):
    """ŷ from the mean of the decoded tokens."""

    def __init__(self, width: int) -> None:
        """Creates the head.

        Args:
            width: channels of a token.
        """
        super().__init__()
        self.out = OutputLayer(width, 1)

    def forward(self, decoded: Tensor) -> Tensor:
        """(batch,) prediction, in the target's unit.

        Args:
            decoded: (batch, token, width).
        """
        out: Tensor = self.out(decoded.mean(dim=1))[:, 0]
        return out


class ImportanceHead(nn.Module):
    """One weight per input variable, from its own token or, for static features, from theirs."""

    def __init__(self, width: int, n_features: int, n_static: int) -> None:
        """Creates the head.

        Args:
            width: channels of a token.
            n_features: climate features.
            n_static: static features.
        """
        super().__init__()
        self.n_features = n_features
        self.climate = OutputLayer(width, 1)
        self.static = OutputLayer(width, n_static) if n_static else None

    def forward(self, decoded: Tensor) -> Tensor:
        """(batch, feature + static_feature) weights w_j, in target units per standard deviation of x_j.

        Args:
            decoded: (batch, token, width).
        """
        weights: Tensor = self.climate(decoded[:, : self.n_features])[..., 0]
        if self.static is None:
            return weights
        return torch.cat((weights, self.static(decoded[:, self.n_features])), dim=1)


class Decoded(NamedTuple):
    """What a network says about a batch.

    Attributes:
        prediction: (sample,) ŷ.
        weights: (explained, feature + static_feature) w_j of the samples whose weights were asked for.
        interpretable: (explained,) ŷ_interp = Σ_j w_j x_j (Eq. 17).
        slopes: (explained, feature) ∂ŷ/∂x_j of the climate features at the step, in the unit of the weights, detached;
            None where they were not asked for.
    """

    prediction: Tensor
    weights: Tensor
    interpretable: Tensor
    slopes: Tensor | None = None


def weighted_sum(weights: Tensor, inputs: Tensor) -> Tensor:
    """ŷ_interp = Σ_j w_j x_j (Eq. 17).

    Args:
        weights: (batch, variable).
        inputs: (batch, variable) standardised values of the predicted step.
    """
    return (weights * inputs).sum(dim=1)


def combined_loss(
    decoded: Decoded,
    target: Tensor,
    prediction_weight: float,
    importance_weight: float,
    *,
    explained: Tensor | None = None,
    expected: float | None = None,
    expected_explained: float | None = None,
) -> Tensor:
    """a·L_dep + b·L_interp; the paper's objective is a = b = 1 (Eq. 16 and 18).

    Args:
        decoded: what the network says.
        target: (sample,) y.
        prediction_weight: a.
        importance_weight: b.
        explained: (explained,) samples that have weights; None for all.
        expected: number of samples that the squared errors are divided by; None for their own number. Where a batch
            holds more or fewer by chance, an expected number lets processes that share it add up to the loss of one.
        expected_explained: the same of the samples that have weights.
    """
    squares = (decoded.prediction.float() - target).square().sum()
    prediction = squares / (len(target) if expected is None else expected)
    aim = target if explained is None else target[explained]
    squares = (decoded.interpretable.float() - aim).square().sum()
    importance = squares / (len(aim) if expected_explained is None else expected_explained)
    return prediction_weight * prediction + importance_weight * importance
