"""The training loop: AdamW over index batches, resumable to the bit, deterministic given a seed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from models.progress import Progress, ProgressCallback
from models.training.checkpoint import (
    CHECKPOINT_FORMAT,
    UnusableCheckpoint,
    load_plain,
    random_state,
    restore_random_state,
    save_atomically,
)
from models.training.group import Alone, Gradients, Group, agreed, rank, require_agreement, size
from models.training.options import TrainingOptions
from models.training.stopping import Stopped, Watch

_KIND = "training checkpoint"
_SPEED_ONLY = ("device", "checkpoint_seconds", "progress_seconds")  # they leave the numbers alone, but for rounding
_PASS_SEED_STRIDE = 1_000_003  # a prime, so that (seed, pass) pairs do not meet for realistic seeds


class TrainingTask(Protocol):
    """What the loop needs to know of a model and its data.

    Attributes:
        module: the parameters to train, on the device of the training.
        n_samples: number of training samples.
        identity: changes with anything outside the options that changes the numbers; a checkpoint of another
            identity is refused.
    """

    @property
    def module(self) -> nn.Module:
        """The parameters to train."""

    @property
    def n_samples(self) -> int:
        """Number of training samples."""

    @property
    def identity(self) -> str:
        """Fingerprint of model and data."""

    def loss(self, positions: Tensor) -> Tensor:
        """Mean loss of the samples at ``positions`` ((batch,) int64, on the device), as a float32 scalar.

        Where several processes train, each calls it with its share of the batch; a random number per sample comes
        from ``batch_rand``.
        """


@runtime_checkable
class GroupedTask(TrainingTask, Protocol):
    """A task whose positions are groups of samples, such as series; ``n_samples`` is the number of groups.

    Attributes:
        samples_each: samples of a group, in the mean; the batch size and rates are counted in samples.
    """

    @property
    def samples_each(self) -> float:
        """Samples of a group, in the mean."""


@dataclass(frozen=True)
class TrainingResult:
    """What a training leaves behind besides the parameters.

    Attributes:
        epoch_losses: mean training loss of each epoch.
        seconds: wall time in this process; a resumed training counts from its resumption.
        samples_per_second: over that time; 0 where nothing was left to do.
        device: ``cpu``, or the name of the GPU.
        precision: ``float32`` or ``bfloat16``.
        stopped: why it ended.
        held_out_errors: on the held-out part after each epoch; empty where nothing was held out.
    """

    epoch_losses: tuple[float, ...]
    seconds: float
    samples_per_second: float
    device: str
    precision: str
    stopped: Stopped
    held_out_errors: tuple[float, ...]


def train(
    task: TrainingTask,
    options: TrainingOptions,
    *,
    validate: Callable[[], float] | None = None,
    checkpoint: Path | None = None,
    on_progress: ProgressCallback | None = None,
) -> TrainingResult:
    """Trains ``task.module`` in place, together with the other processes of a group started by ``torchrun``.

    All processes of a group call it with the same task and options and end with the same parameters. The first of
    them writes the checkpoint and reports.

    Args:
        task: model and data.
        options: optimiser, schedule, device and seed.
        validate: the error of ``task.module`` (in ``eval`` mode) on samples that the task does not hold. Where the
            options have a patience, it is called after each epoch, ends the training, and the parameters of the epoch
            with the least error are kept.
        checkpoint: file that holds the state from time to time. Where it exists, the training continues from
            it and ends with the same parameters, to the bit on the same machine, as if it had never stopped.
        on_progress: called at the end of each epoch and now and then within one.

    Raises:
        UnusableCheckpoint: the checkpoint belongs to another training or is damaged.
        ValueError: there is no sample, the model cannot be trained by several processes, or there is a patience and
            nothing to judge by.
        FloatingPointError: the loss became NaN or infinite; the message names epoch and step.
    """
    if task.n_samples < 1:
        raise ValueError("There is no training sample.")
    if options.patience is not None and validate is None:
        raise ValueError("TrainingOptions.patience is set, but no part is held out to judge by.")
    device = options.resolve_device()
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda), _deterministic(device):
        torch.manual_seed(options.seed)
        return _Loop(task, options, device, validate, checkpoint, on_progress).run()


@contextlib.contextmanager
def _deterministic(device: torch.device) -> Iterator[None]:
    """Asks for kernels that sum in a fixed order; others add up as threads happen to finish.

    On a GPU that includes cuBLAS where ``CUBLAS_WORKSPACE_CONFIG`` is ``:4096:8`` from the start of the process.
    """
    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    debugging: Any = torch.utils.deterministic  # its one setting is invisible to type checkers
    fill = debugging.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    debugging.fill_uninitialized_memory = False  # costs time and changes no result here
    # The fused attention kernels of a GPU add up the gradient in any order, and are merely warned of.
    attention = sdpa_kernel(SDPBackend.MATH) if device.type == "cuda" else contextlib.nullcontext()
    try:
        with attention:
            yield
    finally:
        debugging.fill_uninitialized_memory = fill
        torch.use_deterministic_algorithms(before, warn_only=warn_only)


class _Loop:
    """State of one training between two optimiser steps."""

    def __init__(
        self,
        task: TrainingTask,
        options: TrainingOptions,
        device: torch.device,
        validate: Callable[[], float] | None,
        checkpoint: Path | None,
        on_progress: ProgressCallback | None,
    ) -> None:
        self.task, self.options, self.device = task, options, device
        self.checkpoint, self.on_progress = checkpoint, on_progress
        self.first = rank() == 0
        self.gradients: Gradients = Group(task, device) if size() > 1 else Alone(task)
        self.samples_each = task.samples_each if isinstance(task, GroupedTask) else 1.0
        self.batch = max(1, round(options.batch_size / self.samples_each))
        self.steps = math.ceil(task.n_samples / self.batch)
        self.passes = options.passes_of(self.steps)
        # Where samples are few, an epoch is several passes: a step is too short to be judged, saved and reported.
        self.each = options.passes_each(self.steps)
        self.validate = validate
        self.watch: Watch | None = None
        if options.patience is not None:
            self.watch = Watch(options.patience, two_rates=options.schedule == "plateau")
        self.optimizer = torch.optim.AdamW(
            task.module.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay, fused=True
        )
        self.past, self.step = 0, 0  # passes made, and steps of the present one
        self.epoch_losses: list[float] = []
        self._reset_sums()
        self.positions_here = 0
        self.started = self.last_progress = self.last_checkpoint = time.perf_counter()

    def _reset_sums(self) -> None:
        # They stay on the device: reading them back at every step would make a GPU wait.
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=self.device)
        self.first_bad_step = torch.full((), self.each * self.steps, dtype=torch.int64, device=self.device)

    @property
    def steps_here(self) -> int:
        """Steps of the present epoch that are done."""
        return self.past % self.each * self.steps + self.step

    def run(self) -> TrainingResult:
        """Runs from the checkpoint, or the start, to the last epoch."""
        self._resume()
        if size() > 1:
            require_agreement(self.device, self.past, self.step)
        self.task.module.train()
        while self.past < self.passes and not (self.watch is not None and self.watch.converged):
            order = self._order()
            while self.step < self.steps:
                self._one_step(order)
                self._look_at_clock()
            self._finish_pass()
        stopped: Stopped = "schedule"
        if self.watch is not None:
            stopped = "converged" if self.watch.converged else "budget"
            self.watch.restore(self.task.module)
        self.task.module.eval()
        seconds = time.perf_counter() - self.started
        rate = self.positions_here * self.samples_each / seconds if self.positions_here else 0.0
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else self.device.type
        precision = self.options.resolve_precision(self.device)
        errors = () if self.watch is None else tuple(self.watch.errors)
        return TrainingResult(tuple(self.epoch_losses), seconds, rate, name, precision, stopped, errors)

    def _order(self) -> Tensor:
        """(sample,) the order of this pass, a function of seed and pass: no checkpoint has to hold it."""
        generator = torch.Generator().manual_seed(self.options.seed * _PASS_SEED_STRIDE + self.past)
        return torch.randperm(self.task.n_samples, generator=generator).to(self.device)

    def _one_step(self, order: Tensor) -> None:
        options, start = self.options, self.step * self.batch
        positions = order[start : start + self.batch]
        late = self.watch is not None and self.watch.late
        rate = options.learning_rate_at(self.past * self.steps + self.step, self.steps, late=late)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        with options.autocast(self.device):
            loss, mean = self.gradients.loss(positions)
        loss.backward()  # type: ignore[no-untyped-call]
        if options.gradient_clip is not None:
            nn.utils.clip_grad_norm_(self.task.module.parameters(), options.gradient_clip)
        self.optimizer.step()
        self.first_bad_step = torch.where(
            torch.isfinite(mean), self.first_bad_step, self.first_bad_step.clamp(max=self.steps_here)
        )
        self.loss_sum += mean.double() * len(positions)
        self.positions_here += len(positions)
        self.step += 1

    def _look_at_clock(self) -> None:
        now = time.perf_counter()
        if self.step == self.steps:
            return  # the end of the pass or of the epoch does all of this
        if self.checkpoint is not None and now - self.last_checkpoint >= self.options.checkpoint_seconds:
            self._save()
        if now - self.last_progress >= self.options.progress_seconds:
            self._require_finite()
            self._report(self._progress())

    def _finish_pass(self) -> None:
        past = self.past + 1
        if past % self.each and past < self.passes:
            self.past, self.step = past, 0
            return
        self._require_finite()
        self.epoch_losses.append(self._progress().loss)
        self._judge()
        progress = self._progress()
        self.past, self.step = past, 0
        self._reset_sums()
        if self.checkpoint is not None:
            self._save()  # before the report, so that whoever stops the training there loses nothing
        self._report(progress)

    def _judge(self) -> None:
        if self.watch is None or self.validate is None:
            return
        self.task.module.eval()
        with torch.inference_mode(), self.options.autocast(self.device):
            error = agreed(self.validate(), self.device)
        self.task.module.train()
        self.watch.note(error, self.task.module)

    def _require_finite(self) -> None:
        bad, steps = int(self.first_bad_step), self.each * self.steps
        if bad < steps:
            raise FloatingPointError(
                f"The loss became NaN or infinite in epoch {self.past // self.each + 1}, step {bad + 1} of {steps}; "
                "lower the learning rate or look for extreme values in the data."
            )

    def _report(self, progress: Progress) -> None:
        self.last_progress = time.perf_counter()
        if self.on_progress is not None and self.first:
            self.on_progress(progress)

    def _progress(self) -> Progress:
        n_samples, of_epoch = self.task.n_samples, self.past % self.each
        seen = min(self.step * self.batch, n_samples)
        rate = self.positions_here / max(time.perf_counter() - self.started, 1e-9)
        return Progress(
            epoch=self.past // self.each + 1,
            epochs=math.ceil(self.passes / self.each),
            step=self.steps_here,
            steps=self.each * self.steps,
            loss=float(self.loss_sum) / (of_epoch * n_samples + seen),
            samples_per_second=rate * self.samples_each,
            seconds_left=((self.passes - self.past) * n_samples - seen) / rate,
            held_out=self.watch.errors[-1] if self.watch is not None and self.watch.errors else None,
        )

    def _fingerprint(self) -> str:
        settings = {key: value for key, value in asdict(self.options).items() if key not in _SPEED_ONLY}
        settings["precision"] = self.options.resolve_precision(self.device)  # "auto" says something else on a GPU
        text = json.dumps([settings, self.task.n_samples, self.task.identity], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _save(self) -> None:
        assert self.checkpoint is not None
        self._require_finite()  # a checkpoint with NaN parameters could never be continued
        self.last_checkpoint = time.perf_counter()
        if not self.first:
            return
        content: dict[str, Any] = {
            "kind": _KIND,
            "format": CHECKPOINT_FORMAT,
            "fingerprint": self._fingerprint(),
            "pass": self.past,
            "step": self.step,
            "epoch_losses": self.epoch_losses,
            "loss_sum": self.loss_sum,
            "module": self.task.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": random_state(self.device),
            "watch": None if self.watch is None else self.watch.state(),
        }
        save_atomically(self.checkpoint, content)
        self.last_checkpoint = time.perf_counter()

    def _resume(self) -> None:
        if self.checkpoint is None or not self.checkpoint.exists():
            return
        try:
            content = load_plain(self.checkpoint, kind=_KIND, version=CHECKPOINT_FORMAT)
        except ValueError as error:
            raise UnusableCheckpoint(str(error)) from error
        if content["fingerprint"] != self._fingerprint():
            raise UnusableCheckpoint(
                f"Checkpoint {self.checkpoint} belongs to another training (other options, precision, model or data); "
                "delete it or name another file."
            )
        self.task.module.load_state_dict(content["module"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.past, self.step = content["pass"], content["step"]
        self.epoch_losses = list(content["epoch_losses"])
        self.loss_sum = content["loss_sum"].to(self.device)
        if self.watch is not None:
            self.watch.load_state(content["watch"], self.device)
        restore_random_state(content["random"], self.device)
