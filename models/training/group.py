"""One training by several processes: each takes its share of every batch, and all keep the same parameters.

A process belongs to a group where the variables of ``torchrun`` are set (``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``,
``MASTER_ADDR``, ``MASTER_PORT``); it then runs the same program as the others up to the end of the training. The
batches, their order and every random draw are those of a single process, so that the number of processes changes
rounding and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from models.training.engine import TrainingTask

_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class _Share(NamedTuple):
    """Samples ``start`` to ``stop`` of a batch of ``total``."""

    start: int
    stop: int
    total: int


_share: ContextVar[_Share | None] = ContextVar("share of the batch", default=None)


def size() -> int:
    """Number of processes of the group that this process belongs to; 1 where it is alone."""
    return int(os.environ["WORLD_SIZE"]) if all(name in os.environ for name in _VARIABLES) else 1


def rank() -> int:
    """Number of this process in its group, counted from 0."""
    return int(os.environ["RANK"]) if size() > 1 else 0


def own_gpu() -> torch.device:
    """The GPU of this process: in a group, each of a machine's processes has one of its own.

    Raises:
        ValueError: the machine shows fewer GPUs than it has processes of the group.
    """
    if size() == 1:
        return torch.device("cuda")
    local, here = int(os.environ.get("LOCAL_RANK", rank())), torch.cuda.device_count()
    if local >= here:
        raise ValueError(
            f"Process {local + 1} of this machine has no GPU of its own: torch sees {here}; use fewer processes or "
            "device 'cpu'."
        )
    return torch.device("cuda", local)


def batch_rand(n: int, device: torch.device) -> Tensor:
    """One uniform random number per sample of the batch that ``TrainingTask.loss`` was called for.

    In a group each process draws the numbers of the whole batch and returns those of its own samples.

    Args:
        n: number of samples that the process sees.
        device: where to draw.
    """
    share = _share.get()
    if share is None:
        return torch.rand(n, device=device)
    return torch.rand(share.total, device=device)[share.start : share.stop]


class Gradients(Protocol):
    """How the loss of a batch and its gradients come about."""

    def loss(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """The scalar to call ``backward`` on, and the mean loss over the batch, detached.

        Args:
            positions: (batch,) samples of the whole batch.
        """


class Alone:
    """A training by this process only."""

    def __init__(self, task: TrainingTask) -> None:
        self._task = task

    def loss(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """See ``Gradients``."""
        loss = self._task.loss(positions)
        return loss, loss.detach()


class _Losses(nn.Module):
    """The task as a module, since DistributedDataParallel prepares its exchange when a module is called."""

    def __init__(self, task: TrainingTask) -> None:
        super().__init__()
        self.module, self._task = task.module, task

    def forward(self, positions: Tensor) -> Tensor:
        return self._task.loss(positions)


class Group:
    """A training by all processes of the group; gradients are exchanged by DistributedDataParallel.

    Args:
        task: the same in every process.
        device: of this process.

    Raises:
        ValueError: the model has layers whose numbers would depend on the number of processes.
    """

    def __init__(self, task: TrainingTask, device: torch.device) -> None:
        for name, layer in task.module.named_modules():
            draws = isinstance(layer, nn.modules.dropout._DropoutNd) and layer.p > 0
            if draws or isinstance(layer, nn.modules.batchnorm._BatchNorm):
                raise ValueError(
                    f"Layer {name!r} ({type(layer).__name__}) would give other numbers with {size()} processes than "
                    "with one; train this model in one process."
                )
        join(device)
        self._rank, self._size = rank(), size()
        self._losses = nn.parallel.DistributedDataParallel(
            _Losses(task),
            device_ids=[device] if device.type == "cuda" else None,
            forward_sync_buffers=False,  # no layer that is let in here changes its buffers
        )

    def loss(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """See ``Gradients``; the first is this process's part, weighted by its number of samples."""
        total = len(positions)
        start, stop = (total * number // self._size for number in (self._rank, self._rank + 1))
        weight = (stop - start) / total
        stop = max(stop, start + 1)  # a process without a sample in a short batch computes one that counts nothing
        with _drawing_for(_Share(start, stop, total)):
            loss: Tensor = self._losses(positions[start:stop])
        mean = loss.detach().double() * weight
        torch.distributed.all_reduce(mean)
        return loss * (weight * self._size), mean  # the exchange divides by the number of processes


@contextmanager
def _drawing_for(share: _Share) -> Iterator[None]:
    token = _share.set(share)
    try:
        yield
    finally:
        _share.reset(token)


def join(device: torch.device) -> None:
    """Meets the other processes of the group: NCCL between GPUs, gloo between CPUs. Once is enough.

    Args:
        device: of this process.
    """
    if torch.distributed.is_initialized():
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")


def require_agreement(device: torch.device, *numbers: int) -> None:
    """Raises if the processes of the group would go on from different places.

    Args:
        device: of this process.
        numbers: epoch and step.

    Raises:
        ValueError: a process read another checkpoint than the first.
    """
    own = torch.tensor(numbers, dtype=torch.int64, device=device)
    least, most = own.clone(), own.clone()
    torch.distributed.all_reduce(least, torch.distributed.ReduceOp.MIN)
    torch.distributed.all_reduce(most, torch.distributed.ReduceOp.MAX)
    if not torch.equal(least, most):
        raise ValueError(
            "The processes of this training see different checkpoints; put the file into a folder that all their "
            "machines share."
        )


def agreed(number: float, device: torch.device) -> float:
    """The mean of a number over the processes of the group, the same to the bit in all: what they decide by.

    Args:
        number: as this process has it.
        device: of this process.
    """
    if size() == 1:
        return number
    total = torch.tensor(number, dtype=torch.float64, device=device)
    torch.distributed.all_reduce(total)
    return float(total) / size()


def leave() -> None:
    """Leaves the group after the last training, when all its processes have come so far."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
