"""Transformer (Vaswani et al. 2017, *Attention Is All You Need*, arXiv:1706.03762): its encoder."""

from __future__ import annotations

from torch import Tensor, nn

from models.flux.backbones.blocks import SelfAttentionLayer, StepEmbedding
from models.flux.backbones.network import Encoder
from models.flux.backbones.options import BackboneOptions


class TransformerEncoder(Encoder):
    """One token per step, with positions; a stack of self-attention layers (Sections 3.1 and 3.5)."""

    def __init__(self, n_inputs: int, options: BackboneOptions) -> None:
        """Creates the encoder.

        Args:
            n_inputs: variables of a step.
            options: sizes.
        """
        super().__init__(n_inputs, options)
        self.embedding = StepEmbedding(n_inputs, options, kernel_size=1, positions=True)
        self.layers = nn.Sequential(*(SelfAttentionLayer(options) for _ in range(options.layers)))

    def encode(self, x: Tensor) -> Tensor:
        """See ``Encoder.encode``."""
        hidden: Tensor = self.layers(self.embedding(x))
        return hidden
