"""The plain loop that the training engine is compared with: what research code usually looks like.

The same modules, loss, batch size and optimiser settings as in the engine, but: a dataset that cuts one window per
sample from NumPy arrays in Python, a ``DataLoader`` in the same process that collates and shuffles, float32 throughout,
an AdamW that is not fused, and a loss that is read back at each step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torch_frame import TensorFrame, stype

from bench.system.clock import Stopwatch
from models.dual_branch.decoder import combined_loss
from models.dual_branch.network import Placement, StandardisedNetwork
from models.training import SampleBatch, TrainingOptions

if TYPE_CHECKING:
    from models.pytorch_frame.network import FrameTask
    from tools.perf.training_tasks import RandomData


class WindowDataset(Dataset[tuple[Any, ...]]):
    """One window of climate per sample, with the static features and the condition's place of its cell."""

    def __init__(self, data: RandomData, window: int, placement: Placement) -> None:
        """Keeps references to the arrays; nothing is cut yet.

        Args:
            data: the samples.
            window: steps of one window, the predicted one included.
            placement: where each cell's condition is, (cell, …) each.
        """
        self.data, self.window = data, window
        self.placement = [part.cpu().numpy() for part in placement]

    def __len__(self) -> int:
        return len(self.data.cells)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Window, static features, steps of the year, cell, target, then the cell's placement."""
        panel = self.data.panel
        cell, time = self.data.cells[index], self.data.times[index]
        steps = np.arange(time - self.window + 1, time + 1).clip(min=0)  # before the series: its first step again
        place = (part[cell] for part in self.placement)
        target = self.data.target[cell, time]
        return panel.climate[cell, steps], panel.static[cell], panel.step_of_year[steps] - 1, cell, target, *place


def windows_loss(module: StandardisedNetwork, batch: list[Tensor], loss_weights: tuple[float, float]) -> Tensor:
    """Mean combined loss of a collated batch of `WindowDataset`; all conditions are computed once for it.

    Args:
        module: the network.
        batch: its tensors, on the module's device.
        loss_weights: factors of the two losses.
    """
    windows, static, steps, cells, target, *placement = batch
    decoded = module(SampleBatch(windows, static, steps, cells), tuple(placement), module.conditions())
    return combined_loss(decoded, target, *loss_weights)


class RowDataset(Dataset[tuple[Any, ...]]):
    """One row of columns per sample, for PyTorch Frame's models."""

    def __init__(self, task: FrameTask) -> None:
        """Keeps the task's rows as NumPy arrays.

        Args:
            task: the samples, standardised targets included.
        """
        self.rows = task.frame.feat_dict[stype.numerical].cpu().numpy()
        self.target = task.frame.y.cpu().numpy()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """(column,) values and the target."""
        return self.rows[index], self.target[index]


def rows_loss(task: FrameTask, batch: list[Tensor]) -> Tensor:
    """The task's loss of a collated batch of `RowDataset`.

    Args:
        task: the network and its columns.
        batch: rows and targets, on the network's device.
    """
    rows, target = batch
    return task.loss_of(TensorFrame({stype.numerical: rows}, task.frame.col_names_dict, target))


def samples_per_second(
    module: nn.Module,
    dataset: Dataset[Any],
    loss: Callable[[list[Tensor]], Tensor],
    training: TrainingOptions,
    *,
    warm_up: float,
    seconds: float,
) -> float:
    """Trains by the plain loop and returns its rate after the warm-up.

    Args:
        module: what is trained, on its device.
        dataset: one sample per index.
        loss: of a collated batch.
        training: batch size, learning rate, weight decay and device.
        warm_up: seconds, and at least one step, that do not count.
        seconds: that count, at least.
    """
    device = training.resolve_device()
    loader = DataLoader(dataset, batch_size=training.batch_size, shuffle=True, num_workers=0)
    optimizer = torch.optim.AdamW(
        module.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay, fused=False
    )
    module.train()
    watch, start, done, running_loss = Stopwatch(), 0.0, 0, 0.0
    while True:
        for batch in loader:
            on_device = [tensor.to(device) for tensor in batch]
            optimizer.zero_grad()
            value = loss(on_device)
            value.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            running_loss += value.item()
            now = watch.seconds
            if start:
                done += len(on_device[0])
                if now - start >= seconds:
                    return done / (now - start)
            elif now >= warm_up:
                start = now
