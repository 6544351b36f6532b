"""What all backbones share in shape: an encoder, a decoder, and the two as one."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from models.flux.backbones.options import BackboneOptions


class Encoder(nn.Module, ABC):
    """Turns a series of inputs into a hidden vector for each step.

    Attributes:
        n_inputs: variables of a step.
        width: channels of a hidden vector.
    """

    def __init__(self, n_inputs: int, options: BackboneOptions) -> None:
        """Remembers the sizes.

        Args:
            n_inputs: variables of a step.
            options: sizes.

        Raises:
            ValueError: there is no input.
        """
        super().__init__()
        if n_inputs < 1:
            raise ValueError(f"A backbone needs at least one input variable, but n_inputs is {n_inputs}.")
        self.n_inputs, self.width = n_inputs, options.width

    def forward(self, x: Tensor) -> Tensor:
        """Hidden vectors of all steps; each may depend on earlier and on later steps.

        Args:
            x: (batch, time, inputs), standardised, complete, of any length from 1.

        Returns:
            (batch, time, width).

        Raises:
            ValueError: the shape is another one.
        """
        if x.dim() != 3 or x.shape[1] < 1 or x.shape[2] != self.n_inputs:
            raise ValueError(
                f"The inputs have shape {tuple(x.shape)}; give (batch, time, {self.n_inputs}) with at least one step."
            )
        return self.encode(x)

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """As ``forward``, of inputs whose shape is known to be right.

        Args:
            x: (batch, time, inputs).

        Returns:
            (batch, time, width).
        """


class Decoder(nn.Module):
    """One hidden layer, applied to each step: (batch, time, width) → (batch, time, outputs)."""

    def __init__(self, width: int, n_outputs: int) -> None:
        """Creates the decoder.

        Args:
            width: of the encoder.
            n_outputs: predicted variables of a step.

        Raises:
            ValueError: there is no output.
        """
        super().__init__()
        if n_outputs < 1:
            raise ValueError(f"A backbone needs at least one output variable, but n_outputs is {n_outputs}.")
        self.hidden = nn.Linear(width, width)
        self.out = nn.Linear(width, n_outputs)

    def forward(self, hidden: Tensor) -> Tensor:
        """Outputs of all steps, in the type of the weights, also under autocast.

        bfloat16 would leave 8 significant bits of every output.

        Args:
            hidden: (batch, time, width).

        Returns:
            (batch, time, outputs).
        """
        activated = torch.relu(self.hidden(hidden))
        with torch.autocast(hidden.device.type, enabled=False):
            out: Tensor = self.out(activated.to(self.out.weight.dtype))
        return out


class Backbone(nn.Module):
    """An encoder followed by a decoder.

    Attributes:
        encoder: (batch, time, inputs) → (batch, time, width); may be shared with other decoders.
        decoder: (batch, time, width) → (batch, time, outputs).
    """

    def __init__(self, encoder: Encoder, decoder: Decoder) -> None:
        """Joins the two.

        Args:
            encoder: any of the package.
            decoder: of the same width.
        """
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def encode(self, x: Tensor) -> Tensor:
        """(batch, time, width) hidden vectors.

        Args:
            x: (batch, time, inputs).
        """
        hidden: Tensor = self.encoder(x)
        return hidden

    def forward(self, x: Tensor) -> Tensor:
        """Outputs of all steps.

        Args:
            x: (batch, time, inputs), standardised, complete, of any length from 1.

        Returns:
            (batch, time, outputs).
        """
        out: Tensor = self.decoder(self.encode(x))
        return out
