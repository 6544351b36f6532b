"""FEDformer (Zhou et al. 2022, *Frequency Enhanced Decomposed Transformer …*, arXiv:2201.12740), Fourier version."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.flux.backbones.blocks import StepEmbedding, extend, feed_forward_block, widened
from models.flux.backbones.network import Encoder
from models.flux.backbones.options import BackboneOptions

_LARGEST_SEED = 2**31


def moving_average(x: Tensor, kernel: int) -> Tensor:
    """Mean over ``kernel`` steps about each step; the first and the last step are repeated beyond the ends.

    Args:
        x: (batch, time, channels).
        kernel: number of steps; of an even number one more lies after the step than before it.

    Returns:
        The shape of ``x``.
    """
    extended = extend(x, (kernel - 1) // 2, kernel // 2)
    return F.avg_pool1d(extended.transpose(1, 2), kernel, stride=1).transpose(1, 2)


class Decomposition(nn.Module):
    """Mixture of experts: trend = Σ softmax(L(x)) · moving averages, seasonal = x − trend (Section 3.4)."""

    def __init__(self, width: int, kernels: tuple[int, ...]) -> None:
        """Creates L, the weights of the averages at each step; a single average needs none.

        Args:
            width: channels.
            kernels: lengths of the moving averages, in steps.
        """
        super().__init__()
        self.kernels = kernels
        self.weights = nn.Linear(width, len(kernels)) if len(kernels) > 1 else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Seasonal part and trend, each (batch, time, width); their sum is ``x``.

        Args:
            x: (batch, time, width).
        """
        averages = torch.stack([moving_average(x, kernel) for kernel in self.kernels], dim=-1)
        if self.weights is None:
            trend = averages[..., 0]
        else:
            trend = (averages * self.weights(x).softmax(dim=-1)[:, :, None]).sum(dim=-1)
        return x - trend, trend


class FourierBlock(nn.Module):
    """Frequency-enhanced block: F⁻¹(Padding(Select(F(xW)) ⊙ R)), R a learned matrix per mode (Section 3.2, FEB-f).

    The modes are a random subset of the frequencies, drawn once when the block is built and kept with its parameters.
    A series so short that it has fewer frequencies than there are matrices uses them all. In either case a matrix
    stands near the same frequency whatever the length of the series.
    """

    selection_seed: Tensor

    def __init__(self, width: int, heads: int, modes: int) -> None:
        """Creates W and R.

        Args:
            width: channels.
            heads: blocks on the diagonal of each matrix of R; must divide ``width``.
            modes: number of matrices.
        """
        super().__init__()
        self.heads, self.modes = heads, modes
        self.projection = nn.Linear(width, width)
        block = width // heads
        # Real and imaginary parts apart; entries of variance 1 / block keep the size of a signal.
        self.kernel = nn.Parameter(torch.randn(modes, heads, block, block, 2) * (2 * block) ** -0.5)
        self.register_buffer("selection_seed", torch.randint(_LARGEST_SEED, ()))

    def select(self, length: int) -> tuple[Tensor, Tensor]:
        """The frequencies that are kept, in cycles per series, and which matrix of R each is multiplied by.

        Args:
            length: of the series, in steps.

        Returns:
            Two int64 tensors of shape (kept,), both in rising order, on the CPU.
        """
        frequencies = length // 2 + 1
        if frequencies <= self.modes:
            kept = torch.arange(frequencies)
            return kept, kept * self.modes // frequencies
        generator = torch.Generator().manual_seed(int(self.selection_seed))
        kept = torch.randperm(frequencies, generator=generator)[: self.modes].sort().values
        return kept, torch.arange(self.modes)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, time, width), in float32 or wider: half precision has no Fourier transform.

        Args:
            x: (batch, time, width).
        """
        length = x.shape[1]
        kept, matrices = (index.to(x.device) for index in self.select(length))
        spectrum: Tensor = torch.fft.rfft(widened(self.projection(x)), dim=1)
        spectrum = spectrum.reshape(*spectrum.shape[:2], self.heads, -1)
        kernel = torch.view_as_complex(self.kernel[matrices])
        product = torch.einsum("bmhi,mhio->bmho", spectrum[:, kept], kernel)
        padded = torch.zeros_like(spectrum).index_copy(1, kept, product)
        out: Tensor = torch.fft.irfft(padded.flatten(2), n=length, dim=1)
        return out


class FEDformerLayer(nn.Module):
    """Fourier block and feed-forward network; a decomposition after each takes its trend out (Eq. 1 and 2)."""

    def __init__(self, options: BackboneOptions) -> None:
        """Creates the layer.

        Args:
            options: sizes.
        """
        super().__init__()
        self.fourier = FourierBlock(options.width, options.heads, options.modes)
        self.feed_forward = feed_forward_block(options)
        self.dropout = nn.Dropout(options.dropout)
        self.decompositions = nn.ModuleList(Decomposition(options.width, options.trend_kernels) for _ in range(2))
        self.projectors = nn.ModuleList(nn.Linear(options.width, options.width, bias=False) for _ in range(2))

    def forward(self, seasonal: Tensor) -> tuple[Tensor, Tensor]:
        """The refined seasonal part and what the layer adds to the trend, each (batch, time, width).

        Args:
            seasonal: (batch, time, width).
        """
        sublayers = (self.fourier, self.feed_forward)
        added = torch.zeros_like(seasonal)
        for sublayer, decompose, project in zip(sublayers, self.decompositions, self.projectors, strict=True):
            seasonal, trend = decompose(seasonal + self.dropout(sublayer(seasonal)))
            added = added + project(trend)
        return seasonal, added


class FEDformerEncoder(Encoder):
    """Layers that refine the seasonal part and add up the trend; hidden = W_S · seasonal + trend (Section 3.1).

    The paper's encoder hands on the seasonal part and leaves the trend to the decoder (Eq. 1); here there is one stack,
    and it keeps the trend as the paper's decoder does (Eq. 2).
    """

    def __init__(self, n_inputs: int, options: BackboneOptions) -> None:
        """Creates the encoder.

        Args:
            n_inputs: variables of a step.
            options: sizes.
        """
        super().__init__(n_inputs, options)
        self.embedding = StepEmbedding(n_inputs, options, options.kernel_size, positions=False)
        self.decomposition = Decomposition(options.width, options.trend_kernels)
        self.layers = nn.ModuleList(FEDformerLayer(options) for _ in range(options.layers))
        self.seasonal = nn.Linear(options.width, options.width)

    def encode(self, x: Tensor) -> Tensor:
        """See ``Encoder.encode``."""
        seasonal, trend = self.decomposition(self.embedding(x))
        for layer in self.layers:
            seasonal, added = layer(seasonal)
            trend = trend + added
        hidden: Tensor = self.seasonal(seasonal) + trend
        return hidden
