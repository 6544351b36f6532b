"""Blocks against neuralforecast's, where that package is installed; the parameters are copied from one to the other.

Its blocks that differ on purpose are not compared: its embeddings and its distilling step continue series periodically.
"""

import pytest
import torch

from models.flux.backbones.blocks import SelfAttentionLayer, sinusoidal_positions
from models.flux.backbones.fedformer import FourierBlock, moving_average
from models.flux.backbones.informer import ProbSparseAttention
from models.flux.backbones.options import BackboneOptions
from models.flux.backbones.timexer import TimeXerLayer

pytest.importorskip("neuralforecast")

OPTIONS = BackboneOptions(width=16, heads=2, dropout=0.0)


def their_attention(ours):
    """Its attention layer with our projections; its keys have a bias, which softmax cannot see."""
    from neuralforecast.common._modules import AttentionLayer, FullAttention

    theirs = AttentionLayer(FullAttention(False, attention_dropout=0.0), OPTIONS.width, OPTIONS.heads)
    theirs.query_projection.load_state_dict(ours.query.state_dict())
    theirs.key_projection.weight.data = ours.key.weight.data
    theirs.value_projection.load_state_dict(ours.value.state_dict())
    theirs.out_projection.load_state_dict(ours.out.state_dict())
    return theirs


def copy_feed_forward(theirs, ours):
    """Its feed-forward network is two convolutions of one step."""
    for convolution, linear in ((theirs.conv1, ours[0]), (theirs.conv2, ours[2])):
        convolution.weight.data, convolution.bias.data = linear.weight.data[..., None], linear.bias.data


@torch.no_grad()
def test_positions():
    from neuralforecast.common._modules import PositionalEmbedding

    theirs = PositionalEmbedding(16)(torch.zeros(1, 192, 16))[0]
    torch.testing.assert_close(sinusoidal_positions(192, 16, torch.device("cpu")), theirs, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_the_layer_of_transformer_and_itransformer():
    from neuralforecast.common._modules import TransEncoderLayer

    torch.manual_seed(0)
    ours = SelfAttentionLayer(OPTIONS)
    theirs = TransEncoderLayer(their_attention(ours.attention), 16, 32, dropout=0.0, activation="relu")
    copy_feed_forward(theirs, ours.feed_forward)
    tokens = torch.randn(3, 20, 16)
    torch.testing.assert_close(ours(tokens), theirs(tokens)[0], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_timexer_s_layer():
    from neuralforecast.models.timexer import EncoderLayer

    torch.manual_seed(0)
    ours = TimeXerLayer(OPTIONS)
    theirs = EncoderLayer(
        their_attention(ours.attention), their_attention(ours.reading), 16, 32, dropout=0.0, activation="relu"
    )
    copy_feed_forward(theirs, ours.feed_forward)
    tokens, variables = torch.randn(3, 7, 16), torch.randn(3, 5, 16)
    torch.testing.assert_close(ours(tokens, variables), theirs(tokens, variables), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n_queries, n_keys, factor", [(8, 8, 5), (40, 3, 2)])  # all queries active; 8 of 40
@torch.no_grad()
def test_probsparse_attention(n_queries, n_keys, factor, monkeypatch):
    from neuralforecast.models.informer import ProbAttention

    torch.manual_seed(0)
    query = torch.randn(2, 2, n_queries, 8)
    key, value = torch.randn(2, 2, n_keys, 8), torch.randn(2, 2, n_keys, 8)
    # It draws keys with replacement even where the sample is as large as all keys: let it take each once.
    monkeypatch.setattr(torch, "randint", lambda high, size: torch.arange(high).expand(size))
    by_step = (x.transpose(1, 2) for x in (query, key, value))
    theirs = ProbAttention(False, factor, attention_dropout=0.0)(*by_step, None)[0]
    ours = ProbSparseAttention(16, 2, factor).eval().attend(query, key, value)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_the_fourier_block_on_all_modes_but_the_highest():
    """Its block leaves out the frequency of half a cycle per step and always has 8 blocks on the diagonal."""
    from neuralforecast.models import fedformer

    torch.manual_seed(0)
    ours = FourierBlock(16, 8, modes=11)
    theirs = fedformer.FourierBlock(16, 16, seq_len=20, modes=10, mode_select_method="low")
    ours.kernel[:10] = torch.view_as_real(theirs.weights1.permute(3, 0, 1, 2).contiguous())
    ours.kernel[10] = 0
    x = torch.randn(3, 20, 16)
    query = ours.projection(x).view(3, 20, 8, 2)
    out = theirs(query, None, None, None)[0]  # (batch, head, channel, time)
    torch.testing.assert_close(ours(x), out.flatten(1, 2).transpose(1, 2), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel", [1, 13, 25])
@torch.no_grad()
def test_moving_averages(kernel):
    from neuralforecast.common._modules import SeriesDecomp

    x = torch.randn(3, 40, 16)
    seasonal, trend = SeriesDecomp(kernel)(x)
    torch.testing.assert_close(moving_average(x, kernel), trend)
    torch.testing.assert_close(x - moving_average(x, kernel), seasonal)
