"""FEDformer's blocks against an explicit Fourier transform and literal averages."""

import cmath
import math

import pytest
import torch

from models.flux.backbones.fedformer import (
    Decomposition,
    FEDformerEncoder,
    FEDformerLayer,
    FourierBlock,
    moving_average,
)
from models.flux.backbones.options import BackboneOptions
from tests.support.flux_reference import literal_feed_forward, literal_linear

OPTIONS = BackboneOptions(width=8, heads=2, dropout=0.0, modes=4, trend_kernels=(3, 5))


def literal_average(x, kernel):
    """Mean over the kernel about each step of one series whose ends are repeated."""
    out = torch.zeros_like(x)
    for step in range(len(x)):
        first = step - (kernel - 1) // 2
        for at in range(first, first + kernel):
            out[step] += x[min(max(at, 0), len(x) - 1)] / kernel
    return out


@pytest.mark.parametrize("length", [1, 4, 9])
@pytest.mark.parametrize("kernel", [1, 3, 6, 25])
def test_a_moving_average_is_the_mean_about_each_step(length, kernel):
    x = torch.randn(2, length, 3).double()
    expected = torch.stack([literal_average(one, kernel) for one in x])
    torch.testing.assert_close(moving_average(x, kernel), expected)


@pytest.mark.parametrize("kernels", [(5,), (3, 7)])
@pytest.mark.parametrize("length", [1, 9, 40])
@torch.no_grad()
def test_seasonal_part_and_trend_add_up_to_the_series(kernels, length):
    torch.manual_seed(0)
    x = torch.randn(2, length, 8)
    seasonal, trend = Decomposition(8, kernels)(x)
    torch.testing.assert_close(seasonal + trend, x)


@torch.no_grad()
def test_the_trend_is_a_mixture_of_averages_weighted_at_each_step():
    torch.manual_seed(0)
    decomposition = Decomposition(8, (3, 7)).double()
    x = torch.randn(1, 9, 8).double()
    weights = torch.softmax(literal_linear(decomposition.weights, x[0]), dim=-1)
    expected = sum(weights[:, i, None] * literal_average(x[0], kernel) for i, kernel in enumerate((3, 7)))
    torch.testing.assert_close(decomposition(x)[1][0], expected)


def test_a_constant_has_no_seasonal_part():
    seasonal, trend = Decomposition(8, (3, 7))(torch.full((1, 20, 8), 2.5))
    assert seasonal.abs().max() < 1e-6 and (trend - 2.5).abs().max() < 1e-6


def literal_fourier_block(block, x):
    """FEB-f of one series by sums over steps and frequencies."""
    length, width = x.shape
    size = width // block.heads
    projected = literal_linear(block.projection, x)
    kept, matrices = (index.tolist() for index in block.select(length))
    out = torch.zeros_like(x)
    for frequency, matrix in zip(kept, matrices, strict=True):
        turn = [cmath.exp(-2j * math.pi * frequency * step / length) for step in range(length)]
        spectrum = [sum(complex(projected[step, c]) * turn[step] for step in range(length)) for c in range(width)]
        mirrored = 0 < frequency < length / 2  # its conjugate belongs to frequency length − f
        for channel in range(width):
            head, o = divmod(channel, size)
            product = 0j
            for i in range(size):
                real, imaginary = block.kernel[matrix, head, i, o].tolist()
                product += spectrum[head * size + i] * complex(real, imaginary)
            for step in range(length):
                out[step, channel] += (2 if mirrored else 1) * (product * turn[step].conjugate()).real / length
    return out


@pytest.mark.parametrize("length", [1, 2, 5, 6, 13])  # up to 6 fewer frequencies than modes or as many
@torch.no_grad()
def test_the_fourier_block_is_a_discrete_fourier_transform_a_product_and_its_inverse(length):
    torch.manual_seed(0)
    block = FourierBlock(8, 2, modes=4).double()
    x = torch.randn(2, length, 8).double()
    torch.testing.assert_close(block(x), torch.stack([literal_fourier_block(block, one) for one in x]))


@torch.no_grad()
def test_identity_matrices_on_all_modes_give_the_projected_series_back():
    torch.manual_seed(0)
    block = FourierBlock(8, 2, modes=30)
    block.kernel.zero_()
    block.kernel[..., 0] = torch.eye(4)
    x = torch.randn(2, 50, 8)
    torch.testing.assert_close(block(x), block.projection(x), rtol=1e-4, atol=1e-5)


def test_selected_modes_are_distinct_random_and_fixed():
    torch.manual_seed(0)
    first, second = FourierBlock(8, 2, modes=32), FourierBlock(8, 2, modes=32)
    kept, matrices = first.select(192)
    assert len(set(kept.tolist())) == 32 and kept.min() >= 0 and kept.max() <= 96
    assert torch.equal(kept, kept.sort().values) and torch.equal(matrices, torch.arange(32))
    torch.manual_seed(9)
    assert torch.equal(first.select(192)[0], kept)
    assert not torch.equal(second.select(192)[0], kept)


@pytest.mark.parametrize("length", [12, 36, 62, 63, 64, 192, 1000])
def test_a_matrix_stands_near_one_frequency_at_any_length(length):
    torch.manual_seed(0)
    kept, matrices = FourierBlock(8, 2, modes=32).select(length)
    cycles_per_step, of_matrix = kept / length, matrices / 32 / 2
    assert len(set(matrices.tolist())) == len(matrices)
    assert (cycles_per_step - of_matrix).abs().max() < 0.15


@torch.no_grad()
def test_a_layer_is_equation_1_with_the_trends_of_equation_2():
    torch.manual_seed(0)
    layer = FEDformerLayer(OPTIONS).double()
    x = torch.randn(1, 13, 8).double()
    first, second = layer.decompositions
    seasonal, trend_1 = first(x + literal_fourier_block(layer.fourier, x[0]))
    seasonal, trend_2 = second(seasonal + literal_feed_forward(layer.feed_forward, seasonal))
    added = sum(literal_linear(w, t) for w, t in zip(layer.projectors, (trend_1, trend_2), strict=True))
    torch.testing.assert_close(layer(x)[0], seasonal)
    torch.testing.assert_close(layer(x)[1], added)


@torch.no_grad()
def test_the_encoder_adds_the_trends_of_all_layers():
    torch.manual_seed(0)
    encoder = FEDformerEncoder(3, OPTIONS).double()
    x = torch.randn(2, 13, 3).double()
    seasonal, trend = encoder.decomposition(encoder.embedding(x))
    for layer in encoder.layers:
        seasonal, added = layer(seasonal)
        trend = trend + added
    torch.testing.assert_close(encoder(x), literal_linear(encoder.seasonal, seasonal) + trend)
