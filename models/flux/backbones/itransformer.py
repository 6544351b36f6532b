"""iTransformer (Liu et al. 2024, *Inverted Transformers Are Effective for Time Series …*, arXiv:2310.06625)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from models.flux.backbones.blocks import SelfAttentionLayer, cut_windows, join_chunks
from models.flux.backbones.network import Encoder
from models.flux.backbones.options import BackboneOptions


class VariateEmbedding(nn.Module):
    """One token per variable: its series within a window, embedded as a whole (Liu et al. 2024, Eq. 1).

    A learned vector per variable is added. In the paper a token need not know which variable it is, because it predicts
    that variable's own future; here all tokens together predict other variables.
    """

    def __init__(self, n_inputs: int, options: BackboneOptions) -> None:
        """Creates the embedding.

        Args:
            n_inputs: variables.
            options: sizes.
        """
        super().__init__()
        self.series = nn.Linear(options.window, options.width, bias=False)
        self.variable = nn.Parameter(torch.randn(n_inputs, options.width) * options.width**-0.5)
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, windows: Tensor) -> Tensor:
        """(batch, inputs, width) tokens.

        Args:
            windows: (batch, window, inputs).
        """
        out: Tensor = self.dropout(self.series(windows.transpose(1, 2)) + self.variable)
        return out


class ITransformerEncoder(Encoder):
    """Self-attention between variables (Section 3.1 and 3.2), window by window.

    The paper's projection (Eq. 1) turns each token into a series; here into several, as many as fill the width, since
    the hidden vector of a step is a mixture of all variables' series.
    """

    def __init__(self, n_inputs: int, options: BackboneOptions) -> None:
        """Creates the encoder.

        Args:
            n_inputs: variables of a step.
            options: sizes.
        """
        super().__init__(n_inputs, options)
        self.options = options
        self.embedding = VariateEmbedding(n_inputs, options)
        self.layers = nn.Sequential(*(SelfAttentionLayer(options) for _ in range(options.layers)))
        per_variable = math.ceil(options.width / n_inputs)
        self.projection = nn.Linear(options.width, options.chunk * per_variable)
        self.mixture = nn.Linear(n_inputs * per_variable, options.width)

    def encode(self, x: Tensor) -> Tensor:
        """See ``Encoder.encode``."""
        tokens = self.layers(self.embedding(cut_windows(x, self.options)))
        series = self.projection(tokens).reshape(*tokens.shape[:2], self.options.chunk, -1)
        mixed: Tensor = self.mixture(series.transpose(1, 2).flatten(2))
        return join_chunks(mixed, x.shape[1])
