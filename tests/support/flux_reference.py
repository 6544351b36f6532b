"""Slow, literal formulas that the blocks of several backbones are held against; loops over every index."""

import math

import torch


def literal_layer_norm(norm, x):
    """Layer normalisation of the last dimension."""
    mean = x.mean(dim=-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(dim=-1, keepdim=True)
    return (x - mean) / (variance + norm.eps).sqrt() * norm.weight + norm.bias


def literal_linear(layer, x):
    """xWᵀ + b."""
    return x @ layer.weight.T + (0 if layer.bias is None else layer.bias)


def literal_feed_forward(block, x):
    """max(0, xW₁ + b₁)W₂ + b₂."""
    first, _, second = block
    return literal_linear(second, literal_linear(first, x).clamp(min=0))


def dot_score(query, key):
    """q·k / √d of two vectors."""
    return sum(query[i] * key[i] for i in range(len(query))) / math.sqrt(len(query))


def literal_attention(module, tokens, memory, score=dot_score):
    """Multi-head attention of one sample, with loops over heads, queries and keys.

    Args:
        module: the projections.
        tokens: (token, width).
        memory: (memory, width).
        score: of a query and a key vector.
    """
    query, key, value = (
        literal_linear(layer, of)
        for layer, of in ((module.query, tokens), (module.key, memory), (module.value, memory))
    )
    size = tokens.shape[1] // module.heads
    joined = torch.zeros_like(tokens)
    for head in range(module.heads):
        part = slice(head * size, (head + 1) * size)
        for m in range(len(tokens)):
            weights = torch.stack([score(query[m, part], key[n, part]) for n in range(len(memory))]).exp()
            for n in range(len(memory)):
                joined[m, part] += weights[n] / weights.sum() * value[n, part]
    return literal_linear(module.out, joined)


def literal_self_attention_layer(layer, tokens, score=dot_score):
    """Add & Norm around attention and feed-forward network, of one sample without dropout."""
    attended = tokens + literal_attention(layer.attention, tokens, tokens, score)
    tokens = literal_layer_norm(layer.attended.norm, attended)
    return literal_layer_norm(layer.fed.norm, tokens + literal_feed_forward(layer.feed_forward, tokens))


def literal_windows(x, options):
    """Windows of one series and the steps of each one's chunk that lie within the series.

    Args:
        x: (time, inputs).
        options: lengths of chunk and context.
    """
    windows, chunks = [], []
    for start in range(0, len(x), options.chunk):
        steps = range(start - options.context, start + options.chunk + options.context)
        windows.append(torch.stack([x[min(max(step, 0), len(x) - 1)] for step in steps]))
        chunks.append(min(options.chunk, len(x) - start))
    return windows, chunks
