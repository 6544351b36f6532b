"""Backbones by name; the module of one is imported when it is built."""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, get_args

from models.flux.backbones.options import BackboneOptions

if TYPE_CHECKING:
    from models.flux.backbones.network import Backbone, Encoder

BackboneName = Literal["transformer", "informer", "fedformer", "itransformer", "timexer", "simpletm"]
BACKBONES: tuple[BackboneName, ...] = get_args(BackboneName)
_ENCODERS: dict[BackboneName, str] = {
    "transformer": "TransformerEncoder",
    "informer": "InformerEncoder",
    "fedformer": "FEDformerEncoder",
    "itransformer": "ITransformerEncoder",
    "timexer": "TimeXerEncoder",
    "simpletm": "SimpleTMEncoder",
}


def encoder(name: str, n_inputs: int, options: BackboneOptions | None = None) -> Encoder:
    """A new encoder, initialised from torch's random state: (batch, time, inputs) → (batch, time, width).

    Args:
        name: one of ``BACKBONES``.
        n_inputs: variables of a step.
        options: sizes; the defaults if None.

    Raises:
        ValueError: the name is unknown, or there is no input.
    """
    module = import_module(f"models.flux.backbones.{_known(name)}")
    built: Any = getattr(module, _ENCODERS[_known(name)])(n_inputs, options or BackboneOptions())
    encoder: Encoder = built
    return encoder


def backbone(name: str, n_inputs: int, n_outputs: int, options: BackboneOptions | None = None) -> Backbone:
    """A new backbone, initialised from torch's random state: (batch, time, inputs) → (batch, time, outputs).

    Args:
        name: one of ``BACKBONES``.
        n_inputs: variables of a step.
        n_outputs: predicted variables of a step.
        options: sizes; the defaults if None.

    Raises:
        ValueError: the name is unknown, or there is no input or no output.
    """
    encoding = encoder(name, n_inputs, options)
    from models.flux.backbones.network import Backbone, Decoder

    return Backbone(encoding, Decoder(encoding.width, n_outputs))


def _known(name: str) -> BackboneName:
    for known in BACKBONES:
        if name == known:
            return known
    close = difflib.get_close_matches(str(name).lower(), BACKBONES, n=2)
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"choose one of {', '.join(BACKBONES)}."
    raise ValueError(f"Unknown backbone {name!r}: {hint}")
