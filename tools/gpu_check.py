"""Checks a GPU against this machine's CPU and measures what the paper's training would take on it; prints JSON.

    python tools/gpu_check.py                              # at most 8 minutes
    python tools/gpu_check.py --cells 60 --seconds 5       # what the tests run, on a CPU

It needs this repository's `models`, torch, NumPy and SciPy and reads no data: arrays are random, with the paper's 26
climate variables, and lie on the device. It answers, for *Dual-branch plus*, *Dual-branch (paper)* in both readings and
GNNWR:

- `difference`: do GPU and CPU predict the same with the same weights, in float32 without TF32? The largest
  difference, over the spread of the predictions; `agrees` says whether all are within 1e-5.
- `samples_per_second` of the training itself, and its `share_of_matrix_rate`: the operations of its matrix products,
  over what the device does in large square products of the same precision.
- `hours`: for the paper's 20 passes over 52 million samples at that rate.
- `peak_bytes` of memory: of the GPU where there is one, else of the process.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from models.dual_branch import (  # noqa: E402  # the script runs from a bare checkout
    PAPER_TRAINING,
    PLUS_TRAINING,
    SEASONAL,
    DualBranchOptions,
    DualBranchPlusOptions,
    DualBranchPlusRegressor,
    DualBranchRegressor,
    Panel,
    Progress,
    TrainingOptions,
)
from models.dual_branch.network import StandardisedNetwork  # noqa: E402
from models.dual_branch.series import SeriesPanel  # noqa: E402
from models.dual_branch.task import SeriesTask  # noqa: E402
from models.training import DevicePanel, TrainingTask, train  # noqa: E402
from tools.perf.operations import matrix_operations  # noqa: E402

PAPER_SAMPLES, PAPER_EPOCHS = 52_000_000, 20
"""Du et al. (2025), Section 4.1."""
CLIMATE_FEATURES, STATIC_FEATURES, STEPS = 26, 17, 46
"""ERA5-Land variables of the paper, classes of MCD12C1, steps of 8 days in a year."""
TOLERANCE = 1e-5
"""Of float32 sums in another order, relative to the spread of the predictions."""
MOST_NODES = 2000
LANDMARKS, HIDDEN, DROPOUT, GNNWR_BATCH = 256, (128, 64), 0.2, 1024
"""A network of the size that GNNWR has by default."""
_AGREE_ON = 64
_WARM_UP = 0.3
"""Part of a measurement that is not counted: kernels are chosen and caches filled in it."""
_ORDER = {"cpu": 1024, "cuda": 8192}
"""Rows of the square matrices whose product gives the matrix rate."""


class _Enough(Exception):
    """Ends a training from within its progress callback."""


@dataclass(frozen=True)
class Checked:
    """One model to check.

    Attributes:
        task: what the engine trains, on the device.
        training: how.
        predictions: of a network on a device, of some samples that stay the same.
    """

    task: TrainingTask
    training: TrainingOptions
    predictions: Callable[[nn.Module, torch.device], Tensor]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300.0, help="of all trainings together")
    parser.add_argument("--cells", type=int, default=MOST_NODES)
    arguments = parser.parse_args()
    print(json.dumps(report(arguments.cells, arguments.seconds), indent=2))


def report(cells: int, seconds: float) -> dict[str, Any]:
    """Everything that is printed.

    Args:
        cells: of the random panel.
        seconds: of all trainings together.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    gpu = device.type == "cuda"
    rates = {
        name: matrix_rate(device, dtype)
        for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16))
        if gpu or name == "float32"
    }
    models = {}
    for name, make in MODELS.items():
        models[name] = check(make(cells, device), device, seconds / len(MODELS), rates)
    return {
        "gpu": torch.cuda.get_device_name(device) if gpu else None,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "matrix_operations_per_second": rates,
        "agrees": all(model["difference"] <= TOLERANCE for model in models.values()) if gpu else None,
        "models": models,
    }


def check(made: Checked, device: torch.device, seconds: float, rates: dict[str, float]) -> dict[str, Any]:
    """What is reported of one model.

    Args:
        made: the model.
        device: to train on.
        seconds: of the training.
        rates: of matrix products, by precision.
    """
    module = made.task.module
    difference = _difference(made, device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    precision = made.training.resolve_precision(device)
    rate = _rate(made, seconds)
    operations = _operations(made)
    return {
        "parameters": sum(parameter.numel() for parameter in module.parameters()),
        "precision": precision,
        "difference": difference,
        "samples_per_second": rate,
        "operations_per_sample": operations,
        "share_of_matrix_rate": rate * operations / rates[precision],
        "hours": PAPER_EPOCHS * PAPER_SAMPLES / rate / 3600,
        "peak_bytes": _peak(device),
    }


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Operations per second of a large square product, the best of several; additions and multiplications counted.

    Args:
        device: where.
        dtype: of the matrices.
    """
    order = _ORDER[device.type]
    left = torch.randn(order, order, device=device, dtype=dtype)
    best = float("inf")
    for _ in range(6):
        _synchronise(device)
        started = time.perf_counter()
        left @ left
        _synchronise(device)
        best = min(best, time.perf_counter() - started)
    return 2.0 * order**3 / best


def _difference(made: Checked, device: torch.device) -> float:
    """Largest difference of the predictions of device and CPU over their spread, before training."""
    module = made.task.module.eval()
    with torch.inference_mode(), torch.backends.cudnn.flags(allow_tf32=False):  # or its LSTM keeps 10 bits only
        there = made.predictions(module, device).cpu()
        here = made.predictions(module.to("cpu"), torch.device("cpu"))
    module.to(device)
    return float((there - here).abs().max() / here.std())


def _rate(made: Checked, seconds: float) -> float:
    """Samples per second of the engine, after its warm-up."""
    marks: list[tuple[float, float]] = []
    started = time.perf_counter()
    each = made.task.samples_each if isinstance(made.task, SeriesTask) else 1.0
    batch = max(1, round(made.training.batch_size / each))

    def note(progress: Progress) -> None:
        now = time.perf_counter()
        if now - started < _WARM_UP * seconds:
            return
        done = (progress.epoch - 1) * made.task.n_samples + min(progress.step * batch, made.task.n_samples)
        marks.append((now, done * each))
        if now - started >= seconds and len(marks) > 1:
            raise _Enough

    endless = replace(made.training, epochs=1_000_000, progress_seconds=seconds / 20)
    with suppress(_Enough):
        train(made.task, endless, on_progress=note)
    (first, before), (last, after) = marks[0], marks[-1]
    return (after - before) / (last - first)


def _operations(made: Checked) -> float:
    """Operations of the matrix products of forward and backward pass over one batch, per sample of it."""
    device = made.training.resolve_device()
    each = made.task.samples_each if isinstance(made.task, SeriesTask) else 1.0
    size = min(max(1, round(made.training.batch_size / each)), made.task.n_samples)
    positions = torch.arange(size, device=device)

    def step() -> None:
        made.task.loss(positions).backward()  # type: ignore[no-untyped-call]

    return matrix_operations(step) / (size * each)


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _panel(cells: int) -> tuple[Panel, Any]:
    """A random panel of one year, and its target."""
    generator = np.random.default_rng(0)
    panel = Panel(
        generator.standard_normal((cells, STEPS, CLIMATE_FEATURES), dtype=np.float32),
        generator.dirichlet(np.ones(STATIC_FEATURES), cells).astype(np.float32),
        generator.uniform(-180, 180, cells),
        generator.uniform(-60, 70, cells),
        np.arange(STEPS) + 1,
    )
    return panel, panel.climate[..., 0] + generator.standard_normal((cells, 1), dtype=np.float32)


def _of_estimator(estimator: DualBranchRegressor | DualBranchPlusRegressor, cells: int) -> Checked:
    panel, target = _panel(cells)
    task = estimator.task(panel, target, *np.divmod(np.arange(cells * STEPS), STEPS))

    def predictions(module: nn.Module, device: torch.device) -> Tensor:
        assert isinstance(module, StandardisedNetwork)
        of_series = isinstance(task, SeriesTask)
        data = SeriesPanel(panel, device) if of_series else DevicePanel(panel, estimator.options.window, device)
        few = min(_AGREE_ON, cells)
        batch = data.gather(torch.arange(few, device=device), torch.full((few,), STEPS - 1, device=device))
        placement = tuple(part.to(device)[batch.cells] for part in task.placement)
        found: Tensor = module(batch, placement, module.conditions()).prediction
        return found

    return Checked(task, estimator.training, predictions)


def _plus(cells: int, device: torch.device) -> Checked:
    training = replace(PLUS_TRAINING, device=device.type)
    # Operations are counted, which derivatives inside of a step do not allow; with them a step takes longer.
    options = DualBranchPlusOptions(members=(SEASONAL,), gradient_consistency_weight=0.0)
    return _of_estimator(DualBranchPlusRegressor(options, training), cells)


def _paper(reading: Any) -> Callable[[int, torch.device], Checked]:
    def make(cells: int, device: torch.device) -> Checked:
        training = replace(PAPER_TRAINING, device=device.type, patience=None, schedule="step")
        options = DualBranchOptions(n_nodes=min(MOST_NODES, cells), reading=reading)
        return _of_estimator(DualBranchRegressor(options, training), min(MOST_NODES, cells))

    return make


def _gnnwr(cells: int, device: torch.device) -> Checked:
    network, tasks = _module("gnnwr/network.py"), _module("gnnwr/task.py")
    columns = CLIMATE_FEATURES + STATIC_FEATURES + 1
    torch.manual_seed(0)
    module = network.WeightNetwork(LANDMARKS, columns, HIDDEN, DROPOUT)
    nn.init.normal_(module.last.weight, std=0.1)  # it starts at zero, where all predictions agree
    rows = cells * STEPS
    table, terms = torch.rand(cells, LANDMARKS), torch.randn(rows, columns)
    place = torch.arange(rows) % cells

    task = tasks.WeightingTask(
        module=module.to(device),
        space=(table.to(device), place.to(device)),
        time=None,
        terms=terms.to(device),
        target=terms[:, 0].clone().to(device),
        passes=1,
        identity="gpu_check",
    )

    def predictions(module: nn.Module, device: torch.device) -> Tensor:
        few = min(_AGREE_ON, cells)
        weights: Tensor = module(table[:few].to(device), None)
        return (weights * terms[:few].to(device)).sum(dim=1)

    training = TrainingOptions(batch_size=GNNWR_BATCH, device=device.type, precision="float32")
    return Checked(task, training, predictions)


def _module(path: str) -> ModuleType:
    """A file of `models` without its package, whose other parts need scikit-learn."""
    name = f"gpu_check_{Path(path).stem}"
    spec = importlib.util.spec_from_file_location(name, ROOT / "models" / path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


MODELS: dict[str, Callable[[int, torch.device], Checked]] = {
    "dual_branch_plus": _plus,
    "dual_branch, series": _paper("series"),
    "dual_branch, windows": _paper("window"),
    "gnnwr": _gnnwr,
}

if __name__ == "__main__":
    main()
