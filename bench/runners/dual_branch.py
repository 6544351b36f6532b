"""The proposed dual-branch network and its better version, from `models.dual_branch`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.data.cube import Cube, FloatArray
from bench.data.splits import Part
from bench.runners.base import Runner, ended_together
from bench.runners.history import Epoch, epochs_of
from bench.runners.known import Known, arguments_of
from bench.runners.patch import on_sphere
from bench.runners.resuming import fit_resumably

if TYPE_CHECKING:
    from models.training import Panel


HIDDEN_A_SAMPLE = 0.5
"""Units of a hidden layer for each training sample, at most: more of them cost time and learn the same."""

FEW_SAMPLES = 10
"""Samples a place, below which it is hardly a series: cross-sections, a few years."""
FEW_PASSES = 100
"""Over these, at most: more of them teach a cross-section's noise (`tools/few_rows.py`)."""
MASKED_OF_KNOWN = 0.03
"""Part of a batch in which neighbours stand in for a place, where most places of the data train
(models/dual_branch/README.md); where most do not, it is the network's own, which is larger, or none where they
stand far apart (`few_and_far` of the row's entry)."""


class DualBranchPlusRunner(Runner):
    """Conditions per cell, seasonal and of low rank; parameters: ``options`` and ``training`` of the estimator."""

    @classmethod
    def known_parameters(cls, parameters: Mapping[str, Any]) -> Known:
        """See `Runner`."""
        from models.dual_branch import DualBranchPlusOptions, TrainingOptions

        return {"options": arguments_of(DualBranchPlusOptions), "training": arguments_of(TrainingOptions, "seed")}

    def fit(self) -> None:
        """Trains on the training part; an unfinished training goes on from the task's checkpoint folder."""
        task = self.task
        self._estimator = self._make_estimator()
        self._early = max(0, self._estimator.options.window - task.cube.n_times)
        self._panel = self._make_panel()
        target = task.train.select(task.train_target)
        cells, times = self._samples(task.train)

        def fit(checkpoint: Path) -> None:
            self._estimator.fit(
                self._panel,
                target,
                cells,
                times,
                aside=None if task.roles is None else np.isin(cells, task.roles.validation),
                checkpoint=checkpoint,
                on_progress=lambda report: print(report, flush=True),
            )

        fit_resumably(fit, task.checkpoint / "training.pt", "The dual-branch network")

    def predict(self, part: Part) -> FloatArray:
        """Predictions of the target branch (Eq. 16), (n_cells, n_times)."""
        predicted: FloatArray = self._estimator.predict(self._panel, *self._samples(part))
        return part.spread(predicted)

    def explain(self, part: Part) -> FloatArray:
        """Importance weights of every climate and static feature (Eq. 17), (n_cells, n_times, feature)."""
        weights: FloatArray = self._estimator.explain(self._panel, *self._samples(part)).weights
        return part.spread(weights)

    def trained_on(self) -> tuple[str, str]:
        """See `Runner`; the members of an ensemble are trained alike."""
        result = self._estimator.results[0]
        return result.device, result.precision

    def training_ended(self) -> str:
        """See `Runner`; an ensemble has converged when all its members have."""
        return ended_together(result.stopped for result in self._estimator.results)

    def history(self) -> list[Epoch]:
        """See `Runner`; the networks of an ensemble are members of their own."""
        results = self._estimator.results
        if len(results) == 1:
            return epochs_of({"": results[0]})
        return epochs_of({f"network_{number}": result for number, result in enumerate(results, start=1)})

    def _make_panel(self) -> Panel:
        from models.training import Panel

        cube, early = self.task.cube, self._early
        climate, steps = cube.climate, cube.step_of_year
        if early:  # a series shorter than the window repeats its first step
            climate = np.concatenate([np.repeat(climate[:, :1], early, axis=1), climate], axis=1)
            steps = np.concatenate([np.repeat(steps[:1], early), steps])
        lon, lat = on_sphere(cube).T
        return Panel(climate, np.asarray(cube.static), lon, lat, steps)

    def _samples(self, part: Part) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """(sample,) cell and time, in the panel, of every sample of a part."""
        cells, times = part.samples()
        return cells, times + self._early

    def _training(self) -> dict[str, Any]:
        """What the task says of the training; of a few samples a place, that they are not passed over for ever."""
        train = self.task.train
        few = len(train) < FEW_SAMPLES * len(train.cells)
        return {**({"most_passes": FEW_PASSES} if few else {}), **self.task.parameters.get("training", {})}

    def _masking(self) -> dict[str, Any]:
        """What the task says of the masking: how many places there are for which others must stand in."""
        most_train = 2 * len(self.task.train.cells) > self.task.cube.n_cells
        return {"masked_share": MASKED_OF_KNOWN} if most_train else {}

    def _explaining(self) -> dict[str, Any]:
        """How the importance branch learns, where the task does not say; as registered."""
        return {}

    def _make_estimator(self) -> Any:
        from dataclasses import replace

        from models.dual_branch import PLUS_TRAINING, DualBranchPlusOptions, DualBranchPlusRegressor

        parameters = self.task.parameters
        training = replace(PLUS_TRAINING, **self._training(), seed=self.task.seed)
        known = {**_of_rhythm(self.task.cube), **self._masking(), **self._explaining()}
        options = {**known, **parameters.get("options", {})}
        chosen = DualBranchPlusOptions(**options)
        if not self.task.cube.rhythm.has_seasons:
            steady = tuple(replace(member, harmonics=0, season_harmonics=0) for member in chosen.members)
            chosen = replace(chosen, members=steady)
        most = max(1, round(HIDDEN_A_SAMPLE * len(self.task.train)))
        narrow = tuple(replace(member, hidden=min(member.hidden, most)) for member in chosen.members)
        chosen = replace(chosen, members=narrow)
        return DualBranchPlusRegressor(chosen, training)


class DualBranchGradientRunner(DualBranchPlusRunner):
    """The same network, explained by the derivatives of its prediction instead of by its importance weights."""

    def explain(self, part: Part) -> FloatArray:
        """∂ŷ/∂x of every standardised climate and static feature at the step, (n_cells, n_times, feature)."""
        gradients: FloatArray = self._estimator.gradients(self._panel, *self._samples(part))
        return part.spread(gradients)


MOST_NODES = 2000
"""Beyond it the graph costs more than the samples; the paper names no number."""
SAMPLES_A_NODE = 5
"""Training samples for each graph node, at least: a node of one sample, as in a cross-section, learns it by heart."""


class DualBranchRunner(DualBranchPlusRunner):
    """The paper's network; parameters: also ``node_share``, graph nodes as a share of the training cells."""

    @classmethod
    def known_parameters(cls, parameters: Mapping[str, Any]) -> Known:
        """See `Runner`."""
        from models.dual_branch import DualBranchOptions, TrainingOptions

        training = arguments_of(TrainingOptions, "seed")
        return {"options": arguments_of(DualBranchOptions), "training": training, "node_share": None}

    def _make_estimator(self) -> Any:
        from dataclasses import replace

        from models.dual_branch import PAPER_TRAINING, DualBranchOptions, DualBranchRegressor

        parameters = self.task.parameters
        training = replace(PAPER_TRAINING, **self._training(), seed=self.task.seed)
        options = {**_of_rhythm(self.task.cube), **parameters.get("options", {})}
        if "node_share" in parameters:
            share, train = parameters["node_share"], self.task.train
            most = min(MOST_NODES, len(train) // SAMPLES_A_NODE)
            options["n_nodes"] = max(1, min(most, round(share * len(train.cells))))
        return DualBranchRegressor(DualBranchOptions(**options), training)


def _of_rhythm(cube: Cube) -> dict[str, Any]:
    """Options that follow from the data's rhythm."""
    return {"steps_per_year": cube.steps_per_year}
