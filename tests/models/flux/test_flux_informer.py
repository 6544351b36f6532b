"""Informer's blocks against literal formulas."""

import math

import pytest
import torch
import torch.nn.functional as F

from models.flux.backbones.informer import (
    Distilling,
    InformerEncoder,
    ProbSparseAttention,
    max_mean_sparsity,
    sampled_count,
)
from models.flux.backbones.options import BackboneOptions
from tests.support.flux_reference import literal_attention, literal_feed_forward, literal_layer_norm

OPTIONS = BackboneOptions(width=8, heads=2, dropout=0.0)


def literal_sparsity(query, key, sampled):
    """M̄ of each query of one head over the keys listed for it."""
    out = []
    for i in range(len(query)):
        scores = [float(query[i] @ key[j]) / math.sqrt(query.shape[1]) for j in sampled[i]]
        out.append(max(scores) - sum(scores) / len(scores))
    return torch.tensor(out, dtype=query.dtype)


def literal_probsparse(query, key, value, n_active, sampled):
    """Algorithm 1 for one head: full attention of the n_active sparsest queries, the mean of the values elsewhere."""
    ranked = literal_sparsity(query, key, sampled).argsort(descending=True)
    out = value.mean(dim=0).expand(len(query), -1).clone()
    for i in ranked[:n_active]:
        weights = torch.softmax(key @ query[i] / math.sqrt(query.shape[1]), dim=0)
        out[i] = weights @ value
    return out


def heads(batch=2, n_heads=2, length=30, size=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(batch, n_heads, length, size, generator=generator).double() for _ in range(3))


def test_sparsity_is_equation_4_over_all_keys_or_a_sample():
    query, key, _ = heads()
    all_keys = [range(30)] * 30
    sampled = torch.randint(30, (30, 7))
    for b in range(2):
        for h in range(2):
            exact = literal_sparsity(query[b, h], key[b, h], all_keys)
            torch.testing.assert_close(max_mean_sparsity(query, key, None)[b, h], exact)
            estimate = literal_sparsity(query[b, h], key[b, h], sampled.tolist())
            torch.testing.assert_close(max_mean_sparsity(query, key, sampled)[b, h], estimate)


def test_the_count_is_c_times_the_logarithm_within_bounds():
    assert sampled_count(5.0, 192) == math.ceil(5 * math.log(192))
    assert [sampled_count(5.0, length) for length in (1, 2, 5)] == [1, 2, 5]
    assert sampled_count(0.1, 192) == 1


@pytest.mark.parametrize("training", [True, False])
def test_attention_is_algorithm_1(training):
    query, key, value = heads()
    attention = ProbSparseAttention(8, 2, factor=2.0).train(training)
    n_active = sampled_count(2.0, 30)
    assert 1 < n_active < 30
    torch.manual_seed(3)
    out = attention.attend(query, key, value)
    torch.manual_seed(3)
    sampled = torch.randint(30, (30, n_active)).tolist() if training else [range(30)] * 30
    for b in range(2):
        for h in range(2):
            expected = literal_probsparse(query[b, h], key[b, h], value[b, h], n_active, sampled)
            torch.testing.assert_close(out[b, h], expected)


@torch.no_grad()
def test_with_all_queries_active_it_is_full_attention():
    torch.manual_seed(0)
    attention = ProbSparseAttention(8, 2, factor=100.0).double()
    tokens = torch.randn(2, 9, 8).double()
    expected = torch.stack([literal_attention(attention, one, one) for one in tokens])
    torch.testing.assert_close(attention(tokens, tokens), expected)


def test_sampling_follows_the_seed_and_differs_between_seeds():
    query, key, value = heads(length=200)
    attention = ProbSparseAttention(8, 2, factor=1.0).train()

    def attend(seed):
        torch.manual_seed(seed)
        return attention.attend(query, key, value)

    assert torch.equal(attend(0), attend(0))
    assert not torch.equal(attend(0), attend(1))


@pytest.mark.parametrize("length", [1, 2, 5, 8])
@torch.no_grad()
def test_distilling_halves_a_series_as_equation_5_says(length):
    torch.manual_seed(0)
    distilling = Distilling(OPTIONS)
    x = torch.randn(1, length, 8)
    features = torch.zeros(length, 8)
    for step in range(length):
        total = distilling.convolution.bias.clone()
        for tap in range(3):
            total += distilling.convolution.weight[:, :, tap] @ x[0, min(max(step + tap - 1, 0), length - 1)]
        features[step] = F.elu(total)
    expected = []
    for step in range(0, length, 2):
        near = [features[other] for other in (step - 1, step, step + 1) if 0 <= other < length]
        expected.append(torch.stack(near).amax(dim=0))
    torch.testing.assert_close(distilling(x)[0], torch.stack(expected))


@torch.no_grad()
def test_a_token_per_step_reads_the_distilled_memory():
    torch.manual_seed(0)
    encoder = InformerEncoder(3, BackboneOptions(width=8, heads=2, dropout=0.0, layers=3)).double().eval()
    x = torch.randn(1, 12, 3).double()
    tokens = encoder.embedding(x)
    memory = encoder.stack(tokens)
    assert memory.shape == (1, 3, 8)  # 12 → 6 → 3
    restoring, steps = encoder.restoring, tokens[0]
    steps = literal_layer_norm(restoring.attended.norm, steps + literal_attention(restoring.attention, steps, steps))
    steps = literal_layer_norm(restoring.read.norm, steps + literal_attention(restoring.reading, steps, memory[0]))
    steps = literal_layer_norm(restoring.fed.norm, steps + literal_feed_forward(restoring.feed_forward, steps))
    torch.testing.assert_close(encoder(x)[0], steps)
