"""Stages of a fit: each is trained once, kept in a file named by all that its numbers depend on, and found again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.training import ProgressCallback, TrainingOptions, TrainingTask, UnusableCheckpoint, train
from models.training.checkpoint import load_plain, save_atomically

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

STAGE_FORMAT = 2
"""Version of the layout of a stage's file."""
NUMBERS_VERSION = 1
"""Raised whenever the code of this package gives other numbers for the same options and data."""
_KIND = "flux stage"
_SPEED_ONLY = ("device", "checkpoint_seconds", "progress_seconds", "precision")  # precision: as it is resolved


StageCallback = Callable[[str], None]


@dataclass(frozen=True)
class StageReport:
    """What a stage leaves behind besides parameters.

    Attributes:
        name: of the stage.
        key: of its file; the same key, the same numbers.
        found: whether it lay there already.
        epoch_losses: mean training loss of each epoch; empty for a stage that trains nothing.
        validation_losses: of each epoch.
        stopped: why the training ended, as in ``training.stopping``; None for a stage that trains nothing.
    """

    name: str
    key: str
    found: bool
    epoch_losses: tuple[float, ...] = ()
    validation_losses: tuple[float, ...] = ()
    stopped: str | None = None


class Stages:
    """Runs stages one after another; each stage's key holds that of the stage before it.

    Args:
        folder: for the stages of this fit and its unfinished trainings; None keeps nothing.
        shared: for the stages that other fits need too; ``folder`` where None.
        on_progress: of every training.
        facts: whatever all stages depend on.
        on_stage: called with the name of each stage when it begins.
    """

    def __init__(
        self,
        folder: Path | None,
        shared: Path | None,
        on_progress: ProgressCallback | None,
        facts: object,
        on_stage: StageCallback | None = None,
    ) -> None:
        self._folder, self._shared = folder, shared or folder
        self._on_progress, self._on_stage = on_progress, on_stage
        self.key = digest(NUMBERS_VERSION, torch.__version__.split("+")[0], facts)
        self.reports: list[StageReport] = []

    def train(
        self,
        name: str,
        task: Callable[[str], TrainingTask],
        training: TrainingOptions,
        facts: object,
        *,
        shared: bool = False,
    ) -> None:
        """Trains a module in place, or gives it the parameters of the same training in a file.

        Args:
            name: of the stage.
            task: makes the training task, given the identity of the stage.
            training: how it is trained.
            facts: what the numbers depend on besides the stages before it and ``training``.
            shared: whether other fits need this stage too.

        Raises:
            UnusableCheckpoint: a file is damaged.
        """
        self._advance(name, facts, _numbers_of(training))
        path = self._path(name, shared)
        made = task(self.key)
        with _alone(path if shared else None):
            content = self._find(path)
            found = content is not None
            if content is None:
                content = self._trained(made, training, path)
        made.module.load_state_dict(content["tensors"])
        made.module.eval()
        losses = tuple(content["epoch_losses"]), tuple(content["validation_losses"])
        self.reports.append(StageReport(name, self.key, found, *losses, content["stopped"]))

    def _trained(self, task: TrainingTask, training: TrainingOptions, path: Path | None) -> dict[str, Any]:
        checkpoint = None if path is None else path.with_suffix(".training")
        try:
            validate = getattr(task, "validation_loss", None) if training.patience is not None else None
            result = train(task, training, validate=validate, checkpoint=checkpoint, on_progress=self._on_progress)
        except UnusableCheckpoint:
            finished = self._find(path)  # another process may have ended this very training and removed its checkpoint
            if finished is None:
                raise
            return finished
        content = {
            "tensors": dict(task.module.state_dict()),
            "epoch_losses": list(result.epoch_losses),
            "validation_losses": list(result.held_out_errors),
            "stopped": result.stopped,
        }
        self._keep(path, content)
        if checkpoint is not None:
            checkpoint.unlink(missing_ok=True)
        return content

    def compute(
        self, name: str, compute: Callable[[], Mapping[str, Tensor]], facts: object, *, shared: bool = False
    ) -> dict[str, Tensor]:
        """Computes tensors, or reads those of the same computation from a file.

        Args:
            name: of the stage.
            compute: the computation.
            facts: what it depends on besides the stages before it.
            shared: whether other fits need this stage too.

        Raises:
            UnusableCheckpoint: a file is damaged.
        """
        self._advance(name, facts, None)
        path = self._path(name, shared)
        with _alone(path if shared else None):
            content = self._find(path)
            found = content is not None
            if content is None:
                content = {"tensors": dict(compute())}
                self._keep(path, content)
        self.reports.append(StageReport(name, self.key, found))
        tensors: dict[str, Tensor] = content["tensors"]
        return tensors

    def _advance(self, name: str, facts: object, training: dict[str, Any] | None) -> None:
        self.key = digest(self.key, name, facts, training)
        if self._on_stage is not None:
            self._on_stage(name)

    def _path(self, name: str, shared: bool) -> Path | None:
        folder = self._shared if shared else self._folder
        return None if folder is None else folder / f"{name}-{self.key[:24]}.stage"

    def _find(self, path: Path | None) -> dict[str, Any] | None:
        if path is None or not path.exists():
            return None
        try:
            content = load_plain(path, kind=_KIND, version=STAGE_FORMAT)
        except ValueError as error:
            raise UnusableCheckpoint(f"{error} Delete it to run the stage again.") from error
        if content["key"] != self.key:
            raise UnusableCheckpoint(f"{path} holds another stage than its name says; delete it.")
        return content

    def _keep(self, path: Path | None, content: dict[str, Any]) -> None:
        if path is not None:
            save_atomically(path, {"kind": _KIND, "format": STAGE_FORMAT, "key": self.key, **content})


@contextmanager
def _alone(path: Path | None) -> Iterator[None]:
    """Has one process at a time work on a stage that several need; the others wait and find it.

    The lock vanishes with its process. Where the system or the file system has none, each computes the same numbers.
    """
    if path is None or fcntl is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("ab") as stream:
        with suppress(OSError):
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def digest(*facts: object) -> str:
    """SHA-256 of numbers, text, arrays, tensors, modules, dataclasses and containers of them.

    Args:
        facts: hashed in their order; a module by its structure and its parameters.

    Raises:
        TypeError: a fact is of another type.
    """
    state = hashlib.sha256()
    for fact in facts:
        _update(state, fact)
    return state.hexdigest()


def _update(state: Any, fact: object) -> None:
    if isinstance(fact, nn.Module):
        _update(state, [repr(fact), dict(fact.state_dict())])
    elif isinstance(fact, Tensor):
        _update(state, fact.detach().cpu().numpy())
    elif isinstance(fact, np.ndarray):
        state.update(f"array {fact.dtype.str} {fact.shape};".encode())
        state.update(np.ascontiguousarray(fact).tobytes())
    elif isinstance(fact, Mapping):
        _update(state, [[key, fact[key]] for key in sorted(fact)])
    elif isinstance(fact, list | tuple):
        state.update(f"list {len(fact)};".encode())
        for part in fact:
            _update(state, part)
    elif fact is None or isinstance(fact, bool | int | float | str):
        state.update(f"{type(fact).__name__} {json.dumps(fact)};".encode())
    elif hasattr(fact, "__dataclass_fields__"):
        _update(state, [type(fact).__name__, vars(fact)])
    else:
        raise TypeError(f"A {type(fact).__name__} cannot be part of a stage's key.")


def _numbers_of(training: TrainingOptions) -> dict[str, Any]:
    """The settings that change numbers, with the device's kind and the precision as they come out here."""
    device = training.resolve_device()
    kept = {key: value for key, value in asdict(training).items() if key not in _SPEED_ONLY}
    return {**kept, "device": device.type, "precision": training.resolve_precision(device)}
