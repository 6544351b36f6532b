"""The networks and the distances that they see, against literal references."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from models.gnnwr.landmarks import Landmarks
from models.gnnwr.network import SpaceTimeWeightNetwork, WeightNetwork
from models.gwr.distance import Distance


def literal_weights(network: WeightNetwork, proximities: torch.Tensor) -> list[list[float]]:
    """The evaluated network, sample by sample and unit by unit: Linear → BatchNorm → PReLU, then 1 + Linear."""
    results = []
    for row in proximities.tolist():
        values = row
        layers = list(network.hidden)
        for linear, norm, prelu in zip(layers[0::4], layers[1::4], layers[2::4], strict=True):
            assert isinstance(linear, nn.Linear) and isinstance(norm, nn.BatchNorm1d) and isinstance(prelu, nn.PReLU)
            outcome = []
            for unit in range(linear.out_features):
                total = sum(float(w) * v for w, v in zip(linear.weight[unit], values, strict=True))
                total += float(linear.bias[unit])
                total = (total - float(norm.running_mean[unit])) / math.sqrt(float(norm.running_var[unit]) + norm.eps)
                total = total * float(norm.weight[unit]) + float(norm.bias[unit])
                outcome.append(total if total > 0 else float(prelu.weight) * total)
            values = outcome
        last = network.last
        results.append(
            [
                1.0 + sum(float(w) * v for w, v in zip(last.weight[unit], values, strict=True)) + float(last.bias[unit])
                for unit in range(last.out_features)
            ]
        )
    return results


def disturbed(network: nn.Module) -> nn.Module:
    """Other than initial parameters and statistics everywhere."""
    with torch.no_grad():
        for tensor in [*network.parameters(), *network.buffers()]:
            if tensor.is_floating_point():
                tensor.add_(0.3 * torch.rand_like(tensor))
    return network.eval()


def test_the_weight_network_is_what_its_equation_says() -> None:
    torch.manual_seed(1)
    network = disturbed(WeightNetwork(5, 3, (6, 4), dropout=0.2))
    assert isinstance(network, WeightNetwork)
    proximities = torch.randn(7, 5)
    with torch.no_grad():
        np.testing.assert_allclose(network(proximities, None), literal_weights(network, proximities), rtol=1e-4)


def test_each_landmark_has_its_own_proximity_by_the_same_small_network() -> None:
    torch.manual_seed(2)
    network = disturbed(SpaceTimeWeightNetwork(4, 3, (6,), 0.2, proximity_width=3))
    assert isinstance(network, SpaceTimeWeightNetwork)
    space, time = torch.randn(5, 4), torch.randn(5, 4)
    proximities = torch.empty(5, 4)
    with torch.no_grad():
        for sample in range(5):
            for landmark in range(4):
                pair = torch.stack([space[sample, landmark], time[sample, landmark]])
                first, prelu, second = network.proximity
                hidden = first.weight @ pair + first.bias
                hidden = torch.where(hidden > 0, hidden, prelu.weight * hidden)
                proximities[sample, landmark] = second.weight[0] @ hidden + second.bias[0]
        expected = literal_weights(network.weights, proximities)
        np.testing.assert_allclose(network(space, time), expected, rtol=1e-4)


def test_each_prelu_has_a_parameter_of_its_own_and_no_two_networks_share_any() -> None:
    first, second = (WeightNetwork(5, 3, (6, 4), 0.2) for _ in range(2))
    slopes = [layer.weight for network in (first, second) for layer in network.hidden if isinstance(layer, nn.PReLU)]
    assert len({id(slope) for slope in slopes}) == 4
    assert not {id(p) for p in first.parameters()} & {id(p) for p in second.parameters()}


@pytest.mark.parametrize("training", [True, False])
def test_all_weights_start_at_one(training: bool) -> None:
    network = WeightNetwork(5, 3, (6, 4), 0.2).train(training)
    assert torch.equal(network(torch.randn(9, 5), None), torch.ones(9, 3))


def test_landmarks_cover_the_places_evenly_whatever_their_order() -> None:
    grid = np.stack(np.meshgrid(np.arange(9.0), np.arange(9.0)), axis=-1).reshape(-1, 2)
    marks = Landmarks.choose(grid, None, Distance(), 25)
    farthest = Distance().between(torch.from_numpy(grid), marks.positions).amin(dim=1).max()
    assert farthest <= math.sqrt(2)  # 25 of 81 places: no place is farther than one diagonal step from a landmark
    shuffled = Landmarks.choose(np.random.default_rng(0).permutation(grid), None, Distance(), 25)
    assert torch.equal(marks.positions, shuffled.positions)
    assert len(Landmarks.choose(np.repeat(grid[:4], 3, axis=0), None, Distance(), 25)) == 4


def test_distances_are_standardised_by_the_training_places() -> None:
    places = np.random.default_rng(0).uniform(0, 1000, (40, 2))
    marks = Landmarks.choose(places, None, Distance(), 8)
    table, index = marks.to_places(places)
    assert table[index].mean() == pytest.approx(0, abs=1e-5) and table[index].std() == pytest.approx(1, rel=0.01)
    [[alone]] = [marks.to_places(places[3:4])[0]]
    torch.testing.assert_close(alone, table[index[3]])  # other places do not change the scale


def test_the_date_line_and_the_poles_are_ordinary_places() -> None:
    sphere = Distance(great_circle=True)
    places = np.array([[179.9, 0.0], [-179.9, 0.0], [0.0, 90.0], [120.0, 90.0], [0.0, -90.0], [0.0, 0.0]])
    marks = Landmarks.choose(places, None, sphere, 6)
    table, index = marks.to_places(np.vstack([places, [[180.1, 0.0]]]))
    rows = table[index] * marks.deviation[0] + marks.mean[0]
    assert (rows[0] - rows[1]).abs().max() < 25  # km: 0.2 degrees apart, whatever their longitudes say
    torch.testing.assert_close(rows[2], rows[3], rtol=0, atol=0.5)
    torch.testing.assert_close(rows[6], rows[1], rtol=0, atol=0.5)


def test_moments_on_a_cycle() -> None:
    places, moments = np.random.default_rng(0).uniform(0, 9, (92, 2)), np.tile(np.arange(1.0, 47.0), 2)
    marks = Landmarks.choose(places, moments, Distance(period=46.0), 20)
    assert marks.moments is not None and len(set(marks.moments.tolist())) > 15
    table, index = marks.to_moments(np.array([1.0, 46.0, 24.0, 47.0]))
    apart = table[index] * marks.deviation[1] + marks.mean[1]
    assert (apart[0] - apart[1]).abs().max() <= 1 + 1e-4
    torch.testing.assert_close(apart[0], apart[3])
    torch.testing.assert_close(apart[0] + apart[2], torch.full_like(apart[0], 23.0), rtol=0, atol=1e-3)
