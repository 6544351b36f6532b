"""Estimators on plain arrays: fit, predict, explain, save, load."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike

from models.arrays import Mask, Singles
from models.dual_branch.inference import Output, decode, differentiate, outputs, predict
from models.dual_branch.network import NetworkInputs, Placement, StandardisedNetwork
from models.dual_branch.options import DualBranchOptions, DualBranchPlusOptions
from models.dual_branch.samples import Samples, TrainingSamples, fingerprint
from models.dual_branch.series import SeriesPanel
from models.dual_branch.target import TargetScaling
from models.dual_branch.task import Explanation, RegressionTask, SeriesTask
from models.parameters import Parameters, not_fitted
from models.training import (
    DevicePanel,
    Panel,
    ProgressCallback,
    Scaling,
    TrainingOptions,
    TrainingResult,
    held_out,
    train,
)
from models.training.checkpoint import load_plain, save_atomically

ESTIMATOR_FORMAT = 3
"""Version of the saved layout."""
_MEMBER_SEED_STRIDE = 7919  # a prime: seeds of neighbouring runs and members do not meet
_Options = TypeVar("_Options", DualBranchOptions, DualBranchPlusOptions)


class Estimator(Parameters, Generic[_Options]):
    """What both estimators share; parameters are read, set and cloned as scikit-learn does."""

    _kind: str
    _options_type: type[_Options]
    _prepare: Callable[..., NetworkInputs]
    _before: ClassVar[Mapping[str, Any]] = {}
    """Options that files of earlier versions lack, as those versions trained."""

    def __init__(self, options: _Options, training: TrainingOptions) -> None:
        self.options: _Options = options
        self.training = training
        self.results: tuple[TrainingResult, ...] = ()
        self._inputs: NetworkInputs | None = None
        self._target = TargetScaling()
        self._members: list[StandardisedNetwork] = []

    def __sklearn_is_fitted__(self) -> bool:
        return self._inputs is not None

    @property
    def _ensemble(self) -> int:
        """Number of networks whose outputs are averaged."""
        return 1

    def _build(self, inputs: NetworkInputs, number: int) -> StandardisedNetwork:
        """The untrained network of one member; random numbers come from torch's global generator."""
        raise NotImplementedError

    def _training_of(self, number: int) -> TrainingOptions:
        """How a member is trained."""
        return replace(self.training, seed=self.training.seed + number * _MEMBER_SEED_STRIDE)

    def _extra_losses(self) -> dict[str, Any]:
        """What the task of a member minimises beside L_dep and L_interp."""
        return {}

    def fit(
        self,
        panel: Panel,
        target: ArrayLike,
        cells: ArrayLike,
        times: ArrayLike,
        *,
        aside: Mask | None = None,
        checkpoint: Path | None = None,
        on_progress: ProgressCallback | None = None,
    ) -> Self:
        """Trains on the given samples; no other target is read, and no statistic is taken of other samples.

        Where the training has a patience, a part of the samples is held out to judge it by
        (``models.training.heldout``).

        Args:
            panel: climate, static features, coordinates and steps of the year.
            target: in any unit: (sample,), or (cell, time), which may be NaN or masked outside the training samples.
            cells: (sample,) cell index of each training sample.
            times: (sample,) time index of each training sample.
            aside: (sample,) which samples the training is judged by and does not learn from, in place of that part.
            checkpoint: file for the state of an unfinished training; a killed ``fit`` with the same arguments
                goes on from it to the same numbers. Members of an ensemble append their number to its name.
            on_progress: called with a ``Progress``; each member of an ensemble counts its own epochs.

        Raises:
            ValueError: shapes disagree, a value is NaN or infinite, too few samples to hold a part out, or the
                checkpoint belongs to another training.
            FloatingPointError: the loss became NaN or infinite.
        """
        samples = self._training_samples(panel, target, cells, times, aside)
        members, results = [], []
        for number in range(self._ensemble):
            task, training = self._member_task(samples, number)
            path = checkpoint
            if checkpoint is not None and number > 0:
                path = checkpoint.with_name(f"{checkpoint.name}.{number}")
            validate = None if samples.aside is None else partial(_held_out_error, task, samples.aside, samples.target)
            results.append(train(task, training, validate=validate, checkpoint=path, on_progress=on_progress))
            members.append(task.module.eval())
        self._inputs, self._target = samples.inputs, samples.target
        self._members, self.results = members, tuple(results)
        return self

    def member(self, number: int) -> Self:
        """One network of a fitted ensemble as an estimator of its own.

        Args:
            number: counted from 0.
        """
        single = copy.copy(self)
        single._members = [self._members[number]]
        return single

    def task(self, panel: Panel, target: ArrayLike, cells: ArrayLike, times: ArrayLike) -> RegressionTask:
        """What ``fit`` hands to the training loop, untrained; of an ensemble, its first member's.

        Args:
            panel: as in ``fit``.
            target: as in ``fit``.
            cells: as in ``fit``.
            times: as in ``fit``.

        Raises:
            ValueError: as in ``fit``.
        """
        return self._member_task(self._training_samples(panel, target, cells, times), 0)[0]

    def predict(self, panel: Panel, cells: ArrayLike, times: ArrayLike) -> Singles:
        """Predictions, in the target's unit.

        Args:
            panel: may hold other cells and years than the one of ``fit``; cells are known by their
                coordinates.
            cells: (sample,) cell index in ``panel``.
            times: (sample,) time index in ``panel``.

        Returns:
            (sample,) float32.

        Raises:
            NotFittedError: ``fit`` was not called, or did not end.
            ValueError: the panel has other features than that of ``fit``, or the samples are none of it.
        """
        learned = self._averaged(panel, cells, times, predict, torch.inference_mode, (1,))[0][:, 0]
        return self._target.restore(learned)

    def explain(self, panel: Panel, cells: ArrayLike, times: ArrayLike) -> Explanation:
        """Predictions with their importance weights (Eq. 17).

        Args:
            panel: as in ``predict``.
            cells: (sample,) cell index in ``panel``.
            times: (sample,) time index in ``panel``.

        Raises:
            ValueError: as in ``predict``.
        """
        sums = self._averaged(
            panel, cells, times, decode, torch.inference_mode, (1, panel.n_features + panel.n_static, 1)
        )
        told = self._target
        return Explanation(told.restore(sums[0][:, 0]), told.restore_slopes(sums[1]), told.restore(sums[2][:, 0]))

    def gradients(self, panel: Panel, cells: ArrayLike, times: ArrayLike) -> Singles:
        """The derivatives of the predictions themselves, which importance weights may or may not agree with.

        Args:
            panel: as in ``predict``.
            cells: (sample,) cell index in ``panel``.
            times: (sample,) time index in ``panel``.

        Returns:
            (sample, feature + static_feature) float32, in the units of ``Explanation.weights``, earlier steps held.

        Raises:
            ValueError: as in ``predict``.
        """
        learned = self._averaged(
            panel, cells, times, differentiate, torch.enable_grad, (panel.n_features + panel.n_static,)
        )[0]
        return self._target.restore_slopes(learned)

    def _averaged(
        self,
        panel: Panel,
        cells: ArrayLike,
        times: ArrayLike,
        output: Output,
        mode: Callable[[], AbstractContextManager[object]],
        widths: tuple[int, ...],
    ) -> list[Singles]:
        """Means over the ensemble of what ``output`` says about the samples, each (sample, width) float32."""
        if self._inputs is None:
            raise not_fitted("The estimator is not fitted; call fit or load first.")
        expected = (len(self._inputs.scaling.climate_mean), len(self._inputs.scaling.static_mean))
        if (panel.n_features, panel.n_static) != expected:
            raise ValueError(
                f"The panel has {panel.n_features} climate and {panel.n_static} static features, "
                f"the training had {expected[0]} and {expected[1]}."
            )
        cells, times = panel.check_samples(cells, times)
        device = self.training.resolve_device()
        data = self._open(panel, device)
        sums = [np.zeros((len(cells), width), np.float32) for width in widths]
        for network in self._members:
            network.to(device)
            with mode(), self.training.autocast(device):
                placement = _to_device(network.place(panel.lon, panel.lat), device)
                for part, decoded in outputs(network, data, placement, cells, times, output):
                    for total, values in zip(sums, decoded, strict=True):
                        total[part] += values.float().cpu().numpy().reshape(len(values), -1)
        for total in sums:
            total /= len(self._members)
        return sums

    def save(self, path: Path) -> None:
        """Stores the fitted estimator in one file of tensors and plain containers.

        Args:
            path: file to create or replace.

        Raises:
            NotFittedError: ``fit`` was not called, or did not end.
        """
        if self._inputs is None:
            raise not_fitted("The estimator is not fitted; there is nothing to save.")
        content = {
            "kind": self._kind,
            "format": ESTIMATOR_FORMAT,
            "options": asdict(self.options),
            "training": asdict(self.training),
            "scaling": asdict(self._inputs.scaling),
            "location": self._inputs.location,
            "target": asdict(self._target),
            "members": [{key: value.cpu() for key, value in m.state_dict().items()} for m in self._members],
        }
        save_atomically(path, content)

    @classmethod
    def load(cls, path: Path, *, device: str = "auto") -> Self:
        """Opens a saved estimator; nothing in the file is executed.

        Args:
            path: file of ``save``.
            device: where to predict, as in ``TrainingOptions``.

        Raises:
            ValueError: the file is missing, damaged or of another estimator.
        """
        content = load_plain(path, kind=cls._kind, version=ESTIMATOR_FORMAT)
        estimator = cls(
            cls._options_type(**{**cls._before, **content["options"]}),
            TrainingOptions(**content["training"] | {"device": device}),
        )
        inputs = NetworkInputs(Scaling(**content["scaling"]), content["location"])
        for number, state in enumerate(content["members"]):
            with torch.random.fork_rng(devices=[]):
                network = estimator._build(inputs, number)
            network.load_state_dict(state)
            estimator._members.append(network.eval())
        estimator._inputs, estimator._target = inputs, TargetScaling(**content["target"])
        return estimator

    def _training_samples(
        self, panel: Panel, target: ArrayLike, cells: ArrayLike, times: ArrayLike, given: Mask | None = None
    ) -> TrainingSamples:
        """Checks the samples and takes all statistics of them that come before training."""
        samples, aside = Samples.checked(panel, target, cells, times), None
        if given is not None and (
            self.training.patience is None or given.shape != samples.cells.shape or given.all() or not given.any()
        ):
            raise ValueError(
                "aside must name some of the samples, not all, and needs a training with TrainingOptions.patience."
            )
        if self.training.patience is not None:
            chosen = held_out(panel, samples.cells, samples.times) if given is None else given
            samples, aside = samples.parted(chosen)
        told = TargetScaling.of(samples.values)
        samples = samples.told(told)
        aside = None if aside is None else aside.told(told)
        data = self._open(panel, self.training.resolve_device())
        inputs = type(self)._prepare(self.options, panel, samples.cells, samples.times, self.training.seed)
        about = repr((self._kind, self.options, panel.climate.shape))
        identity = fingerprint(about, inputs, samples, aside)
        return TrainingSamples(panel, samples, aside, told, data, inputs, identity)

    def _member_task(self, samples: TrainingSamples, number: int) -> tuple[RegressionTask, TrainingOptions]:
        """The task of one member of the ensemble, and how it is trained."""
        training = self._training_of(number)
        device = samples.data.device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(training.seed)
            network = self._build(samples.inputs, number).to(device)
        of_series = isinstance(samples.data, SeriesPanel)
        cells, times, target = samples.series() if of_series else samples.fit
        task = (SeriesTask if of_series else RegressionTask)(
            module=network,
            data=samples.data,
            placement=_to_device(network.place(samples.panel.lon, samples.panel.lat), device),
            cells=torch.from_numpy(cells.astype(np.int32)).to(device),
            times=torch.from_numpy(times.astype(np.int32)).to(device),
            target=torch.from_numpy(target).to(device),
            loss_weights=(self.options.prediction_loss_weight, self.options.importance_loss_weight),
            identity=samples.identity,
            **self._extra_losses(),
        )
        return task, training

    def _open(self, panel: Panel, device: torch.device) -> DevicePanel:
        if int(panel.step_of_year.max()) > self.options.steps_per_year:
            raise ValueError(
                f"step_of_year reaches {int(panel.step_of_year.max())}, beyond steps_per_year "
                f"{self.options.steps_per_year}."
            )
        if isinstance(self.options, DualBranchOptions) and self.options.reading == "series":
            return SeriesPanel(panel, device)
        return DevicePanel(panel, self.options.window, device)


def _to_device(placement: Placement, device: torch.device) -> Placement:
    return tuple(part.to(device) for part in placement)


def _held_out_error(task: RegressionTask, held: Samples, told: TargetScaling) -> float:
    """Root mean square error of a network at held-out samples, in the target's unit."""
    squares = 0.0
    for part, (prediction,) in outputs(task.module, task.data, task.placement, held.cells, held.times, predict):
        squares += float(np.square(prediction.float().cpu().numpy() - held.values[part], dtype=np.float64).sum())
    return float(np.sqrt(squares / len(held.values))) * told.scale
