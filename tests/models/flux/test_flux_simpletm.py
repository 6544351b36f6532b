"""SimpleTM's wavelet tokens and geometric attention against their definitions."""

import math

import pytest
import torch

from models.flux.backbones.options import BackboneOptions
from models.flux.backbones.simpletm import (
    LOW_PASS,
    GeometricAttention,
    SimpleTMEncoder,
    StationaryWavelet,
    geometric_scores,
)
from tests.support.flux_reference import (
    dot_score,
    literal_attention,
    literal_linear,
    literal_self_attention_layer,
    literal_windows,
)

every_wavelet = pytest.mark.parametrize("wavelet", LOW_PASS)


def changed_filters(n_series, wavelet, levels):
    """A transform whose filters are no longer a wavelet's, as after training."""
    torch.manual_seed(0)
    transform = StationaryWavelet(n_series, wavelet, levels).double()
    for filters in (transform.analysis, transform.synthesis):
        filters.data += 0.3 * torch.randn_like(filters)
    return transform


def literal_analysis(x, low, high, levels):
    """Coefficients of one periodic series: approximation first, then details from coarse to fine."""
    approximation, details = x, []
    for level in range(levels):
        smooth, rough = torch.zeros_like(x), torch.zeros_like(x)
        for t in range(len(x)):
            for k in range(len(low)):
                at = (t + 2**level * k) % len(x)
                smooth[t] += low[k] * approximation[at]
                rough[t] += high[k] * approximation[at]
        approximation = smooth
        details.insert(0, rough)
    return torch.stack([approximation, *details])


def literal_synthesis(coefficients, low, high):
    """The series of one set of coefficients."""
    approximation, levels = coefficients[0], len(coefficients) - 1
    for scale in range(1, levels + 1):
        level = levels - scale
        series = torch.zeros_like(approximation)
        for t in range(len(series)):
            for k in range(len(low)):
                at = (t - 2**level * k) % len(series)
                series[t] += (low[k] * approximation[at] + high[k] * coefficients[scale][at]) / 2
        approximation = series
    return approximation


@every_wavelet
def test_low_pass_filters_have_unit_energy_and_orthogonal_shifts(wavelet):
    taps = LOW_PASS[wavelet]
    assert sum(taps) == pytest.approx(math.sqrt(2))
    for shift in range(0, len(taps), 2):
        product = sum(a * b for a, b in zip(taps[shift:], taps, strict=False))
        assert product == pytest.approx(1.0 if shift == 0 else 0.0, abs=1e-12)


@every_wavelet
@torch.no_grad()
def test_details_ignore_a_constant_and_db2_s_a_slope(wavelet):
    transform = StationaryWavelet(1, wavelet, 1).double()
    assert transform(torch.ones(1, 16).double())[0, 1].abs().max() < 1e-6
    if wavelet == "db2":
        slope = torch.arange(16.0).double()[None]
        assert transform(slope)[0, 1, :12].abs().max() < 1e-5  # without the jump from the end to the start


@every_wavelet
@pytest.mark.parametrize("levels, length", [(0, 5), (1, 1), (1, 7), (3, 36), (3, 13)])
@torch.no_grad()
def test_the_inverse_restores_the_series_exactly(wavelet, levels, length):
    transform = StationaryWavelet(3, wavelet, levels)
    x = torch.randn(2, 3, length)
    coefficients = transform(x)
    assert coefficients.shape == (2, 3, levels + 1, length)
    torch.testing.assert_close(transform.inverse(coefficients), x, rtol=1e-4, atol=1e-5)


@every_wavelet
@torch.no_grad()
def test_analysis_and_synthesis_are_their_sums_with_any_filters(wavelet):
    transform = changed_filters(2, wavelet, 3)
    x = torch.randn(2, 2, 12).double()
    coefficients = transform(x)
    for b in range(2):
        for n in range(2):
            low, high = transform.analysis[n]
            torch.testing.assert_close(coefficients[b, n], literal_analysis(x[b, n], low, high, 3))
            restored = literal_synthesis(coefficients[b, n], *transform.synthesis[n])
            torch.testing.assert_close(transform.inverse(coefficients)[b, n], restored)


@torch.no_grad()
def test_the_inverse_as_matrices_is_the_inverse():
    transform = changed_filters(2, "db2", 3)
    coefficients = torch.randn(5, 2, 4, 12).double()
    series = torch.einsum("bvkw,vkwt->bvt", coefficients, transform.inverse_matrices(12))
    torch.testing.assert_close(series, transform.inverse(coefficients))


def wedge_norm(query, key):
    """‖q∧k‖ from the components q_i k_j − q_j k_i of the bivector, i < j."""
    total = 0.0
    for i in range(len(query)):
        for j in range(i + 1, len(query)):
            total += (query[i] * key[j] - query[j] * key[i]) ** 2
    return total**0.5


def literal_geometric_score(query, key, wedge_share):
    wedge = wedge_norm(query, key) / math.sqrt(len(query))
    return (1 - wedge_share) * dot_score(query, key) + wedge_share * wedge


@pytest.mark.parametrize("wedge_share", [0.0, 0.3, 1.0])
def test_scores_are_the_two_parts_of_the_geometric_product(wedge_share):
    torch.manual_seed(0)
    query, key = torch.randn(4, 5).double(), torch.randn(3, 5).double()
    expected = [[float(literal_geometric_score(q, k, wedge_share)) for k in key] for q in query]
    torch.testing.assert_close(geometric_scores(query, key, wedge_share), torch.tensor(expected).double())


def test_the_wedge_product_is_an_area_and_vanishes_for_parallel_vectors():
    right_angle = geometric_scores(torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 2.0]]), 1.0)
    assert right_angle.item() == pytest.approx(6 / math.sqrt(2))
    query = torch.randn(5, 4, requires_grad=True)
    parallel = geometric_scores(query, 2 * query.detach(), 1.0).diagonal()
    assert parallel.abs().max() < 1e-2
    parallel.sum().backward()
    assert query.grad.isfinite().all()
    nothing = torch.zeros(1, 4, requires_grad=True)
    geometric_scores(nothing, nothing, 1.0).sum().backward()
    assert nothing.grad.isfinite().all()


@torch.no_grad()
def test_attention_is_the_softmax_of_geometric_scores():
    torch.manual_seed(0)
    attention = GeometricAttention(8, 2, 0.4).double()
    tokens = torch.randn(5, 8).double()
    expected = literal_attention(attention, tokens, tokens, lambda q, k: literal_geometric_score(q, k, 0.4))
    torch.testing.assert_close(attention(tokens[None], tokens[None])[0], expected)


def literal_simpletm(encoder, x):
    options, wavelet, out = encoder.options, encoder.wavelet, []
    n_inputs, scales = x.shape[1], options.levels + 1

    def score(query, key):
        return literal_geometric_score(query, key, options.wedge_share)

    for window, length in zip(*literal_windows(x, options), strict=True):
        coefficients = torch.stack(
            [literal_analysis(window[:, n], *wavelet.analysis[n], options.levels) for n in range(n_inputs)]
        )
        refined = []
        for scale in range(scales):
            tokens = literal_linear(encoder.embedding, coefficients[:, scale]) + encoder.origin[:, scale]
            for layer in encoder.layers:
                tokens = literal_self_attention_layer(layer, tokens, score)
            refined.append(literal_linear(encoder.projection, tokens).reshape(n_inputs, -1, len(window)))
        series = [
            literal_synthesis(torch.stack([refined[scale][n, s] for scale in range(scales)]), *wavelet.synthesis[n])
            for n in range(n_inputs)
            for s in range(refined[0].shape[1])
        ]
        for step in range(options.context, options.context + length):
            out.append(literal_linear(encoder.mixture, torch.stack([one[step] for one in series])))
    return torch.stack(out)


@pytest.mark.parametrize("length, n_inputs", [(1, 2), (9, 2), (4, 9)])
@torch.no_grad()
def test_the_encoder_is_transform_attention_at_each_scale_and_inverse(length, n_inputs):
    torch.manual_seed(0)
    options = BackboneOptions(width=8, heads=2, dropout=0.0, layers=2, chunk=4, context=2, patch=1, levels=2)
    encoder = SimpleTMEncoder(n_inputs, options).double()
    x = torch.randn(2, length, n_inputs).double()
    torch.testing.assert_close(encoder(x), torch.stack([literal_simpletm(encoder, one) for one in x]))
