from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from models.flux.balance import GPP, NEE, RECO, ConstructedBalance, PenalisedBalance
from models.flux.imputation import Imputed
from models.flux.networks import FluxNetwork, ImputedWeight
from models.flux.process_model import Calibration
from models.flux.simulation import Simulations
from models.flux.tasks import BranchTask, Mixtures, MixtureTask, ShareTask, TowerTask, TunedNetwork
from tests.support.flux_towers import towers

ONES = np.ones(6)


def encoder(n_inputs):
    made = nn.Linear(n_inputs, 8)
    made.width = 8
    return made


def network(balance=None, branches=3, **kwargs):
    torch.manual_seed(0)
    return FluxNetwork(encoder, 4, balance or ConstructedBalance(ONES), branches, **kwargs)


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


INPUTS, SHARES = random(5, 12, 4), torch.softmax(random(5, 3, seed=1), dim=1)
FIRST, LAST = torch.arange(3), torch.tensor([3, 4])


def test_the_whole_is_the_weighted_sum_of_its_types():
    net = network()
    parts = net.branches(INPUTS, SHARES)
    assert parts.shape == (5, 3, 12, 3)
    total = sum(SHARES[:, p, None, None] * parts[:, p] for p in range(3))
    torch.testing.assert_close(net(INPUTS, SHARES), net.balance.fluxes(total))
    for p, unit in enumerate(torch.eye(3)):
        torch.testing.assert_close(net(INPUTS, unit.expand(5, 3)), net.balance.fluxes(parts[:, p]))


def test_competition_starts_at_nothing_and_then_adds_to_the_sum():
    net = network()
    before = net(INPUTS, SHARES)
    net.add_competition(encoder)
    torch.testing.assert_close(net(INPUTS, SHARES), before)
    torch.nn.init.ones_(net.competition[1].out.bias)
    assert (net(INPUTS, SHARES)[..., GPP] > before[..., GPP]).all()
    torch.testing.assert_close(net(INPUTS, SHARES, net.branches(INPUTS, SHARES)), net(INPUTS, SHARES))


def test_shares_are_inputs_only_where_it_is_asked_for():
    other = SHARES.roll(1, dims=1)
    blind, seeing = network(branches=1), network(branches=1, sees_shares=True)
    assert torch.equal(blind(INPUTS, SHARES), blind(INPUTS, other))
    assert not torch.equal(seeing(INPUTS, SHARES), seeing(INPUTS, other))
    assert blind.shares_of(INPUTS, SHARES) is SHARES
    blind.add_share_model(encoder)
    torch.testing.assert_close(blind.shares_of(INPUTS, SHARES).sum(dim=1), torch.ones(5))


@pytest.mark.parametrize("balance", [ConstructedBalance(ONES), PenalisedBalance(ONES, ONES)])
def test_branch_loss_compares_each_branch_with_its_own_type(balance):
    net = network(balance)
    with torch.no_grad():
        simulated = balance.fluxes(net.branches(INPUTS, SHARES)).clone()
    scale = torch.tensor([1.0, 2, 3, 4, 5, 6])
    task = BranchTask(net, INPUTS, SHARES, simulated, scale, FIRST, LAST, "")
    penalty = float(balance.penalty(simulated[LAST]))
    assert task.validation_loss() == pytest.approx(penalty, abs=1e-6)
    shifted = replace(task, simulated=simulated + scale)
    assert shifted.validation_loss() == pytest.approx(1 + penalty, rel=1e-5)
    swapped = replace(task, simulated=simulated.flip(1))
    assert swapped.validation_loss() > penalty + 1e-3
    assert task.n_samples == 3


def test_mixture_loss_draws_from_all_mixtures_and_validates_on_each():
    net = network(branches=1, sees_shares=True)
    shares = torch.softmax(random(5, 4, 3, seed=2), dim=-1)
    with torch.no_grad():
        fluxes = torch.stack([net(INPUTS, shares[:, number]) for number in range(4)], dim=1)
    fluxes = fluxes + torch.tensor([0.0, 1.0, 2.0, 3.0])[:, None, None]
    task = MixtureTask(net, INPUTS, None, Mixtures(shares, fluxes), torch.ones(6), FIRST, LAST, "")
    assert task.validation_loss() == pytest.approx((0 + 1 + 4 + 9) / 4, rel=1e-4)
    torch.manual_seed(0)
    single = {round(float(task.loss(torch.tensor([0])).detach())) for _ in range(60)}
    assert single == {0, 1, 4, 9}


def test_share_loss_is_that_of_the_mean_over_the_months():
    net = network()
    net.add_share_model(encoder)
    with torch.no_grad():
        labels = net.share_model(INPUTS)
    task = ShareTask(net, INPUTS, labels, FIRST, LAST, "")
    assert task.validation_loss() == pytest.approx(0, abs=1e-10)
    assert replace(task, shares=labels + 0.1).validation_loss() == pytest.approx(0.01, rel=1e-3)


def tower_task(masked=True, imputed=None, weight=None):
    targets, observed = random(5, 12, 3, seed=3), (random(5, 12, 3, seed=4) > 0).float()
    module = TunedNetwork(network(), weight)
    scale = torch.tensor([2.0, 1.0, 0.5])
    return TowerTask(
        module, INPUTS, SHARES, None, targets * observed, observed, scale, imputed, masked, FIRST, LAST, ""
    )


def squares(task, towers_):
    with torch.no_grad():
        fluxes = task.module.network(INPUTS[towers_], SHARES[towers_])[..., [GPP, RECO, NEE]]
    return ((fluxes - task.targets[towers_]) / task.scale).square(), task.observed[towers_]


def test_tower_loss_is_a_mean_over_observed_values_or_over_all():
    task = tower_task()
    error, observed = squares(task, FIRST)
    assert float(task.loss(torch.arange(3)).detach()) == pytest.approx(float(error[observed > 0].mean()), rel=1e-5)
    published = replace(task, masked=False)
    expected = float((error * observed).mean())
    assert float(published.loss(torch.arange(3)).detach()) == pytest.approx(expected, rel=1e-5)
    error, observed = squares(task, LAST)
    for either in (task, published):
        assert either.validation_loss() == pytest.approx(float(error[observed > 0].mean()), rel=1e-5)


def test_imputed_months_are_added_with_a_tenth_of_the_weight():
    imputed = Imputed(random(5, 12, 3, seed=5), random(5, 12, 3, seed=6).abs())
    task = tower_task(imputed=imputed, weight=ImputedWeight("equal"))
    error, observed = squares(task, FIRST)
    with torch.no_grad():
        fluxes = task.module.network(INPUTS[:3], SHARES[:3])[..., [GPP, RECO, NEE]]
    missing = ((fluxes - imputed.median[:3]) / task.scale).square()[observed == 0].mean()
    expected = 10 * float(error[observed > 0].mean()) + float(missing)
    assert float(task.loss(torch.arange(3)).detach()) == pytest.approx(expected, rel=1e-5)


def test_simulations_are_of_pure_types_own_shares_and_random_mixtures():
    panel, _ = towers(4, 24)
    made = Simulations.of(panel.weather(), panel.shares, 2, 7, Calibration())
    again = Simulations.of(panel.weather(), panel.shares, 2, 7, Calibration())
    assert made.pure.shape == (4, 3, 24, 6) and made.mixtures.shape == (4, 2, 24, 6)
    np.testing.assert_array_equal(made.own[0], made.pure[0, 0])  # broadleaf
    np.testing.assert_array_equal(made.own[1], made.pure[1, 1])  # needleleaf
    np.testing.assert_array_equal(made.own[2], made.pure[2, 2])  # grass
    np.testing.assert_allclose(made.mixture_shares.sum(axis=-1), 1, rtol=1e-6)
    np.testing.assert_array_equal(made.mixtures, again.mixtures)
    none = Simulations.of(panel.weather(), panel.shares, 0, 7, Calibration())
    assert none.mixtures.shape == (4, 0, 24, 6)
    assert made.scale.shape == made.mean.shape == (6,)
