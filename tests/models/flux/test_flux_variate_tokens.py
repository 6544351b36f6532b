"""iTransformer and TimeXer, whose tokens are variables and patches, against literal formulas window by window."""

import pytest
import torch

from models.flux.backbones.blocks import sinusoidal_positions
from models.flux.backbones.itransformer import ITransformerEncoder
from models.flux.backbones.options import BackboneOptions
from models.flux.backbones.simpletm import SimpleTMEncoder
from models.flux.backbones.timexer import TimeXerEncoder, TimeXerLayer
from tests.support.flux_reference import (
    literal_attention,
    literal_feed_forward,
    literal_layer_norm,
    literal_linear,
    literal_self_attention_layer,
    literal_windows,
)

OPTIONS = BackboneOptions(width=8, heads=2, dropout=0.0, layers=2, chunk=6, context=3, patch=3, levels=2)


def literal_variate_tokens(embedding, window):
    """(inputs, width): each variable's series as a whole, and which variable it is."""
    return torch.stack(
        [literal_linear(embedding.series, window[:, n]) + embedding.variable[n] for n in range(window.shape[1])]
    )


def literal_itransformer(encoder, x):
    options, out = encoder.options, []
    for window, length in zip(*literal_windows(x, options), strict=True):
        tokens = literal_variate_tokens(encoder.embedding, window)
        for layer in encoder.layers:
            tokens = literal_self_attention_layer(layer, tokens)
        projected = literal_linear(encoder.projection, tokens)  # (inputs, chunk · series), step by step
        per_variable = projected.shape[1] // options.chunk
        for step in range(length):
            mixed = projected[:, step * per_variable : (step + 1) * per_variable].flatten()
            out.append(literal_linear(encoder.mixture, mixed))
    return torch.stack(out)


def literal_timexer_layer(layer, tokens, variables):
    tokens = literal_layer_norm(layer.attended.norm, tokens + literal_attention(layer.attention, tokens, tokens))
    whole = tokens[-1:]
    whole = literal_layer_norm(layer.read.norm, whole + literal_attention(layer.reading, whole, variables))
    tokens = torch.cat((tokens[:-1], whole))
    return literal_layer_norm(layer.fed.norm, tokens + literal_feed_forward(layer.feed_forward, tokens))


def literal_timexer(encoder, x):
    options, out = encoder.options, []
    for window, length in zip(*literal_windows(x, options), strict=True):
        starts = range(0, len(window), options.patch)
        patches = torch.stack(
            [literal_linear(encoder.patches, window[start : start + options.patch].flatten()) for start in starts]
        )
        patches = patches + sinusoidal_positions(len(patches), encoder.width, x.device)
        tokens = torch.cat((patches, encoder.whole[None]))
        variables = literal_variate_tokens(encoder.variables, window)
        for layer in encoder.layers:
            tokens = literal_timexer_layer(layer, tokens, variables)
        for step in range(options.context, options.context + length):
            patch, within = divmod(step, options.patch)
            projected = literal_linear(encoder.projection, torch.cat((tokens[patch], tokens[-1])))
            out.append(projected[within * encoder.width : (within + 1) * encoder.width])
    return torch.stack(out)


@pytest.mark.parametrize(
    "kind, literal", [(ITransformerEncoder, literal_itransformer), (TimeXerEncoder, literal_timexer)]
)
@pytest.mark.parametrize("length, n_inputs", [(1, 3), (6, 3), (14, 3), (14, 1), (7, 11)])
@torch.no_grad()
def test_the_encoder_is_the_paper_s_in_each_window(kind, literal, length, n_inputs):
    torch.manual_seed(0)
    encoder = kind(n_inputs, OPTIONS).double()
    x = torch.randn(2, length, n_inputs).double()
    torch.testing.assert_close(encoder(x), torch.stack([literal(encoder, one) for one in x]))


@torch.no_grad()
def test_patches_hear_of_variables_only_through_the_global_token():
    torch.manual_seed(0)
    layer = TimeXerLayer(OPTIONS)
    tokens, variables = torch.randn(1, 5, 8), torch.randn(1, 3, 8)
    before, after = layer(tokens, variables), layer(tokens, variables + 1)
    assert torch.equal(before[:, :-1], after[:, :-1])
    assert not torch.allclose(before[:, -1], after[:, -1])


@pytest.mark.parametrize("kind", [ITransformerEncoder, TimeXerEncoder, SimpleTMEncoder])
@torch.no_grad()
def test_a_chunk_sees_its_context_and_nothing_beyond(kind):
    torch.manual_seed(0)
    encoder = kind(3, OPTIONS)
    x = torch.randn(1, 30, 3)
    for changed in range(30):
        other = x.clone()
        other[0, changed] += 1
        moved = (encoder(other) - encoder(x))[0].abs().amax(dim=-1) > 1e-6
        for start in range(0, 30, 6):
            assert moved[start : start + 6].all() == (start - 3 <= changed < start + 9)
