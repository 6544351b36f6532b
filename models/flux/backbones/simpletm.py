"""SimpleTM (Chen et al. 2025, *A Simple Baseline for Multivariate Time Series Forecasting*, ICLR 2025).

Blocks are named by what the paper calls them, not by equation: its text could not be consulted line by line.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from models.flux.backbones.blocks import MultiHeadAttention, SelfAttentionLayer, cut_windows, join_chunks, widened
from models.flux.backbones.network import Encoder
from models.flux.backbones.options import BackboneOptions, WaveletName

_ROOT_2, _ROOT_3 = math.sqrt(2), math.sqrt(3)
LOW_PASS: dict[WaveletName, tuple[float, ...]] = {
    "haar": (1 / _ROOT_2, 1 / _ROOT_2),
    "db2": tuple(tap / (4 * _ROOT_2) for tap in (1 + _ROOT_3, 3 + _ROOT_3, 3 - _ROOT_3, 1 - _ROOT_3)),
}
"""Low-pass filters of unit energy (Daubechies 1988, *Orthonormal Bases of Compactly Supported Wavelets*)."""
_SMALLEST_AREA = 1e-12
"""Square of the wedge product's norm below which it has no gradient: the root's is infinite at 0."""


class StationaryWavelet(nn.Module):
    """Stationary wavelet transform of each series with filters of its own, and its inverse (Nason & Silverman 1995).

    At level s the taps lie 2^s steps apart and nothing is thinned out, so that every scale has as many coefficients as
    the series has steps. The series is continued periodically. The filters start as those of a wavelet, where the
    inverse restores the series exactly, and are learned from there, as in SimpleTM.
    """

    def __init__(self, n_series: int, wavelet: WaveletName, levels: int) -> None:
        """Creates the filters for analysis and synthesis.

        Args:
            n_series: number of series.
            wavelet: what the filters start as.
            levels: number of detail scales.
        """
        super().__init__()
        self.levels = levels
        low = torch.tensor(LOW_PASS[wavelet])
        high = low.flip(0) * (-1.0) ** torch.arange(len(low))  # quadrature mirror filter
        pair = torch.stack((low, high)).expand(n_series, 2, -1)
        self.analysis = nn.Parameter(pair.clone())
        self.synthesis = nn.Parameter(pair.clone())

    def forward(self, x: Tensor) -> Tensor:
        """Wavelet coefficients: the approximation, then the details from the coarsest scale to the finest.

        Args:
            x: (..., series, time).

        Returns:
            (..., series, levels + 1, time).
        """
        approximation, details = x, []
        for level in range(self.levels):
            shifted = torch.stack(
                [approximation.roll(-(2**level) * k, dims=-1) for k in range(self.analysis.shape[-1])], dim=-1
            )  # (..., series, time, tap)
            low, high = self.analysis.unbind(dim=1)
            details.append((shifted * high[:, None]).sum(dim=-1))
            approximation = (shifted * low[:, None]).sum(dim=-1)
        return torch.stack((approximation, *reversed(details)), dim=-2)

    def inverse(self, coefficients: Tensor) -> Tensor:
        """The series that belongs to the coefficients.

        Args:
            coefficients: (..., series, levels + 1, time), ordered as ``forward`` returns them.

        Returns:
            (..., series, time).
        """
        approximation, *details = coefficients.unbind(dim=-2)
        low, high = self.synthesis.unbind(dim=1)
        for level, detail in zip(reversed(range(self.levels)), details, strict=True):
            shifted = [
                (low[:, k, None] * approximation + high[:, k, None] * detail).roll(2**level * k, dims=-1)
                for k in range(self.synthesis.shape[-1])
            ]
            approximation = torch.stack(shifted).sum(dim=0) / 2  # without thinning out, all is there twice
        return approximation

    def inverse_matrices(self, length: int) -> Tensor:
        """The inverse as one matrix per series and scale: coefficients times matrix, summed over scales, is the series.

        Args:
            length: steps of a series.

        Returns:
            (series, levels + 1, length, length).
        """
        scales, series = self.levels + 1, len(self.synthesis)
        unit = torch.eye(scales * length).to(self.synthesis).reshape(-1, 1, scales, length)
        columns = self.inverse(unit.expand(-1, series, -1, -1)).reshape(scales, length, series, length)
        return columns.permute(2, 0, 1, 3)


def geometric_scores(query: Tensor, key: Tensor, wedge_share: float) -> Tensor:
    """((1 − α) q·k + α ‖q∧k‖) / √d, from the two parts of the geometric product qk = q·k + q∧k.

    The wedge product is the oriented area that the two vectors span; its norm follows from Lagrange's identity,
    ‖q∧k‖² = ‖q‖²‖k‖² − (q·k)².

    Args:
        query: (..., query, d).
        key: (..., key, d).
        wedge_share: α.

    Returns:
        (..., query, key).
    """
    dot = query @ key.transpose(-2, -1)
    lengths = query.square().sum(dim=-1)[..., :, None] * key.square().sum(dim=-1)[..., None, :]
    wedge = (lengths - dot.square()).clamp(min=_SMALLEST_AREA).sqrt()
    return ((1 - wedge_share) * dot + wedge_share * wedge) / math.sqrt(query.shape[-1])


class GeometricAttention(MultiHeadAttention):
    """Attention by scores from the geometric product of query and key (SimpleTM's geometric attention)."""

    def __init__(self, width: int, heads: int, wedge_share: float) -> None:
        """Creates the projections.

        Args:
            width: channels of a token.
            heads: must divide ``width``.
            wedge_share: α.
        """
        super().__init__(width, heads)
        # The wedge product does see a shift of all keys.
        self.key = nn.Linear(width, width, bias=wedge_share > 0)
        self.wedge_share = wedge_share

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """See ``MultiHeadAttention.attend``."""
        # The wedge product's norm is a difference of squares: half precision would leave nothing of it.
        with torch.autocast(query.device.type, enabled=False):
            scores = geometric_scores(widened(query), widened(key), self.wedge_share)
        return scores.softmax(dim=-1).to(value.dtype) @ value


class SimpleTMEncoder(Encoder):
    """Wavelet coefficients as tokens, geometric attention between variables at each scale, inverse transform.

    A token is one variable's coefficients of one scale within a window. As in ``ITransformerEncoder`` each variable
    gives as many series as fill the width, and the hidden vector of a step is a mixture of them.
    """

    def __init__(self, n_inputs: int, options: BackboneOptions) -> None:
        """Creates the encoder.

        Args:
            n_inputs: variables of a step.
            options: sizes.
        """
        super().__init__(n_inputs, options)
        self.options = options
        self.wavelet = StationaryWavelet(n_inputs, options.wavelet, options.levels)
        self.embedding = nn.Linear(options.window, options.width, bias=False)
        self.origin = nn.Parameter(torch.randn(n_inputs, options.levels + 1, options.width) * options.width**-0.5)
        self.dropout = nn.Dropout(options.dropout)
        self.layers = nn.Sequential(
            *(
                SelfAttentionLayer(options, GeometricAttention(options.width, options.heads, options.wedge_share))
                for _ in range(options.layers)
            )
        )
        per_variable = math.ceil(options.width / n_inputs)
        self.projection = nn.Linear(options.width, per_variable * options.window, bias=False)
        self.mixture = nn.Linear(n_inputs * per_variable, options.width)

    def encode(self, x: Tensor) -> Tensor:
        """See ``Encoder.encode``."""
        coefficients = self.wavelet(cut_windows(x, self.options).transpose(1, 2))
        tokens = self.dropout(self.embedding(coefficients) + self.origin)
        by_scale = tokens.transpose(1, 2)  # (window, scale, variable, width)
        refined = self.layers(by_scale.flatten(0, 1)).reshape(by_scale.shape)
        series = torch.einsum("bkvd,vkdnt->btvn", refined, self._coefficients_to_chunk().to(refined.dtype))
        mixed: Tensor = self.mixture(series.flatten(2))
        return join_chunks(mixed, x.shape[1])

    def _coefficients_to_chunk(self) -> Tensor:
        """(variable, scale, width, series, chunk) weights: a token's projection to coefficients, then their inverse.

        Both are linear: their product is much smaller than the coefficients of all windows.
        """
        first, last = self.options.context, self.options.context + self.options.chunk
        inverse = self.wavelet.inverse_matrices(self.options.window)[..., first:last]
        projection = self.projection.weight.reshape(-1, self.options.window, self.width)  # (series, window, width)
        return torch.einsum("nwd,vkwt->vkdnt", projection, inverse)
