import os
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.training import Progress, TrainingOptions, processor, train
from models.training import options as training_options
from models.training.checkpoint import CHECKPOINT_FORMAT, load_plain, save_atomically
from models.training.engine import _deterministic

OPTIONS = TrainingOptions(
    epochs=3, batch_size=8, decay_after=2, seed=5, device="cpu", checkpoint_seconds=0, progress_seconds=0
)
N_SAMPLES = 50


@dataclass
class Line:
    """A small regression with dropout, so that the random state matters."""

    module: nn.Module
    n_samples: int = N_SAMPLES
    identity: str = "line"
    fail_at: int = -1
    explode_at: int = -1
    seen: list[Tensor] = field(default_factory=list)

    def __post_init__(self):
        generator = torch.Generator().manual_seed(1)
        self.x = torch.randn(self.n_samples, 3, generator=generator)
        self.y = self.x @ torch.tensor([1.0, -2.0, 0.5]) + 3

    def loss(self, positions):
        if len(self.seen) == self.fail_at:
            raise KeyboardInterrupt
        self.seen.append(positions.clone())
        loss = (self.module(self.x[positions])[:, 0] - self.y[positions]).square().mean()
        return loss * float("nan") if len(self.seen) - 1 == self.explode_at else loss


def line(**kwargs):
    torch.manual_seed(0)
    return Line(nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 1)), **kwargs)


def parameters(task):
    return torch.cat([value.flatten() for value in task.module.state_dict().values()])


def test_learns_and_sees_every_sample_once_per_epoch():
    task = line()
    task.module[2].p = 0.0
    result = train(task, replace(OPTIONS, epochs=60, decay_after=60, learning_rate=0.03))
    assert result.epoch_losses[-1] < 0.05 * result.epoch_losses[0]
    for epoch in range(3):
        steps = task.seen[epoch * 7 : (epoch + 1) * 7]
        assert sorted(torch.cat(steps).tolist()) == list(range(N_SAMPLES))
    assert not torch.equal(task.seen[0], task.seen[7])


def test_a_seed_gives_the_same_parameters_and_another_seed_others():
    first, second, third = line(), line(), line()
    train(first, OPTIONS)
    torch.randn(10)  # the state outside must not matter
    train(second, OPTIONS)
    train(third, replace(OPTIONS, seed=6))
    assert torch.equal(parameters(first), parameters(second))
    assert not torch.equal(parameters(first), parameters(third))


def test_the_callers_random_state_is_left_alone():
    task = line()
    torch.manual_seed(11)
    before = torch.get_rng_state()
    train(task, OPTIONS)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("stop", [1, 6, 7, 13, 20])
@pytest.mark.parametrize("schedule", ["step", "one_cycle"])
def test_a_killed_training_resumes_to_the_bit(tmp_path, stop, schedule):
    options = replace(OPTIONS, schedule=schedule)
    whole = line()
    expected = train(whole, options)
    path = tmp_path / "training.pt"
    with pytest.raises(KeyboardInterrupt):
        train(line(fail_at=stop), options, checkpoint=path)
    resumed = line()
    result = train(resumed, options, checkpoint=path)
    assert len(resumed.seen) == 21 - stop
    assert torch.equal(parameters(whole), parameters(resumed))
    assert result.epoch_losses == expected.epoch_losses


def test_a_finished_training_is_not_repeated(tmp_path):
    path = tmp_path / "training.pt"
    first, again = line(), line()
    train(first, OPTIONS, checkpoint=path)
    result = train(again, OPTIONS, checkpoint=path)
    assert again.seen == [] and result.samples_per_second == 0
    assert torch.equal(parameters(first), parameters(again))


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    path = tmp_path / "training.pt"
    train(line(), OPTIONS, checkpoint=path)
    train(line(), replace(OPTIONS, progress_seconds=9, checkpoint_seconds=9), checkpoint=path)  # numbers unchanged
    with pytest.raises(ValueError, match="belongs to another training"):
        train(line(), replace(OPTIONS, learning_rate=0.5), checkpoint=path)
    with pytest.raises(ValueError, match="belongs to another training"):
        train(line(identity="other"), OPTIONS, checkpoint=path)


def test_a_checkpoint_is_of_one_precision_however_that_was_chosen(tmp_path, monkeypatch):
    monkeypatch.setattr(training_options, "fast_bfloat16", lambda: True)
    path = tmp_path / "training.pt"
    assert (OPTIONS.precision, OPTIONS.resolve_precision(torch.device("cuda"))) == ("auto", "bfloat16")
    result = train(line(), OPTIONS, checkpoint=path)
    assert (result.device, result.precision) == ("cpu", "float32")
    train(line(), replace(OPTIONS, precision="float32"), checkpoint=path)
    with pytest.raises(ValueError, match="other options, precision, model or data"):
        train(line(), replace(OPTIONS, precision="bfloat16"), checkpoint=path)


def test_on_a_gpu_attention_sums_in_a_fixed_order_and_on_a_cpu_it_is_left_alone():
    def fused() -> bool:
        return torch.backends.cuda.flash_sdp_enabled() or torch.backends.cuda.mem_efficient_sdp_enabled()

    before = fused()
    with _deterministic(torch.device("cuda")):
        assert not fused() and torch.backends.cuda.math_sdp_enabled()
    assert fused() == before
    with _deterministic(torch.device("cpu")):
        assert fused() == before and torch.are_deterministic_algorithms_enabled()


def test_a_damaged_checkpoint_is_a_clear_error(tmp_path):
    path = tmp_path / "training.pt"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match="cannot be read"):
        train(line(), OPTIONS, checkpoint=path)
    train(line(), replace(OPTIONS, epochs=1), checkpoint=tmp_path / "whole.pt")
    path.write_bytes((tmp_path / "whole.pt").read_bytes()[:200])
    with pytest.raises(ValueError, match="cannot be read"):
        train(line(), OPTIONS, checkpoint=path)


def test_checkpoints_hold_no_code_and_leave_no_partial_file(tmp_path):
    path = tmp_path / "folder" / "training.pt"
    train(line(), OPTIONS, checkpoint=path)
    assert torch.load(path, weights_only=True)["pass"] == 3
    assert [file.name for file in path.parent.iterdir()] == ["training.pt"]


def test_two_machines_with_the_same_process_id_write_different_partial_files(tmp_path, monkeypatch):
    partial = []
    monkeypatch.setattr("os.replace", lambda source, target: partial.append(source.name))
    for host in ("node-1.cluster", "node-2.cluster"):
        monkeypatch.setattr("socket.gethostname", lambda host=host: host)
        save_atomically(tmp_path / "training.pt", {})
    assert partial == [f"training.pt.node_{number}_cluster-{os.getpid()}.partial" for number in (1, 2)]


def test_files_of_another_kind_or_version_are_refused(tmp_path):
    path = tmp_path / "x.pt"
    save_atomically(path, {"kind": "a", "format": 1})
    with pytest.raises(ValueError, match="is no b of this project"):
        load_plain(path, kind="b", version=CHECKPOINT_FORMAT)
    with pytest.raises(ValueError, match="this version reads format 2"):
        load_plain(path, kind="a", version=2)
    with pytest.raises(ValueError, match="There is no file"):
        load_plain(tmp_path / "missing.pt", kind="a", version=CHECKPOINT_FORMAT)


@pytest.mark.parametrize("progress_seconds", [0.0, 1e9])
def test_a_non_finite_loss_names_epoch_and_step_and_spoils_no_checkpoint(tmp_path, progress_seconds):
    path = tmp_path / "training.pt"
    options = replace(OPTIONS, progress_seconds=progress_seconds)
    with pytest.raises(FloatingPointError, match="epoch 2, step 3 of 7"):
        train(line(explode_at=9), options, checkpoint=path)
    assert load_plain(path, kind="training checkpoint", version=CHECKPOINT_FORMAT)["step"] <= 2


def test_progress_counts_epochs_steps_and_time():
    reports: list[Progress] = []
    train(line(), OPTIONS, on_progress=reports.append)
    assert [(r.epoch, r.step) for r in reports] == [(epoch, step) for epoch in (1, 2, 3) for step in range(1, 8)]
    assert all(r.samples_per_second > 0 and np.isfinite(r.loss) for r in reports)
    assert reports[-1].seconds_left == 0 < reports[0].seconds_left
    assert "epoch 3/3" in str(reports[-1])


def test_the_papers_schedule():
    options = TrainingOptions()
    rates = [options.learning_rate_at(epoch * 5, 5) for epoch in range(20)]
    assert rates == [1e-3] * 10 + [1e-4] * 10
    assert (options.epochs, options.batch_size) == (20, 256)


def test_the_one_cycle_schedule_rises_and_falls():
    options = TrainingOptions(schedule="one_cycle", epochs=10)
    rates = np.array([options.learning_rate_at(step, 10) for step in range(100)])
    assert rates.argmax() == 10 and rates.max() == pytest.approx(1e-3)
    assert np.all(np.diff(rates[:10]) > 0) and np.all(np.diff(rates[10:]) < 0) and rates[-1] < 1e-6


def test_bfloat16_autocast_runs_on_a_cpu_too(monkeypatch):
    monkeypatch.setattr(training_options, "fast_bfloat16", lambda: True)
    task = line()
    result = train(task, replace(OPTIONS, precision="bfloat16"))
    assert result.precision == "bfloat16"
    assert np.isfinite(result.epoch_losses).all()
    assert parameters(task).dtype == torch.float32


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"schedule": "none"},
        {"schedule": "plateau"},
        {"precision": "half"},
        {"least_steps": -1},
        {"most_passes": 0},
        {"patience": 0},
    ],
)
def test_options_out_of_range_are_refused(change):
    with pytest.raises(ValueError, match="TrainingOptions"):
        TrainingOptions(**change)


def test_no_samples_and_no_gpu_are_clear_errors():
    with pytest.raises(ValueError, match="no training sample"):
        train(line(n_samples=0), OPTIONS)
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="no GPU"):
            TrainingOptions(device="cuda").resolve_device()


@pytest.mark.parametrize("schedule", ["step", "one_cycle"])
def test_few_samples_make_more_passes_and_stretch_the_schedule(schedule):
    few = replace(OPTIONS, epochs=4, decay_after=2, batch_size=64, least_steps=20, schedule=schedule)
    many = replace(few, least_steps=0, epochs=20, decay_after=10)
    tasks = line(), line()
    results = [train(task, options) for task, options in zip(tasks, (few, many), strict=True)]
    assert torch.equal(*map(parameters, tasks)) and results[0].stopped == "schedule"
    losses = np.reshape(results[1].epoch_losses, (4, 5)).mean(axis=1)  # an epoch is five passes
    np.testing.assert_allclose(results[0].epoch_losses, losses, rtol=1e-6)
    rates = [few.learning_rate_at(step, 1) for step in range(20)]
    assert rates == [many.learning_rate_at(step, 1) for step in range(20)]
    enough = line()
    train(enough, replace(few, batch_size=8))
    assert len(enough.seen) == 28  # four passes are steps enough


def test_few_samples_are_not_passed_over_for_ever():
    task = line()
    train(task, replace(OPTIONS, epochs=4, batch_size=64, least_steps=1000, most_passes=12))
    assert len(task.seen) == 12
    assert TrainingOptions(epochs=20, most_passes=12, least_steps=1000).passes_of(1) == 20  # never fewer than epochs


def test_an_epoch_of_several_passes_is_judged_saved_and_reported_once(tmp_path):
    options = replace(OPTIONS, epochs=4, batch_size=64, least_steps=18, patience=2)  # 18 passes, four an epoch
    task, reports = line(), []
    judge = Errors([5.0, 3.0, 2.0, 4.0, 4.0], task.module)
    result = train(task, options, validate=judge, on_progress=reports.append, checkpoint=tmp_path / "training.pt")
    assert result.held_out_errors == (5.0, 3.0, 2.0, 4.0, 4.0) and len(task.seen) == 18
    ends = [(report.epoch, report.epochs, report.step) for report in reports if report.step == report.steps]
    assert ends == [(1, 5, 4), (2, 5, 4), (3, 5, 4), (4, 5, 4)]  # the fifth has the two that are left
    assert reports[-1].epoch == 5 and reports[-1].step == 2 and reports[-1].seconds_left == 0


def test_a_training_of_few_samples_ends_when_epochs_of_passes_bring_nothing():
    task = line()
    options = replace(OPTIONS, epochs=4, batch_size=64, least_steps=40, patience=1)
    result = train(task, options, validate=Errors([5.0, 6.0], task.module))
    assert result.stopped == "converged" and len(task.seen) == 20


def test_an_epoch_of_few_samples_has_a_twentieth_of_the_least_steps():
    many_epochs = replace(OPTIONS, epochs=48, least_steps=500, most_passes=100)
    assert many_epochs.passes_each(2) == 12  # 24 steps, where 48 epochs of 100 passes would have four
    assert many_epochs.passes_each(990) == 1 and replace(OPTIONS, epochs=8).passes_each(1) == 1
    assert replace(OPTIONS, epochs=4, least_steps=1000, most_passes=12).passes_each(1) == 12


@pytest.mark.parametrize("stop", [3, 5, 14])
def test_a_killed_training_of_few_samples_goes_on_to_the_same_bits(stop, tmp_path):
    options = replace(OPTIONS, epochs=4, batch_size=30, least_steps=24)  # two steps a pass, three passes an epoch
    whole, killed, resumed = line(), line(fail_at=stop), line()
    expected = train(whole, options)
    with pytest.raises(KeyboardInterrupt):
        train(killed, options, checkpoint=tmp_path / "training.pt")
    result = train(resumed, options, checkpoint=tmp_path / "training.pt")
    assert torch.equal(parameters(resumed), parameters(whole))
    assert result.epoch_losses == expected.epoch_losses and len(resumed.seen) < len(whole.seen)


def test_a_loss_that_is_not_finite_names_its_step_in_the_epoch_of_several_passes():
    options = replace(OPTIONS, epochs=4, batch_size=64, least_steps=20, progress_seconds=1e9)
    with pytest.raises(FloatingPointError, match="epoch 2, step 3 of 5"):
        train(line(explode_at=7), options)


@dataclass
class Errors:
    """A held-out part whose errors are known beforehand."""

    errors: list[float]
    module: nn.Module
    kept: list[Tensor] = field(default_factory=list)

    def __call__(self):
        assert not self.module.training
        self.kept.append(torch.cat([value.flatten() for value in self.module.state_dict().values()]))
        return self.errors[len(self.kept) - 1]


def test_a_training_ends_after_its_patience_with_the_best_parameters():
    task = line()
    judge = Errors([5.0, 3.0, 4.0, 3.5, 1.0], task.module)
    result = train(task, replace(OPTIONS, epochs=9, patience=2), validate=judge)
    assert result.held_out_errors == (5.0, 3.0, 4.0, 3.5) and result.stopped == "converged"
    assert torch.equal(parameters(task), judge.kept[1])


def test_a_training_whose_error_still_falls_stopped_for_lack_of_budget():
    task = line()
    result = train(task, replace(OPTIONS, epochs=3, patience=2), validate=Errors([5.0, 3.0, 2.0], task.module))
    assert result.stopped == "budget" and len(result.epoch_losses) == 3


def test_a_plateau_brings_the_second_rate_from_the_best_parameters_on():
    task = line()
    judge = Errors([5.0, 3.0, 4.0, 3.5, 2.0, 2.5, 2.4, 0.0], task.module)
    options = replace(OPTIONS, epochs=9, patience=2, schedule="plateau", late_learning_rate=1e-12, weight_decay=0.0)
    result = train(task, options, validate=judge)
    assert len(result.held_out_errors) == 7 and result.stopped == "converged"
    torch.testing.assert_close(judge.kept[4], judge.kept[1])  # the second rate moves nothing to speak of
    assert (judge.kept[3] - judge.kept[1]).abs().max() > 1e-4


@pytest.mark.parametrize("stop", [2, 11, 18, 30, 40])
def test_a_killed_training_with_a_patience_goes_on_to_the_same_bits(stop, tmp_path):
    options = replace(OPTIONS, epochs=9, patience=2, schedule="plateau")
    whole = line()
    expected = train(whole, options, validate=judged_by_epoch(whole))
    killed = line(fail_at=stop)
    with pytest.raises(KeyboardInterrupt):
        train(killed, options, validate=judged_by_epoch(killed), checkpoint=tmp_path / "training.pt")
    resumed = line()
    result = train(resumed, options, validate=judged_by_epoch(resumed), checkpoint=tmp_path / "training.pt")
    assert torch.equal(parameters(resumed), parameters(whole))
    assert (result.held_out_errors, result.stopped) == (expected.held_out_errors, expected.stopped)


def judged_by_epoch(task):
    """A real error, of which a rounding decides which epoch is best."""
    return lambda: round(float((task.module(task.x)[:, 0] - task.y).square().mean()), 1)


def test_a_patience_needs_a_held_out_part():
    with pytest.raises(ValueError, match="no part is held out"):
        train(line(), replace(OPTIONS, patience=1))


@pytest.mark.parametrize(
    ("flags", "fast"),
    [("fpu avx2 avx512f", False), ("fpu avx512_bf16", True), ("fpu amx_bf16 amx_tile", True), ("fpu xamx_bf16", False)],
)
def test_bfloat16_is_chosen_on_a_processor_with_hardware_for_it_only(flags, fast, tmp_path, monkeypatch):
    description = tmp_path / "cpuinfo"
    description.write_text(f"processor\t: 0\nflags\t\t: {flags}\n\nprocessor\t: 1\nflags\t\t: {flags}\n")
    monkeypatch.setattr(processor, "_DESCRIPTION", description)
    processor.fast_bfloat16.cache_clear()
    try:
        asked = replace(OPTIONS, precision="bfloat16")
        assert asked.resolve_precision(torch.device("cpu")) == ("bfloat16" if fast else "float32")
        assert OPTIONS.resolve_precision(torch.device("cpu")) == "float32"
        assert asked.resolve_precision(torch.device("cuda")) == "bfloat16"
        description.unlink()
        processor.fast_bfloat16.cache_clear()
        assert asked.resolve_precision(torch.device("cpu")) == "float32"
    finally:
        processor.fast_bfloat16.cache_clear()
