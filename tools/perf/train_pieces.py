"""The measured pieces of `python -m tools.perf train`, each called in a process of its own."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace
from typing import Any

from bench.system.clock import Stopwatch
from tools.perf.training_tasks import MODELS, Enough, Trainable, random_data

_ENDLESS = 1_000_000  # epochs; a measurement is ended by its clock
_REPORT_SECONDS = 0.1


def throughput(model: str, cells: int, steps: int, device: str, seconds: float) -> dict[str, Any]:
    """Rates of the engine and of the plain loop, and the operations of one sample.

    Args:
        model: name in `MODELS`.
        cells: of the random panel.
        steps: of the random panel.
        device: ``auto``, ``cpu`` or ``cuda``.
        seconds: of each measurement, without its warm-up.
    """
    from tools.perf import reference_loop

    made = MODELS[model](random_data(cells, steps), device)
    warm_up = seconds / 5
    engine = _engine_rate(made, warm_up, seconds)
    plain = reference_loop.samples_per_second(
        made.task.module, made.dataset, made.plain_loss, made.training, warm_up=warm_up, seconds=seconds
    )
    return {
        "batch_size": made.training.batch_size,
        "precision": made.training.resolve_precision(made.training.resolve_device()),
        "samples_per_second": engine,
        "operations_per_sample": operations_per_sample(made),
        "reference_samples_per_second": plain,
        "reference_ratio": engine / plain,
    }


def operations_per_sample(made: Trainable) -> float:
    """Operations of the matrix products of forward and backward pass over one batch, per sample of it."""
    import torch

    from tools.perf.operations import matrix_operations

    task, device = made.task, made.training.resolve_device()
    size = min(made.training.batch_size, task.n_samples)
    positions = torch.randperm(task.n_samples)[:size].to(device)
    task.module.train()

    def step() -> None:
        task.loss(positions).backward()  # type: ignore[no-untyped-call]

    return matrix_operations(step) / size


def _engine_rate(made: Trainable, warm_up: float, seconds: float) -> float:
    """Samples per second of the engine itself, from reports after the warm-up."""
    from models.training import Progress, train

    watch = Stopwatch()
    marks: list[tuple[float, int]] = []

    def note(report: Progress) -> None:
        if watch.seconds < warm_up:
            return
        in_epoch = min(report.step * made.training.batch_size, made.task.n_samples)
        marks.append((watch.seconds, (report.epoch - 1) * made.task.n_samples + in_epoch))
        if marks[-1][0] - marks[0][0] >= seconds and marks[-1][1] > marks[0][1]:  # a busy machine takes its time
            raise Enough

    endless = replace(made.training, epochs=_ENDLESS, progress_seconds=_REPORT_SECONDS)
    with suppress(Enough):
        train(made.task, endless, on_progress=note)
    (first, before), (last, after) = marks[0], marks[-1]
    return (after - before) / (last - first)


def memory(model: str, cells: int, steps: int, device: str, optimiser_steps: int) -> dict[str, Any]:
    """Prepares a training and does its first steps; the process' peak memory is what is asked for.

    Args:
        model: name in `MODELS`.
        cells: of the random panel.
        steps: of the random panel.
        device: ``auto``, ``cpu`` or ``cuda``.
        optimiser_steps: how many.
    """
    import torch

    from models.training import Progress, train

    data = random_data(cells, steps)
    made = MODELS[model](data, device)
    left = math.ceil(made.task.n_samples / made.training.batch_size)

    def count(report: Progress) -> None:
        if report.step >= min(optimiser_steps, left):
            raise Enough

    with suppress(Enough):
        train(made.task, replace(made.training, progress_seconds=0.0), on_progress=count)
    gpu = made.training.resolve_device().type == "cuda"
    return {
        "panel_bytes": data.panel.climate.nbytes,
        "peak_device_memory_bytes": torch.cuda.max_memory_allocated() if gpu else None,
    }
