"""TimeXer (Wang et al. 2024, *Empowering Transformers for Time Series Forecasting with …*, arXiv:2402.19072)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.flux.backbones.blocks import (
    AddAndNorm,
    MultiHeadAttention,
    cut_windows,
    feed_forward_block,
    join_chunks,
    sinusoidal_positions,
)
from models.flux.backbones.itransformer import VariateEmbedding
from models.flux.backbones.network import Encoder
from models.flux.backbones.options import BackboneOptions


class TimeXerLayer(nn.Module):
    """Patches and global token attend to each other; the global token then reads the variables (Section 3)."""

    def __init__(self, options: BackboneOptions) -> None:
        """Creates the layer.

        Args:
            options: sizes.
        """
        super().__init__()
        self.attention = MultiHeadAttention(options.width, options.heads)
        self.attended = AddAndNorm(options.width, options.dropout)
        self.reading = MultiHeadAttention(options.width, options.heads)
        self.read = AddAndNorm(options.width, options.dropout)
        self.feed_forward = feed_forward_block(options)
        self.fed = AddAndNorm(options.width, options.dropout)

    def forward(self, tokens: Tensor, variables: Tensor) -> Tensor:
        """Refined tokens, (batch, patches + 1, width).

        Args:
            tokens: (batch, patches + 1, width), the global token last.
            variables: (batch, inputs, width) variate tokens; they stay as they are.
        """
        tokens = self.attended(tokens, self.attention(tokens, tokens))
        patches, whole = tokens[:, :-1], tokens[:, -1:]
        whole = self.read(whole, self.reading(whole, variables))
        tokens = torch.cat((patches, whole), dim=1)
        out: Tensor = self.fed(tokens, self.feed_forward(tokens))
        return out


class TimeXerEncoder(Encoder):
    """Patch tokens, one global token and variate tokens, window by window.

    In the paper the patches are of the past of the variable to predict, and the variate tokens of other variables.
    Here that past is never known: the patches are of all inputs together, so that they tell the course of events, and
    the variate tokens are of each input alone. A patch token and the global token give the steps of the patch, where
    the paper's one linear map of all tokens gives the steps to come.
    """

    def __init__(self, n_inputs: int, options: BackboneOptions) -> None:
        """Creates the encoder.

        Args:
            n_inputs: variables of a step.
            options: sizes.
        """
        super().__init__(n_inputs, options)
        self.options = options
        self.patches = nn.Linear(options.patch * n_inputs, options.width)
        self.whole = nn.Parameter(torch.randn(options.width) * options.width**-0.5)
        self.dropout = nn.Dropout(options.dropout)
        self.variables = VariateEmbedding(n_inputs, options)
        self.layers = nn.ModuleList(TimeXerLayer(options) for _ in range(options.layers))
        self.projection = nn.Linear(2 * options.width, options.patch * options.width)

    def encode(self, x: Tensor) -> Tensor:
        """See ``Encoder.encode``."""
        windows = cut_windows(x, self.options)
        patches = self.patches(windows.reshape(len(windows), -1, self.options.patch * self.n_inputs))
        patches = patches + sinusoidal_positions(patches.shape[1], self.width, x.device)
        tokens = self.dropout(torch.cat((patches, self.whole.expand(len(windows), 1, -1)), dim=1))
        variables = self.variables(windows)
        for layer in self.layers:
            tokens = layer(tokens, variables)
        before, inside = self.options.context // self.options.patch, self.options.chunk // self.options.patch
        own, whole = tokens[:, before : before + inside], tokens[:, -1:].expand(-1, inside, -1)
        steps = self.projection(torch.cat((own, whole), dim=-1))
        return join_chunks(steps.reshape(len(windows), self.options.chunk, self.width), x.shape[1])
