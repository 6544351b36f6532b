import math

import pytest
import torch
import torch.nn.functional as F

from models.dual_branch.attention import (
    EPSILON,
    DualAttentionBlock,
    SelfAttention,
    TabularEncoder,
    phi,
    rotary_angles,
    rotate,
)


def literal_rotation(x, position):
    """Rotates one vector pair by pair, as RoFormer writes it."""
    half, out = len(x) // 2, x.clone()
    for i in range(half):
        angle = position * 10_000.0 ** (-2 * i / len(x))
        out[i] = x[i] * math.cos(angle) - x[i + half] * math.sin(angle)
        out[i + half] = x[i] * math.sin(angle) + x[i + half] * math.cos(angle)
    return out


def literal_linear_attention(module, x, heads, rotary):
    """Eq. 1 and 2 with loops over heads, queries and keys."""
    length, width = x.shape
    size = width // heads
    w_query, w_key, w_value = module.query_key_value.weight.chunk(3)
    out = torch.zeros_like(x)
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        query, key = phi(x @ w_query[part].T), phi(x @ w_key[part].T)
        value = x @ w_value[part].T
        for m in range(length):
            above, below = torch.zeros(size), torch.zeros(())
            for n in range(length):
                q = literal_rotation(query[m], m) if rotary else query[m]
                k = literal_rotation(key[n], n) if rotary else key[n]
                above = above + (q @ k) * value[n]
                below = below + query[m] @ key[n]
            out[m, part] = above / (below + EPSILON)
    return out


@pytest.mark.parametrize("rotary", [True, False])
@pytest.mark.parametrize("heads, length", [(1, 5), (2, 5), (2, 9)])  # 9 > 4 takes the other order of products
@torch.no_grad()
def test_linear_attention_is_equation_1_and_2(heads, length, rotary):
    torch.manual_seed(0)
    module = SelfAttention(8, heads, "linear", rotary=rotary)
    x = torch.randn(3, length, 8)
    expected = torch.stack([literal_linear_attention(module, one, heads, rotary) for one in x])
    torch.testing.assert_close(module(x), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_softmax_attention_is_the_usual_one():
    torch.manual_seed(0)
    module = SelfAttention(6, 1, "softmax", rotary=False)
    x = torch.randn(2, 4, 6)
    query, key, value = module.query_key_value(x).chunk(3, dim=-1)
    expected = torch.softmax(query @ key.transpose(1, 2) / math.sqrt(6), dim=-1) @ value
    torch.testing.assert_close(module(x), expected)


def test_phi_is_positive_and_elu_plus_one():
    x = torch.linspace(-5, 5, 11)
    torch.testing.assert_close(phi(x), torch.where(x > 0, x + 1, torch.exp(x)))
    assert (phi(x) > 0).all()


def test_rotary_products_depend_on_the_difference_of_positions_only():
    torch.manual_seed(0)
    query, key = torch.randn(8), torch.randn(8)
    cosine, sine = rotary_angles(torch.arange(12), 8)
    rotated_query = rotate(query.expand(12, 8), cosine, sine)
    rotated_key = rotate(key.expand(12, 8), cosine, sine)
    products = rotated_query @ rotated_key.T
    torch.testing.assert_close(products[2, 5], products[6, 9], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(rotated_query[3], literal_rotation(query, 3))


@torch.no_grad()
def test_a_block_is_equations_3_and_4_with_residuals():
    torch.manual_seed(0)
    block = DualAttentionBlock(8, 2, "linear", 2)
    x = torch.randn(2, 3, 5, 8)  # batch, feature, window, width
    expected = torch.empty_like(x)
    for b in range(2):
        temporal = torch.stack([x[b, f] + literal_linear_attention(block.temporal, x[b, f], 2, True) for f in range(3)])
        for step in range(5):
            tokens = temporal[:, step]
            tokens = tokens + literal_linear_attention(block.features, tokens, 2, False)
            first, _, second = block.feed_forward
            expected[b, :, step] = tokens + second(F.relu(first(tokens)))
    torch.testing.assert_close(block(x), expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_the_encoder_does_not_know_the_order_of_features_but_that_of_steps():
    torch.manual_seed(0)
    encoder = TabularEncoder(3, 0, 8, 1, 2, "linear", 2)
    windows = torch.randn(2, 4, 3)
    plain = encoder(windows, torch.empty(2, 0))
    order = torch.tensor([2, 0, 1])
    encoder.scale.copy_(encoder.scale[order].clone())
    encoder.shift.copy_(encoder.shift[order].clone())
    torch.testing.assert_close(encoder(windows[..., order], torch.empty(2, 0)), plain[:, order])
    assert not torch.allclose(encoder(windows.flip(1)[..., order], torch.empty(2, 0)), plain[:, order].flip(2))


@torch.no_grad()
def test_static_features_are_one_token():
    encoder = TabularEncoder(3, 5, 8, 1, 0, "linear", 2)
    windows, static = torch.randn(2, 4, 3), torch.randn(2, 5)
    tokens = encoder(windows, static)
    assert tokens.shape == (2, 4, 4, 8)
    torch.testing.assert_close(tokens[:, 3], encoder.static(static)[:, None].expand(-1, 4, -1))
    torch.testing.assert_close(tokens[0, 1, 2], windows[0, 2, 1] * encoder.scale[1, 0] + encoder.shift[1, 0])
