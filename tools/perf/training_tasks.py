"""The torch models that `python -m tools.perf train` measures, and the random data that it trains them on.

A model is one entry of `MODELS`: a function from the data and a device to what the engine trains and what the plain
loop trains.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.data import Dataset

    from models.training import Panel, TrainingOptions, TrainingTask

STEPS_PER_YEAR = 46
N_FEATURES = 26
N_STATIC = 17


class Enough(Exception):
    """Ends a training from within its progress callback."""


@dataclass(frozen=True)
class RandomData:
    """Random samples in the shape of the benchmark's: how fast a training is does not depend on what the data mean.

    Attributes:
        panel: climate and static features of every cell.
        target: (cell, time) float32.
        cells: (sample,) cell index; every cell at every step is a training sample.
        times: (sample,) time index.
    """

    panel: Panel
    target: npt.NDArray[np.float32]
    cells: npt.NDArray[np.int64]
    times: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Trainable:
    """One model, ready to be trained in two ways from the same initial parameters.

    Attributes:
        task: what the project's engine trains.
        training: how it does.
        dataset: one sample per index, for the plain loop.
        plain_loss: the loss of a collated batch of ``dataset``, on the task's own module.
    """

    task: TrainingTask
    training: TrainingOptions
    dataset: Dataset[Any]
    plain_loss: Callable[[list[Tensor]], Tensor]


def random_data(cells: int, steps: int, seed: int = 0) -> RandomData:
    """Makes the data: standard normal climate, land-cover-like fractions, cells anywhere on the globe.

    Args:
        cells: number of cells.
        steps: number of 8-day steps.
        seed: of everything random in it.
    """
    from models.training import Panel

    random = np.random.default_rng(seed)
    climate = random.standard_normal((cells, steps, N_FEATURES), dtype=np.float32)
    static = random.dirichlet(np.ones(N_STATIC), size=cells).astype(np.float32)
    lon, lat = random.uniform(-180, 180, cells), np.degrees(np.arcsin(random.uniform(-1, 1, cells)))
    panel = Panel(climate, static, lon, lat, np.arange(steps) % STEPS_PER_YEAR + 1)
    target = climate[:, :, 0] + random.standard_normal((cells, steps), dtype=np.float32)
    return RandomData(panel, target, np.repeat(np.arange(cells), steps), np.tile(np.arange(steps), cells))


def _dual_branch(data: RandomData, device: str) -> Trainable:
    from models.dual_branch import DualBranchOptions, DualBranchRegressor, TrainingOptions

    windows = DualBranchOptions(reading="window")  # the plain loop knows single samples only
    return _on_windows(DualBranchRegressor(windows, TrainingOptions(device=device)), data)


def _dual_branch_plus(data: RandomData, device: str) -> Trainable:
    from models.dual_branch import PLUS_TRAINING, DualBranchPlusOptions, DualBranchPlusRegressor

    # As in the plain loop: every sample is explained, and the weights are asked for their sum only.
    plain = DualBranchPlusOptions(importance_share=1.0, gradient_consistency_weight=0.0)
    return _on_windows(DualBranchPlusRegressor(plain, replace(PLUS_TRAINING, device=device)), data)


def _on_windows(estimator: Any, data: RandomData) -> Trainable:
    from tools.perf.reference_loop import WindowDataset, windows_loss

    task = estimator.task(data.panel, data.target, data.cells, data.times)
    return Trainable(
        task=task,
        training=estimator.training,
        dataset=WindowDataset(data, estimator.options.window, task.placement),
        plain_loss=lambda batch: windows_loss(task.module, batch, task.loss_weights),
    )


def _pytorch_frame(name: str) -> Callable[[RandomData, str], Trainable]:
    def build(data: RandomData, device: str) -> Trainable:
        from models.pytorch_frame import PyTorchFrameOptions, PyTorchFrameRegressor
        from models.training import TrainingOptions
        from tools.perf.reference_loop import RowDataset, rows_loss

        options = PyTorchFrameOptions(model=name)  # type: ignore[arg-type]  # one of the four names of `MODELS`
        training = TrainingOptions(device=device)
        estimator = PyTorchFrameRegressor(options, training)
        climate, static = data.panel.climate[data.cells, data.times], data.panel.static[data.cells]
        task = estimator.task(np.concatenate([climate, static], axis=1), data.target[data.cells, data.times])
        return Trainable(
            task=task,
            training=training,
            dataset=RowDataset(task),
            plain_loss=lambda batch: rows_loss(task, batch),
        )

    return build


MODELS: dict[str, Callable[[RandomData, str], Trainable]] = {
    "dual_branch": _dual_branch,
    "dual_branch_plus": _dual_branch_plus,
    **{name: _pytorch_frame(name) for name in ("tabnet", "excelformer", "resnet", "fttransformer")},
}
