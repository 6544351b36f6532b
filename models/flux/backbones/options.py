"""Sizes and settings of the backbones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

WaveletName = Literal["haar", "db2"]


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True)
class BackboneOptions:
    """One set of options for all six; each backbone reads those that concern it.

    The sizes are small because every training runs on two CPU cores. Lengths are in steps, months in the suite.

    Attributes:
        width: channels of a hidden vector.
        layers: encoder layers.
        heads: attention heads; of FEDformer, diagonal blocks of a Fourier kernel.
        dropout: of embeddings and of what each sublayer adds; attention weights have none.
        feed_forward_factor: hidden channels of a feed-forward network ÷ width; 4 in Vaswani et al. (2017).
        kernel_size: of the convolutions of Informer and FEDformer over time, odd.
        sampling_factor: Informer's c: of L queries, c·ln L are active, and c·ln L keys are sampled to find them.
        modes: Fourier modes that a block of FEDformer keeps.
        trend_kernels: FEDformer's moving averages; odd numbers are centred, 13 and 25 months span one and two years.
        chunk: steps that iTransformer, TimeXer and SimpleTM encode at once.
        context: further steps that they see before and after a chunk.
        patch: steps of a TimeXer patch; must divide ``chunk`` and ``context``.
        wavelet: of SimpleTM: ``haar`` or ``db2`` (Daubechies, two vanishing moments).
        levels: of SimpleTM's wavelet transform; 3 levels tell fluctuations over 2, 4, 8 and more steps apart.
        wedge_share: SimpleTM's α, the share of the wedge product in an attention score; 0 is the usual attention.

    Raises:
        ValueError: a setting is out of range.
    """

    width: int = 64
    layers: int = 2
    heads: int = 4
    dropout: float = 0.1
    feed_forward_factor: int = 2
    kernel_size: int = 3
    sampling_factor: float = 5.0
    modes: int = 64
    trend_kernels: tuple[int, ...] = (13, 25)
    chunk: int = 12
    context: int = 12
    patch: int = 6
    wavelet: WaveletName = "haar"
    levels: int = 3
    wedge_share: float = 0.5

    def __post_init__(self) -> None:
        for name in ("width", "layers", "heads", "feed_forward_factor", "kernel_size", "modes", "chunk", "patch"):
            _require(getattr(self, name) >= 1, f"BackboneOptions.{name} is {getattr(self, name)}; it must be >= 1.")
        for name in ("context", "levels"):
            _require(getattr(self, name) >= 0, f"BackboneOptions.{name} is {getattr(self, name)}; it must be >= 0.")
        _require(
            self.width % self.heads == 0 and self.width % 2 == 0,
            f"BackboneOptions.width is {self.width}; it must be even and a multiple of heads, {self.heads}.",
        )
        _require(0 <= self.dropout < 1, f"BackboneOptions.dropout is {self.dropout}; it must lie in [0, 1).")
        _require(self.kernel_size % 2 == 1, f"BackboneOptions.kernel_size is {self.kernel_size}; it must be odd.")
        _require(
            self.sampling_factor > 0,
            f"BackboneOptions.sampling_factor is {self.sampling_factor}; it must be positive.",
        )
        _require(
            len(self.trend_kernels) > 0 and min(self.trend_kernels) >= 1,
            f"BackboneOptions.trend_kernels is {self.trend_kernels}; give one length or more, each >= 1.",
        )
        _require(
            self.chunk % self.patch == 0 and self.context % self.patch == 0,
            f"BackboneOptions.patch is {self.patch}; it must divide chunk, {self.chunk}, and context, {self.context}.",
        )
        _require(
            self.wavelet in get_args(WaveletName),
            f"BackboneOptions.wavelet is {self.wavelet!r}; choose {' or '.join(map(repr, get_args(WaveletName)))}.",
        )
        _require(
            2**self.levels <= self.window,
            f"BackboneOptions.levels is {self.levels}; 2^levels must not exceed the window, {self.window} steps.",
        )
        _require(
            0 <= self.wedge_share <= 1,
            f"BackboneOptions.wedge_share is {self.wedge_share}; it must lie in [0, 1].",
        )

    @property
    def window(self) -> int:
        """Steps that iTransformer, TimeXer and SimpleTM see at once: a chunk with its context on both sides."""
        return self.chunk + 2 * self.context
