"""Six sequence models with one signature: (batch, time, inputs) → (batch, time, outputs).

``backbone("informer", n_inputs=8, n_outputs=3)`` builds one; ``encoder`` builds its encoder alone, which several
decoders may share. Only the module of the backbone asked for is imported, and torch not before one is built.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from models.flux.backbones.options import BackboneOptions
from models.flux.backbones.registry import BACKBONES, BackboneName, backbone, encoder

if TYPE_CHECKING:
    from models.flux.backbones.network import Backbone, Decoder, Encoder

__all__ = ["BACKBONES", "Backbone", "BackboneName", "BackboneOptions", "Decoder", "Encoder", "backbone", "encoder"]

_IN_NETWORK = ("Backbone", "Decoder", "Encoder")


def __getattr__(name: str) -> Any:
    if name in _IN_NETWORK:  # these three import torch
        return getattr(import_module("models.flux.backbones.network"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
