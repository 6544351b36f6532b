import math

import torch

from models.dual_branch.decoder import (
    ConditionedDecoder,
    Decoded,
    ImportanceHead,
    PredictionHead,
    combined_loss,
    weighted_sum,
)


@torch.no_grad()
def test_cross_attention_is_equation_15():
    torch.manual_seed(0)
    heads, width = 2, 8
    decoder = ConditionedDecoder(width, heads, 2)
    features, conditions = torch.randn(3, 4, 5, width), torch.randn(3, 5, width)
    out, size = decoder(features, conditions), width // heads
    for b in range(3):
        keys = torch.stack([features[b, :, step].mean(dim=0) for step in range(5)])
        for token in range(4):
            x = features[b, token, 4]
            attended = torch.zeros(width)
            for head in range(heads):
                part = slice(head * size, (head + 1) * size)
                query = decoder.query.weight[part] @ x
                scores = [query @ (decoder.key.weight[part] @ key) / math.sqrt(size) for key in keys]
                share = torch.softmax(torch.stack(scores), dim=0)
                for step in range(5):
                    attended[part] += share[step] * (decoder.value.weight[part] @ conditions[b, step])
            expected = x + attended
            expected = expected + decoder.feed_forward(expected)
            torch.testing.assert_close(out[b, token], expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_every_step_of_a_series_is_predicted_as_a_last_one_would_be():
    torch.manual_seed(0)
    for layer_norm in (False, True):
        decoder = ConditionedDecoder(8, 2, 2, layer_norm=layer_norm)
        features, conditions = torch.randn(3, 4, 5, 8), torch.randn(3, 5, 8)
        out = decoder(features, conditions, every_step=True).view(3, 5, 4, 8)
        for step in range(5):  # which step comes last changes the query and nothing else
            order = [*range(step), *range(step + 1, 5), step]
            last = decoder(features[:, :, order], conditions[:, order])
            torch.testing.assert_close(out[:, step], last, rtol=1e-4, atol=1e-5)
        if layer_norm:
            torch.testing.assert_close(out.mean(dim=-1), torch.zeros(3, 5, 4), atol=1e-5, rtol=0)


@torch.no_grad()
def test_conditions_enter_as_values_only():
    torch.manual_seed(0)
    decoder = ConditionedDecoder(8, 1, 2)
    features, conditions = torch.randn(2, 3, 4, 8), torch.randn(2, 1, 8).expand(-1, 4, -1)
    # Equal conditions at every step leave the attention weights without effect.
    flipped = features.clone()
    flipped[:, :, :-1] = features[:, :, :-1].flip(2)
    torch.testing.assert_close(decoder(features, conditions), decoder(flipped, conditions))


@torch.no_grad()
def test_heads_have_one_output_per_sample_and_per_variable():
    decoded = torch.randn(5, 4, 8)
    assert PredictionHead(8)(decoded).shape == (5,)
    head = ImportanceHead(8, 3, 6)
    weights = head(decoded)
    assert weights.shape == (5, 9)
    torch.testing.assert_close(weights[:, 1], head.climate(decoded[:, 1])[:, 0])
    torch.testing.assert_close(weights[:, 3:], head.static(decoded[:, 3]))
    assert ImportanceHead(8, 4, 0)(decoded).shape == (5, 4)


def test_losses_are_equations_16_to_18():
    weights, inputs = torch.tensor([[1.0, 2.0], [0.5, -1.0]]), torch.tensor([[3.0, 4.0], [2.0, 1.0]])
    interpretable = weighted_sum(weights, inputs)
    assert interpretable.tolist() == [11.0, 0.0]
    target = torch.tensor([10.0, 2.0])
    decoded = Decoded(torch.tensor([9.0, 4.0]), weights, interpretable)
    assert combined_loss(decoded, target, 1.0, 1.0).item() == (1 + 4) / 2 + (1 + 4) / 2
    assert combined_loss(decoded, target, 1.0, 0.0).item() == 2.5
    assert combined_loss(decoded, target, 0.0, 2.0).item() == 5.0
