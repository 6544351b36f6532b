from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import models.flux.imputation
import models.flux.tasks
from models.flux.backbones import BackboneOptions
from models.flux.balance import ConstructedBalance
from models.flux.estimator import FluxRegressor
from models.flux.networks import FluxNetwork, ImputedWeight
from models.flux.options import CsdiOptions, FluxOptions
from models.training import TrainingOptions, UnusableCheckpoint
from tests.support.flux_towers import towers

TRAINING = TrainingOptions(
    epochs=2, batch_size=3, learning_rate=5e-3, decay_after=2, patience=2, seed=1, device="cpu", checkpoint_seconds=0
)
OPTIONS = FluxOptions(
    sizes=BackboneOptions(width=8, heads=2, layers=1),
    mixtures=1,
    csdi=CsdiOptions(channels=8, layers=1, heads=2, steps=4, samples=5, epochs=2, batch_size=3),
)
EVERYTHING = replace(OPTIONS, shares="predicted", imputation="weighted")
PANEL, TARGETS = towers(8, 24)
TRAIN, STOP = np.arange(6), np.array([6, 7])


def fitted(options, training=TRAINING, **kwargs):
    return FluxRegressor(options, training, training).fit(PANEL, TARGETS, TRAIN, STOP, **kwargs)


def names(estimator):
    return [report.name for report in estimator.reports]


PRETRAINED = ["branches", "competition", "cells"]


@pytest.mark.parametrize(
    ("changes", "stages"),
    [
        ({"variant": "baseline"}, ["towers"]),
        ({"variant": "baseline_shares"}, ["towers"]),
        ({"variant": "kgml"}, ["branches", "towers"]),
        ({"variant": "kgml_shares"}, ["branches", "towers"]),
        ({}, [*PRETRAINED, "towers"]),
        ({"tuned": "frozen"}, [*PRETRAINED, "towers"]),
        ({"mixtures": 0}, ["branches", "cells", "towers"]),
        ({"competition": False}, ["branches", "towers"]),
        ({"branches": "one"}, [*PRETRAINED, "towers"]),
        ({"shares": "none", "calibrated": True}, [*PRETRAINED, "towers"]),
        ({"shares": "predicted", "tuned": "frozen"}, [*PRETRAINED, "shares", "towers"]),
        ({"balance": "penalty", "missing": "zero", "schedule": "published"}, [*PRETRAINED, "towers"]),
        ({"imputation": "median"}, [*PRETRAINED, "towers", "imputation", "samples", "imputed_towers"]),
        ({"imputation": "weighted"}, [*PRETRAINED, "towers", "imputation", "samples", "imputed_towers"]),
        (
            {"imputation": "weighted", "omega": "published", "tuned": "frozen"},
            [*PRETRAINED, "towers", "imputation", "samples", "imputed_towers"],
        ),
    ],
)
def test_every_variant_runs_its_stages_and_predicts(changes, stages):
    estimator = fitted(replace(OPTIONS, **changes))
    assert names(estimator) == stages
    fluxes, spread = estimator.predict(PANEL)
    assert fluxes.shape == spread.shape == (8, 24, 3)
    assert np.isfinite(fluxes).all() and (spread > 0).all()
    assert fluxes[..., :2].min() >= 0
    if OPTIONS.balance == changes.get("balance", OPTIONS.balance):
        np.testing.assert_array_equal(fluxes[..., 2], fluxes[..., 1] - fluxes[..., 0])
    some = estimator.predict(PANEL, np.array([7, 2])).fluxes
    np.testing.assert_allclose(some, fluxes[[7, 2]], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backbone", ["informer", "fedformer", "itransformer", "timexer", "simpletm"])
def test_every_backbone_fits(backbone):
    estimator = fitted(replace(OPTIONS, backbone=backbone))
    assert np.isfinite(estimator.predict(PANEL).fluxes).all()


def test_it_learns():
    training = replace(TRAINING, epochs=60, decay_after=60, patience=20, learning_rate=1e-2)
    options = replace(OPTIONS, sizes=BackboneOptions(width=16, heads=2, layers=1))
    panel, targets = towers(10, 36, missing=0.2)
    estimator = FluxRegressor(options, training, training).fit(panel, targets, np.arange(6), np.array([6, 7]))
    unseen = np.array([8, 9])
    error = np.nanmean((estimator.predict(panel, unseen).fluxes - targets[unseen]) ** 2, axis=(0, 1))
    climatology = np.nanmean((np.nanmean(targets[:6], axis=(0, 1)) - targets[unseen]) ** 2, axis=(0, 1))
    assert (error[:2] < 0.6 * climatology[:2]).all()


class Killed(BaseException):
    """Not an Exception: nothing may catch it."""


def kill_after(monkeypatch, n_losses):
    """Ends the process, as it were, at the n-th training step of all stages."""
    seen = [0]
    places = [
        (models.flux.tasks, ("BranchTask", "MixtureTask", "ShareTask", "TowerTask")),
        (models.flux.imputation, ("ImputationTask",)),
    ]
    for module, classes in places:
        for name in classes:
            original = getattr(module, name).loss

            def loss(self, positions, original=original):
                seen[0] += 1
                if seen[0] > n_losses:
                    raise Killed
                return original(self, positions)

            monkeypatch.setattr(getattr(module, name), "loss", loss)
    return seen


def test_a_fit_killed_anywhere_goes_on_to_the_same_numbers(tmp_path, monkeypatch):
    expected = fitted(EVERYTHING).predict(PANEL)
    with monkeypatch.context() as patched:
        steps = kill_after(patched, 10**9)
        fitted(EVERYTHING)
    total = steps[0]
    assert total > 20
    for n_losses in range(1, total, 4):  # within and between all of the stages
        folder = tmp_path / str(n_losses)
        with monkeypatch.context() as patched:
            kill_after(patched, n_losses)
            with pytest.raises(Killed):
                fitted(EVERYTHING, checkpoint=folder)
        with monkeypatch.context() as patched:
            left = kill_after(patched, 10**9)
            resumed = fitted(EVERYTHING, checkpoint=folder)
        assert left[0] <= total - n_losses + 1
        for values, known in zip(resumed.predict(PANEL), expected, strict=True):
            np.testing.assert_array_equal(values, known)


def test_stages_and_epochs_are_reported_as_they_come():
    lines = []
    fitted(EVERYTHING, on_stage=lines.append, on_progress=lambda report: lines.append(report.epoch))
    stages = [line for line in lines if isinstance(line, str)]
    assert stages == [*PRETRAINED, "shares", "towers", "imputation", "samples", "imputed_towers"]
    assert lines[lines.index("towers") + 1] == 1
    assert set(lines) - set(stages) == {1, 2}


def test_a_finished_fit_trains_nothing_again(tmp_path, monkeypatch):
    first = fitted(EVERYTHING, checkpoint=tmp_path)
    kill_after(monkeypatch, 0)
    again = fitted(EVERYTHING, checkpoint=tmp_path)
    assert all(report.found for report in again.reports)
    assert [report.key for report in again.reports] == [report.key for report in first.reports]
    np.testing.assert_array_equal(again.predict(PANEL).fluxes, first.predict(PANEL).fluxes)


def test_variants_share_what_they_have_in_common(tmp_path):
    def found(changes, number, **kwargs):
        estimator = fitted(
            replace(OPTIONS, **changes), checkpoint=tmp_path / str(number), pretrained=tmp_path / "pre", **kwargs
        )
        return [report.name for report in estimator.reports if report.found]

    assert found({}, 0) == []
    for number, changes in enumerate(
        ({"tuned": "frozen"}, {"shares": "none"}, {"missing": "zero", "schedule": "published"}), 1
    ):
        assert found(changes, number) == PRETRAINED
    assert found({"competition": False}, 10) == ["branches"]
    assert found({"shares": "predicted"}, 11) == PRETRAINED
    assert found({"imputation": "median"}, 12) == PRETRAINED
    assert found({"imputation": "weighted", "variant": "baseline"}, 13) == ["imputation", "samples"]
    for number, changes in enumerate(({"branches": "one"}, {"balance": "penalty"}), 20):
        assert found(changes, number) == []


def test_pretraining_reads_no_flux_and_is_shared_by_any_number_of_labelled_towers(tmp_path):
    fitted(OPTIONS, pretrained=tmp_path, simulated=np.arange(6))
    other = np.where(np.arange(8)[:, None, None] == 3, 2 * TARGETS, TARGETS)
    few = FluxRegressor(OPTIONS, TRAINING, TRAINING).fit(
        PANEL, other, np.array([3, 4]), STOP, simulated=np.arange(6), pretrained=tmp_path
    )
    assert [report.name for report in few.reports if report.found] == PRETRAINED
    drivers = PANEL.drivers.copy()
    drivers[0, 0, 0] += 1e-3
    moved = FluxRegressor(OPTIONS, TRAINING, TRAINING).fit(
        replace(PANEL, drivers=drivers), TARGETS, TRAIN, STOP, pretrained=tmp_path
    )
    assert not any(report.found for report in moved.reports)


def test_fluxes_of_test_towers_and_missing_ones_are_not_read():
    options = replace(OPTIONS, imputation="weighted", calibrated=True)
    training, stop = np.array([0, 1, 2, 3]), np.array([6])
    expected = FluxRegressor(options, TRAINING, TRAINING).fit(PANEL, TARGETS, training, stop).predict(PANEL)
    changed = TARGETS.copy()
    changed[[4, 5, 7]] = 1e9
    actual = FluxRegressor(options, TRAINING, TRAINING).fit(PANEL, changed, training, stop).predict(PANEL)
    np.testing.assert_array_equal(actual.fluxes, expected.fluxes)
    np.testing.assert_array_equal(actual.spread, expected.spread)
    drivers = PANEL.drivers.copy()
    drivers[[4, 5, 7]] += 3
    elsewhere = replace(PANEL, drivers=drivers)
    actual = FluxRegressor(options, TRAINING, TRAINING).fit(elsewhere, TARGETS, training, stop).predict(PANEL)
    np.testing.assert_array_equal(actual.fluxes, expected.fluxes)


def test_frozen_branches_do_not_move_on_towers_and_all_layers_do(tmp_path):
    def branches(estimator):
        return {
            key: value
            for key, value in estimator._network.state_dict().items()
            if key.startswith(("encoder", "decoders"))
        }

    frozen = branches(fitted(replace(OPTIONS, tuned="frozen"), pretrained=tmp_path))
    tuned = branches(fitted(OPTIONS, pretrained=tmp_path))
    again = branches(fitted(replace(OPTIONS, tuned="frozen", missing="zero"), pretrained=tmp_path))
    assert all(torch.equal(frozen[key], again[key]) for key in frozen)
    assert not all(torch.equal(frozen[key], tuned[key]) for key in frozen)


def test_given_shares_matter_and_no_shares_ignore_them():
    turned = replace(PANEL, given_shares=np.roll(PANEL.shares, 1, axis=1))
    for options, sees in (
        (OPTIONS, True),
        (replace(OPTIONS, shares="none"), False),
        (replace(OPTIONS, variant="kgml"), False),
    ):
        estimator = fitted(options)
        same = np.array_equal(estimator.predict(turned).fluxes, estimator.predict(PANEL).fluxes)
        assert same is not sees


def test_the_seed_changes_the_numbers_and_the_encoder_may_be_given():
    first, second = (fitted(OPTIONS, replace(TRAINING, seed=seed)).predict(PANEL).fluxes for seed in (1, 2))
    assert not np.array_equal(first, second)

    class Gru(nn.Module):
        def __init__(self, n_inputs):
            super().__init__()
            self.width, self.cells = 8, nn.GRU(n_inputs, 8, batch_first=True)

        def forward(self, inputs):
            return self.cells(inputs)[0]

    estimator = FluxRegressor(OPTIONS, TRAINING, TRAINING, encoder=Gru).fit(PANEL, TARGETS, TRAIN, STOP)
    assert np.isfinite(estimator.predict(PANEL).fluxes).all()


def test_weights_of_imputed_months():
    predicted, imputed = torch.tensor([[[1.0, 2.0, 3.0]]]), torch.tensor([[[0.0, 0.0, 3.0]]])
    spread, mask = torch.tensor([[[1.0, 2.0, 0.5]]]), torch.tensor([[[1.0, 1.0, 0.0]]])
    assert float(ImputedWeight("equal")(predicted, imputed, spread, mask)) == pytest.approx((1 + 4) / 2)
    likelihood = ImputedWeight("likelihood")  # its floor begins at variance 1
    expected = 0.5 * ((1 / 2 + np.log(2)) + (4 / 5 + np.log(5))) / 2
    assert float(likelihood(predicted, imputed, spread, mask).detach()) == pytest.approx(expected, rel=1e-5)
    published = ImputedWeight("published")
    loss = published(predicted, imputed, spread, mask)
    loss.backward()
    before = float(loss.detach())
    with torch.no_grad():
        for parameter in published.parameters():
            parameter -= 0.1 * parameter.grad
    assert float(published(predicted, imputed, spread, mask).detach()) < before  # by a smaller weight, nothing else
    assert float(ImputedWeight("equal")(predicted, imputed, spread, 0 * mask)) == 0


def test_parts_that_are_not_trained_stay_without_dropout():
    def encoder(n_inputs):
        made = nn.Sequential(nn.Linear(n_inputs, 8), nn.Dropout(0.5))
        made.width = 8
        return made

    network = FluxNetwork(encoder, 4, ConstructedBalance(np.ones(6)), branches=3)
    network.add_competition(encoder)
    network.train_only(["competition"])
    network.train()
    assert not network.encoder.training and network.competition.training
    assert not any(parameter.requires_grad for parameter in network.encoder.parameters())
    assert all(parameter.requires_grad for parameter in network.competition.parameters())
    network.train_only(["encoder", "decoders", "competition", "share_model"])
    assert network.encoder.training


def test_bad_input():
    with pytest.raises(ValueError, match="not fitted"):
        FluxRegressor().predict(PANEL)
    with pytest.raises(ValueError, match="must not overlap"):
        fitted(OPTIONS, simulated=np.arange(7))
    with pytest.raises(ValueError, match="at least two"):
        FluxRegressor(OPTIONS, TRAINING, TRAINING).fit(PANEL, TARGETS, np.array([0]), STOP)
    hidden = TARGETS.copy()
    hidden[2] = np.nan
    with pytest.raises(ValueError, match="training tower 2 has no observed month"):
        FluxRegressor(OPTIONS, TRAINING, TRAINING).fit(PANEL, hidden, TRAIN, STOP)
    estimator = fitted(replace(OPTIONS, variant="baseline"))
    few = replace(PANEL, drivers=PANEL.drivers[..., :5], driver_names=PANEL.driver_names[:5])
    turned = replace(PANEL, drivers=PANEL.drivers[..., ::-1], driver_names=PANEL.driver_names[::-1])
    for other in (few, turned):
        with pytest.raises(ValueError, match="those of fit were"):
            estimator.predict(other)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone": "lstm"}, "choose one of transformer"),
        ({"variant": "kgml+shares"}, "choose one of baseline"),
        ({"imputation": "mean"}, "none, median, weighted"),
        ({"mixtures": -1}, "negative"),
        ({"tuned": "frozen", "competition": False}, "nothing is left to train"),
    ],
)
def test_bad_options(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(OPTIONS, **changes)


def test_a_damaged_pretraining_is_named(tmp_path):
    fitted(OPTIONS, pretrained=tmp_path)
    (path,) = tmp_path.glob("branches-*.stage")
    path.write_bytes(b"")
    with pytest.raises(UnusableCheckpoint, match="branches-"):
        fitted(OPTIONS, pretrained=tmp_path)
