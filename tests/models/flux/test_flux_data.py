from dataclasses import replace

import numpy as np
import pytest
import torch

from models.flux.balance import FLUXES, GPP, NEE, NPP, RA, RECO, RH, ConstructedBalance, PenalisedBalance
from models.flux.data import Standardisation, check_towers
from models.flux.share_model import ShareModel
from models.flux.shares import SHARES_OF_CLASS, shares_of_classes
from models.flux.spread import Spread
from tests.support.flux_towers import towers

SCALE = np.array([4.0, 2.0, 2.0, 1.5, 3.0, 1.8])
MEAN = np.array([4.0, 2.0, 2.0, 1.5, 3.5, -0.5])


def test_shares_of_every_class_sum_to_one_and_an_unknown_class_is_named():
    np.testing.assert_allclose(shares_of_classes(tuple(SHARES_OF_CLASS)).sum(axis=1), 1)
    assert shares_of_classes(["MF"]).tolist() == [[0.5, 0.5, 0.0]]
    with pytest.raises(ValueError, match="class 'XYZ'; known are ENF"):
        shares_of_classes(["ENF", "XYZ"])


def test_predicted_shares_are_shares():
    torch.manual_seed(0)
    model = ShareModel(torch.nn.Linear(5, 8), torch.nn.Linear(8, 3))
    shares = model(torch.randn(4, 12, 5))
    assert shares.shape == (4, 3)
    assert shares.min() > 0
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(4))


@pytest.mark.parametrize("balance", [ConstructedBalance(SCALE), PenalisedBalance(MEAN, SCALE)])
def test_fluxes_of_any_raw_output_have_the_signs_that_they_can_have(balance):
    raw = 5 * torch.randn(3, 7, balance.n_outputs, generator=torch.Generator().manual_seed(0))
    components = balance.components(raw)
    whole = balance.resemble(components, raw.roll(1, dims=0))
    for fluxes in (balance.fluxes(components), balance.fluxes(whole)):
        assert fluxes.shape == (3, 7, len(FLUXES))
        assert fluxes[..., [GPP, RA, RH, RECO]].min() >= 0
        assert fluxes[..., NEE].min() < 0 < fluxes[..., NEE].max()


def test_balance_by_construction_keeps_every_identity():
    balance = ConstructedBalance(SCALE)
    raw = 3 * torch.randn(50, 3, generator=torch.Generator().manual_seed(1))
    fluxes = balance.fluxes(balance.resemble(balance.components(raw), raw.flip(-1)))
    assert torch.equal(fluxes[..., RECO], fluxes[..., RA] + fluxes[..., RH])
    assert torch.equal(fluxes[..., NPP], fluxes[..., GPP] - fluxes[..., RA])
    assert torch.equal(fluxes[..., NEE], fluxes[..., RECO] - fluxes[..., GPP])
    assert balance.penalty(fluxes) == 0


def test_the_penalty_is_the_published_one():
    balance = PenalisedBalance(MEAN, SCALE)
    fluxes = torch.randn(4, 6, 6, generator=torch.Generator().manual_seed(2))
    expected = 0.0
    for row in fluxes.reshape(-1, 6).tolist():
        gpp, npp, ra, rh, reco, nee = row
        expected += 0.1 * ((nee - rh + npp) ** 2 + (ra - gpp + npp) ** 2 + (reco - gpp - nee) ** 2) / 24
    assert float(balance.penalty(fluxes)) == pytest.approx(expected, rel=1e-5)
    closed = torch.tensor([[5.0, 3.0, 2.0, 1.0, 3.0, -2.0]])
    assert float(balance.penalty(closed)) == pytest.approx(0, abs=1e-12)


def test_inputs_are_standardised_by_the_reference_towers_only():
    panel, _ = towers(6, 24)
    drivers = panel.drivers.copy()
    drivers[..., 3] = 400.0  # constant
    drivers[5] += 1000.0
    panel = replace(panel, drivers=drivers)
    inputs = Standardisation.of(panel, np.arange(5)).apply(panel)
    assert inputs.shape == (6, 24, 8)
    np.testing.assert_allclose(inputs[:5, :, 0].mean(), 0, atol=1e-5)
    np.testing.assert_allclose(inputs[:5, :, 0].std(), 1, atol=1e-5)
    assert (inputs[..., 3] == 0).all()
    np.testing.assert_allclose(np.hypot(inputs[..., 6], inputs[..., 7]), 1, atol=1e-6)


def test_spread_finds_a_constant_and_a_growing_error():
    rng = np.random.default_rng(0)
    predicted = np.repeat(rng.uniform(0, 10, (20, 500, 1)), 3, axis=2)
    noise = rng.normal(size=predicted.shape)
    targets = predicted + noise * np.sqrt(np.array([1.0, 0.25, 4.0]) + np.array([0.09, 0.04, 0.0]) * predicted**2)
    targets[:, ::5] = np.nan
    spread = Spread.of_residuals(predicted, targets)
    np.testing.assert_allclose(spread.constant, [1.0, 0.25, 4.0], rtol=0.3, atol=0.1)
    np.testing.assert_allclose(spread.slope, [0.09, 0.04, 0.0], atol=0.01)
    within = np.abs(predicted - targets) < 1.645 * spread.of_prediction(predicted)
    assert within[np.isfinite(targets)].mean() == pytest.approx(0.9, abs=0.02)


def broken_panel(**changes):
    panel, _ = towers(6, 24)
    return replace(panel, **changes)


def test_bad_panels():
    panel, _ = towers(6, 24)
    drivers = panel.drivers.copy()
    drivers[2, 7, 4] = np.nan
    with pytest.raises(ValueError, match="'vpd' is NaN or infinite at tower 2, month 7"):
        broken_panel(drivers=drivers)
    with pytest.raises(ValueError, match="shares of tower 0 are .* sum to 1"):
        broken_panel(given_shares=np.full((6, 3), 0.5))
    with pytest.raises(ValueError, match="≥ 0"):
        broken_panel(given_shares=np.tile([1.5, -0.5, 0.0], (6, 1)))
    with pytest.raises(ValueError, match="igbp has 5 entries; expected 6"):
        broken_panel(igbp=panel.igbp[:5])
    with pytest.raises(ValueError, match="class 'URB'"):
        broken_panel(igbp=("URB", *panel.igbp[1:]))
    for months in (np.ones(24, int), np.arange(24), panel.month_of_year.astype(float), np.arange(1, 25)):
        with pytest.raises(ValueError, match="consecutive"):
            broken_panel(month_of_year=months)
    with pytest.raises(ValueError, match="lat"):
        broken_panel(lat=np.full(6, 95.0))
    with pytest.raises(ValueError, match="not empty"):
        broken_panel(drivers=panel.drivers[:0])
    with pytest.raises(ValueError, match="needs the driver 'co2'"):
        broken_panel(driver_names=("tmin", "tmax", "srad", "carbon", "vpd", "precip")).weather()


def test_bad_choices_of_towers():
    panel, targets = towers(6, 24)
    training, validation = np.arange(4), np.array([4, 5])
    check_towers(panel, targets, training, validation)
    cases = [
        (targets, training[:1], validation, "at least two"),
        (targets, training, validation[:0], "validation must be a list"),
        (targets, training, training[:1], "Tower 0 is a training and a validation tower"),
        (targets, np.array([0, 0]), validation, "each once"),
        (targets, np.array([0, 6]), validation, r"\[0, 6\)"),
        (targets, np.array([0.0, 1.0]), validation, "list of tower numbers"),
        (targets[..., :2], training, validation, r"expected \(6, 24, 3\)"),
        (np.full_like(targets, np.nan), training, validation, "Every month of every training tower is missing"),
    ]
    for number in (2, 5):
        blind = targets.copy()
        blind[number] = np.nan
        cases.append((blind, training, validation, f"tower {number} has no observed month"))
    no_nee = targets.copy()
    no_nee[..., 2] = np.nan
    cases.append((no_nee, training, validation, "No training tower has an observed month of nee"))
    infinite = targets.copy()
    infinite[1, 3, 0] = np.inf
    cases.append((infinite, training, validation, "infinite"))
    for values, chosen, stopping, message in cases:
        with pytest.raises(ValueError, match=message):
            check_towers(panel, values, chosen, stopping)
