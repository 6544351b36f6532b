from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from models.training import TrainingOptions, train

OPTIONS = TrainingOptions(
    epochs=40, batch_size=4, learning_rate=0.05, decay_after=40, patience=3, seed=2, device="cpu", checkpoint_seconds=0
)


@dataclass
class Overfitting:
    """Noise to learn by heart: the validation loss rises after a while."""

    module: nn.Module
    identity: str = "overfitting"
    n_samples: int = 12
    stop_after: int = 10**9
    calls: int = 0

    def __post_init__(self):
        generator = torch.Generator().manual_seed(0)
        self.x = torch.randn(24, 6, generator=generator)
        self.y = self.x[:, 0] + torch.randn(24, generator=generator)

    def _loss(self, positions):
        return (self.module(self.x[positions])[:, 0] - self.y[positions]).square().mean()

    def loss(self, positions):
        self.calls += 1
        if self.calls > self.stop_after:
            raise KeyboardInterrupt
        return self._loss(positions)

    def validation_loss(self):
        return self._loss(torch.arange(12, 24)).item()


def overfitting(**kwargs):
    torch.manual_seed(0)
    return Overfitting(nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Dropout(0.1), nn.Linear(32, 1)), **kwargs)


def test_ends_after_the_patience_with_the_parameters_of_the_best_epoch():
    task = overfitting()
    result = train(task, OPTIONS, validate=task.validation_loss)
    losses = result.held_out_errors
    assert len(losses) == len(result.epoch_losses) < OPTIONS.epochs
    assert len(losses) == losses.index(min(losses)) + 1 + OPTIONS.patience
    with torch.no_grad():
        assert task.validation_loss() == pytest.approx(min(losses), rel=1e-6)


@pytest.mark.parametrize("stop_after", [1, 4, 10])
def test_a_killed_training_goes_on_to_the_same_parameters(tmp_path, stop_after):
    whole = overfitting()
    expected = train(whole, OPTIONS, validate=whole.validation_loss)
    with pytest.raises(KeyboardInterrupt):
        killed = overfitting(stop_after=stop_after)
        train(killed, OPTIONS, validate=killed.validation_loss, checkpoint=tmp_path / "checkpoint")
    resumed = overfitting()
    result = train(resumed, OPTIONS, validate=resumed.validation_loss, checkpoint=tmp_path / "checkpoint")
    again = overfitting()
    train(again, OPTIONS, validate=again.validation_loss, checkpoint=tmp_path / "checkpoint")  # nothing is left to do
    assert result.held_out_errors == expected.held_out_errors
    for task in (resumed, again):
        for name, value in whole.module.state_dict().items():
            assert torch.equal(value, task.module.state_dict()[name])


def test_patience_needs_something_to_judge_by_and_a_finite_error():
    with pytest.raises(ValueError, match="no part is held out"):
        train(overfitting(), OPTIONS)
    with pytest.raises(FloatingPointError, match="after epoch 1"):
        train(overfitting(), OPTIONS, validate=lambda: float("nan"))
    with pytest.raises(ValueError, match="at least 1"):
        replace(OPTIONS, patience=0)


def test_without_patience_every_epoch_is_run_and_nothing_validated():
    result = train(overfitting(), replace(OPTIONS, patience=None, epochs=5))
    assert len(result.epoch_losses) == 5
    assert result.held_out_errors == ()


def test_halving_schedule():
    options = TrainingOptions(schedule="halving", learning_rate=0.1)
    assert [options.learning_rate_at(step, 2) for step in range(5)] == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.025])
