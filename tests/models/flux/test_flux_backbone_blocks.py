"""Blocks that several backbones share, and the Transformer, against literal formulas."""

import math

import pytest
import torch

from models.flux.backbones.blocks import (
    MultiHeadAttention,
    SelfAttentionLayer,
    StepEmbedding,
    cut_windows,
    extend,
    join_chunks,
    sinusoidal_positions,
)
from models.flux.backbones.options import BackboneOptions
from models.flux.backbones.transformer import TransformerEncoder
from tests.support.flux_reference import (
    literal_attention,
    literal_self_attention_layer,
    literal_windows,
)

OPTIONS = BackboneOptions(width=8, heads=2, dropout=0.0)


@torch.no_grad()
def test_attention_is_equation_1_in_each_head():
    torch.manual_seed(0)
    module = MultiHeadAttention(8, 2).double()
    tokens, memory = torch.randn(3, 5, 8).double(), torch.randn(3, 4, 8).double()
    expected = torch.stack([literal_attention(module, *pair) for pair in zip(tokens, memory, strict=True)])
    torch.testing.assert_close(module(tokens, memory), expected)


@torch.no_grad()
def test_a_layer_is_attention_and_feed_forward_with_add_and_norm():
    torch.manual_seed(0)
    layer = SelfAttentionLayer(OPTIONS).double()
    tokens = torch.randn(2, 5, 8).double()
    expected = torch.stack([literal_self_attention_layer(layer, one) for one in tokens])
    torch.testing.assert_close(layer(tokens), expected)


def test_positions_are_sines_and_cosines_of_section_3_5():
    positions = sinusoidal_positions(200, 6, torch.device("cpu"))
    for position in (0, 1, 7, 199):
        for i in range(3):
            angle = position / 10_000 ** (2 * i / 6)
            assert positions[position, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-5)
            assert positions[position, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-5)


def literal_convolution(convolution, x):
    """Convolution over the steps of one series whose ends are repeated."""
    out = []
    for step in range(len(x)):
        total = convolution.bias.clone()
        for tap in range(convolution.kernel_size[0]):
            at = min(max(step + tap - convolution.kernel_size[0] // 2, 0), len(x) - 1)
            total = total + convolution.weight[:, :, tap] @ x[at]
        out.append(total)
    return torch.stack(out)


@pytest.mark.parametrize("kernel_size, positions", [(1, True), (3, False), (5, True)])
@pytest.mark.parametrize("length", [1, 2, 7])
@torch.no_grad()
def test_a_step_is_embedded_by_a_convolution_and_its_position(kernel_size, positions, length):
    torch.manual_seed(0)
    embedding = StepEmbedding(3, OPTIONS, kernel_size, positions=positions)
    x = torch.randn(2, length, 3)
    expected = torch.stack([literal_convolution(embedding.convolution, one) for one in x])
    if positions:
        expected = expected + sinusoidal_positions(length, 8, x.device)
    torch.testing.assert_close(embedding(x), expected)


@torch.no_grad()
def test_the_transformer_is_its_embedding_and_its_layers():
    torch.manual_seed(0)
    encoder = TransformerEncoder(3, OPTIONS).double()
    x = torch.randn(1, 6, 3).double()
    tokens = encoder.embedding(x)[0]
    for layer in encoder.layers:
        tokens = literal_self_attention_layer(layer, tokens)
    torch.testing.assert_close(encoder(x)[0], tokens)


def test_extending_repeats_the_ends():
    x = torch.tensor([[[1.0], [2.0]]])
    assert extend(x, 2, 1).flatten().tolist() == [1, 1, 1, 2, 2]


@pytest.mark.parametrize("length", [1, 5, 6, 12, 13, 40])
@pytest.mark.parametrize("chunk, context", [(6, 0), (6, 3), (3, 6), (4, 8)])
def test_windows_are_chunks_with_their_context(length, chunk, context):
    options = BackboneOptions(chunk=chunk, context=context, patch=1, levels=0)
    x = torch.randn(3, length, 2)
    windows = cut_windows(x, options)
    expected = [window for one in x for window in literal_windows(one, options)[0]]
    assert torch.equal(windows, torch.stack(expected))
    assert torch.equal(join_chunks(windows[:, context : context + chunk], length), x)
