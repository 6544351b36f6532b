"""`python -m tools.perf train`: the training engine against the machine's matrix rate and against a plain loop."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from bench.errors import BenchError, unknown
from tools.perf import machine
from tools.perf.fresh_process import in_fresh_process
from tools.perf.training_tasks import MODELS, N_FEATURES, N_STATIC

DEVICES = ("auto", "cpu", "cuda")
STEPS = 92
"""Of the panel: two years, as in the North China data."""
MEMORY_CELLS = (2068, 60_000)
"""Land cells of North China at 0.25°; more than the globe has at 0.5°."""
_MEMORY_STEPS = 3
_PACKAGES = ("torch", "numpy")
_PIECES = "tools.perf.train_pieces"


@dataclass(frozen=True)
class TrainOptions:
    """What to measure.

    Attributes:
        models: names in `MODELS`.
        samples_seconds: length of each throughput measurement.
        threads: numeric threads.
        device: ``auto``, ``cpu`` or ``cuda``.
        cells: of the random panel on which throughput is measured.
        memory_cells: numbers of cells at which the memory of a training is measured; none where empty.

    Raises:
        BenchError: an option is out of range or a name is unknown.
    """

    models: tuple[str, ...]
    samples_seconds: float = 10.0
    threads: int = 2
    device: str = "auto"
    cells: int = 2068
    memory_cells: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.models:
            raise BenchError(f"--models is empty; choose from {', '.join(MODELS)}.")
        for name in self.models:
            if name not in MODELS:
                raise unknown("model", name, list(MODELS), "see `python -m tools.perf train --help`")
        if self.device not in DEVICES:
            raise unknown("device", self.device, DEVICES, "see `python -m tools.perf train --help`")
        if not 0 < self.samples_seconds < math.inf:
            raise BenchError(f"--samples-seconds is {self.samples_seconds:g}; it must be a positive number.")
        if self.threads < 1:
            raise BenchError(f"--threads is {self.threads}; it must be at least 1.")
        if min((self.cells, *self.memory_cells)) < 1:
            raise BenchError(
                f"A training on {min((self.cells, *self.memory_cells))} cells is asked for; give at least 1."
            )


def measure(options: TrainOptions, say: Callable[[str], None]) -> dict[str, Any]:
    """Measures every model and returns the report that `docs/results-format.md` describes.

    Args:
        options: what to measure.
        say: called with a line now and then.

    Raises:
        BenchError: a measurement failed.
    """
    report = machine.header("python -m tools.perf train", asdict(options), _PACKAGES)
    say(f"matrix rate, float32, {options.threads} thread(s), device {options.device}")
    before = machine.matrix_rates(["float32"], threads=options.threads, device=options.device)
    models = [_measure_model(name, options, say) for name in options.models]
    rates = before.best_with(
        machine.matrix_rates(["float32"], threads=options.threads, device=options.device),
    )
    for row in models:
        done = row["samples_per_second"] * row["operations_per_sample"]
        row["matrix_rate_share"] = done / rates.per_second[row["precision"]]
    memory = [_measure_memory(name, cells, options, say) for cells in options.memory_cells for name in options.models]
    panel = {"cells": options.cells, "steps": STEPS, "features": N_FEATURES, "static_features": N_STATIC}
    return report | {"matrix_rate": asdict(rates), "panel": panel, "models": models, "memory": memory}


def _measure_model(name: str, options: TrainOptions, say: Callable[[str], None]) -> dict[str, Any]:
    say(f"{name}: engine and plain loop, {options.samples_seconds:g} s each after a warm-up")
    arguments = {
        "model": name,
        "cells": options.cells,
        "steps": STEPS,
        "device": options.device,
        "seconds": options.samples_seconds,
    }
    row = {"model": name} | in_fresh_process(f"{_PIECES}:throughput", arguments, threads=options.threads).answer
    say(
        f"{name}: engine {row['samples_per_second']:,.0f} samples/s, plain loop "
        f"{row['reference_samples_per_second']:,.0f} samples/s"
    )
    return row


def _measure_memory(name: str, cells: int, options: TrainOptions, say: Callable[[str], None]) -> dict[str, Any]:
    say(f"{name}: memory of a training, {cells} cells × {STEPS} steps")
    arguments = {
        "model": name,
        "cells": cells,
        "steps": STEPS,
        "device": options.device,
        "optimiser_steps": _MEMORY_STEPS,
    }
    job = in_fresh_process(f"{_PIECES}:memory", arguments, threads=options.threads)
    row = {"model": name, "cells": cells, "steps": STEPS, "peak_memory_bytes": job.peak_memory_bytes} | job.answer
    say(f"{name}: {cells} cells: {job.peak_memory_bytes / 1e9:.2f} GB")
    return row
